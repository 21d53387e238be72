"""What an operator reads of a function's error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_error import error_text


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        pytest.param(
            b'{"errorMessage":"no stock","errorType":"ValueError","stackTrace":[]}',
            "ValueError: no stock",
            id="type-and-message",
        ),
        pytest.param(b"{}", "the function failed without a message", id="empty"),
        pytest.param(
            b"oops", "the function failed, and its error is not an error object", id="not-json"
        ),
        pytest.param(b'{"errorMessage":"%b"}' % (b"x" * 9_000), "x" * 500, id="cut"),
    ],
)
def test_error_text_is_type_and_message(payload: bytes, text: str) -> None:
    assert error_text(payload) == text


@given(payload=st.binary())
def test_error_text_is_never_empty(payload: bytes) -> None:
    assert 0 < len(error_text(payload)) <= 500
