"""AWS Signature Version 4, equal to botocore's byte for byte, at a tenth of its cost.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from urllib.parse import quote

import msgspec

from penstock.aws.exchange import Headers, HttpRequest

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
        self._key_for: tuple[str, str] = ("", "")  # date and secret
        self._timestamp = ""
        self._timestamp_s = -1

    def sign(self, request: HttpRequest, credentials: Credentials, wall_ms: int) -> HttpRequest:
        """Add the date, the session token and the Authorization header.

        Args:
            request: With its Host header; without the headers that this adds.
            credentials: Whose key and token are used.
            wall_ms: Unix time; servers accept about five minutes of difference.
        """
        timestamp = self._format(wall_ms // 1000)
        date = timestamp[:8]
        headers = (*request.headers, ("X-Amz-Date", timestamp))
        if credentials.token:
            headers = (*headers, ("X-Amz-Security-Token", credentials.token))
        signed_names, canonical_request = _canonicalize(request, headers)
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical_request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key_of(date, credentials), text.encode(), "sha256").hex()
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed_names}, Signature={signature}"
        )
        headers = (*headers, ("Authorization", authorization))
        return HttpRequest(request.method, request.target, headers, request.body)

    def _key_of(self, date: str, credentials: Credentials) -> bytes:
        key_for = (date, credentials.secret_key)
        if self._key_for != key_for:
            key = f"AWS4{credentials.secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_for = key, key_for
        return self._key

    def _format(self, wall_s: int) -> str:
        if wall_s != self._timestamp_s:
            self._timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_s))
            self._timestamp_s = wall_s
        return self._timestamp


def _canonicalize(request: HttpRequest, headers: Headers) -> tuple[str, str]:
    """Give the names of the signed headers, and the canonical request."""
    texts_by_name: dict[str, str] = {}
    for name, text in headers:
        lower, trimmed = name.lower(), " ".join(text.split())
        if lower in texts_by_name:
            texts_by_name[lower] += f",{trimmed}"
        elif lower not in _NEVER_SIGNED:
            texts_by_name[lower] = trimmed
    path, _, query = request.target.partition("?")
    names = sorted(texts_by_name)
    signed_names = ";".join(names)
    lines = "".join([f"{name}:{texts_by_name[name]}\n" for name in names])
    body_digest = hashlib.sha256(request.body).hexdigest()
    return signed_names, (
        f"{request.method}\n{_canonical_path(path)}\n{_canonical_query(query)}\n"
        f"{lines}\n{signed_names}\n{body_digest}"
    )


def _canonical_path(path: str) -> str:
    """Remove dot segments and doubled slashes, and encode once more."""
    if path in {"", "/"}:
        return "/"
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
