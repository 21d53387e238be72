"""What must hold for every file of the tree, checked by reading it."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import penstock

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "penstock"
FUNCTION_LINES_MAX = 60
TEST_LINES_MAX = 30  # the aim is 25
FILE_LINES_MAX = 400

BANNED_WORDS = frozenset(
    {"manager", "helper", "helpers", "util", "utils", "base", "impl", "common", "misc"}
    | {"data", "info", "process", "do", "stuff"}
)
BANNED_FIRST_WORDS = frozenset({"new", "temp", "do"})
# Names that others gave, and the files in which they may stand.
GIVEN_NAMES = {
    "data": {  # the option --data; asyncio's argument of data_received
        "cli/dev.py",
        "local/dev.py",
        "local/dev_start.py",
        "functions/host/runtime_api.py",
    },
    # a logger's method
    "info": {
        "engine/queue_log.py",
        "local/logs.py",
        "simulation/node.py",
        "testing/engine.py",
    },
    "INFO": {"local/logs.py"},  # a log level
}
# An operating system's process is one; "process" as a verb is what the rule means.
NOUN = re.compile(r"_?(local_|child_)?process|(Local|Child)Process")

# Written in two pieces, so that this file does not hold what it looks for.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")))
REGISTRY = re.compile(
    "|".join(("pypi" + r"\.", "python" + "hosted", "index" + "-url", "artifact" + "ory"))
)
CONFLICT = re.compile(r"^(?:<{7}|>{7}) .*$", flags=re.MULTILINE)
# "Recorded answers" are what docs/semantics.md says of them.
SOURCE = re.compile(
    r"docs\.aws\.amazon\.com/\S+|smithy\.io/\S+|docs\.python\.org/\S+|RFC \d+"
    r"|github\.com/\S+|botocore's \w+ model"
    r"|docs/[\w/.-]+\.md|recorded answers of AWS"
)
PAGE = re.compile(r"docs\.aws\.amazon\.com/\S+|docs/semantics\.md")
LINK = re.compile(r"\]\(([^)\s:#]*)(?:#([\w-]+))?\)")
SEMANTICS_ROW = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def text_files() -> Iterator[Path]:
    """Every file that somebody wrote."""
    folders = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and "egg-info" not in str(path):
                yield path


def functions_in(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield node


def shown(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def lines_of(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def too_long(paths: Iterable[Path], maximum: int) -> list[str]:
    return [
        shown(path, function.lineno, f"{function.name} has {lines_of(function)} lines")
        for path in paths
        for function in functions_in(path)
        if lines_of(function) > maximum
    ]


def matches(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in text_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [shown(path, 0, match[0]) for match in pattern.finditer(text)]
    return found


def test_functions_can_be_read_without_scrolling() -> None:
    assert too_long(python_files(SRC), FUNCTION_LINES_MAX) == []


def test_tests_state_one_behaviour() -> None:
    assert too_long(python_files(ROOT / "tests"), TEST_LINES_MAX) == []


def test_files_hold_one_subject() -> None:
    counts = {path: len(path.read_text().splitlines()) for path in python_files(SRC)}

    assert {str(path): n for path, n in counts.items() if n > FILE_LINES_MAX} == {}


def names_in(path: Path) -> Iterator[tuple[str, int]]:
    """Every name that a file gives: its own, and of functions, classes, arguments, variables."""
    yield path.stem, 0
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno


def is_banned(path: Path, name: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    if not words or NOUN.fullmatch(name):
        return False
    if path.relative_to(SRC).as_posix() in GIVEN_NAMES.get(name, ()):
        return False
    return words[-1] in BANNED_WORDS or words[0] in BANNED_FIRST_WORDS


def test_names_say_what_they_mean() -> None:
    banned = [
        shown(path, line, name)
        for path in python_files(SRC)
        for name, line in names_in(path)
        if is_banned(path, name)
    ]

    assert banned == []


def test_core_modules_have_a_test_file_each() -> None:
    deciding = {path.stem for path in python_files(SRC / "core") if next(functions_in(path), None)}
    tested = {path.stem.removeprefix("test_") for path in python_files(ROOT / "tests" / "core")}

    assert deciding - tested == set()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC.parent).with_suffix("").parts)


def mentioned_in(path: Path) -> Iterator[str]:
    """Modules that a file imports, and strings that may name one that another process runs."""
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), names=aliases):
                yield module
                yield from (f"{module}.{alias.name}" for alias in aliases)
            case ast.Constant(value=str(text)):
                yield text


def test_no_module_is_dead() -> None:
    mentioned = {name for path in python_files(SRC) for name in mentioned_in(path)}
    scripts = (ROOT / "pyproject.toml").read_text()
    dead = [
        module_name(path)
        for path in python_files(SRC)
        if path.stem not in {"__init__", "__main__"}
        and not mentioned & {module_name(path), path.name, path.stem}
        and f'"{module_name(path)}' not in scripts
        and "migrations" not in path.parts  # Alembic finds them by their folder
        and "demo_project" not in path.parts  # a user's code, as the demo shows it
    ]

    assert dead == []


def sources_in(path: Path) -> Iterator[tuple[int, str]]:
    """What stands after ``Source:`` in a file's docstrings."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function | ast.ClassDef | ast.Module):
            text = ast.get_docstring(node) or ""
            line = 0 if isinstance(node, ast.Module) else node.lineno
            yield from ((line, after.strip()) for after in text.split("Source:")[1:])


