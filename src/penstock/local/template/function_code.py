"""Finds the folder of a function's code, or says why the function does not run here."""

import hashlib
from pathlib import Path

import msgspec

from penstock.functions.host.runtimes import choose_runtime
from penstock.local.template.document import Where
from penstock.local.template.resource import Resource
from penstock.local.template.unknown import NotKnownHereError
from penstock.local.template.values import Values
from penstock.model.errors import ConfigurationError
from penstock.model.function import ANY_PYTHON

_ASSET_PATH = "aws:asset:path"  # CDK's: the folder or file beside the template that its code is
_INLINE_STEM = "index"  # AWS's name for the file of a ZipFile
IMAGE = "Image"  # the PackageType of a container image
CODE_NOT_KNOWN = "NotKnownHere"  # in place of a folder that only AWS could tell, the reason


class NotRunHere(msgspec.Struct, frozen=True):
    """A function or mapping of the template that nothing here can run."""

    reason: str


class FunctionCode:
    """Finds code.

    Args:
        values: Of the template.
        inline_folder: Takes the files of code that stands in the template itself.
    """

    def __init__(self, values: Values, inline_folder: Path) -> None:
        self._values = values
        self._inline_folder = inline_folder

    def find(self, resource: Resource, runtime: object) -> str | NotRunHere:
        """Give the path of a function's folder, relative to the template's or absolute."""
        where = resource.where.at("Properties", "Code")
        code = resource.properties.get("Code")
        reason = _refusal(resource, code, runtime)
        if reason is not None:
            return NotRunHere(reason)
        asset = resource.metadata.get(_ASSET_PATH)
        if isinstance(asset, str):
            code = asset
        try:
            resolved = self._values.resolve(code, where)
        except NotKnownHereError as exc:
            return NotRunHere(exc.reason)
        match resolved:
            case str():
                return _local(resolved, where)
            case {"ZipFile": str(text)}:
                return self._inline(resource.logical_id, text, str(runtime))
            case {"S3Bucket": _} | {"S3Key": _}:
                return NotRunHere("its code is in S3, and local functions run from a folder")
            case _:
                raise where.error("expected a folder, ZipFile, or S3Bucket with S3Key")

    def _inline(self, logical_id: str, text: str, runtime: str) -> str:
        """Write the file, in a folder that belongs to this very text.

        So code that has not changed stays where it is, and what runs is not touched by a template
        that cannot be used in the end. The logical id, letters and digits, is of the path; a
        function's name is not: it is the template's own, and may lead anywhere.
        """
        code = text.encode()
        folder = self._inline_folder / logical_id / hashlib.sha256(code).hexdigest()
        suffix = ".js" if runtime.startswith("nodejs") else ".py"
        file = folder / f"{_INLINE_STEM}{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        if not file.is_file():  # a file that is written again starts its function's processes anew
            file.write_bytes(code)
        return str(folder.absolute())


def _refusal(resource: Resource, code: object, runtime: object) -> str | None:
    """Say why a function does not run here, wherever its code is; None: it may."""
    parts = code if isinstance(code, dict) else {}
    if resource.properties.get("PackageType") == IMAGE or "ImageUri" in parts:
        return "it is a container image, and local functions run from a folder"
    if CODE_NOT_KNOWN in parts:
        return str(parts[CODE_NOT_KNOWN])
    try:
        choose_runtime(ANY_PYTHON if runtime is None else str(runtime))
    except ConfigurationError as exc:
        return str(exc)
    return None


def _local(path: str, where: Where) -> str | NotRunHere:
    if (where.template.path.absolute().parent / path).is_file():
        return NotRunHere(f"its code is the file {path}; name the folder it was packed from")
    return path
