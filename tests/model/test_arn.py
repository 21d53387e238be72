"""ARNs, and the forms in which Lambda accepts a function's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.arn import (
    Arn,
    FunctionReference,
    Scope,
    function_name,
    function_qualifier,
    invoke_identity_arn,
    is_fifo_arn,
    is_role_arn,
    parse_arn,
    parse_function_name,
    unqualified_function_arn,
)
from penstock.model.errors import ConfigurationError

HOME = Scope("000000000000", "us-east-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "arn:aws:sqs:us-east-2:123456789012:orders",
            Arn("aws", "sqs", "us-east-2", "123456789012", "orders"),
            id="queue",
        ),
        pytest.param(
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:ship:1",
            Arn("aws-cn", "lambda", "cn-north-1", "123456789012", "function:ship:1"),
            id="colons-in-the-resource",
        ),
        pytest.param(
            "arn:aws:s3:::bucket", Arn("aws", "s3", "", "", "bucket"), id="no-region-or-account"
        ),
    ],
)
def test_arn_is_read_and_written(text: str, expected: Arn) -> None:
    arn = parse_arn(text)

    assert arn == expected
    assert str(arn) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("orders", id="name"),
        pytest.param("arn:aws:sqs:us-east-2:123456789012", id="too-short"),
        pytest.param("arn:aws:sqs:us-east-2:123456789012:", id="no-resource"),
        pytest.param("arn:aws::us-east-2:123456789012:orders", id="no-service"),
        pytest.param("urn:aws:sqs:us-east-2:123456789012:orders", id="not-arn"),
        pytest.param("https://sqs.us-east-2.amazonaws.com/123456789012/orders", id="url"),
    ],
)
def test_arn_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_arn(text)

    assert str(raised.value) == (
        f"{text!r} is not an ARN; the form is arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("ship", FunctionReference(HOME, "ship"), id="name"),
        pytest.param("ship:1", FunctionReference(HOME, "ship", "1"), id="version"),
        pytest.param("ship:live", FunctionReference(HOME, "ship", "live"), id="alias"),
        pytest.param("ship:$LATEST", FunctionReference(HOME, "ship", "$LATEST"), id="latest"),
        pytest.param("function:ship", FunctionReference(HOME, "ship"), id="function-name"),
        pytest.param(
            "123456789012:function:ship",
            FunctionReference(Scope("123456789012", "us-east-1"), "ship"),
            id="partial-arn",
        ),
        pytest.param(
            "123456789012:ship:live",
            FunctionReference(Scope("123456789012", "us-east-1"), "ship", "live"),
            id="account-and-alias",
        ),
        pytest.param("123456789012", FunctionReference(HOME, "123456789012"), id="digits"),
        pytest.param(
            "arn:aws:lambda:eu-west-1:123456789012:function:ship",
            FunctionReference(Scope("123456789012", "eu-west-1"), "ship"),
            id="arn",
        ),
        pytest.param(
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:ship:$LATEST",
            FunctionReference(
                Scope("123456789012", "us-gov-west-1"), "ship", "$LATEST", "aws-us-gov"
            ),
            id="qualified-arn-of-another-partition",
        ),
    ],
)
def test_function_name_is_read_in_every_form(text: str, expected: FunctionReference) -> None:
    assert parse_function_name(text, HOME) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("two words", id="space"),
        pytest.param("ship:", id="empty-qualifier"),
        pytest.param("ship:a:b", id="two-qualifiers"),
        pytest.param("ship:$HEAD", id="unknown-qualifier"),
        pytest.param("arn:aws:sqs:us-east-1:123456789012:ship", id="other-service"),
        pytest.param("ship\n", id="line-end"),
    ],
)
def test_function_name_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_function_name(text, HOME)

    assert str(raised.value) == (
        f"{text!r} is not a function name; use NAME, NAME:QUALIFIER or a function's ARN"
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_invoke_identity_is_a_role_of_the_account_in_the_source_s_partition(partition: str) -> None:
    source_arn = f"arn:{partition}:kinesis:us-east-1:123456789012:stream/clicks"

    assert (
        invoke_identity_arn(HOME, source_arn, role=None)
        == f"arn:{partition}:iam::{HOME.account}:role/penstock"
    )


def test_invoke_identity_is_the_function_s_role_where_it_has_one() -> None:
    source_arn = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
    role = "arn:aws:iam::999999999999:role/service-role/charge"

    assert invoke_identity_arn(HOME, source_arn, role=role) == role


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("arn:aws:iam::123456789012:role/charge", True, id="plain"),
        pytest.param("arn:aws-cn:iam::123456789012:role/a/b/c+=,.@-_d", True, id="path"),
        pytest.param("charge", False, id="name"),
        pytest.param("arn:aws:iam::12345:role/charge", False, id="account"),
        pytest.param("arn:aws:iam::123456789012:user/charge", False, id="user"),
        pytest.param("arn:aws:iam::123456789012:role/charge\n", False, id="line-end"),
        pytest.param("arn:aws:iam::123456789012:role/two words", False, id="blank"),
    ],
)
def test_role_arn_is_told_from_other_texts(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_role_arn(text) is expected


names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)


@given(
    st.builds(
        FunctionReference,
        st.builds(
            Scope,
            st.from_regex(r"[0-9]{12}", fullmatch=True),
            st.sampled_from(["us-east-1", "eu-central-2", "us-gov-west-1", "us-isob-east-1"]),
        ),
        names,
        st.none() | names | st.just("$LATEST"),
        st.sampled_from(["aws", "aws-cn", "aws-iso-b"]),
    )
)
def test_function_reference_is_what_its_arn_says(reference: FunctionReference) -> None:
    assert parse_function_name(reference.arn, HOME) == reference
    assert reference.arn.startswith(reference.unqualified_arn)


@pytest.mark.parametrize("qualifier", ["", ":live"])
def test_parts_of_a_full_function_arn(qualifier: str) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:ship"

    assert unqualified_function_arn(arn + qualifier) == arn
    assert function_name(arn + qualifier) == "ship" + qualifier
    assert function_qualifier(arn + qualifier) == qualifier.removeprefix(":")


@pytest.mark.parametrize(("name", "is_fifo"), [("jobs.fifo", True), ("jobs.fifo2", False)])
def test_fifo_is_said_by_the_name(name: str, *, is_fifo: bool) -> None:
    assert is_fifo_arn(f"arn:aws:sqs:us-east-1:000000000000:{name}") is is_fifo
