"""The credential scope of a SigV4 Authorization header: which region and service was meant."""

import re

import msgspec


class CredentialScope(msgspec.Struct, frozen=True):
    """What a caller signed for; the signature itself is not judged here."""

    access_key: str
    region: str
    service: str


_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +"
    r"Credential=(?P<access_key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request, *SignedHeaders=[^,\s]+, *Signature=[0-9A-Za-z]+"
)


def read_credential_scope(authorization: str) -> CredentialScope | None:
    """Read the header ``Authorization``; None when it does not have SigV4's shape.

    Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return None
    return CredentialScope(match["access_key"], match["region"], match["service"])