def test_sources_name_a_page_that_can_be_opened() -> None:
    vague = [
        shown(path, line, source)
        for path in python_files(SRC)
        for line, source in sources_in(path)
        if not SOURCE.match(source)
    ]

    assert vague == []


def anchors_of(markdown: str) -> set[str]:
    """The anchors of a document's headings, as renderers make them."""
    headings = re.findall(r"^#+ (.+)$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def test_references_into_the_documents_lead_somewhere() -> None:
    dangling = []
    for path in python_files(SRC):
        for document, anchor in re.findall(r"(docs/[\w/.-]+\.md)(?:#([\w-]+))?", path.read_text()):
            target = ROOT / document
            if not target.is_file() or (anchor and anchor not in anchors_of(target.read_text())):
                dangling.append(shown(path, 0, f"{document}#{anchor}"))

    assert dangling == []


def test_links_between_the_documents_lead_somewhere() -> None:
    dangling = []
    for path in (each for each in text_files() if each.suffix == ".md"):
        for name, anchor in LINK.findall(path.read_text()):
            target = path.parent / name if name else path
            if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
                dangling.append(shown(path, 0, f"{name}#{anchor}"))

    assert dangling == []


def test_semantics_name_tests_that_exist() -> None:
    rows = SEMANTICS_ROW.findall((ROOT / "docs" / "semantics.md").read_text())
    missing = [
        f"{file}::{test}"
        for file, test in rows
        if not (ROOT / file).is_file()
        or test not in {function.name for function in functions_in(ROOT / file)}
    ]

    assert rows != []
    assert missing == []


def test_conformance_tests_state_their_rule_and_page() -> None:
    silent = [
        shown(path, function.lineno, function.name)
        for path in python_files(ROOT / "tests" / "conformance")
        for function in functions_in(path)
        if function.name.startswith("test_")
        and not (
            ast.get_docstring(function) and PAGE.search(ast.get_docstring(tree_of(path)) or "")
        )
    ]

    assert silent == []


def test_nothing_is_left_unfinished() -> None:
    assert matches(UNFINISHED) == []


def test_no_merge_is_left_undecided() -> None:
    assert matches(CONFLICT) == []


def test_no_package_registry_is_named() -> None:
    assert matches(REGISTRY) == []


def test_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    versions = re.findall(r"^## \[([^\]]+)\]", changelog, flags=re.MULTILINE)

    assert versions[0] == penstock.__version__


def needed_by(requirement: Requirement, seen: set[tuple[str, str]]) -> None:
    """Collect what a requirement brings, as far as it is installed here."""
    for extra in ("", *requirement.extras):
        wanted = (canonicalize_name(requirement.name), extra)
        if wanted in seen:
            continue
        try:
            brought = [Requirement(each) for each in requires(requirement.name) or []]
        except PackageNotFoundError:
            return
        seen.add(wanted)
        for each in brought:
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                needed_by(each, seen)


def test_constraints_pin_all_that_an_extra_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    seen: set[tuple[str, str]] = set()
    for text in chain(project["dependencies"], *project["optional-dependencies"].values()):
        needed_by(Requirement(text), seen)

    lines = (ROOT / "constraints.txt").read_text().split()

    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines}
    assert {name for name, _ in seen} - pinned == {"penstock"}
