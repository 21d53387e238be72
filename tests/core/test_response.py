"""How a function's response to a queue batch is read."""

import json
from typing import Any

import pytest
from builders import batch, json_values
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.response import Failed, Partial, Succeeded, parse_queue_response

NOT_JSON = Failed("the response is not valid JSON")
NOT_AN_OBJECT = Failed("the response is not a JSON object")
NOT_A_LIST = Failed("batchItemFailures is not a list")


def failures(*identifiers: Any) -> bytes:
    return json.dumps(
        {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}
    ).encode()


def foreign(identifier: str) -> Failed:
    return Failed(f"itemIdentifier {identifier} is not a message of the batch")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="no-body"),
        pytest.param(b" \n", id="blank"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty-object"),
        pytest.param(b"[]", id="empty-list"),
        pytest.param(b'""', id="empty-string"),
        pytest.param(b'{"batchItemFailures":[]}', id="empty-failures"),
        pytest.param(b'{"batchItemFailures":null}', id="null-failures"),
        pytest.param(b'{"statusCode":200}', id="other-keys-only"),
        pytest.param(b' {"batchItemFailures" : [ ] } \n', id="white-space"),
    ],
)
def test_response_without_failures_succeeds(payload: bytes) -> None:
    assert parse_queue_response(payload, batch(1, 2)) == Succeeded()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"{", NOT_JSON, id="truncated"),
        pytest.param(b"{'a': 1}", NOT_JSON, id="python-not-json"),
        pytest.param(b"NaN", NOT_JSON, id="not-a-number"),
        pytest.param(b"{} {}", NOT_JSON, id="two-values"),
        pytest.param(b'"\xff"', NOT_JSON, id="invalid-utf8"),
        pytest.param(b"\xef\xbb\xbf{}", NOT_JSON, id="byte-order-mark"),
        pytest.param(b"[" * 100_000, NOT_JSON, id="too-deep"),
        pytest.param(b"0", NOT_AN_OBJECT, id="zero"),
        pytest.param(b"false", NOT_AN_OBJECT, id="false"),
        pytest.param(b'"done"', NOT_AN_OBJECT, id="text"),
        pytest.param(b'[{"itemIdentifier":"m1"}]', NOT_AN_OBJECT, id="bare-list"),
        pytest.param(b'{"batchItemFailures":{}}', NOT_A_LIST, id="failures-object"),
        pytest.param(b'{"batchItemFailures":"m1"}', NOT_A_LIST, id="failures-text"),
        pytest.param(b'{"batchItemFailures":false}', NOT_A_LIST, id="failures-false"),
    ],
)
def test_response_of_a_wrong_shape_fails_the_batch(payload: bytes, expected: Failed) -> None:
    assert parse_queue_response(payload, batch(1, 2)) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(failures(""), foreign("''"), id="empty"),
        pytest.param(failures(None), foreign("None"), id="null"),
        pytest.param(failures("m9"), foreign("'m9'"), id="not-in-batch"),
        pytest.param(failures(1), foreign("1"), id="number"),
        pytest.param(failures(["m1"]), foreign("['m1']"), id="list"),
        pytest.param(b'{"batchItemFailures":[{"foo":"m1"}]}', foreign("None"), id="wrong-key"),
        pytest.param(b'{"batchItemFailures":[{}]}', foreign("None"), id="no-key"),
        pytest.param(b'{"batchItemFailures":["m1"]}', foreign("None"), id="bare-identifier"),
        pytest.param(b'{"batchItemFailures":[null]}', foreign("None"), id="null-entry"),
        pytest.param(failures("m1", "m9"), foreign("'m9'"), id="one-bad-spoils-all"),
    ],
)
def test_response_with_a_bad_identifier_fails_the_batch(payload: bytes, expected: Failed) -> None:
    assert parse_queue_response(payload, batch(1, 2)) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(failures("m2"), {"m2"}, id="one"),
        pytest.param(failures("m1", "m2"), {"m1", "m2"}, id="all"),
        pytest.param(failures("m2", "m2"), {"m2"}, id="twice-the-same"),
        pytest.param(
            b'{"note":1,"batchItemFailures":[{"itemIdentifier":"m1","why":"x"}]}',
            {"m1"},
            id="further-keys",
        ),
    ],
)
def test_response_naming_messages_fails_those(payload: bytes, expected: set[str]) -> None:
    assert parse_queue_response(payload, batch(1, 3)) == Partial(frozenset(expected))


def test_response_reason_is_short_for_a_long_identifier() -> None:
    outcome = parse_queue_response(failures("x" * 1_000_000), batch(1))

    assert isinstance(outcome, Failed)
    assert len(outcome.reason) < 200


@given(st.binary())
def test_response_of_any_bytes_is_one_of_three(payload: bytes) -> None:
    outcome = parse_queue_response(payload, batch(1, 2))

    assert isinstance(outcome, Succeeded | Partial | Failed)


@given(json_values)
def test_response_of_any_json_under_the_key_is_one_of_three(value: Any) -> None:
    payload = json.dumps({"batchItemFailures": value}).encode()

    outcome = parse_queue_response(payload, batch(1, 2))

    is_success = value is None or value == []
    assert outcome == Succeeded() if is_success else isinstance(outcome, Failed)


@given(st.sets(st.sampled_from(["m1", "m2", "m3"]), min_size=1))
def test_response_partial_names_exactly_what_failed(failed: set[str]) -> None:
    outcome = parse_queue_response(failures(*failed), batch(1, 3))

    assert outcome == Partial(frozenset(failed))
