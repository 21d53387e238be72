"""The one-port gateway: what is not Penstock's goes to another server of AWS's APIs, byte for byte.

::

    request ──> Lambda API (service) ── not its path ──> Gateway.forward
                                                          │ came through us already?   508
                                                          │ meant for Lambda?          404
                                                          │ a stack with functions?    400
                                                          │ nobody there just now?     503
                                                          └─> upstream, streamed both ways

Under ``penstock dev`` the upstream is the embedded AWS, under ``penstock serve --upstream`` what
the user names. The AWS service a request is meant for is the one in its SigV4 credential scope; for
the embedded AWS an unsigned one is given a scope by what it otherwise says.
"""

import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator

import aiohttp
import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from penstock.api.bodies import body_parts, has_body, refusal_of_body
from penstock.local import stack_template
from penstock.local.embedded_aws import HOP_HEADER
from penstock.local.unsigned import default_authorization

# Meaningful for one connection only (RFC 9110 section 7.6.1), and Expect, which aiohttp's server
# has answered already.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    }
)
_CONNECT_S = 5.0  # loopback: it listens or it does not
_PART_BYTES = 64 * 1024
_STACK_BODY_BYTES_MAX = 2 * 1024 * 1024  # TemplateBody: 51,200 bytes, at most 3 each when encoded
_TEMPLATE_BYTES_MAX = 1024 * 1024  # AWS's quota for a template in S3
_RETRY_AFTER_S = "1"


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go on to.

    Attributes:
        url: ``http://HOST:PORT``.
        absence: What is said while nothing answers there.
        unsigned_region: Given to requests that are not signed, and so name no service and no
            region; None: they go on as they came.
        has_functions: It has functions of its own, and Lambda's operations on them are for it.
    """

    url: str
    absence: str
    unsigned_region: str | None = None
    has_functions: bool = False


def embedded_upstream(url: str, region: str) -> Upstream:
    """Describe the embedded AWS of ``penstock dev``."""
    return Upstream(
        url=url,
        absence="the embedded AWS is not running just now; penstock dev starts it again"
        " (it comes back with what penstock.toml declares)",
        unsigned_region=region,
    )


def named_upstream(url: str, *, has_functions: bool) -> Upstream:
    """Describe a server that the user names."""
    return Upstream(
        url=url,
        absence=f"the upstream {url} does not answer; start it, or name another with --upstream",
        has_functions=has_functions,
    )


@contextlib.asynccontextmanager
async def open_gateway(upstream: Upstream) -> AsyncIterator["Gateway"]:
    """Make a gateway, for as long as the service that falls back on it."""
    # No pool bound: a hundred idle long polls must not delay the next call. No timeout on an
    # answer: how long a call may take is between the client and AWS.
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        max_line_size=_PART_BYTES,
        max_field_size=_PART_BYTES,
    ) as session:
        yield Gateway(upstream, session)


class Gateway:
    """Forwards requests to the upstream; see ``open_gateway``."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that is not Penstock's."""
        if HOP_HEADER in request.headers:
            return _refuse(508, "LoopDetected", "this request came through Penstock already")
        if not request.raw_path.startswith("/"):
            return _refuse(400, "BadRequest", "the request target must be a path")
        if not self._upstream.has_functions and _is_for_lambda(request):
            return _refuse(
                404,
                "UnknownOperationException",
                f"Penstock does not offer this operation yet: {request.method} {request.path}",
            )
        body: bytes | AsyncIterator[bytes] | None
        body = body_parts(request) if has_body(request) else None
        if body is not None and credential_service(request) == "cloudformation":
            body = await _read_at_most(body, _STACK_BODY_BYTES_MAX)
            refusal = await self._refuse_stack(body)
            if refusal is not None:
                return refusal
        return await self._stream(request, body)

    async def _stream(
        self, request: web.Request, body: bytes | AsyncIterator[bytes] | None
    ) -> web.StreamResponse:
        """Pass a request on and its answer back, neither of them held in memory."""
        response: web.StreamResponse | None = None
        try:
            async with self._session.request(
                request.method,
                URL(self._upstream.url + request.raw_path, encoded=True),
                headers=self._forwarded_headers(request),
                data=body,
                allow_redirects=False,
            ) as answer:
                response = web.StreamResponse(
                    status=answer.status,
                    reason=answer.reason,
                    headers=_end_to_end(answer.headers),
                )
                await response.prepare(request)
                async for part in answer.content.iter_chunked(_PART_BYTES):
                    await response.write(part)
                await response.write_eof()
                return response
        except aiohttp.ClientError as exc:
            if response is not None:
                # The answer is cut short, at one end or the other: the client must see that.
                if request.transport is not None:
                    request.transport.abort()
                return response
            refused = refusal_of_body(request)
            if refused is not None:
                raise refused from exc
            return _refuse(
                503,
                "ServiceUnavailable",
                self._upstream.absence,
                headers={"Retry-After": _RETRY_AFTER_S},
            )

    def _forwarded_headers(self, request: web.Request) -> CIMultiDict[str]:
        headers = _end_to_end(request.headers)
        headers[HOP_HEADER] = "1"
        region = self._upstream.unsigned_region
        if region is not None and credential_service(request) is None:
            authorization = default_authorization(request, region)
            if authorization is not None:
                headers[hdrs.AUTHORIZATION] = authorization
        return headers

    async def _refuse_stack(self, body: bytes) -> web.Response | None:
        """Refuse a stack that holds what is Penstock's: the upstream would swallow it."""
        if len(body) > _STACK_BODY_BYTES_MAX:
            return _stack_error("The request is too large")
        template = stack_template.read_request(body)
        if template is None:
            return None
        text = template.body
        if template.url is not None:
            fetched = await self._fetch_template(template.url)
            if fetched is None:
                return _stack_error(f"The template at {template.url} cannot be read")
            text += fetched
        resource_type = stack_template.find_function_resource(
            text, has_functions_here=not self._upstream.has_functions
        )
        if resource_type is None:
            return None
        return _stack_error(
            f"Template error: {resource_type}: Penstock does not deploy functions and event source"
            " mappings from stacks; run the template itself: penstock dev template.yaml"
        )

    async def _fetch_template(self, url: str) -> str | None:
        """Read a template from the upstream's S3; None when it is not there or too large."""
        path = stack_template.object_path(url)
        try:
            target = URL(self._upstream.url + path, encoded=True)
            async with self._session.get(target, headers={HOP_HEADER: "1"}) as answer:
                parts = answer.content.iter_chunked(_PART_BYTES)
                content = await _read_at_most(parts, _TEMPLATE_BYTES_MAX)
        except aiohttp.ClientError:
            return None
        if answer.status != web.HTTPOk.status_code or len(content) > _TEMPLATE_BYTES_MAX:
            return None
        return content.decode(errors="replace")


