"""What a signature says of itself: form, date and scope, with AWS's texts."""

import msgspec
import pytest
from signed_request import HOST, NOW_MS, SignedRequest, replace_head, sign

from penstock.core.signature_claims import SignatureClaims, read_claims
from penstock.model.caller import RequestHead
from penstock.model.errors import SignatureError, SignatureFault

DATE = "20260921"
STAMP = "20260921T141320Z"


def refusal(request: SignedRequest, *, service: str | None = None) -> tuple[SignatureFault, str]:
    with pytest.raises(SignatureError) as refused:
        read_claims(request.head, request.now_ms, service=service)
    return refused.value.fault, str(refused.value)


def with_headers(request: SignedRequest, *headers: tuple[str, str]) -> SignedRequest:
    sent = (*request.head.headers, *headers)
    return msgspec.structs.replace(request, head=replace_head(request.head, headers=sent))


def without_header(request: SignedRequest, name: str) -> SignedRequest:
    sent = tuple(pair for pair in request.head.headers if pair[0].lower() != name)
    return msgspec.structs.replace(request, head=replace_head(request.head, headers=sent))


def test_claims_are_what_the_request_says() -> None:
    request = sign()
    text = request.head.header("authorization") or ""

    claims = read_claims(request.head, NOW_MS, service="lambda")

    assert claims == SignatureClaims(
        access_key="AKIDCI",
        scope=f"{DATE}/eu-west-1/lambda/aws4_request",
        service="lambda",
        timestamp=STAMP,
        signed_headers=("host", "x-amz-date"),
        signature=text[-64:],
        token=None,
        body_digest=None,
    )


def test_unsigned_request_is_missing_its_token() -> None:
    unsigned = SignedRequest(RequestHead("GET", "/", (("Host", HOST),)))

    assert refusal(unsigned) == (SignatureFault.MISSING, "Missing Authentication Token")


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        pytest.param(
            "AWS4-HMAC-SHA256",
            "Authorization header requires 'Credential' parameter. Authorization header requires "
            "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
            "Authorization=AWS4-HMAC-SHA256",
            id="no parts",
        ),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=",
            "Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256",
            id="empty part",
        ),
        pytest.param(
            "Bearer abc",
            "Invalid key=value pair (missing equal-sign) in Authorization header.",
            id="bearer",
        ),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0, Signature=1",
            "Authorization header has 'Signature' twice.",
            id="part twice",
        ),
        pytest.param(
            "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d, SignedHeaders=host;x-amz-date, Signature=0",
            "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256' (only AWS4-HMAC-SHA256 for "
            "now).",
            id="sigv4a",
        ),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host;x-amz-date, Signature=0",
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term, got 'a/b/c/d'",
            id="four elements",
        ),
    ],
)
def test_incomplete_authorization_is_told_in_aws_s_words(authorization: str, message: str) -> None:
    request = sign().with_header("authorization", authorization)

    assert refusal(request) == (SignatureFault.INCOMPLETE, message)


def test_second_authorization_header_is_refused() -> None:
    request = with_headers(sign(), ("Authorization", "AWS4-HMAC-SHA256 Credential=b/b/c/d/e"))

    assert refusal(request) == (
        SignatureFault.INCOMPLETE,
        "Authorization header has 'AWS4-HMAC-SHA256 Credential' and should not.",
    )


def test_missing_date_is_told() -> None:
    request = without_header(sign(), "x-amz-date")

    assert refusal(request) == (
        SignatureFault.INCOMPLETE,
        (
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            "Authorization=AWS4-HMAC-SHA256"
        ),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x-amz-date", "2026-09-21T14:13:20Z"),
        ("x-amz-date", "20261321T141320Z"),
        ("x-amz-date", "Mon, 21 Sep 2026 14:13:20 GMT"),
        ("x-amz-date", ""),
        ("date", "yesterday"),
        ("date", "Fri, 31 Dec 9999 23:00:00 -2300"),
    ],
)
def test_date_that_is_none_is_refused(name: str, text: str) -> None:
    request = with_headers(without_header(sign(), "x-amz-date"), (name, text))

    fault, message = refusal(request)

    assert fault is SignatureFault.INCOMPLETE
    assert message.startswith(f"Date must be in ISO-8601 'basic format'. Got '{text}'.")


@pytest.mark.parametrize(
    "text",
    [
        STAMP,
        "Mon, 21 Sep 2026 14:13:20 GMT",
        "Mon, 21 Sep 2026 16:13:20 +0200",
        "Mon, 21 Sep 2026 14:13:20 -0000",
    ],
)
def test_date_header_counts_without_an_x_amz_date(text: str) -> None:
    request = with_headers(without_header(sign(), "x-amz-date"), ("Date", text))

    assert read_claims(request.head, NOW_MS, service=None).timestamp == STAMP


