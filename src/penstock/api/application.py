"""The HTTP application: routes, who may call, and what every answer carries.

One port serves Lambda's API for mappings, tags and Invoke, the service's own ``/penstock/v1``, and,
under ``penstock dev``, every other AWS API through ``fallback``. A path of Lambda's or of the
service's own that is not offered is refused here and never falls through: the embedded AWS would
answer it with state of its own, or as a bucket that is not there.
"""

import re
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from penstock import __version__
from penstock.api.answers import error_answer, json_answer
from penstock.api.authentication import Authentication
from penstock.api.bodies import refuse_body
from penstock.api.browser import refuse_web_pages
from penstock.api.context import ApiContext
from penstock.api.errors import (
    MISSING_TOKEN,
    NOT_FOUND,
    RESOURCE_CONFLICT,
    SERVICE,
    UNKNOWN_OPERATION,
    ApiError,
)
from penstock.api.functions.routes import FUNCTIONS_PATH, function_routes
from penstock.api.invoke import InvokeHandler
from penstock.api.mappings import MappingHandlers
from penstock.api.operations import MappingOperations
from penstock.api.operator_routes import (
    METRICS_PATH,
    OPERATIONS_PATH,
    LambdaHandler,
    operator_routes,
)
from penstock.api.signature import is_presigned, read_credential_scope
from penstock.api.signature_errors import answer_refusal
from penstock.api.tag_operations import TagOperations
from penstock.model.arn import Scope
from penstock.model.errors import SignatureError, StoreConflictError, StoreError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAPPINGS_PATH = "/2015-03-31/event-source-mappings"
TAGS_PATH = "/2017-03-31/tags"
HEALTH_PATH = OPERATIONS_PATH + "/health"
_OWN_PATH = "/penstock/"
_OWN_OPERATIONS = (
    f"{HEALTH_PATH}; beside it status, check, failures and mappings/MAPPING/position; "
    f"{METRICS_PATH}"
)
_REQUEST_ID = "x-amzn-RequestId"
_READING_METHODS = ("GET", "HEAD")
_BODILESS_METHODS = (*_READING_METHODS, "DELETE")
# Lambda's nouns: what an unsigned request to a dated path is taken to mean.
_LAMBDA_PATH = re.compile(
    r"/\d{4}-\d{2}-\d{2}/(account-settings|capacity-providers|code-signing-configs|"
    r"durable-executions|event-source-mappings|functions|layers|layers-by-arn|tags)(/.*)?"
)


def build_application(context: ApiContext, *, fallback: Handler | None = None) -> web.Application:
    """Make the application.

    Args:
        context: What it calls.
        fallback: Answers everything that is not Lambda's and not the service's own; it is called
            after the browser rules were kept, with the body unread. None: a 404 that names what
            this port serves.
    """
    routes = _Routes(context, fallback)
    settings = context.settings
    open_requests = {("GET", HEALTH_PATH), ("HEAD", HEALTH_PATH)}
    if settings.open_metrics:
        open_requests.add(("GET", METRICS_PATH))
    authentication = Authentication(
        context,
        service="lambda" if fallback is None else None,
        open_requests=frozenset(open_requests),
    )
    application = web.Application(middlewares=[_answer_middleware(context, authentication)])
    handlers = MappingHandlers(MappingOperations(context), TagOperations(context))
    mapping_path, tags_path = MAPPINGS_PATH + "/{UUID}", TAGS_PATH + "/{Resource}"
    lambda_routes: list[tuple[str, str, LambdaHandler]] = [
        ("POST", MAPPINGS_PATH, handlers.create),
        ("GET", MAPPINGS_PATH, handlers.list_page),
        ("GET", mapping_path, handlers.get),
        ("PUT", mapping_path, handlers.update),
        ("DELETE", mapping_path, handlers.delete),
        ("GET", tags_path, handlers.list_tags),
        ("POST", tags_path, handlers.tag),
        ("DELETE", tags_path, handlers.untag),
        ("POST", FUNCTIONS_PATH + "/{FunctionName}/invocations", InvokeHandler(context).invoke),
        *function_routes(context),
        *operator_routes(context),
    ]
    for method, path, handler in lambda_routes:
        # Older SDKs and command lines end paths with a slash.
        for spelling in (path, path + "/"):
            application.router.add_route(method, spelling, routes.for_lambda(handler))
    application.router.add_get(HEALTH_PATH, _health)
    application.router.add_route("*", r"/{path:[\s\S]*}", routes.elsewhere)  # a newline, too
    return application


