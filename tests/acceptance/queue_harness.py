"""Queues for acceptance tests: what is sent to them, and what the handler saw of it."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from serve_harness import ACCOUNT, Penstock, arn_of

SENT_AT_ONCE = 10

# A message is {"n": number, "fails": up to which receive it fails, "work_s": how long it takes}.
# With RAISES a failed one fails the invocation; else it is reported, and what follows is done.
HANDLER = """
import json, os, time

LEDGER, RAISES = os.environ["LEDGER"], os.environ["RAISES"] == "true"


def write(kind, invocation, records):
    lines = []
    for record in records:
        attributes = record["attributes"]
        group = attributes.get("MessageGroupId", "")
        number, count = json.loads(record["body"])["n"], attributes["ApproximateReceiveCount"]
        lines.append(json.dumps([kind, invocation, time.time(), group, number, int(count)]))
    with open(LEDGER, "a") as ledger:
        ledger.write("".join(line + "\\n" for line in lines))


def handler(event, context):
    invocation, failures = context.aws_request_id, []
    write("begun", invocation, event["Records"])
    for record in event["Records"]:
        asked = json.loads(record["body"])
        time.sleep(asked.get("work_s", 0))
        if int(record["attributes"]["ApproximateReceiveCount"]) > asked.get("fails", 0):
            write("succeeded", invocation, [record])
            continue
        write("failed", invocation, [record])
        if RAISES:
            raise ValueError("message %d" % asked["n"])
        failures.append({"itemIdentifier": record["messageId"]})
    write("ended", invocation, event["Records"][:1])
    return {"batchItemFailures": failures}
"""

# Keeps each event whole.
KEEPER = """
import json, os


def handler(event, context):
    path = context.aws_request_id + ".json"
    with open(path + ".part", "w") as file:
        json.dump(event, file)
    os.rename(path + ".part", path)
"""


class SeenMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message as the handler saw it.

    Attributes:
        kind: ``begun`` as its invocation begins; ``succeeded`` or ``failed``; ``ended`` once per
            invocation, with its first message.
        at_s: Wall time.
        count: ApproximateReceiveCount.
    """

    kind: str
    invocation: str
    at_s: float
    group: str
    number: int
    count: int


def queue_project(mapping: str = "", *, concurrency: int = 4, timeout_s: int = 5) -> str:
    """Write a project file with the function ``work``, and a mapping if there is one.

    Args:
        mapping: Lines of the mapping ``jobs``; empty: there is none.
        concurrency: The function's.
        timeout_s: The function's.
    """
    return f"""
[service]
account_id = "{ACCOUNT}"
long_poll_s = 2
[functions.work]
Handler = "app.handler"
code = "."
Timeout = {timeout_s}
concurrency = {concurrency}
Environment = {{ LEDGER = "ledger", RAISES = "false" }}
""" + (mapping and f'[[mappings]]\nname = "jobs"\nFunctionName = "work"\n{mapping}')


def source(name: str, parameters: str = "") -> str:
    """Write a mapping's lines: its queue, reported failures, and more."""
    return f"""
EventSourceArn = "{arn_of(name)}"
FunctionResponseTypes = ["ReportBatchItemFailures"]
{parameters}
"""


def make_queue_service(
    folder: Path, aws_url: str, project: str, *, handler: str = HANDLER
) -> Penstock:
    """Make a service whose handler does what messages ask for; not yet started."""
    service = Penstock(folder, aws_url, project)
    (folder / "app.py").write_text(handler)
    return service


@contextmanager
def serving_queue(folder: Path, aws_url: str, project: str) -> Iterator[Penstock]:
    """Run that service and end it whatever happens."""
    service = make_queue_service(folder, aws_url, project)
    try:
        service.start()
        yield service
    finally:
        service.end()


def make_queue(sqs: Any, name: str, *, visibility_s: int = 30, **attributes: str) -> str:
    """Make a queue, FIFO by its name; give its URL."""
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    wanted = {"VisibilityTimeout": str(visibility_s), **attributes}
    url: str = sqs.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"]
    return url


def redrive(dead: str, receives: int) -> str:
    """Write a redrive policy to the queue of that name."""
    return json.dumps({"deadLetterTargetArn": arn_of(dead), "maxReceiveCount": receives})


def send(sqs: Any, url: str, messages: Sequence[dict[str, Any]], *, group: str = "") -> None:
    """Send messages, to one group if the queue is FIFO."""
    for first in range(0, len(messages), SENT_AT_ONCE):
        entries = []
        for message in messages[first : first + SENT_AT_ONCE]:
            entry = {"Id": str(message["n"]), "MessageBody": json.dumps(message)}
            if group:
                entry |= {
                    "MessageGroupId": group,
                    "MessageDeduplicationId": f"{group}-{message['n']}",
                }
            entries.append(entry)
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert len(answer["Successful"]) == len(entries)


def count_left(sqs: Any, url: str) -> int:
    """Count the messages in a queue, hidden ones too."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def is_empty(sqs: Any, url: str) -> bool:
    """Tell whether nothing is left in a queue, hidden or not.

    A server counts the visible and the hidden one after the other: what becomes visible in between
    is in neither count, so it is looked at twice.
    """
    return count_left(sqs, url) == 0 and count_left(sqs, url) == 0


def seen(service: Penstock, *kinds: str) -> list[SeenMessage]:
    """Read what the handler saw, in the order it did; a line that is being written is left out."""
    if not service.ledger.exists():
        return []
    lines = service.ledger.read_text().split("\n")[:-1]
    rows = [msgspec.json.decode(line, type=SeenMessage) for line in lines]
    return [row for row in rows if not kinds or row.kind in kinds]


def numbers(rows: Sequence[SeenMessage]) -> list[int]:
    """Give the messages' numbers."""
    return [row.number for row in rows]


def batches(service: Penstock) -> list[list[SeenMessage]]:
    """Give what each invocation got, in the order in which they began."""
    by_invocation: dict[str, list[SeenMessage]] = {}
    for row in seen(service, "begun"):
        by_invocation.setdefault(row.invocation, []).append(row)
    return list(by_invocation.values())


def first_successes(service: Penstock) -> dict[str, list[int]]:
    """Give each group's numbers in the order of their first success."""
    order: dict[str, list[int]] = {}
    for row in seen(service, "succeeded"):
        of_group = order.setdefault(row.group, [])
        if row.number not in of_group:
            of_group.append(row.number)
    return order


def highest_parallel(service: Penstock, group: str | None = None) -> int:
    """Count the most invocations that ran at the same time, of all or of one group."""
    running: set[str] = set()
    highest = 0
    for row in seen(service, "begun", "ended"):
        if row.kind == "ended":
            running.discard(row.invocation)
        elif group in (None, row.group):
            running.add(row.invocation)
        highest = max(highest, len(running))
    return highest


def pauses_s(service: Penstock, number: int) -> list[float]:
    """Give the times between a message's deliveries."""
    began_s = [row.at_s for row in seen(service, "begun") if row.number == number]
    return [later - earlier for earlier, later in pairwise(began_s)]


def read_status(service: Penstock) -> dict[str, Any]:
    """Give the only mapping's row of the service's status."""
    with urllib.request.urlopen(f"{service.url}/penstock/v1/status", timeout=10) as answer:  # noqa: S310 - our own URL
        [row] = json.load(answer)["mappings"]
    found: dict[str, Any] = row
    return found
