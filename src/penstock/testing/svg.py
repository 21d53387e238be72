"""The elements of an SVG file, as text."""

import re
from collections.abc import Iterable

# What XML 1.0 does not allow at all, whatever way it is written.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """Write a text so that it means itself."""
    cleaned = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return cleaned.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def element(name: str, *inside: str, **attributes: object) -> str:
    """Write an element; an underscore in an attribute's name is a hyphen."""
    written = "".join(
        f' {attribute.rstrip("_").replace("_", "-")}="{_write(value)}"'
        for attribute, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def title(text: str) -> str:
    """Write what is shown when the pointer rests on the element that it stands in."""
    return element("title", escape(text))


def text(x: float, y: float, shown: str, **attributes: object) -> str:
    """Write a line of text."""
    return element("text", escape(shown), x=x, y=y, **attributes)


def document(width: float, height: float, style: str, elements: Iterable[str]) -> str:
    """Write a whole file, on white."""
    size = f"{_write(width)} {_write(height)}"
    paper = element("rect", width="100%", height="100%", fill="#ffffff")
    written = element(
        "svg",
        "\n".join(["", element("style", style), paper, *elements, ""]),
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {size}",
    )
    return f"{written}\n"


def _write(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(str(value)).replace('"', "&quot;")
