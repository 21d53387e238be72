"""Reads the text of a template, YAML or JSON, and remembers the line of what it holds.

1. CloudFormation's short tags become their long forms: ``!GetAtt A.B`` is
   ``{"Fn::GetAtt": ["A", "B"]}``.
2. Nothing of the text can make it larger or deeper than the limits below, aliases included.
3. A date is a text, and so is a number that begins with a zero or does not fit 64 bits: a
   template's dates are versions of policies, and such numbers account ids.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import yaml

from penstock.local.bounded_read import read_at_most
from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

TEMPLATE_BYTES_MAX = 1024 * 1024  # AWS's quota for a template in S3
NODES_MAX = 200_000  # what a megabyte of flow style can hold; an alias counts what it repeats
DEPTH_MAX = 100  # AWS's templates stay far below; what walks a template recurses
_LINES_DEPTH = 7  # Resources, logical id, Properties, Events, name, Properties, property

Lines = dict[tuple[str, ...], int]


class Template(msgspec.Struct, frozen=True):
    """A template as it was written.

    Attributes:
        lines: By the keys that lead to a value, the line where its key stands, from 1.
    """

    path: Path
    content: dict[str, object]
    lines: Lines

    @property
    def transforms(self) -> list[object]:
        """Give what Transform names: one, several or none."""
        named = self.content.get("Transform", [])
        return named if isinstance(named, list) else [named]

    def section(self, name: str) -> dict[str, object]:
        """Give a section that holds things by their names; empty when it is not there."""
        section = self.content.get(name)
        if section is None:
            return {}
        if not isinstance(section, dict):
            raise Where(self, (name,)).error("expected names with their values below it")
        return section


class Where(msgspec.Struct, frozen=True):
    """Where in a template a value stands, by the keys that lead to it."""

    template: Template
    keys: tuple[str, ...] = ()

    def at(self, *keys: str) -> "Where":
        """Go down."""
        return Where(self.template, (*self.keys, *keys))

    @property
    def shown(self) -> str:
        """``template.yaml:12: Orders.VisibilityTimeout``; the line is the nearest that is known."""
        lines = self.template.lines
        known = (lines.get(self.keys[:length]) for length in range(len(self.keys), 0, -1))
        line = next((line for line in known if line is not None), None)
        place = str(self.template.path) if line is None else f"{self.template.path}:{line}"
        names = [key for key in self.keys if key not in {"Resources", "Properties"}]
        return f"{place}: {'.'.join(names)}" if names else place

    def error(self, text: str) -> ConfigurationError:
        """Say in one line what is wrong here."""
        return ConfigurationError(f"{self.shown}: {text}")


def read_document(path: Path) -> Template:
    """Read a template's text.

    Raises:
        ConfigurationError: It cannot be read, is too large or too deep, or is neither YAML nor
            JSON.
    """
    text = _read_text(path)
    is_json = path.suffix == ".json" or text.lstrip().startswith("{")
    try:
        content, lines = _read_json(text, path) if is_json else _read_yaml(text, path)
    except RecursionError as exc:
        raise ConfigurationError(f"{path}: nested too deeply") from exc
    if not isinstance(content, dict) or not isinstance(content.get("Resources"), dict):
        raise ConfigurationError(f"{path}: not a template: it has no Resources")
    return Template(path, content, lines)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = read_at_most(
                file, TEMPLATE_BYTES_MAX, str(path), ", as large as AWS lets a template be"
            )
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror}") from exc
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: not UTF-8: {exc}") from exc


def _read_json(text: str, path: Path) -> tuple[object, Lines]:
    def refuse_constant(name: str) -> object:
        raise ConfigurationError(f"{path}: not valid JSON: {name}")

    def expect_single(pairs: list[tuple[str, object]]) -> dict[str, object]:
        table = dict(pairs)
        if len(table) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(f"{path}: the key {twice!r} stands twice in one object")
        return table

    try:
        content = json.loads(
            text,
            object_pairs_hook=expect_single,
            parse_constant=refuse_constant,
            parse_int=_whole_number,
        )
        json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        raise ConfigurationError(f"{path}:{exc.lineno}: not valid JSON: {exc.msg}") from exc
    except UnicodeEncodeError as exc:
        half = exc.object[exc.start]
        raise ConfigurationError(f"{path}: not valid JSON: {half!r} is half a character") from exc
    reader = _Reader(path)
    try:
        # JSON has tabs only between its values, and YAML none; all else of it is YAML, nearly.
        reader.read(_compose(text.replace("\t", " "), path), (), 0)
    except yaml.YAMLError:
        return content, {}
    return content, reader.lines


def _read_yaml(text: str, path: Path) -> tuple[object, Lines]:
    reader = _Reader(path)
    try:
        node = _compose(text, path)
        return (None if node is None else reader.read(node, (), 0)), reader.lines
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = exc.problem or exc.context
        raise ConfigurationError(f"{place}: not valid YAML: {reason}") from exc
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"{path}: not valid YAML: {' '.join(str(exc).split())}") from exc


def _compose(text: str, path: Path) -> yaml.Node | None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
    depth = 0
    # The composer recurses, libyaml's on the C stack, which must not end: so the events first.
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                raise _too_deep(path, event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    node: yaml.Node | None = yaml.compose(text, Loader=loader)
    return node


def _too_deep(path: Path, mark: yaml.Mark) -> ConfigurationError:
    return ConfigurationError(f"{path}:{mark.line + 1}: nested more than {DEPTH_MAX} deep")


_YAML = "tag:yaml.org,2002:"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")  # 18 digits fit 64 bits
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+")
_TRUE = frozenset({"true", "yes", "on"})

_SHORT_TAGS = {"Ref": "Ref", "Condition": "Condition"} | {
    name: f"Fn::{name}"
    for name in (
        *("And", "Base64", "Cidr", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "If"),
        *("ImportValue", "Join", "Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString"),
        "Transform",
    )
}


class _Reader:
    """Turns YAML's nodes into plain values, within the limits."""

    def __init__(self, path: Path) -> None:
        self.lines: Lines = {}
        self._path = path
        self._left = NODES_MAX

    def read(self, node: yaml.Node | None, keys: tuple[str, ...], depth: int) -> object:
        """Give the value of a node; a short tag gives its long form."""
        if node is None:
            return None
        self._left -= 1
        if self._left < 0:
            raise self._error(node, f"more than {NODES_MAX:,} values, what aliases repeat included")
        if depth > DEPTH_MAX:
            raise _too_deep(self._path, node.start_mark)
        value = self._plain(node, keys, depth)
        if node.tag.startswith("!") and node.tag != "!":
            return self._long_form(node, value)
        return value

    def _plain(self, node: yaml.Node, keys: tuple[str, ...], depth: int) -> object:
        match node:
            case yaml.MappingNode():
                return self._mapping(node, keys, depth)
            case yaml.SequenceNode():
                items = enumerate(node.value)
                return [self.read(item, (*keys, str(i)), depth + 1) for i, item in items]
            case _:
                return _scalar(node)

    def _mapping(
        self, node: yaml.MappingNode, keys: tuple[str, ...], depth: int
    ) -> dict[str, object]:
        table: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                merged |= self._merged(value_node, keys, depth)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a text")
            key = str(key_node.value)
            if key in table:
                raise self._error(key_node, f"the key {key!r} stands twice")
            below = (*keys, key)
            if len(below) <= _LINES_DEPTH:
                self.lines.setdefault(below, key_node.start_mark.line + 1)
            table[key] = self.read(value_node, below, depth + 1)
        return merged | table

    def _merged(self, node: yaml.Node, keys: tuple[str, ...], depth: int) -> dict[str, object]:
        value = self.read(node, keys, depth + 1)
        tables = value if isinstance(value, list) else [value]
        merged: dict[str, object] = {}
        for table in reversed(tables):  # the first one wins
            if not isinstance(table, dict):
                raise self._error(node, "<< merges mappings only")
            merged |= table
        return merged

    def _long_form(self, node: yaml.Node, value: object) -> dict[str, object]:
        tag = node.tag.removeprefix("!")
        if tag not in _SHORT_TAGS:
            raise self._error(node, f"unknown tag !{tag}; {suggest(tag, _SHORT_TAGS, 'tags')}")
        if tag == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {_SHORT_TAGS[tag]: value}

    def _error(self, node: yaml.Node, text: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}:{node.start_mark.line + 1}: {text}")


def _whole_number(text: str) -> int | str:
    return int(text) if _DECIMAL.fullmatch(text) else text


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    read: Callable[[str], object] = str
    match node.tag.removeprefix(_YAML):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int":
            read = _whole_number
        case "float" if _FLOAT.fullmatch(text):
            read = float
    return read(text)
