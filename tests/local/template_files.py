"""Templates for tests, and what they are read into."""

import json
import textwrap
from pathlib import Path

from penstock.local.project_file import Project
from penstock.local.project_source import ProjectSource

ENDPOINT = "http://127.0.0.1:4566"
ACCOUNT = "000000000000"
REGION = "us-east-1"
HANDLER = "def handler(event, context): ...\n"
TRANSFORM = "Transform: AWS::Serverless-2016-10-31\n"


def write(folder: Path, text: str, name: str = "template.yaml") -> Path:
    """Write a template, and a handler app.handler beside it."""
    (folder / "app.py").write_text(HANDLER)
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def read(folder: Path, text: str, **parameters: str) -> Project:
    """Read a template as ``penstock dev`` does."""
    return read_path(write(folder, text), **parameters)


def read_json(folder: Path, template: object) -> Project:
    """Read a template of JSON, as CDK writes them."""
    return read_path(write(folder, json.dumps(template), "Stack.template.json"))


def read_path(path: Path, **parameters: str) -> Project:
    """Read a template that is there."""
    source = ProjectSource(path=path, parameters=parameters)
    return source.read(endpoint=ENDPOINT, inline_folder=path.parent / "inline")


def resources(text: str, indent: int = 2) -> str:
    """Put resources into a CloudFormation template."""
    return "Resources:\n" + textwrap.indent(textwrap.dedent(text), " " * indent)


def omitted(project: Project) -> list[str]:
    """Say what is not made, but for what is not needed."""
    return [str(each) for each in project.omissions if not each.is_needless]
