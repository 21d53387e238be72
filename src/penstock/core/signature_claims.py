"""What a signed request says of its signature, and whether that can be true: form, date, scope.

Nothing here needs a key; ``request_signature.py`` judges the signature itself. Rules, in the order
in which AWS's answers show that it checks them:

1. An Authorization header with Credential, SignedHeaders and Signature, and a date.
2. The date is at most five minutes off.
3. The host and all headers x-amz-* are signed.
4. The algorithm is AWS4-HMAC-SHA256.
5. The credential has five parts; region, service, terminator and date are right.

Presigned URLs, chunked signing and SigV4A are refused here, each with what to do.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
reference_sigv-troubleshooting.html beside it (rules 2, 5); docs/semantics.md#signatures (the rest)
"""

import datetime as dt
import email.utils
import re
from urllib.parse import parse_qsl

import msgspec

from penstock.model.caller import RequestHead
from penstock.model.errors import SignatureError, SignatureFault

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_BODY = "UNSIGNED-PAYLOAD"
EMPTY_BODY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SKEW = dt.timedelta(minutes=5)
S3 = "s3"
# Parameters that the query of a presigned URL has: SigV4's, and one of the signatures before it.
PRESIGNED = frozenset({"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId"})

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_TIMESTAMP_SHAPE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_NAME = re.compile(r"[a-z0-9-]+")  # of a region or a service
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PARTS = ("Credential", "Signature", "SignedHeaders")  # in the order of AWS's error
_SCOPE_PARTS = 5


class SignatureClaims(msgspec.Struct, frozen=True):
    """What a request says of its signature.

    Attributes:
        timestamp: ``20260131T235959Z``.
        scope: ``DATE/REGION/SERVICE/aws4_request``.
        signed_headers: Lower-case names in the order in which they were signed.
        body_digest: SHA-256 of the body, or UNSIGNED-PAYLOAD; None: the signature alone tells.
    """

    access_key: str
    scope: str
    service: str
    timestamp: str
    signed_headers: tuple[str, ...]
    signature: str
    token: str | None
    body_digest: str | None


def read_claims(head: RequestHead, now_ms: int, *, service: str | None) -> SignatureClaims:
    """Read the claims of a request, and check what needs no key.

    Args:
        head: As it came.
        now_ms: Unix time.
        service: The only one that requests may be signed for; None: any.

    Raises:
        SignatureError: There is no signature, or one that cannot be right.
    """
    text = head.header("authorization")
    _refuse_presigned(head.target, is_signed=text is not None)
    if text is None:
        raise SignatureError(SignatureFault.MISSING, "Missing Authentication Token")
    algorithm, parts = split_authorization(text)
    moment = _read_moment(head, _missing_parts(parts), algorithm)
    _check_skew(moment, now_ms)
    signed = tuple(parts["SignedHeaders"].split(";"))
    _check_signed_headers(head, signed)
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now).")
    access_key, date, region, of_service, terminator = _read_credential(parts["Credential"])
    timestamp = moment.strftime(_TIMESTAMP)
    wrong = [
        *([] if _NAME.fullmatch(region) else ["Credential should be scoped to a valid region."]),
        *_check_service(of_service, service),
        *_check_terminator(terminator),
        *_check_date(date, timestamp),
    ]
    if wrong:
        raise SignatureError(SignatureFault.INVALID, " ".join(wrong))
    return SignatureClaims(
        access_key=access_key,
        scope=f"{date}/{region}/{of_service}/{terminator}",
        service=of_service,
        timestamp=timestamp,
        signed_headers=signed,
        signature=parts["Signature"],
        token=head.header("x-amz-security-token"),
        body_digest=_read_body_digest(head, of_service),
    )


def _refuse_presigned(target: str, *, is_signed: bool) -> None:
    names = {name for name, _ in parse_qsl(target.partition("?")[2], keep_blank_values=True)}
    if names.isdisjoint(PRESIGNED):
        return
    what = "and an Authorization header; give one" if is_signed else "as in a presigned URL"
    raise _incomplete(
        f"The query has a signature, {what}: Penstock verifies the Authorization header only, so "
        "send the request itself, signed"
    )


def split_authorization(text: str) -> tuple[str, dict[str, str]]:
    """Split ``ALGORITHM name=value, name=value``.

    Raises:
        SignatureError: It is not of that form, or has other parts than SigV4's.
    """
    algorithm, _, rest = text.partition(" ")
    parts: dict[str, str] = {}
    for pair in rest.split(",") if rest else ():
        name, equals, value = pair.strip().partition("=")
        if not equals:
            raise _incomplete(
                "Invalid key=value pair (missing equal-sign) in Authorization header."
            )
        if name in parts or name not in _PARTS:
            how = "twice" if name in parts else "and should not"
            raise _incomplete(f"Authorization header has '{name}' {how}.")
        parts[name] = value
    return algorithm, parts


