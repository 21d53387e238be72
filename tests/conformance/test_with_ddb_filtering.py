"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html, and recorded answers.

What AWS's page does not say and was recorded from it stands in docs/semantics.md#filtered-records.
"""

import json

import pytest

from penstock.core.record_filter import RecordFilter, check_patterns
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource
from penstock.model.stream import StreamRecord


def passes(pattern: str, image: object, event_name: str = "INSERT") -> bool:
    change = {"ApproximateCreationDateTime": 1732482021.0, "NewImage": image}
    event = {"eventName": event_name, "eventSource": "aws:dynamodb", "dynamodb": change}
    record = StreamRecord("1", b"k", 0, json.dumps(event).encode())
    return bool(RecordFilter([pattern], FilterSource.DYNAMODB).keep_records((record,)))


def image_pattern(image: object) -> str:
    return json.dumps({"dynamodb": {"NewImage": image}})


def test_type_descriptor_is_part_of_the_path() -> None:
    """An attribute is named with its type; without it nothing matches."""
    item = {"presentKey": {"S": "presentValue"}}

    assert passes(image_pattern({"presentKey": {"S": ["presentValue"]}}), item)
    assert not passes(image_pattern({"presentKey": ["presentValue"]}), item)


def test_exists_needs_the_type_descriptor_as_well() -> None:
    """Exists is for leaves: an attribute's own name has none."""
    item = {"presentKey": {"S": "x"}}

    assert passes(image_pattern({"presentKey": {"S": [{"exists": True}]}}), item)
    assert passes(image_pattern({"presentKey": [{"exists": False}]}), item)
    assert passes(image_pattern({"homemade": {"S": [{"exists": False}]}}), item)


def test_numbers_of_items_are_strings() -> None:
    """Recorded: numeric matched neither N "42" nor "101"; anything-but did the first."""
    pattern = image_pattern({"n": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}})

    assert passes(pattern, {"n": {"N": "42"}})
    assert not passes(pattern, {"n": {"N": "101"}})


def test_creation_time_is_a_number() -> None:
    """Recorded: ApproximateCreationDateTime is a number when filters look at it."""
    assert passes('{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",0]}]}}', {})


def test_event_name_and_source_can_be_matched() -> None:
    """Recorded: eventName and eventSource select the INSERT of an item."""
    pattern = '{"eventName":["INSERT"],"eventSource":["aws:dynamodb"]}'

    assert passes(pattern, {})
    assert not passes(pattern, {}, event_name="MODIFY")


def test_dynamodb_may_stand_twice() -> None:
    """The page's example for AND repeats the key; both must match."""
    pattern = (
        '{"dynamodb":{"NewImage":{"a":{"S":["x"]}}},"dynamodb":{"NewImage":{"b":{"S":["y"]}}}}'
    )

    assert passes(pattern, {"a": {"S": "x"}, "b": {"S": "y"}})
    assert not passes(pattern, {"a": {"S": "z"}, "b": {"S": "y"}})


def test_any_element_of_a_list_may_match() -> None:
    """A list's elements are matched each for itself."""
    assert passes(image_pattern({"l": {"L": {"S": ["b"]}}}), {"l": {"L": [{"S": "a"}, {"S": "b"}]}})


def test_plain_pattern_on_dynamodb_is_refused() -> None:
    """What a record carries is JSON always."""
    with pytest.raises(FilterPatternError):
        check_patterns(['{"dynamodb":["x"]}'], FilterSource.DYNAMODB)
