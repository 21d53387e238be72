"""Whether a request was signed by a caller: the canonical request, and its signature.

1. The path counts as it was sent, for S3 encoded once, for every other service once more. A path
   that AWS would tidy up first (dot segments, doubled slashes) does not verify: what is routed is
   what was signed.
2. Parameters of the query are decoded, encoded anew and sorted; a plus is a blank, as everywhere in
   this service.
3. Signed headers are trimmed, blanks in them collapsed, and values of the same name joined.
4. An access key that nobody has takes the same way, with a secret that nobody knows.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

import msgspec

from penstock.core.signature_claims import ALGORITHM, S3, SignatureClaims
from penstock.model.caller import Caller, RequestHead
from penstock.model.errors import SignatureError, SignatureFault

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
UNKNOWN_CALLER = "The security token included in the request is invalid."

_UNRESERVED = "-_.~"
_NOBODY = Caller("", "", "a secret of nobody: no request is signed with it")


class Callers(msgspec.Struct, frozen=True):
    """Those who may call, by their access keys."""

    by_access_key: dict[str, Caller]

    @classmethod
    def of(cls, callers: Iterable[Caller]) -> "Callers":
        """Index them."""
        return cls({caller.access_key: caller for caller in callers})

    def knows(self, claims: SignatureClaims) -> bool:
        """Tell whether it is worth while to read a request's body."""
        return claims.access_key in self.by_access_key

    def check(self, head: RequestHead, claims: SignatureClaims, body_digest: str) -> None:
        """Check that the caller who is claimed has signed this request.

        Args:
            head: As it came.
            claims: Read from it.
            body_digest: SHA-256 of its body, in hexadecimal, or UNSIGNED-PAYLOAD.

        Raises:
            SignatureError: Nobody has the access key or the token, or the signature is another.
        """
        caller = self.by_access_key.get(claims.access_key, _NOBODY)
        expected = _sign(head, claims, body_digest, caller.secret_key)
        is_signed = _is_same(claims.signature, expected) and _has_signed_headers(head, claims)
        is_known = caller is not _NOBODY and _is_same(claims.token or "", caller.token or "")
        if not is_known:
            raise SignatureError(SignatureFault.UNKNOWN_CALLER, UNKNOWN_CALLER)
        if not is_signed:
            raise mismatch()


def mismatch() -> SignatureError:
    """Make the error for a signature that is not the request's."""
    return SignatureError(SignatureFault.INVALID, MISMATCH)


def _is_same(given: str, expected: str) -> bool:
    """Compare in a time that does not tell how much is right."""
    return hmac.compare_digest(_to_bytes(given), _to_bytes(expected))


def _has_signed_headers(head: RequestHead, claims: SignatureClaims) -> bool:
    """Tell whether every signed header came: one of no value must not be taken away."""
    sent = {name.lower() for name, _ in head.headers}
    return sent.issuperset(claims.signed_headers)


def _sign(head: RequestHead, claims: SignatureClaims, body_digest: str, secret: str) -> str:
    digest = hashlib.sha256(_canonicalize(head, claims, body_digest)).hexdigest()
    key = _to_bytes(f"AWS4{secret}")
    for part in claims.scope.split("/"):
        key = hmac.digest(key, _to_bytes(part), "sha256")
    text = f"{ALGORITHM}\n{claims.timestamp}\n{claims.scope}\n{digest}"
    return hmac.digest(key, _to_bytes(text), "sha256").hex()


def _canonicalize(head: RequestHead, claims: SignatureClaims, body_digest: str) -> bytes:
    path, _, query = head.target.partition("?")
    lines = [
        head.method,
        _canonical_path(path, is_encoded_once=claims.service == S3),
        _canonical_query(query),
        *(f"{name}:{_canonical_header(head, name)}" for name in claims.signed_headers),
        "",
        ";".join(claims.signed_headers),
        body_digest,
    ]
    return _to_bytes("\n".join(lines))


def _canonical_path(path: str, *, is_encoded_once: bool) -> str:
    if not is_encoded_once:
        return quote(_to_bytes(path), safe="/" + _UNRESERVED)
    return "/".join(_encode(segment) for segment in path.split("/"))


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = (pair.partition("=")[::2] for pair in query.replace("+", "%20").split("&"))
    return "&".join(
        f"{name}={text}" for name, text in sorted((_encode(n), _encode(t)) for n, t in pairs)
    )


def _encode(text: str) -> str:
    """Encode what may be encoded already, in the one way that is canonical."""
    return quote(unquote_to_bytes(_to_bytes(text)), safe=_UNRESERVED)


def _canonical_header(head: RequestHead, name: str) -> str:
    texts = (text for sent, text in head.headers if sent.lower() == name)
    return ",".join(" ".join(text.split()) for text in texts)


def _to_bytes(text: str) -> bytes:
    """Give the bytes that came: those that are no UTF-8 are surrogates in the text."""
    return text.encode("utf-8", "surrogateescape")
