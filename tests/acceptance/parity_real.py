"""What really happens: the scenarios as mappings of one ``penstock dev``, against its moto."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import parity_handler
from dev_process import running_dev
from parity_handler import asked_of, events_in
from parity_outcome import Outcome, Seen, outcome_of
from parity_scenarios import Scenario, Step
from parity_sources import KinesisSource, QueueSource, Service, make_source

AT_ONCE = 12  # scenarios side by side
LOOK_S = 0.25
WAIT_S_MAX = 100.0  # for one thing to happen; records become a minute old
FUNCTION = """
[functions.within-{timeout_s}-s]
Handler = "parity_handler.handler"
code = "code"
Timeout = {timeout_s}
concurrency = 6
Environment = {{ {ledger} = "{folder}" }}
"""


def observe(scenarios: Sequence[Scenario], folder: Path) -> dict[str, Future[Outcome]]:
    """Run scenarios side by side, as mappings of one service; give what has come of each."""
    ledgers, code = folder / "ledgers", folder / "code"
    ledgers.mkdir()
    code.mkdir()
    shutil.copy(parity_handler.__file__, code)
    project_file = folder / "penstock.toml"
    project_file.write_text(_project(scenarios, ledgers))
    with running_dev(project_file) as dev, ThreadPoolExecutor(AT_ONCE) as threads:
        service = Service(dev, ledgers)
        return {each.name: threads.submit(_run, service, each) for each in scenarios}


def _project(scenarios: Sequence[Scenario], ledgers: Path) -> str:
    functions = [
        FUNCTION.format(timeout_s=timeout_s, ledger=parity_handler.LEDGER, folder=ledgers)
        for timeout_s in sorted({each.timeout_s for each in scenarios})
    ]
    return '[service]\nstream_pace = "aws"\n' + "".join(functions)


def _run(service: Service, scenario: Scenario) -> Outcome:
    return _Run(service, scenario).outcome()


class _Run:
    """One scenario at a service."""

    def __init__(self, service: Service, scenario: Scenario) -> None:
        self._service = service
        self._scenario = scenario
        self._source = make_source(service, scenario)
        self._failed_url = service.make_queue(scenario.failed) if scenario.has_destination else ""
        self._uuid = ""

    def outcome(self) -> Outcome:
        """Do what the scenario says, and tell what came of it."""
        scenario = self._scenario
        if scenario.window_s:  # windows are of the wall clock: all records are in one
            _pause(scenario.window_s - time.time() % scenario.window_s)  # noqa: TID251
        self._source.put(scenario.records)
        _pause(scenario.old_s)
        self._create()
        self._wait_for_state("Enabled")
        self._wait_until_done()
        for step in scenario.then:
            self._take(step)
        seen = self._seen()
        self._service.mappings.delete_event_source_mapping(UUID=self._uuid)
        return outcome_of(scenario, seen)

    def _create(self) -> None:
        request = self._scenario.request
        if request.get("StartingPosition") == "LATEST" and isinstance(self._source, KinesisSource):
            self._source.pass_over()
        made = self._service.mappings.create_event_source_mapping(
            EventSourceArn=self._source.arn,
            FunctionName=f"within-{self._scenario.timeout_s}-s",
            **request,
        )
        self._uuid = made["UUID"]

    def _take(self, step: Step) -> None:
        if step.update:
            self._service.mappings.update_event_source_mapping(UUID=self._uuid, **step.update)
        is_enabled = step.update.get("Enabled", True)
        self._wait_for_state("Enabled" if is_enabled else "Disabled")
        self._source.put(step.records)
        if is_enabled:
            self._wait_until_done()

    def _wait_for_state(self, state: str) -> None:
        get = self._service.mappings.get_event_source_mapping
        self._wait(state, lambda: get(UUID=self._uuid)["State"] == state)

    def _wait_until_done(self) -> None:
        self._wait("the end", lambda: self._source.is_done(self._uuid))

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        until_s = time.perf_counter() + WAIT_S_MAX
        while not is_so():
            if time.perf_counter() > until_s:
                raise TimeoutError(
                    f"{self._scenario.name}: waited {WAIT_S_MAX} s for {what}; {self._seen()}"
                )
            _pause(LOOK_S)

    def _seen(self) -> Seen:
        ledger = self._service.ledgers / f"{self._scenario.source}.jsonl"
        failed = self._service.take_all(self._failed_url) if self._failed_url else []
        seen = Seen(list(events_in(ledger)), reports=[json.loads(each) for each in failed])
        if isinstance(self._source, QueueSource):
            return msgspec.structs.replace(seen, dead=self._source.dead())
        return msgspec.structs.replace(seen, journaled=self._journaled())

    def _journaled(self) -> list[str]:
        failures = self._service.ask(f"failures?mapping={self._uuid}")["failures"]
        events = [self._service.ask(f"failures/{each['id']}")["event"] for each in failures]
        return [json.dumps(asked_of(record)) for event in events for record in event["Records"]]


def _pause(seconds: float) -> None:
    """Let real time pass: other processes are looked at from outside."""
    threading.Event().wait(seconds)
