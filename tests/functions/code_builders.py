"""Zip files of code, honest ones and others."""

import io
import stat
import zipfile


def zipped(files: dict[str, str | bytes] | None = None) -> bytes:
    """Give a zip file of these files; without any, of a handler that answers with its version."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files or {"app.py": HANDLER}).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def zipped_entries(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    """Give a zip file of entries as they are, however strange."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return packed.getvalue()


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """Give an entry of a name and a Unix mode."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.filename = name  # the constructor cuts a name at a NUL
    return info


HANDLER = """
def handler(event, context):
    return context.function_version
"""
