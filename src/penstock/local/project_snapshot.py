"""A project as a file for the service: what the parent has read, whatever its file is by now."""

import os
from pathlib import Path
from typing import Any

import msgspec

from penstock.local.project_file import Project

_NAME = "project.json"
_OWNER_ONLY = 0o600  # it holds the functions' variables


def write_snapshot(project: Project, folder: Path) -> Path:
    """Write a project into a folder, in place of the one before; give the file."""
    path = folder / _NAME
    part = path.with_suffix(".part")
    content = msgspec.json.encode(project, enc_hook=_encode_path)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb") as file:
        file.write(content)
    part.replace(path)
    return path


def read_snapshot(path: Path) -> Project:
    """Read what ``write_snapshot`` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Project, dec_hook=_decode_path)


def _encode_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"a project holds no {type(value).__name__}")


def _decode_path(kind: type, value: Any) -> object:  # noqa: ANN401  msgspec's own signature
    return Path(value) if kind is Path else value  # a mapping's parameters are objects to msgspec
