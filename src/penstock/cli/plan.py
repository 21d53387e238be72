"""``penstock plan``: what ``penstock dev`` would make of a project."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.output import print_json, print_table

if TYPE_CHECKING:
    from penstock.local.plan import Plan

_RESOURCES = ("queues", "streams", "tables", "topics", "buckets")


@click.command("plan")
@click.argument("project_file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--parameter",
    "parameters",
    metavar="KEY=VALUE",
    multiple=True,
    help="A template's parameter; may be repeated. AWS::Region=eu-west-1 works too.",
)
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table")
def command(project_file: Path | None, parameters: tuple[str, ...], shape: str) -> None:
    """Say what dev would make of PROJECT_FILE, and what it would not.

    PROJECT_FILE is a SAM, CloudFormation or CDK-synthesised template, a penstock.toml, or a folder
    that has one of them (without it: this folder). Nothing is made and nothing is called: it works
    without a network. Mappings are held against Lambda's own model; what else Lambda refuses is
    told when dev starts.

    Ends with 0, or with 2 and one line on stderr when the file cannot be used.

    \b
    penstock plan template.yaml --parameter Stage=dev
    penstock plan cdk.out/Orders.template.json --format json
    """  # noqa: D301  click reads a backspace as: keep these lines as they are
    with one_line_errors():
        # Imported here: --help does not wait for it.
        from penstock.local.plan import make_plan  # noqa: PLC0415

        plan = make_plan(project_file, parameters)
    if shape == "json":
        import msgspec  # noqa: PLC0415  as above

        print_json(msgspec.json.encode(plan))
    else:
        _print_plan(plan)


def _print_plan(plan: "Plan") -> None:
    click.echo(f"penstock dev {plan.file} would make")
    _print_section(
        ("FUNCTION", "RUNS", "HANDLER", "CODE", "SETTINGS"),
        [_function_row(function) for function in plan.functions],
    )
    _print_section(
        ("MAPPING", "SOURCE", "FUNCTION", "PARAMETERS"),
        [
            (
                each["name"],
                _shown_source(each["source"]),
                each["function"],
                _shown(each["parameters"]),
            )
            for each in plan.mappings
        ],
    )
    for section in _RESOURCES:
        rows = [
            (each["name"], _shown({key: value for key, value in each.items() if key != "name"}))
            for each in getattr(plan, section)
        ]
        _print_section((section.removesuffix("s").upper(), "PARAMETERS"), rows)
    _print_section(
        ("NOT MADE", "OF TYPE", "WHAT FOLLOWS"),
        [(each["subject"], each["type"], each["text"]) for each in plan.not_made],
    )
    if plan.not_needed:
        by_type: dict[str, list[str]] = {}
        for each in plan.not_needed:
            by_type.setdefault(each["type"], []).append(each["subject"])
        listed = [f"{kind} {', '.join(subjects)}" for kind, subjects in by_type.items()]
        click.echo(f"\nnot needed here: {'; '.join(listed)}")


def _print_section(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        click.echo()
        print_table(columns, rows)


def _function_row(function: dict[str, Any]) -> tuple[str, ...]:
    settings = {"Timeout": function["Timeout"], "MemorySize": function["MemorySize"]}
    settings["concurrency"] = function["concurrency"]
    shown = _shown(settings)
    if function.get("variables"):
        shown += f", variables {', '.join(function['variables'])}"
    runs = function.get("Runtime") or function.get("url") or function["arn"]
    return function["name"], runs, function.get("Handler", "-"), function.get("code", "-"), shown


def _shown_source(source: str) -> str:
    """Show an ARN of the local AWS by what differs in it."""
    match source.split(":", 5):
        case ["arn", _, "sqs", _, _, name]:
            return f"queue {name}"
        case ["arn", _, "kinesis", _, _, name]:
            return f"stream {name.removeprefix('stream/')}"
        case _:
            return source  # a table, or the stream of one that dev does not make


def _shown(parameters: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"
        for key, value in parameters.items()
    )