def _missing_parts(parts: dict[str, str]) -> list[str]:
    return [
        f"Authorization header requires '{name}' parameter."
        for name in _PARTS
        if not parts.get(name)
    ]


def _read_moment(head: RequestHead, missing: list[str], algorithm: str) -> dt.datetime:
    """Give the date of the request; all that is missing is told at once."""
    text = head.header("x-amz-date")
    moment = None if text is None else _parse(text)
    if text is None:
        text = head.header("date")
        moment = None if text is None else _parse(text) or _parse_http_date(text)
    if text is None:
        missing.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if missing:
        raise _incomplete(" ".join([*missing, f"Authorization={algorithm[: len(ALGORITHM)]}"]))
    if moment is None:
        raise _incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{text}'. See "
            "http://en.wikipedia.org/wiki/ISO_8601"
        )
    return moment


def _parse(text: str) -> dt.datetime | None:
    if not _TIMESTAMP_SHAPE.fullmatch(text):
        return None
    try:
        return dt.datetime.strptime(text, _TIMESTAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def _parse_http_date(text: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
        # Without a zone it is UTC too: HTTP knows no other.
        is_zoned = moment.tzinfo is not None
        return moment.astimezone(dt.UTC) if is_zoned else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None


def _check_skew(moment: dt.datetime, now_ms: int) -> None:
    now = dt.datetime.fromtimestamp(now_ms // 1000, dt.UTC)
    if moment < now - SKEW:
        raise _skewed("expired", "now earlier than", moment, now, -1)
    if moment > now + SKEW:
        raise _skewed("not yet current", "still later than", moment, now, 1)


def _skewed(
    what: str, how: str, moment: dt.datetime, now: dt.datetime, direction: int
) -> SignatureError:
    given, limit, present = (
        each.strftime(_TIMESTAMP) for each in (moment, now + direction * SKEW, now)
    )
    sign = "-" if direction < 0 else "+"
    return SignatureError(
        SignatureFault.INVALID,
        f"Signature {what}: {given} is {how} {limit} ({present} {sign} {SKEW.seconds // 60} min.)",
    )


def _check_signed_headers(head: RequestHead, signed: tuple[str, ...]) -> None:
    if "host" not in signed:
        raise _unsigned("'Host' or ':authority'")
    for name, _ in head.headers:
        lower = name.lower()
        if lower.startswith("x-amz-") and lower not in signed:
            raise _unsigned(f"'{lower}'")


def _unsigned(name: str) -> SignatureError:
    return SignatureError(
        SignatureFault.INVALID, f"{name} must be a 'SignedHeader' in the AWS Authorization."
    )


def _read_credential(text: str) -> list[str]:
    parts = text.split("/")
    if len(parts) != _SCOPE_PARTS:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text}'"
        )
    return parts


def _check_service(given: str, wanted: str | None) -> list[str]:
    if given == wanted or (wanted is None and _NAME.fullmatch(given)):
        return []
    which = "a valid service" if wanted is None else f"correct service: '{wanted}'"
    return [f"Credential should be scoped to {which}."]


def _check_terminator(given: str) -> list[str]:
    if given == TERMINATOR:
        return []
    return [f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{given}'."]


def _check_date(date: str, timestamp: str) -> list[str]:
    if date == timestamp[:8]:
        return []
    text = (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
    )
    return [f"{text}: '{date}' != '{timestamp[:8]}', from '{timestamp}'."]


def _read_body_digest(head: RequestHead, service: str) -> str | None:
    text = head.header("x-amz-content-sha256")
    if text is None or _DIGEST.fullmatch(text) or (text == UNSIGNED_BODY and service == S3):
        return text
    if text.startswith("STREAMING-"):
        raise SignatureError(
            SignatureFault.INVALID,
            f"Penstock does not verify bodies signed in chunks ({text}): sign the body as a whole; "
            "for the AWS CLI and SDKs set AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
        )
    unsigned = f" or {UNSIGNED_BODY}" if service == S3 else ""
    raise SignatureError(
        SignatureFault.INVALID, f"x-amz-content-sha256 must be a valid sha256 value{unsigned}."
    )


def _incomplete(message: str) -> SignatureError:
    return SignatureError(SignatureFault.INCOMPLETE, message)
