"""The text of a template: short tags, lines, and what no text may do."""

import json
from pathlib import Path

import pytest

from penstock.local.template.document import (
    DEPTH_MAX,
    TEMPLATE_BYTES_MAX,
    Where,
    read_document,
)
from penstock.model.errors import ConfigurationError


def write(folder: Path, text: str, name: str = "template.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def value_of(folder: Path, text: str) -> object:
    """Read the one value of a template's section Mappings."""
    path = write(folder, f"Resources: {{}}\nMappings:\n  X: {text}\n")
    return read_document(path).section("Mappings")["X"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("!Ref Orders", {"Ref": "Orders"}, id="ref"),
        pytest.param("!GetAtt A.B", {"Fn::GetAtt": ["A", "B"]}, id="getatt-text"),
        pytest.param("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}, id="getatt-nested"),
        pytest.param("!GetAtt [A, B]", {"Fn::GetAtt": ["A", "B"]}, id="getatt-list"),
        pytest.param("!Sub '${A}'", {"Fn::Sub": "${A}"}, id="sub"),
        pytest.param("!Sub ['${a}', {a: 1}]", {"Fn::Sub": ["${a}", {"a": 1}]}, id="sub-list"),
        pytest.param("!If [C, !Ref A, 2]", {"Fn::If": ["C", {"Ref": "A"}, 2]}, id="inside"),
        pytest.param("!Condition C", {"Condition": "C"}, id="condition"),
        pytest.param("!Select [0, !GetAZs '']", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}, id="azs"),
        pytest.param("2012-10-17", "2012-10-17", id="date-is-text"),
        pytest.param("012345678901", "012345678901", id="account-is-text"),
        pytest.param("12", 12, id="integer"),
        pytest.param("9" * 18, 10**18 - 1, id="largest"),
        pytest.param("9" * 5000, "9" * 5000, id="beyond-64-bits-is-text"),
        pytest.param("1.5", 1.5, id="float"),
        pytest.param("12:30:00", "12:30:00", id="sexagesimal-is-text"),
        pytest.param("yes", True, id="yes"),
        pytest.param("~", None, id="null"),
        pytest.param("'12'", "12", id="quoted"),
    ],
)
def test_yaml_is_read_as_cloudformation_means_it(
    tmp_path: Path, text: str, expected: object
) -> None:
    assert value_of(tmp_path, text) == expected


def test_merge_keys_and_aliases_are_taken_in(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {}\nMappings:\n  A: &a {x: 1, y: 1}\n  B: {<<: *a, y: 2}\n",
    )

    assert read_document(path).section("Mappings")["B"] == {"x": 1, "y": 2}


def test_json_is_read_with_tabs_and_surrogates(tmp_path: Path) -> None:
    text = '{\n\t"Resources": {\n\t\t"A": {"Type": "\\ud83d\\ude00"}\n\t}\n}'

    template = read_document(write(tmp_path, text, "a.json"))

    assert template.content == {"Resources": {"A": {"Type": "\U0001f600"}}}


@pytest.mark.parametrize("name", ["template.yaml", "template.json"])
def test_error_names_file_line_and_logical_id(tmp_path: Path, name: str) -> None:
    content = {"Resources": {"Orders": {"Type": "X", "Properties": {"VisibilityTimeout": 1}}}}
    template = read_document(write(tmp_path, json.dumps(content, indent=1), name))

    where = Where(template).at("Resources", "Orders", "Properties", "VisibilityTimeout")

    assert str(where.error("no")) == f"{tmp_path / name}:6: Orders.VisibilityTimeout: no"


def test_line_of_what_has_none_is_the_nearest_above(tmp_path: Path) -> None:
    template = read_document(write(tmp_path, "Resources:\n  Orders:\n    Type: X\n"))

    where = Where(template).at("Resources", "Orders", "Properties", "Absent")

    assert where.shown == f"{tmp_path / 'template.yaml'}:2: Orders.Absent"


BOMB = "".join(
    f"  {name}: &{name} [{', '.join([f'*{of}'] * 9)}]\n"
    for name, of in zip("bcdefg", "abcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("Resources:\n  A: [", ":3: not valid YAML: ", id="yaml"),
        pytest.param("Resources:\n  A: {}\n  A: {}\n", ":3: the key 'A' stands twice", id="twice"),
        pytest.param(
            "Resources:\n  A: !Reff B\n", "unknown tag !Reff; did you mean Ref?", id="tag"
        ),
        pytest.param("Resources:\n  ? [a]\n  : 1\n", ":2: a key must be a text", id="key"),
        pytest.param("- 1\n", "not a template: it has no Resources", id="list"),
        pytest.param("", "not a template: it has no Resources", id="empty"),
        pytest.param("Resources: 5\n", "not a template: it has no Resources", id="number"),
        pytest.param("\x00", "not valid YAML: ", id="control-character"),
        pytest.param("a: 1\n---\nb: 2\n", "not valid YAML: ", id="two-documents"),
        pytest.param("Resources: *a\n", "found undefined alias", id="alias-of-nothing"),
        pytest.param("Resources: &a\n  A: *a\n", "nested more than 100 deep", id="alias-of-itself"),
        pytest.param(
            f"Resources: {{}}\nMappings:\n  a: &a [{'x, ' * 9}x]\n{BOMB}",
            "more than 200,000 values, what aliases repeat included",
            id="alias-bomb",
        ),
        pytest.param(
            f"Resources: {'[' * (DEPTH_MAX + 2)}{']' * (DEPTH_MAX + 2)}",
            f":1: nested more than {DEPTH_MAX} deep",
            id="deep",
        ),
        pytest.param(
            f"Resources: {'[' * 50_000}", f":1: nested more than {DEPTH_MAX} deep", id="very-deep"
        ),
    ],
)
def test_text_that_is_no_template_is_one_clear_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_document(write(tmp_path, text))

    assert str(raised.value).startswith(str(tmp_path / "template.yaml"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{\n"Resources": {,}}', ":2: not valid JSON: ", id="json"),
        pytest.param('{"Resources": {"A": 1, "A": 2}}', "the key 'A' stands twice", id="twice"),
        pytest.param('{"Resources": NaN}', "not valid JSON: NaN", id="nan"),
        pytest.param('{"a":' * 50_000, "nested too deeply", id="deep"),
        pytest.param(r'{"Resources": {"A": "\ud800"}}', "'\\ud800' is half a character", id="half"),
    ],
)
def test_text_that_is_no_json_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_document(write(tmp_path, text, "template.json"))

    assert message in str(raised.value)


def test_file_larger_than_awss_quota_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path, "#" * (TEMPLATE_BYTES_MAX + 1))

    with pytest.raises(ConfigurationError, match="larger than 1,048,576 bytes"):
        read_document(path)


def test_what_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_bytes(b"Resources: \xff")

    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_document(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "absent.yaml")
