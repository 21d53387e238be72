"""Which file a command means, and how its parameters are said."""

from pathlib import Path

import pytest
from template_files import ENDPOINT

from penstock.local.project_source import (
    ProjectSource,
    find_project_file,
    is_template,
    parse_parameter,
)
from penstock.local.serve_start import ServeRequest, start_serve
from penstock.model.errors import ConfigurationError


@pytest.mark.parametrize(
    "name", ["penstock.toml", "template.yaml", "template.yml", "template.json"]
)
def test_only_file_of_a_folder_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert find_project_file(tmp_path) == tmp_path / name


def test_current_folder_is_meant_when_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template.yaml").touch()
    monkeypatch.chdir(tmp_path)

    assert find_project_file(None) == Path("template.yaml")


def test_nothing_is_declared_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_project_file(None) is None


def test_named_file_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_project_file(tmp_path / "absent.yaml") == tmp_path / "absent.yaml"


def test_folder_with_two_asks_which_one(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").touch()
    (tmp_path / "template.yaml").touch()

    with pytest.raises(ConfigurationError) as raised:
        find_project_file(tmp_path)

    assert str(raised.value) == f"{tmp_path} has penstock.toml and template.yaml; name one of them"


def test_folder_with_none_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has none of penstock\.toml, template\.yaml"):
        find_project_file(tmp_path)


def test_folder_of_cdk_names_its_stacks(tmp_path: Path) -> None:
    (tmp_path / "Orders.template.json").touch()
    (tmp_path / "Clicks.template.json").touch()

    with pytest.raises(ConfigurationError) as raised:
        find_project_file(tmp_path)

    told = "; name its Clicks.template.json or Orders.template.json"
    assert str(raised.value).endswith(told)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.yaml", True), ("Stack.template.json", True), ("a.template", True), ("a.toml", False)],
)
def test_template_is_told_by_its_name(name: str, expected: bool) -> None:  # noqa: FBT001
    assert is_template(Path(name)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Stage=dev", ("Stage", "dev")),
        ("A=b=c", ("A", "b=c")),
        ("A=", ("A", "")),
        ("AWS::Region=eu-west-1", ("AWS::Region", "eu-west-1")),
    ],
)
def test_parameter_is_a_key_and_a_value(text: str, expected: tuple[str, str]) -> None:
    assert parse_parameter(text) == expected


@pytest.mark.parametrize("text", ["Stage", "=dev", " =dev"])
def test_parameter_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not of the form KEY=VALUE"):
        parse_parameter(text)


def test_serve_refuses_a_template(tmp_path: Path) -> None:
    request = ServeRequest(project_file=tmp_path / "template.yaml")

    with pytest.raises(ConfigurationError, match="templates are for penstock dev"):
        start_serve(request, log_format="console", log_level="info")


def test_parameters_are_refused_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.touch()
    source = ProjectSource(path=path, parameters={"Stage": "dev"})

    with pytest.raises(ConfigurationError, match="--parameter is for templates"):
        source.read(endpoint=ENDPOINT, inline_folder=tmp_path)