class _Routes:
    """Decides whose a request is."""

    def __init__(self, context: ApiContext, fallback: Handler | None) -> None:
        self._settings = context.settings
        self._fallback = fallback
        self._functions_fallback = None if context.look_up is None else fallback

    def for_lambda(self, handler: LambdaHandler) -> Handler:
        """Give ``handler`` the scope; a request signed for another service is not Lambda's."""

        async def handle(request: web.Request) -> web.StreamResponse:
            credential = read_credential_scope(request.headers.get("Authorization", ""))
            if credential is not None and credential.service != "lambda":
                return await self.elsewhere(request)
            if credential is None:
                _refuse_unsigned_change(request)
            if self._functions_fallback is not None and _is_about_functions(request):
                return await self._functions_fallback(request)
            if request.method in _BODILESS_METHODS:
                await refuse_body(request)
            region = self._settings.region if credential is None else credential.region
            return await handler(request, Scope(self._settings.account, region))

        return handle

    async def elsewhere(self, request: web.Request) -> web.StreamResponse:
        """Answer what no route serves."""
        credential = read_credential_scope(request.headers.get("Authorization", ""))
        service = None if credential is None else credential.service
        if request.path.startswith(_OWN_PATH) and not _is_for_bucket(request, service):
            signed = (
                "" if service in (None, "lambda") else f", signed for {service} and not lambda,"
            )
            raise ApiError(
                NOT_FOUND,
                f"{request.method} {request.path}{signed} is no operation of Penstock, which has "
                f"{_OWN_OPERATIONS}",
            )
        if service == "lambda" or (service is None and _LAMBDA_PATH.fullmatch(request.path)):
            if self._functions_fallback is not None and _is_about_functions(request):
                if credential is None:
                    _refuse_unsigned_change(request)
                return await self._functions_fallback(request)
            raise ApiError(
                UNKNOWN_OPERATION,
                f"Penstock does not offer this operation yet: {request.method} {request.path}",
            )
        if self._fallback is not None:
            return await self._fallback(request)
        raise ApiError(
            NOT_FOUND,
            "This port serves Lambda's API for event source mappings, their tags and Invoke, and "
            f"{_OWN_OPERATIONS}; {request.method} {request.path} is none of them",
        )


def _refuse_unsigned_change(request: web.Request) -> None:
    """Want an Authorization header of AWS's shape, which no simple request of a page can carry."""
    if request.method not in _READING_METHODS:
        raise ApiError(
            MISSING_TOKEN,
            "Missing Authentication Token: sign the request as AWS's clients do (any credentials)",
        )


def _is_about_functions(request: web.Request) -> bool:
    """Tell Lambda's operations on functions from ours: on mappings, their tags, and our own."""
    if request.path.startswith(TAGS_PATH):
        return ":event-source-mapping:" not in request.path
    return not request.path.startswith((MAPPINGS_PATH, _OWN_PATH, METRICS_PATH))


def _is_for_bucket(request: web.Request, service: str | None) -> bool:
    """Tell whether S3 is meant, by a signature or a presigned URL: a bucket may be ``penstock``."""
    return service == "s3" or is_presigned(request.query)


def _answer_middleware(context: ApiContext, authentication: Authentication) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = context.draw_uuid()
        try:
            refuse_web_pages(request.headers, context.settings.hosts)
            await authentication.check(request)
            response = await handler(request)
        except ApiError as error:
            response = error_answer(error)
        except SignatureError as error:
            response = answer_refusal(request, error)
        except StoreConflictError as error:
            response = error_answer(ApiError(RESOURCE_CONFLICT, str(error)))
        except StoreError as error:
            response = error_answer(ApiError(SERVICE, str(error)))
        except Exception as error:  # a defect of one request stays with that request
            if request.writer.output_size > 0:
                raise  # half an answer is out: the server cuts the connection, and logs this
            response = _answer_defect(request, request_id, error)
        if not response.prepared:
            response.headers.setdefault(_REQUEST_ID, request_id)
        return response

    return answer


def _answer_defect(request: web.Request, request_id: str, error: Exception) -> web.Response:
    """Log a defect of ours, and say no more of it to the caller than where to look."""
    structlog.get_logger().error(
        "a request failed by a defect of Penstock",
        method=request.method,
        path=request.path,
        request_id=request_id,
        exc_info=error,
    )
    text = "An error occurred and the request cannot be processed; the log of Penstock has why."
    return error_answer(ApiError(SERVICE, text))


async def _health(_request: web.Request) -> web.Response:
    return json_answer({"status": "ok", "version": __version__})
