"""AWS Signature Version 4, equal to botocore's byte for byte, at a tenth of its cost.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import functools
import hashlib
import hmac
import time
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from penstock.aws.exchange import Headers, HttpRequest, write_head

LAYOUTS_MAX = 512  # operations and functions in use at once; more only cost time
REPEATED_BYTES_MAX = 1024  # of a body that is kept with its signature: more than a long poll's

_HASH_BLOCK_BYTES = 64  # of SHA-256
_INNER_PAD = bytes([byte ^ 0x36 for byte in range(256)])  # RFC 2104
_OUTER_PAD = bytes([byte ^ 0x5C for byte in range(256)])

_DATE_AND_TOKEN = ("x-amz-date", "x-amz-security-token")
_DATE_ALONE = _DATE_AND_TOKEN[:1]
_NEVER_SIGNED = frozenset(  # hop-by-hop and tracing headers, which proxies change
    {
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)


class Credentials(msgspec.Struct, frozen=True):
    """An access key pair, with the session token of temporary ones."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, ...)"


class Signer:
    """Signs requests to one service in one region; the signing key is kept for its day."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region
        self._key = b""
        self._key_of: tuple[str, str] = ("", "")  # date and secret
        self._seal = _Seal(-1, "", "", "", hashlib.sha256(), hashlib.sha256())
        self._drafts: dict[tuple[str, str, Headers], _Draft] = {}

    def open_form(self, method: str, target: str, headers: Headers) -> "RequestForm":
        """Give what signs requests that differ in nothing but their bodies.

        Args:
            method: Of HTTP.
            target: As ``HttpRequest``.
            headers: With Host; without those that signing adds.
        """
        return RequestForm(self, method, target, headers)

    def draft(
        self,
        method: str,
        target: str,
        headers: Headers,
        credentials: Credentials,
        wall_s: int,
    ) -> "_Draft":
        """Give what the requests of a form have in common in a second; all its forms share it."""
        draft = self._drafts.get((method, target, headers))
        if draft is None or draft.wall_s != wall_s or draft.credentials is not credentials:
            seal = self._seal
            if seal.wall_s != wall_s or seal.secret != credentials.secret_key:
                seal = self._seal = self._make_seal(credentials.secret_key, wall_s)
            if len(self._drafts) >= LAYOUTS_MAX:
                self._drafts.clear()
            draft = _write_draft(method, target, headers, credentials, seal)
            self._drafts[method, target, headers] = draft
        return draft

    def _make_seal(self, secret: str, wall_s: int) -> "_Seal":
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_s))
        date = timestamp[:8]
        if self._key_of != (date, secret):
            key = f"AWS4{secret}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_of = key.ljust(_HASH_BLOCK_BYTES, b"\0"), (date, secret)
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        inner = hashlib.sha256(self._key.translate(_INNER_PAD))
        inner.update(f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n".encode())
        outer = hashlib.sha256(self._key.translate(_OUTER_PAD))
        return _Seal(wall_s, secret, timestamp, scope, inner, outer)


class _Seal(NamedTuple):
    """What all signatures of a second have in common.

    Attributes:
        inner: HMAC's inner hash, which has read all but the canonical request's hash.
        outer: HMAC's outer hash, which has read its key.
    """

    wall_s: int
    secret: str
    timestamp: str
    scope: str
    inner: "hashlib._Hash"
    outer: "hashlib._Hash"


class _Draft(NamedTuple):
    """What requests that differ in their bodies alone have in common in a second.

    Attributes:
        head: As it goes over the wire, up to the signature.
        canonical: Has read the canonical request, up to the hash of the body.
        inner: As of a ``_Seal``, and ``outer`` too.
    """

    wall_s: int
    credentials: Credentials | None
    head: bytes
    canonical: "hashlib._Hash"
    inner: "hashlib._Hash"
    outer: "hashlib._Hash"


_NO_DRAFT = _Draft(-1, None, b"", hashlib.sha256(), hashlib.sha256(), hashlib.sha256())


def _write_draft(
    method: str, target: str, headers: Headers, credentials: Credentials, seal: _Seal
) -> _Draft:
    timestamp, token = seal.timestamp, credentials.token
    added_names = _DATE_AND_TOKEN if token else _DATE_ALONE
    layout = _lay_out(method, target, headers, added_names)
    token_line = f"x-amz-security-token:{token}\n" if token else ""
    canonical = (
        f"{layout.before_date}{timestamp}{layout.after_date}{token_line}{layout.after_token}"
    )
    token_header = f"X-Amz-Security-Token: {token}\r\n" if token else ""
    head = (
        f"{layout.head}X-Amz-Date: {timestamp}\r\n{token_header}"
        f"Authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key}/{seal.scope}, "
        f"SignedHeaders={layout.signed_names}, Signature="
    )
    return _Draft(
        seal.wall_s,
        credentials,
        head.encode("latin-1"),
        hashlib.sha256(canonical.encode()),
        seal.inner,
        seal.outer,
    )


class RequestForm:
    """Requests that differ in nothing but their bodies; made by ``Signer``.

    All of a signature but its end is made once per second. So is the whole of one whose body is the
    very same as the last one's, as it is of long polls: a signature says nothing of how often it is
    used.
    """

    __slots__ = ("_body", "_draft", "_headers", "_last", "_method", "_signer", "_target")

    def __init__(self, signer: Signer, method: str, target: str, headers: Headers) -> None:
        self._signer = signer
        self._method = method
        self._target = target
        self._headers = headers
        self._draft = _NO_DRAFT
        self._body: bytes | None = None  # the last one, where it is small
        self._last: HttpRequest | None = None  # its request, where it was the last but one too

    def sign(self, body: bytes, credentials: Credentials, wall_ms: int) -> HttpRequest:
        """Write a request with its date, the session token and the Authorization header.

        Args:
            body: Of the request.
            credentials: Whose key and token are used.
            wall_ms: Unix time; servers accept about five minutes of difference.
        """
        draft = self._draft
        if wall_ms // 1000 != draft.wall_s or credentials is not draft.credentials:
            self._last = None
            draft = self._draft = self._signer.draft(
                self._method, self._target, self._headers, credentials, wall_ms // 1000
            )
        elif self._last is not None and self._body is body:
            return self._last
        canonical = draft.canonical.copy()
        canonical.update(hashlib.sha256(body).hexdigest().encode())
        inner = draft.inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = draft.outer.copy()
        outer.update(inner.digest())
        end = f"{outer.hexdigest()}\r\nContent-Length: {len(body)}\r\n\r\n"
        head = draft.head + end.encode()
        request = HttpRequest(self._method, self._target, self._headers, body, head)
        self._last = request if self._body is body else None
        self._body = body if len(body) <= REPEATED_BYTES_MAX else None
        return request

    def leave_unsigned(self, body: bytes) -> HttpRequest:
        """Write a request that is not signed."""
        return HttpRequest(self._method, self._target, self._headers, body)


class _Layout(msgspec.Struct, frozen=True):
    """The canonical request of an operation, open where the date, the token and the body belong.

    Attributes:
        head: The request line and the headers as they go over the wire.
    """

    signed_names: str
    before_date: str
    after_date: str
    after_token: str
    head: str


@functools.lru_cache(LAYOUTS_MAX)
def _lay_out(method: str, target: str, headers: Headers, added_names: tuple[str, ...]) -> _Layout:
    """Sort and trim the headers; the same few sets of them come again and again."""
    path, _, query = target.partition("?")
    texts_by_name: dict[str, str] = {}
    for name, text in headers:
        lower, trimmed = name.lower(), " ".join(text.split())
        if lower in texts_by_name:
            texts_by_name[lower] += f",{trimmed}"
        elif lower not in _NEVER_SIGNED:
            texts_by_name[lower] = trimmed
    lines = [(name, f"{name}:{texts_by_name[name]}\n") for name in sorted(texts_by_name)]
    date, token = _DATE_AND_TOKEN
    signed_names = ";".join(sorted([*texts_by_name, *added_names]))
    start = f"{method}\n{_canonical_path(path)}\n{_canonical_query(query)}\n"
    before_date = "".join(line for name, line in lines if name < date)
    after_date = "".join(line for name, line in lines if date < name < token)
    after_token = "".join(line for name, line in lines if name > token)
    return _Layout(
        signed_names=signed_names,
        before_date=f"{start}{before_date}{date}:",
        after_date=f"\n{after_date}",
        after_token=f"{after_token}\n{signed_names}\n",
        head=write_head(method, target, headers),
    )


def _canonical_path(path: str) -> str:
    """Remove dot segments and doubled slashes, and encode once more."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    last = "/" if path.endswith("/") and segments else ""
    return quote(f"/{'/'.join(segments)}{last}", safe="/~")


def _canonical_query(query: str) -> str:
    """Sort the parameters, which are encoded already, by name and then by value."""
    if not query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join(f"{name}={text}" for name, text in pairs)
