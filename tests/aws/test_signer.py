"""Our signer against botocore's: the same headers, byte for byte, over drawn requests."""

import datetime as dt
from typing import Any
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.exchange import Headers, HttpRequest
from penstock.aws.signer import REPEATED_BYTES_MAX, Credentials, RequestForm, Signer

_TOKEN = st.text("abcXYZ019/+=._-~", min_size=1, max_size=30)
_SEGMENT = st.one_of(
    st.sampled_from(["", ".", "..", "a", "%20", "%2F", "arn%3Aaws%3Alambda", "~x", "a:b", "$b"]),
    st.text("abz09-_.~%!*'()@&=+,;$:", max_size=8),
)
_PATH = st.lists(_SEGMENT, max_size=5).map(lambda segments: "/" + "/".join(segments))
_PAIR = st.tuples(_TOKEN, st.one_of(st.just(""), _TOKEN)).map("=".join)
_QUERY = st.lists(st.one_of(_PAIR, st.just("flag"), st.just("a=2"), st.just("a=1")), max_size=4)
_NAME = st.sampled_from(
    ["Content-Type", "X-Amz-Target", "x-custom", "User-Agent", "Connection", "Z-Last", "X-Amz-Meta"]
)
_TEXT = st.text("abc 09;=/.,\t", max_size=20)
_WALL_MS = st.integers(0, 4_000_000_000_000)


def _sign_as_botocore(
    request: HttpRequest, credentials: Credentials, wall_ms: int
) -> dict[str, str]:
    theirs = botocore.awsrequest.AWSRequest(
        method=request.method,
        url=f"http://{dict(request.headers)['Host']}{request.target}",
        headers=dict(request.headers),
        stream_output=False,
        data=request.body,
    )
    keys = botocore.credentials.Credentials(
        credentials.access_key, credentials.secret_key, credentials.token
    )
    now = dt.datetime.fromtimestamp(wall_ms // 1000, dt.UTC)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
        botocore.auth.SigV4Auth(keys, "sqs", "eu-west-1").add_auth(theirs)
    headers: dict[str, str] = dict(theirs.headers.items())
    return headers


@given(
    target=st.tuples(_PATH, _QUERY).map(lambda t: t[0] + ("?" + "&".join(t[1]) if t[1] else "")),
    headers=st.dictionaries(_NAME, _TEXT, max_size=4),
    body=st.binary(max_size=100),
    token=st.one_of(st.none(), _TOKEN),
    wall_ms=_WALL_MS,
)
def test_signature_equals_botocores(
    target: str, headers: dict[str, str], body: bytes, token: str | None, wall_ms: int
) -> None:
    host = ("Host", "sqs.eu-west-1.amazonaws.com:4566")
    request = HttpRequest("POST", target, (host, *headers.items()), body)
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)

    form = Signer("sqs", "eu-west-1").open_form("POST", target, request.headers)
    ours = form.sign(body, credentials, wall_ms)

    assert _tidy(ours.sent_headers()) == _tidy(
        tuple(_sign_as_botocore(request, credentials, wall_ms).items())
    )


def _tidy(headers: Headers) -> dict[str, str]:
    """Trim what botocore and the wire trim."""
    return {name: text.strip() for name, text in headers}


_STEP = st.tuples(_WALL_MS, st.sampled_from(["one", "two"]), st.sampled_from([b"{}", b"[]"]))


@given(steps=st.lists(_STEP, max_size=6), repeats=st.integers(1, 3))
def test_what_is_kept_follows_the_second_the_secret_and_the_body(
    steps: list[tuple[int, str, bytes]], repeats: int
) -> None:
    kept = _open_form()

    for wall_ms, secret, body in [step for step in steps for _ in range(repeats)]:
        credentials = Credentials("AKID", secret)
        ours = kept.sign(body, credentials, wall_ms)
        assert ours == _open_form().sign(body, credentials, wall_ms)


def test_forms_of_one_signer_share_its_key_and_nothing_else() -> None:
    signer = Signer("sqs", "eu-west-1")
    forms = [signer.open_form("POST", target, (("Host", "h"),)) for target in ("/a", "/b", "/a")]
    credentials = Credentials("AKID", "secret")

    first, other, again = (form.sign(b"{}", credentials, 1_000) for form in forms)

    assert first == again
    assert first.head.rpartition(b"Signature=")[2] != other.head.rpartition(b"Signature=")[2]


def test_repeated_body_is_signed_once_per_second() -> None:
    form, body, credentials = _open_form(), b"{}", Credentials("AKID", "secret")

    first, second, third = (form.sign(body, credentials, at) for at in (1_000, 1_001, 1_999))

    assert first == second
    assert second is third
    assert form.sign(body, credentials, 2_000) != first


def test_large_body_is_not_kept() -> None:
    form, body, credentials = _open_form(), bytes(REPEATED_BYTES_MAX + 1), Credentials("A", "s")

    first, second, third = (form.sign(body, credentials, 1_000) for _ in range(3))

    assert first == second
    assert second is not third


def _open_form() -> RequestForm:
    return Signer("sqs", "eu-west-1").open_form("POST", "/", (("Host", "h"),))


def test_credentials_are_shown_without_their_secret() -> None:
    shown: Any = repr(Credentials("AKID", "the-secret", "the-token"))

    assert "the-secret" not in shown
    assert "the-token" not in shown
