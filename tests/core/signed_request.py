"""Requests signed by botocore, as the verifier receives them."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from unittest.mock import patch
from urllib.parse import urlsplit

import msgspec
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from penstock.core.request_signature import Callers, mismatch
from penstock.core.signature_claims import UNSIGNED_BODY, read_claims
from penstock.model.caller import Caller, RequestHead

NOW_MS = 1_790_000_000_000
NOW = dt.datetime.fromtimestamp(NOW_MS // 1000, dt.UTC)
HOST = "127.0.0.1:4567"
CALLER = Caller("ci", "AKIDCI", "a secret of sixteen or more/+")
TEMPORARY = Caller("temporary", "ASIATEMP", "another secret of sixteen", "a session token/+=")
CALLERS = Callers.of([CALLER, TEMPORARY])


class SignedRequest(msgspec.Struct, frozen=True):
    """A request, and the time at which it comes."""

    head: RequestHead
    body: bytes = b""
    now_ms: int = NOW_MS

    def check(self, callers: Callers = CALLERS, *, service: str | None = None) -> None:
        """Judge it as the service does, with the body at hand."""
        claims = read_claims(self.head, self.now_ms, service=service)
        digest = hashlib.sha256(self.body).hexdigest()
        callers.check(self.head, claims, claims.body_digest or digest)
        if claims.body_digest not in (None, digest, UNSIGNED_BODY):
            raise mismatch()

    def with_header(self, name: str, text: str) -> "SignedRequest":
        """Replace a header that is there."""
        headers = tuple((n, text if n.lower() == name else t) for n, t in self.head.headers)
        assert headers != self.head.headers
        return msgspec.structs.replace(self, head=replace_head(self.head, headers=headers))

    def with_authorization(self, old: str, new: str) -> "SignedRequest":
        """Replace a piece of the Authorization header."""
        text = self.head.header("authorization") or ""
        return self.with_header("authorization", text.replace(old, new))


def replace_head(head: RequestHead, **changes: object) -> RequestHead:
    """Change a head."""
    return msgspec.structs.replace(head, **changes)


def sign(  # noqa: PLR0913 - the parts of a request
    method: str = "GET",
    target: str = "/2015-03-31/event-source-mappings",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    service: str = "lambda",
    caller: Caller = CALLER,
) -> SignedRequest:
    """Sign a request with botocore, at ``NOW``."""
    request = AWSRequest(method, f"http://{HOST}{target}", dict(headers or {}), body)
    keys = Credentials(caller.access_key, caller.secret_key, caller.token)
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(keys, service, "eu-west-1")
    with patch("botocore.auth.get_current_datetime", lambda: NOW):
        signer.add_auth(request)
    parts = urlsplit(request.url)
    sent = (("Host", HOST), *request.headers.items())
    wire = parts.path + (f"?{parts.query}" if parts.query else "")
    return SignedRequest(RequestHead(method, wire, sent), body)
