"""The credential scope of a SigV4 Authorization header: which region and service was meant."""

import re
from collections.abc import Container

import msgspec

from penstock.core.signature_claims import ALGORITHM, PRESIGNED, split_authorization
from penstock.model.errors import SignatureError


class CredentialScope(msgspec.Struct, frozen=True):
    """What a caller signed for; the signature itself is not judged here."""

    access_key: str
    region: str
    service: str


_CREDENTIAL = re.compile(
    r"(?P<access_key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request"
)
_SIGNED_HEADERS = re.compile(r"\S+")
_SIGNATURE = re.compile(r"[0-9A-Za-z]+")


def read_credential_scope(authorization: str) -> CredentialScope | None:
    """Read the header ``Authorization``; None when it does not have SigV4's shape.

    Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """
    try:
        algorithm, parts = split_authorization(authorization.strip())
    except SignatureError:
        return None
    credential = _CREDENTIAL.fullmatch(parts.get("Credential", ""))
    is_signed = (
        algorithm == ALGORITHM
        and _SIGNED_HEADERS.fullmatch(parts.get("SignedHeaders", ""))
        and _SIGNATURE.fullmatch(parts.get("Signature", ""))
    )
    if credential is None or not is_signed:
        return None
    return CredentialScope(credential["access_key"], credential["region"], credential["service"])


def is_presigned(query: Container[str]) -> bool:
    """Tell whether a query is that of a presigned URL; who signed it is not judged here."""
    return any(name in query for name in PRESIGNED)
