"""The plugin, as a user's own pytest meets it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder, into whose environment Penstock's entry points are installed."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    points = declared["project"]["entry-points"]["pytest11"]
    installed = tmp_path / "site" / "penstock_tried-0.dist-info"
    installed.mkdir(parents=True)
    lines = ["[pytest11]", *[f"{name}_tried = {target}" for name, target in points.items()]]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-tried\nVersion: 0\n")
    return tmp_path


def pytest_of(project: Path, code: str, *arguments: str) -> str:
    """Run a user's pytest on a test file; give what it prints."""
    (project / "test_user.py").write_text(code)
    # Only the entry point of this tree: another Penstock may be installed beside it.
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:penstock", *arguments]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", "test_user.py"],
        cwd=project,
        env={"PYTHONPATH": f"{project / 'site'}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


def test_the_fixture_is_found_without_an_import(project: Path) -> None:
    told = pytest_of(
        project,
        "def test_orders(penstock):\n"
        "    queue = penstock.queue()\n"
        "    mapping = penstock.map(queue, lambda event, context: None)\n"
        "    queue.send('a')\n"
        "    penstock.run_until_idle()\n"
        "    assert mapping.succeeded == ['a']\n",
    )

    assert "1 passed" in told


def test_a_failure_shows_the_timeline(project: Path) -> None:
    told = pytest_of(
        project,
        "def test_orders(penstock):\n"
        "    queue = penstock.queue('orders')\n"
        "    mapping = penstock.map(queue, lambda event, context: None)\n"
        "    queue.send('a')\n"
        "    penstock.run_until_idle()\n"
        "    assert mapping.discarded == ['a']\n",
    )

    assert "1 failed" in told
    assert "Penstock's timelines" in told
    assert "queue orders to function" in told
    assert "invoke 1    1 message: #1" in told


def test_an_error_that_has_the_timeline_shows_it_once(project: Path) -> None:
    told = pytest_of(
        project,
        "def test_orders(penstock):\n"
        "    queue = penstock.queue('orders')\n"
        "    penstock.map(queue, lambda event, context: 1 / 0)\n"
        "    queue.send('a')\n"
        "    penstock.run_until_idle(minutes=2)\n",
    )

    assert "not idle after 0:02:00" in told
    assert told.count("queue orders to function") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("penstock.map(queue, print, BatchSze=1)", "did you mean BatchSize?", id="map"),
        pytest.param("penstock.map(queue, print, BatchSize='1')", "'batchSize'", id="type"),
        pytest.param("penstock.queue(VisibilityTimeout=-1)", "VisibilityTimeout", id="queue"),
        pytest.param("penstock.map(queue, 'no.such')", "'no' cannot be imported", id="handler"),
        pytest.param("queue.send(object())", "object is not JSON", id="cause of Python's own"),
        pytest.param(
            "penstock.map(queue, print, FilterCriteria={'Filters': [{'Pattern': '{'}]})",
            "FilterPatternError: pattern 1: a pattern is JSON",
            id="cause of ours",
        ),
    ],
)
def test_an_error_shows_the_users_line_and_its_message(
    project: Path, line: str, message: str
) -> None:
    told = pytest_of(
        project,
        f"def test_orders(penstock):\n    queue = penstock.queue('orders')\n    {line}\n",
    )

    assert f">       {line}\n" in told
    assert message in told
    assert ".py" not in told.replace("test_user.py", "")


def test_an_import_that_fails_shows_where_in_the_handlers_file(project: Path) -> None:
    (project / "app.py").write_text("import json\n\nlimit = 1 / 0\n")

    told = pytest_of(
        project,
        "def test_orders(penstock):\n    penstock.map(penstock.queue('orders'), 'app.handler')\n",
    )

    assert ">   limit = 1 / 0" in told
    assert "module 'app' cannot be imported: ZeroDivisionError: division by zero" in told


def test_a_user_of_none_of_it_imports_none_of_it(project: Path) -> None:
    told = pytest_of(
        project,
        "import sys\n"
        "def test_nothing():\n"
        "    ours = sorted(n for n in sys.modules if n.partition('.')[0] == 'penstock')\n"
        "    assert ours == ['penstock', 'penstock.pytest_plugin']\n"
        "    assert 'msgspec' not in sys.modules\n",
    )

    assert "1 passed" in told


def test_an_async_test_is_told_what_to_do(project: Path) -> None:
    told = pytest_of(
        project,
        "import asyncio\n"
        "def test_orders(penstock):\n"
        "    async def main():\n"
        "        penstock.advance(minutes=1)\n"
        "    asyncio.run(main())\n",
    )

    assert "write the test as a plain function" in told
