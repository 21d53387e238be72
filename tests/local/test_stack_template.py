"""Stacks that hold functions or mappings are recognised, whatever their template looks like."""

from urllib.parse import urlencode

import pytest

from penstock.local.stack_template import (
    StackTemplate,
    find_function_resource,
    object_path,
    read_request,
    validation_error,
)


def encode(**form: str) -> bytes:
    return urlencode(form).encode()


def test_template_of_a_stack_request_is_read() -> None:
    body = encode(Action="CreateStack", StackName="s", TemplateBody="a: b+c\n")

    assert read_request(body) == StackTemplate("a: b+c\n", None)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(encode(Action="DescribeStacks", TemplateBody="x"), id="other-action"),
        pytest.param(encode(Action="UpdateStack", UsePreviousTemplate="true"), id="no-template"),
        pytest.param(b"\xff\xfe{}", id="not-a-form"),
    ],
)
def test_other_requests_bring_no_template(body: bytes) -> None:
    assert read_request(body) is None


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('{"Type": "AWS::Lambda::Function"}', "AWS::Lambda::Function"),
        ("Type: AWS::Lambda::EventSourceMapping\n", "AWS::Lambda::EventSourceMapping"),
        ("Type: 'AWS::Serverless::Function'", "AWS::Serverless::Function"),
        ("AWS::Serverless::SimpleTable, AWS::Serverless::Function", "AWS::Serverless::Function"),
        ("Type: AWS::Serverless::SimpleTable", "AWS::Serverless::SimpleTable"),
        ("Type: AWS::Lambda::FunctionUrlLike", None),
        ("Type: AWS::SQS::Queue", None),
    ],
)
def test_function_resource_is_found(template: str, found: str | None) -> None:
    assert find_function_resource(template, has_functions_here=True) == found


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("Type: AWS::Lambda::Function", None),
        ("Type: AWS::Lambda::EventSourceMapping\n", "AWS::Lambda::EventSourceMapping"),
        ("Type: AWS::Serverless::Function", "AWS::Serverless::Function"),
    ],
)
def test_function_of_an_upstream_may_be_in_a_stack_and_a_mapping_may_not(
    template: str, found: str | None
) -> None:
    assert find_function_resource(template, has_functions_here=False) == found


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4566/bucket/key.json",
        "https://s3.amazonaws.com/bucket/key.json",
        "https://s3.eu-west-1.amazonaws.com/bucket/key.json",
        "https://bucket.s3.amazonaws.com/key.json",
        "https://bucket.s3.eu-west-1.amazonaws.com/key.json",
        "https://bucket.s3-eu-west-1.amazonaws.com/key.json",
    ],
)
def test_template_url_of_any_style_names_bucket_and_key(url: str) -> None:
    assert object_path(url) == "/bucket/key.json"


def test_refusal_is_well_formed_xml() -> None:
    assert b"<Message>&lt;a&gt; &amp; b</Message>" in validation_error("<a> & b")
