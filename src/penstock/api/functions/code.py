"""The zip file that a request brings, or names."""

import asyncio
import binascii

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import (
    CODE_STORAGE_EXCEEDED,
    REQUEST_ENTITY_TOO_LARGE,
    SERIALIZATION,
    ApiError,
    invalid_parameter,
)
from penstock.api.functions.call import CODE_REQUEST_BYTES_MAX
from penstock.functions.code_package import EMPTY_ZIP, check_package
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError

ZIPPED_BYTES_MAX = 50 * 1024 * 1024  # AWS quota of a direct upload
PIECE_CHARS = 1024 * 1024  # of base64, four for three bytes: decoded at once
TOTAL_CODE_BYTES_MAX = 80_530_636_800  # AWS quota of an account in a region: 75 GB


class CodeMember(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Where the code is: in the request, or in a bucket."""

    zip_file: str | None = None
    s3_bucket: str | None = None
    s3_key: str | None = None
    s3_object_version: str | None = None


async def read_package(
    context: ApiContext, scope: Scope, code: CodeMember, operation: str
) -> bytes:
    """Give the zip file, checked.

    Raises:
        ApiError: There is none, two, or one that cannot be used.

    Source: recorded answers of AWS (the texts)
    """
    package = await _find_package(context, scope, code, operation)
    if used_bytes(context, scope) + len(package) > TOTAL_CODE_BYTES_MAX:
        raise ApiError(CODE_STORAGE_EXCEEDED, "Code storage limit exceeded.")
    try:
        await asyncio.to_thread(check_package, package)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
    return package


def used_bytes(context: ApiContext, scope: Scope) -> int:
    """Sum up the zip files of every version of a scope's functions, as AWS counts them."""
    return sum(
        version.configuration.code.size_bytes
        for function in context.deployed.list_functions(scope)
        for version in function.versions
    )


async def _find_package(
    context: ApiContext, scope: Scope, code: CodeMember, operation: str
) -> bytes:
    in_bucket = (code.s3_bucket, code.s3_key, code.s3_object_version)
    if code.zip_file is not None:
        if any(in_bucket):
            raise invalid_parameter(
                "Please do not provide other FunctionCode parameters when providing a ZipFile."
            )
        return await asyncio.to_thread(_decode, code.zip_file, operation)
    if not code.s3_bucket or not code.s3_key:
        raise invalid_parameter("Please provide a source for function code.")
    try:
        return await context.code_source.fetch(
            code.s3_bucket,
            code.s3_key,
            object_version=code.s3_object_version,
            region=scope.region,
        )
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc


def _decode_pieces(text: str) -> bytes:
    """Decode base64 in pieces: one call for all would stop every other thread for that long."""
    if "=" in text[:-2]:
        raise binascii.Error("padding before its end")
    starts = range(0, len(text), PIECE_CHARS)
    pieces = [binascii.a2b_base64(text[at : at + PIECE_CHARS], strict_mode=True) for at in starts]
    return b"".join(pieces)


def _decode(zip_file: str, operation: str) -> bytes:
    try:
        package = _decode_pieces(zip_file)
    except (binascii.Error, ValueError) as exc:
        raise ApiError(SERIALIZATION, f"ZipFile is not base64: {exc}") from exc
    if not package:
        raise invalid_parameter(EMPTY_ZIP)
    if len(package) > ZIPPED_BYTES_MAX:
        raise ApiError(
            REQUEST_ENTITY_TOO_LARGE,
            f"Request must be smaller than {CODE_REQUEST_BYTES_MAX} bytes for the {operation} "
            "operation",
        )
    return package
