"""The SAM translator's own example templates, read without error where they can be.

They are in tests/translator/input of github.com/aws/serverless-application-model; point
PENSTOCK_SAM_TEMPLATES at that folder.
"""

import os
import re
from pathlib import Path

import pytest

from penstock.local.project_source import ProjectSource

FOLDER = os.environ.get("PENSTOCK_SAM_TEMPLATES")
TRANSFORM = "Transform: AWS::Serverless-2016-10-31\n"
EVENTS = re.compile(r"^\s+Type: [\"']?(SQS|Kinesis|DynamoDB)[\"']?\s*$", re.MULTILINE)
# What CloudFormation would not take either: the translator alone does not look.
INVALID = {"function_with_event_filtering.yaml": "a table without AttributeDefinitions"}

pytestmark = pytest.mark.skipif(FOLDER is None, reason="PENSTOCK_SAM_TEMPLATES is not set")


def templates() -> list[Path]:
    """Find those with events that become mappings, and that the translator takes."""
    found = sorted(Path(FOLDER or ".").glob("*.yaml")) if FOLDER else []
    return [
        path
        for path in found
        if not path.name.startswith("error_") and EVENTS.search(path.read_text())
    ]


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
def test_template_is_read_without_error(path: Path, tmp_path: Path) -> None:
    if path.name in INVALID:
        pytest.skip(INVALID[path.name])
    text = path.read_text()
    copied = tmp_path / path.name
    copied.write_text(text if "Transform:" in text else TRANSFORM + text)

    project = ProjectSource(path=copied).read(
        endpoint="http://127.0.0.1:4566", inline_folder=tmp_path
    )

    made = {mapping.name for mapping in project.mappings}
    told = {each.subject for each in project.omissions}
    assert made | told != set()