_SCOPE = re.compile(r"[^/,\s]+/\d{8}/[^/,\s]+/(?P<service>[^/,\s]+)/aws4_request")


def credential_service(request: web.BaseRequest) -> str | None:
    """Read the service name in the SigV4 credential scope, of the header or a presigned query.

    Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    scope: str = request.query.get("X-Amz-Credential", "") or request.headers.get(
        hdrs.AUTHORIZATION, ""
    )
    match = _SCOPE.search(scope)
    return match["service"] if match else None


_LAMBDA_HOST = re.compile(r"(?:^|\.)lambda(?:-url)?\.", re.IGNORECASE)


def _is_for_lambda(request: web.BaseRequest) -> bool:
    """Tell what the API's own routes cannot: presigned, or sent to a host name of Lambda's."""
    service = credential_service(request)
    return service == "lambda" or bool(_LAMBDA_HOST.search(request.host or ""))


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Keep what is meant for the far end: no hop-by-hop header, none that Connection names."""
    named = {name.strip().lower() for name in headers.get(hdrs.CONNECTION, "").split(",")}
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if name.lower() not in _HOP_BY_HOP and name.lower() not in named
    )


async def _read_at_most(parts: AsyncIterable[bytes], limit: int) -> bytes:
    """Read a body; what comes back is longer than ``limit`` when the body is."""
    received = bytearray()
    async for part in parts:
        received += part
        if len(received) > limit:
            break
    return bytes(received)


def _refuse(
    status: int, error_type: str, message: str, *, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer in the shape of AWS's JSON protocols, which SDKs show as ``code: message``."""
    return web.Response(
        status=status,
        body=msgspec.json.encode({"__type": error_type, "message": message, "Message": message}),
        headers={
            hdrs.CONTENT_TYPE: "application/json",
            "x-amzn-ErrorType": error_type,
            **(headers or {}),
        },
    )


def _stack_error(message: str) -> web.Response:
    return web.Response(
        status=400, body=stack_template.validation_error(message), content_type="text/xml"
    )
