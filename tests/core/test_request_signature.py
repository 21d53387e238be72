"""Signatures of botocore are accepted, and nothing that differs from what was signed."""

import hashlib
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signed_request import CALLER, CALLERS, TEMPORARY, SignedRequest, replace_head, sign

from penstock.core.request_signature import Callers
from penstock.core.signature_claims import read_claims
from penstock.model.caller import Caller, RequestHead
from penstock.model.errors import SignatureError, SignatureFault

ARN = "arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:11111111-2222-3333-4444"
INVOKE = "/2015-03-31/functions/ship/invocations"


@pytest.mark.parametrize(
    ("method", "target", "body", "headers"),
    [
        pytest.param("GET", "/", b"", {}, id="root"),
        pytest.param("POST", INVOKE, b'{"a": 1}', {"X-Amz-Log-Type": "Tail"}, id="body"),
        pytest.param("GET", f"/2017-03-31/tags/{quote(ARN, safe='')}", b"", {}, id="ARN"),
        pytest.param("GET", "/2015-03-31/functions/f%3A%24LATEST", b"", {}, id="qualifier"),
        pytest.param("GET", "/penstock/v1/failures/a%2Fb%20c", b"", {}, id="slash in a segment"),
        pytest.param("GET", f"/x/{quote('größe 日本')}", b"", {}, id="unicode"),
        pytest.param("DELETE", "/t?tagKeys=b&tagKeys=a&tagKeys=a%20b", b"", {}, id="repeated"),
        pytest.param("GET", "/t?a=&b&c=%2B%26%3D%C3%BC&A=1", b"", {}, id="odd query"),
        pytest.param("GET", "/t", b"", {"X-Amz-Meta-A": "  a   b  "}, id="blanks in a header"),
        pytest.param("GET", "/t", b"", {"X-Amz-Meta-A": ""}, id="empty header"),
        pytest.param("GET", "/t", b"", {"Date": "x"}, id="Date header"),
        pytest.param("GET", "/t/", b"", {"Content-Type": "application/json"}, id="slash at end"),
    ],
)
@pytest.mark.parametrize("caller", [CALLER, TEMPORARY], ids=lambda caller: caller.name)
def test_request_signed_by_botocore_is_accepted(
    method: str, target: str, body: bytes, headers: dict[str, str], caller: Caller
) -> None:
    sign(method, target, body, headers, caller=caller).check(service="lambda")


def test_plus_in_a_query_is_the_blank_that_was_signed() -> None:
    request = sign(target="/t?a=b%20c")

    head = replace_head(request.head, target="/t?a=b+c")

    msgspec.structs.replace(request, head=head).check(service="lambda")


@pytest.mark.parametrize(
    "target",
    ["/", "/b/k", "/b/a%20b%2Bc", "/b//a/../c", "/b/%C3%BC?acl", "/b?list-type=2&prefix=a%2Fb"],
)
def test_request_to_s3_is_encoded_once(target: str) -> None:
    sign("PUT", target, b"content", service="s3").check()


def test_s3_path_is_accepted_in_whatever_way_its_letters_are_encoded() -> None:
    request = sign("GET", "/b/a%21", service="s3")
    head = replace_head(request.head, target="/b/a!")
    canonical = msgspec.structs.replace(request, head=head)

    canonical.check()


def test_signature_is_that_of_aws_s_own_example() -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    head = RequestHead(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        (
            ("Host", "iam.amazonaws.com"),
            ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("X-Amz-Date", "20150830T123600Z"),
            (
                "Authorization",
                (
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
                    f"SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
                ),
            ),
        ),
    )
    callers = Callers.of([Caller("e", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")])

    SignedRequest(head, now_ms=1_440_938_160_000).check(callers)


def alter_head(**changes: object) -> Callable[[SignedRequest], SignedRequest]:
    return lambda request: msgspec.structs.replace(
        request, head=replace_head(request.head, **changes)
    )


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(alter_head(method="DELETE"), id="method"),
        pytest.param(alter_head(target="/x?a=1&b=2"), id="path"),
        pytest.param(alter_head(target="/t?a=1&b=3"), id="query"),
        pytest.param(alter_head(target="/t?a=1&b=2&c=3"), id="parameter more"),
        pytest.param(alter_head(target="/t?a=1"), id="parameter less"),
        pytest.param(alter_head(target="/t?a=1&b=2#x"), id="fragment"),
        pytest.param(alter_head(target="//t?a=1&b=2"), id="doubled slash"),
        pytest.param(alter_head(target="/./t?a=1&b=2"), id="dot segment"),
        pytest.param(lambda r: r.with_header("host", "localhost:4567"), id="host"),
        pytest.param(lambda r: r.with_header("x-amz-meta-a", "c"), id="header"),
        pytest.param(lambda r: r.with_header("x-amz-date", "20260921T141321Z"), id="date"),
        pytest.param(lambda r: r.with_authorization("/eu-west-1/", "/eu-west-2/"), id="region"),
        pytest.param(lambda r: r.with_authorization("/lambda/", "/sqs/"), id="service"),
        pytest.param(lambda r: r.with_authorization("AKIDCI", "ASIATEMP"), id="caller"),
        pytest.param(lambda r: msgspec.structs.replace(r, body=b"other"), id="body"),
        pytest.param(lambda r: r.with_authorization("Signature=", "Signature=0"), id="signature"),
        pytest.param(lambda r: r.with_authorization("=host;", "=\u00fc;host;"), id="not ASCII"),
    ],
)
def test_altered_request_is_refused(alter: Callable[[SignedRequest], SignedRequest]) -> None:
    request = sign("POST", "/t?a=1&b=2", b"body", {"X-Amz-Meta-A": "b"})

    with pytest.raises(SignatureError) as refused:
        alter(request).check()

    assert refused.value.fault in (SignatureFault.INVALID, SignatureFault.UNKNOWN_CALLER)


def test_other_secret_is_told_in_aws_s_words() -> None:
    impostor = msgspec.structs.replace(CALLER, secret_key="not the secret of the caller")

    with pytest.raises(SignatureError) as refused:
        sign(caller=impostor).check()

    assert refused.value.fault is SignatureFault.INVALID
    assert str(refused.value) == (
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method. Consult the service documentation for details."
    )


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(Caller("x", "AKIDNOBODY", CALLER.secret_key), id="unknown key"),
        pytest.param(msgspec.structs.replace(TEMPORARY, token=None), id="no token"),
        pytest.param(msgspec.structs.replace(TEMPORARY, token="other"), id="other token"),
        pytest.param(msgspec.structs.replace(CALLER, token="a token"), id="token of nobody"),
    ],
)
def test_caller_that_is_none_is_refused(caller: Caller) -> None:
    with pytest.raises(SignatureError) as refused:
        sign(caller=caller).check()

    assert refused.value.fault is SignatureFault.UNKNOWN_CALLER
    assert str(refused.value) == "The security token included in the request is invalid."


