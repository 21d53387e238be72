"""A fuzz of every operation that the API routes, driven by botocore's model, over real HTTP.

    python tests/api/fuzz_run.py --requests 20000 --seed 1     (make fuzz)

An operation takes part by being routed; its values come from its shapes. ``fuzz_values.EXAMPLES``
has what cannot be found by trying, ``fuzz_checks.READ_BY`` which operation reads what another has
made. The world behind the API is the tests' own: what it is told of settles at once. With
``--port`` it is a service that runs, which should have what ``api_fakes.World`` has: the queues
orders and orders.fifo, the stream clicks, the function ship.
"""

import argparse
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from random import Random

import msgspec
import structlog
from api_fakes import QUEUE_ARN
from api_server import Answer, Server, running_server
from function_calls import create_active
from fuzz_checks import Checker
from fuzz_model import Operation, own_operations, routed_operations
from fuzz_requests import Trial, TrialMaker
from fuzz_values import ALIAS, FUNCTIONS, STATEMENT, ValueMaker

from penstock.model.message import QueueAttributes

ANSWER_S_MAX = 10.0
COMPLAINTS_MAX = 20
# Deletions are fewer, so that there is what to try; so are the service's own operations.
SHARES = {
    "DeleteEventSourceMapping": 0.4,
    "DeleteAlias": 0.4,
    "DeleteFunction": 0.2,
    "RemovePermission": 0.5,
    "GET": 0.2,
    "POST": 0.5,
    "DELETE": 0.1,
}


class Tally(msgspec.Struct):
    """What became of an operation's requests."""

    taken: int = 0
    refused: int = 0
    broken: int = 0  # bytes of HTTP were changed
    codes: Counter[str] = msgspec.field(default_factory=Counter)


class Fuzz:
    """One run; the same seed draws the same requests.

    Attributes:
        tallies: By operation.
        complaints: What went wrong, with the request's number and its bytes.
    """

    def __init__(self, port: int, operations: Iterable[Operation], seed: int) -> None:
        self._random = Random(seed)
        self._values = ValueMaker(self._random)
        self._maker = TrialMaker(self._random, self._values)
        self._sender = Sender(port)
        self._operations = {each.name: each for each in operations}
        self._checker = Checker(self._operations, self._sender.send)
        self.tallies = {name: Tally() for name in self._operations}
        self.complaints: list[str] = []

    def run(self, count: int) -> None:
        """Send so many requests."""
        names = list(self._operations)
        weights = [SHARES.get(name.split(" ")[0], 1.0) for name in names]
        for number in range(count):
            [name] = self._random.choices(names, weights)
            self._try(number, self._maker.draw(self._operations[name]))
            if len(self.complaints) >= COMPLAINTS_MAX:
                return

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _try(self, number: int, trial: Trial) -> None:
        try:
            answer = self._sender.send(trial)
            self._note(trial, answer)
            found = list(self._checker.complaints(trial, answer))
        except TimeoutError:
            found = [f"no answer within {ANSWER_S_MAX:g} s"]
        self.complaints += [f"request {number}: {each}\n    {trial}" for each in found]

    def _note(self, trial: Trial, answer: Answer) -> None:
        tally = self.tallies[trial.operation.name]
        tally.broken += trial.is_raw
        if answer.code:
            tally.codes[answer.code] += 1
        if answer.status < 400:
            tally.taken += 1
            is_json = answer.headers.get("content-type", "").startswith("application/json")
            if is_json and answer.body:  # that of a HEAD is empty
                self._values.remember(answer.json)
        else:
            tally.refused += 1


class Sender:
    """Sends requests over one connection, and over a new one after each that ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: HTTPConnection | None = None

    def send(self, trial: Trial) -> Answer:
        """Send a request and read its answer.

        Raises:
            TimeoutError: There was none in time.
        """
        for _ in range(2):
            is_fresh = self._connection is None
            try:
                return self._exchange(trial)
            except (HTTPException, ConnectionError):
                self.close()
                if is_fresh:  # the server cut it: nobody else could have
                    return Answer(599, {}, b"")
        raise AssertionError(trial)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, trial: Trial) -> Answer:
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S_MAX)
        connection = self._connection
        has_host = "Host" in trial.headers
        connection.putrequest(
            trial.method, trial.target, skip_host=has_host, skip_accept_encoding=True
        )
        for name, value in trial.headers.items():
            connection.putheader(name, value.encode())
        connection.putheader("Content-Length", str(len(trial.body)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.endheaders(trial.body)  # one that is too large is refused before it is read
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
        if response.will_close:
            self.close()
        return answer


def prepare(server: Server) -> None:
    """Give the server's world a FIFO queue and functions beside what it has."""
    server.world.sources.queues[f"{QUEUE_ARN}.fifo"] = QueueAttributes(visibility_timeout_s=30)
    client = server.client()
    for name in FUNCTIONS:
        create_active(client, name, Publish=True)
        client.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")
        client.add_permission(
            FunctionName=name,
            StatementId=STATEMENT,
            Action="lambda:InvokeFunction",
            Principal="sqs.amazonaws.com",
        )
    client.close()


def run_fuzz(count: int, seed: int, *, port: int | None = None) -> Fuzz:
    """Run the fuzz against a service at that port, or else against a server of its own."""
    with running_server(settles=True) as server:
        prepare(server)
        routed = routed_operations(server.application) + own_operations(server.application)
        fuzz = Fuzz(port or server.port, routed, seed)
        try:
            fuzz.run(count)
        finally:
            fuzz.close()
        return fuzz


def _print(fuzz: Fuzz, seed: int, took_s: float) -> None:
    print(f"{'operation':54}{'requests':>10}{'taken':>8}{'refused':>9}{'broken':>8}  errors")
    for name, tally in fuzz.tallies.items():
        codes = ", ".join(f"{code} {count}" for code, count in tally.codes.most_common())
        sent = tally.taken + tally.refused
        print(f"{name:54}{sent:>10}{tally.taken:>8}{tally.refused:>9}{tally.broken:>8}  {codes}")
    sent = sum(tally.taken + tally.refused for tally in fuzz.tallies.values())
    print(f"{sent} requests in {took_s:.0f} s, seed {seed}: {len(fuzz.complaints)} complaints")
    for complaint in fuzz.complaints:
        print(complaint)


def main() -> int:
    """Run it as the command line says; 1 with complaints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, help="of a service that runs, in place of the tests'")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began_s = time.perf_counter()
    fuzz = run_fuzz(options.requests, options.seed, port=options.port)
    _print(fuzz, options.seed, time.perf_counter() - began_s)
    return 1 if fuzz.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
