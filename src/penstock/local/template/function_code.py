"""Finds the folder of a function's code, or says why the function does not run here."""

from pathlib import Path

import msgspec

from penstock.functions.host.runtimes import choose_runtime
from penstock.local.template.document import Where
from penstock.local.template.resource import Resource
from penstock.local.template.unknown import NotKnownHereError
from penstock.local.template.values import Values
from penstock.model.errors import ConfigurationError
from penstock.model.function import ANY_PYTHON

# CDK says there which folder or file beside the template an asset is.
_ASSET_PATH, _ASSET_PROPERTY = "aws:asset:path", "aws:asset:property"
_INLINE_STEM = "index"  # AWS's name for the file of a ZipFile
_IMAGE = "Image"


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
        if isinstance(asset, str) and resource.metadata.get(_ASSET_PROPERTY, "Code") == "Code":
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
        """Write the file; an unchanged one stays, so that no process is started anew for it.

        The folder is called by the logical id, which is letters and digits: a function's name is
        the template's own, and may be a path.
        """
        folder = self._inline_folder / logical_id
        suffix = ".js" if runtime.startswith("nodejs") else ".py"
        file = folder / f"{_INLINE_STEM}{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
        return str(folder.absolute())


def _refusal(resource: Resource, code: object, runtime: object) -> str | None:
    """Say why a function does not run here, wherever its code is; None: it may."""
    parts = code if isinstance(code, dict) else {}
    if resource.properties.get("PackageType") == _IMAGE or "ImageUri" in parts:
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