def test_signed_header_of_no_value_must_not_be_taken_away() -> None:
    request = sign(headers={"Content-Type": ""})
    head = replace_head(
        request.head,
        headers=tuple(pair for pair in request.head.headers if pair[0] != "Content-Type"),
    )

    with pytest.raises(SignatureError):
        msgspec.structs.replace(request, head=head).check()


def test_header_sent_twice_is_joined() -> None:
    request = sign(headers={"X-Amz-Meta-A": "b,c"})
    twice = (("X-Amz-Meta-A", "b"), ("x-amz-meta-a", " c"))
    kept = tuple(pair for pair in request.head.headers if pair[0] != "X-Amz-Meta-A")

    msgspec.structs.replace(
        request, head=replace_head(request.head, headers=(*kept, *twice))
    ).check()


def test_claimed_digest_is_what_the_signature_covers() -> None:
    digest = hashlib.sha256(b"body").hexdigest()
    request = sign("PUT", "/b/k", b"body", {"X-Amz-Content-SHA256": digest})
    claims = read_claims(request.head, request.now_ms, service=None)

    CALLERS.check(request.head, claims, digest)

    assert claims.body_digest == digest


def test_known_access_key_is_told_before_the_body_is_read() -> None:
    known, unknown = sign(), sign(caller=Caller("x", "AKIDNOBODY", "x"))

    told = [CALLERS.knows(read_claims(r.head, r.now_ms, service=None)) for r in (known, unknown)]

    assert told == [True, False]


def test_callers_do_not_show_their_secrets() -> None:
    shown = f"{CALLERS!r} {TEMPORARY!r}"

    assert "AKIDCI" in shown
    assert CALLER.secret_key not in shown
    assert "session token" not in shown


Meaning = tuple[str, str, list[tuple[str, str]], dict[str, str], bytes]


def meaning_of(request: SignedRequest) -> Meaning:
    """Give all that a server could act on; what is only spelled otherwise is equal."""
    head = request.head
    path, _, query = head.target.partition("?")
    names = {name.lower() for name, _ in head.headers}
    texts = {name: " ".join((head.header(name) or "").split()) for name in names}
    parameters = sorted(parse_qsl(query, keep_blank_values=True, encoding="latin-1"))
    texts["authorization"] = "".join(texts.get("authorization", "").split())
    if "/s3/" in texts["authorization"]:  # the letters of a key may be encoded in any way
        path = "/".join(quote(unquote_to_bytes(segment)) for segment in path.split("/"))
    return head.method, path, parameters, texts, request.body


texts = st.text(st.characters(codec="latin-1"), max_size=4) | st.sampled_from(
    ["/", "//", "..", "%2F", "%", "&", "=", "?", "+", "%20", " ", ",", ";", "\t", "0", "A"]
)


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """Replace a slice of a text."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    return text[:start] + draw(texts) + text[end:]


SIGNED = sign(
    "POST",
    f"/2017-03-31/tags/{quote(ARN, safe='')}?tagKeys=a%20b&tagKeys=b&x=",
    b'{"a": 1}',
    {"X-Amz-Meta-A": "b  c", "Content-Type": "application/json"},
    caller=TEMPORARY,
)


SIGNED_FOR_S3 = sign("PUT", "/b/a%20b/c%2Bd?acl&x=%2F", b'{"a": 1}', service="s3")


@given(
    st.sampled_from((SIGNED, SIGNED_FOR_S3)),
    st.sampled_from(("method", "target", "body", "header", "name")),
    st.data(),
)
def test_no_mutation_of_a_signed_request_verifies(
    signed: SignedRequest, part: str, data: st.DataObject
) -> None:
    head, body = signed.head, signed.body
    match part:
        case "method" | "target":
            changed = data.draw(mutations(getattr(head, part)))
            head = replace_head(head, **{part: changed})
        case "body":
            body = data.draw(mutations(body.decode())).encode()
        case _:
            index = data.draw(st.integers(0, len(head.headers) - 1))
            name, text = head.headers[index]
            pair = (name, data.draw(mutations(text)))
            if part == "name":
                pair = (data.draw(mutations(name)), text)
            headers = (*head.headers[:index], pair, *head.headers[index + 1 :])
            head = replace_head(head, headers=headers)
    mutated = SignedRequest(head, body)

    try:
        mutated.check()
    except SignatureError:
        return

    assert meaning_of(mutated) == meaning_of(signed)
