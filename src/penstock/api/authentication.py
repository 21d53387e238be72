"""Who may call: with callers configured, every request must carry the signature of one of them.

::

    request ── read_claims (form, date, scope) ── unknown key? refused, its body unread
                 │
                 ├─ x-amz-content-sha256: the signature is checked at once, the body as it is read
                 └─ none: the body is read first, within bounds, and the signature covers it

``/penstock/v1/health`` stays open, and ``/metrics`` where the configuration says so. Links to code
carry a signature of their own (``functions/code_links.py``). A request to one of them that names a
service or is presigned may be meant for that service, and is checked as any other. Without callers
nothing is checked here.

Source: docs/semantics.md#signatures
"""

import asyncio
import hashlib

from aiohttp import web

from penstock.api.bodies import SignedBody, keep_body, read_body
from penstock.api.context import ApiContext
from penstock.api.errors import TOO_MANY_REQUESTS, ApiError
from penstock.api.functions.code_links import LINKS_PATH
from penstock.api.signature import is_presigned, read_credential_scope
from penstock.core.request_signature import Callers, mismatch
from penstock.core.signature_claims import (
    EMPTY_BODY_DIGEST,
    UNSIGNED_BODY,
    read_claims,
)
from penstock.model.caller import RequestHead

SIGNED_BYTES_MAX = 80 * 1024 * 1024  # CreateFunction with a ZipFile of 50 MB, in base64
UNVERIFIED_BYTES_MAX = 256 * 1024 * 1024  # of all bodies that are read before their signatures
DIGESTED_BYTES_MAX = 1024 * 1024  # read, or digested, at once up to this
BODY_S_MAX = 60.0


class Authentication:
    """Checks the signatures of requests.

    Args:
        context: Its settings name the callers.
        service: The only one that requests may be signed for; None: any.
        open_requests: Method and path of those that need no signature.
    """

    def __init__(
        self,
        context: ApiContext,
        *,
        service: str | None,
        open_requests: frozenset[tuple[str, str]],
    ) -> None:
        self._callers = Callers.of(context.settings.callers)
        self._clock = context.clock
        self._service = service
        self._open_requests = open_requests
        self._unverified_bytes = 0

    async def check(self, request: web.Request) -> None:
        """Refuse a request that no caller has signed.

        Raises:
            SignatureError: It is not signed, or not so by a caller.
            ApiError: Its body cannot be read within bounds.
        """
        if not self._callers.by_access_key or self._is_open(request):
            return
        head = RequestHead(request.method, request.raw_path, tuple(request.headers.items()))
        now_ms = self._clock.now().wall_ms
        claims = read_claims(head, now_ms, service=self._service)
        if claims.body_digest is not None:
            self._callers.check(head, claims, claims.body_digest)
            await self._keep_digested(request, claims.body_digest)
        elif self._callers.knows(claims):
            body = await self._read_unverified(request)
            self._callers.check(head, claims, await _digest(body))
            keep_body(request, body)
        else:
            self._callers.check(head, claims, EMPTY_BODY_DIGEST)

    def _is_open(self, request: web.Request) -> bool:
        if is_presigned(request.query):
            return False
        if read_credential_scope(request.headers.get("Authorization", "")) is not None:
            return False
        is_link = request.method == "GET" and request.raw_path.startswith(LINKS_PATH)
        return is_link or (request.method, request.raw_path) in self._open_requests

    async def _read_unverified(self, request: web.Request) -> bytes:
        if not request.body_exists:
            return b""
        announced = request.content_length
        reserved = SIGNED_BYTES_MAX if announced is None else min(announced, SIGNED_BYTES_MAX)
        if self._unverified_bytes + reserved > UNVERIFIED_BYTES_MAX:
            raise ApiError(TOO_MANY_REQUESTS, "Too many large requests at once; try again")
        self._unverified_bytes += reserved
        try:
            return await read_body(request, "signed", bytes_max=SIGNED_BYTES_MAX, s_max=BODY_S_MAX)
        finally:
            self._unverified_bytes -= reserved

    async def _keep_digested(self, request: web.Request, digest: str) -> None:
        """Check the body: a small one at once, a large one as it is read."""
        if digest == UNSIGNED_BODY:
            return
        size = request.content_length if request.body_exists else 0
        if size is None or size > DIGESTED_BYTES_MAX:
            keep_body(request, SignedBody(request.content.iter_any(), digest))
            return
        body = await read_body(request, "signed", bytes_max=DIGESTED_BYTES_MAX, s_max=BODY_S_MAX)
        if hashlib.sha256(body).hexdigest() != digest:
            raise mismatch()
        keep_body(request, body)


async def _digest(body: bytes) -> str:
    """Digest a body; a large one on a thread, since that takes long."""
    if len(body) <= DIGESTED_BYTES_MAX:
        return hashlib.sha256(body).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
