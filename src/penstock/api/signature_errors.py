"""The answer to a request whose signature is refused, in the shape of the service it is meant for.

==================== ================ =====================================
request              status           body
==================== ================ =====================================
signed for s3        403              ``<Error><Code>..``
X-Amz-Target         400              ``{"__type": .., "message": ..}``
form (query)         403              ``<ErrorResponse><Error><Type>..``
any other            403              Lambda's: ``{"message": ..}``
==================== ================ =====================================

Source: botocore's lambda model (rest-json); docs/semantics.md#signatures
"""

from xml.sax.saxutils import escape

import msgspec
from aiohttp import web

from penstock.api.answers import error_answer
from penstock.api.errors import (
    INCOMPLETE_SIGNATURE,
    INVALID_SIGNATURE,
    MISSING_TOKEN,
    UNRECOGNIZED_CLIENT,
    ApiError,
    ErrorKind,
)
from penstock.api.signature import read_credential_scope
from penstock.core.signature_claims import S3
from penstock.model.errors import SignatureError, SignatureFault


class _Codes(msgspec.Struct, frozen=True):
    """What one fault is called: by Lambda and services of AWS JSON, by query services, by S3."""

    kind: ErrorKind
    query: str
    s3: str


_CODES = {
    SignatureFault.MISSING: _Codes(MISSING_TOKEN, "MissingAuthenticationToken", "AccessDenied"),
    SignatureFault.INCOMPLETE: _Codes(
        INCOMPLETE_SIGNATURE, "IncompleteSignature", "AuthorizationHeaderMalformed"
    ),
    SignatureFault.INVALID: _Codes(
        INVALID_SIGNATURE, "SignatureDoesNotMatch", "SignatureDoesNotMatch"
    ),
    SignatureFault.UNKNOWN_CALLER: _Codes(
        UNRECOGNIZED_CLIENT, "InvalidClientTokenId", "InvalidAccessKeyId"
    ),
}
_FORM = "application/x-www-form-urlencoded"


def answer_refusal(request: web.Request, error: SignatureError) -> web.Response:
    """Answer as the service would have."""
    codes, message = _CODES[error.fault], str(error)
    scope = read_credential_scope(request.headers.get("Authorization", ""))
    if scope is not None and scope.service == S3:
        return _xml("<Error>{}</Error>", codes.s3, message)
    if request.headers.get("Content-Type", "").startswith(_FORM):
        return _xml(
            "<ErrorResponse><Error><Type>Sender</Type>{}</Error></ErrorResponse>",
            codes.query,
            message,
        )
    if "X-Amz-Target" in request.headers:
        return web.Response(
            status=400,
            body=msgspec.json.encode({"__type": codes.kind.code, "message": _readable(message)}),
            headers={"x-amzn-ErrorType": codes.kind.code},
            content_type="application/x-amz-json-1.0",
        )
    return error_answer(ApiError(codes.kind, message))


def _xml(shape: str, code: str, message: str) -> web.Response:
    inner = f"<Code>{code}</Code><Message>{escape(_readable(message))}</Message>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{shape.format(inner)}'
    return web.Response(status=403, text=text, content_type="application/xml")


def _readable(message: str) -> str:
    """Replace what no encoding has: bytes of a header that are no UTF-8, control characters."""
    text = message.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in text)
