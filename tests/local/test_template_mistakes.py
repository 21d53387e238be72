"""Any one value of a template replaced by anything: it is read, or one line says what is wrong."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from template_files import HANDLER, read_path

from penstock.model.errors import ConfigurationError

SAM = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"Size": {"Type": "Number", "Default": 5}},
    "Conditions": {"Big": {"Fn::Equals": [{"Ref": "Size"}, 9]}},
    "Globals": {"Function": {"Runtime": "python3"}},
    "Resources": {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 1}},
        "Ship": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "CodeUri": ".",
                "Handler": "app.handler",
                "Environment": {"Variables": {"A": {"Ref": "Orders"}}},
                "Events": {
                    "Orders": {
                        "Type": "SQS",
                        "Properties": {"Queue": {"Fn::GetAtt": ["Orders", "Arn"]}},
                    },
                    "Nightly": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 day)"}},
                },
            },
        },
    },
}
CLOUDFORMATION = {
    "Mappings": {"Sizes": {"dev": {"batch": 5}}},
    "Resources": {
        "Items": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
            },
        },
        "Show": {
            "Type": "AWS::Lambda::Function",
            "Metadata": {"aws:asset:path": ".", "aws:asset:property": "Code"},
            "Properties": {"Code": {"S3Bucket": "b"}, "Handler": "app.handler"},
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "DependsOn": ["Items"],
            "Properties": {
                "FunctionName": {"Ref": "Show"},
                "EventSourceArn": {"Fn::GetAtt": ["Items", "StreamArn"]},
                "BatchSize": {"Fn::FindInMap": ["Sizes", "dev", "batch"]},
                "StartingPosition": "LATEST",
                "Tags": [{"Key": "a", "Value": "b"}],
            },
        },
        "News": {"Type": "AWS::SNS::Topic", "Properties": {"Subscription": [{"Protocol": "sqs"}]}},
    },
}
MISTAKES: list[object] = [
    None,
    "x",
    [],
    {},
    {"Ref": "Nowhere"},
    {"Ref": "AWS::NoValue"},
    {"Fn::ImportValue": "x"},
]


def paths_of(value: object, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every place below the top of a document."""
    members: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    for key, member in members:
        yield (*above, key)
        yield from paths_of(member, (*above, key))


def replaced(document: Any, path: tuple[Any, ...], value: object) -> Any:
    """Give a copy of a document with another value in one place."""
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = copy.deepcopy(value)
    return changed


@pytest.mark.parametrize("mistake", MISTAKES, ids=json.dumps)
@pytest.mark.parametrize("document", [SAM, CLOUDFORMATION], ids=["sam", "cloudformation"])
def test_one_mistake_is_read_or_told_in_one_line(
    tmp_path: Path, document: dict[str, object], mistake: object
) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    path = tmp_path / "template.json"
    texts = {}
    for place in paths_of(document):
        path.write_text(json.dumps(replaced(document, place, mistake)))

        try:
            read_path(path)
        except ConfigurationError as exc:
            texts[place] = str(exc)

    assert texts != {}
    assert [place for place, text in texts.items() if not text or "\n" in text] == []