@pytest.mark.parametrize(
    ("late_s", "message"),
    [
        (
            301,
            (
                f"Signature expired: {STAMP} is now earlier than 20260921T141321Z "
                "(20260921T141821Z - 5 min.)"
            ),
        ),
        (
            -301,
            (
                f"Signature not yet current: {STAMP} is still later than 20260921T141319Z "
                "(20260921T140819Z + 5 min.)"
            ),
        ),
    ],
)
def test_clock_may_be_five_minutes_off_and_no_more(late_s: int, message: str) -> None:
    request = sign()
    off = msgspec.structs.replace(request, now_ms=NOW_MS + late_s * 1000)
    within = msgspec.structs.replace(
        request, now_ms=NOW_MS + (late_s - (1 if late_s > 0 else -1)) * 1000
    )

    within.check()

    assert refusal(off) == (SignatureFault.INVALID, message)


def test_host_must_be_signed() -> None:
    request = sign().with_authorization("=host;", "=")

    assert refusal(request) == (
        SignatureFault.INVALID,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_every_x_amz_header_must_be_signed() -> None:
    request = with_headers(sign(), ("X-Amz-Log-Type", "Tail"))

    assert refusal(request) == (
        SignatureFault.INVALID,
        "'x-amz-log-type' must be a 'SignedHeader' in the AWS Authorization.",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "/eu-west-1/",
            "/EU WEST/",
            "Credential should be scoped to a valid region.",
            id="region",
        ),
        pytest.param(
            "/lambda/",
            "/sqs/",
            "Credential should be scoped to correct service: 'lambda'.",
            id="service",
        ),
        pytest.param(
            "/aws4_request",
            "/aws5_request",
            "Credential should be scoped with a valid terminator: 'aws4_request', not "
            "'aws5_request'.",
            id="terminator",
        ),
        pytest.param(
            f"/{DATE}/",
            "/20260920/",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '20260920' != '{DATE}', from '{STAMP}'.",
            id="date",
        ),
        pytest.param(
            f"/{DATE}/eu-west-1/lambda/aws4_request",
            f"/{DATE}//s3/x",
            "Credential should be scoped to a valid region. Credential should be scoped to correct "
            "service: 'lambda'. Credential should be scoped with a valid terminator: "
            "'aws4_request', not 'x'.",
            id="all at once",
        ),
    ],
)
def test_scope_that_cannot_be_is_told_in_aws_s_words(old: str, new: str, message: str) -> None:
    request = sign().with_authorization(old, new)

    assert refusal(request, service="lambda") == (SignatureFault.INVALID, message)


@pytest.mark.parametrize("service", ["", "S 3"])
def test_any_service_must_be_one_all_the_same(service: str) -> None:
    request = sign().with_authorization("/lambda/", f"/{service}/")

    assert refusal(request)[1] == "Credential should be scoped to a valid service."


@pytest.mark.parametrize(
    "query",
    ["X-Amz-Algorithm=A&X-Amz-Signature=0", "AWSAccessKeyId=a&Signature=b", "X%2DAmz-Signature"],
)
@pytest.mark.parametrize("is_signed", [True, False])
def test_presigned_url_is_refused_with_what_to_do(query: str, *, is_signed: bool) -> None:
    request = sign(target=f"/bucket/key?{query}", service="s3")
    request = request if is_signed else without_header(request, "authorization")

    fault, message = refusal(request)

    assert fault is SignatureFault.INCOMPLETE
    assert message.startswith("The query has a signature, ")
    assert message.endswith("send the request itself, signed")


@pytest.mark.parametrize(
    ("service", "text", "words"),
    [
        ("s3", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "signed in chunks (STREAMING-AWS4-HMAC"),
        ("s3", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "AWS_REQUEST_CHECKSUM_CALCULATION="),
        ("s3", "abc", "must be a valid sha256 value or UNSIGNED-PAYLOAD."),
        ("sqs", "UNSIGNED-PAYLOAD", "must be a valid sha256 value."),
        ("lambda", "A" * 64, "must be a valid sha256 value."),
    ],
)
def test_body_that_is_not_signed_as_a_whole_is_refused(service: str, text: str, words: str) -> None:
    request = sign("PUT", "/b/k", headers={"X-Amz-Content-SHA256": "0" * 64}, service=service)

    fault, message = refusal(request.with_header("x-amz-content-sha256", text))

    assert fault is SignatureFault.INVALID
    assert words in message


def test_unsigned_body_is_for_s3_alone() -> None:
    request = sign("PUT", "/b/k", service="s3")
    request = request.with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")

    assert read_claims(request.head, NOW_MS, service=None).body_digest == "UNSIGNED-PAYLOAD"
