"""Values for members of the model: such as fit, such as stand at the edge, such as do not fit."""

import base64
import re
from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

from api_fakes import QUEUE_ARN, STREAM_ARN, TABLE_STREAM_ARN
from botocore.model import Shape
from code_builders import zipped

ABSENT = object()  # a member for which no value is known
KEPT_MAX = 40  # names of one member that are remembered
RECENT = 12  # of them, the ones that are asked for: older ones are mostly deleted
DEPTH_MAX = 4
UNQUALIFIED_COLONS = 6  # of a function's ARN; most operations take no version and no alias
NOW_S = 1_700_000_000
UNKNOWN_UUID = "11111111-2222-3333-4444-555555555555"

TEXTS = (
    "",
    "a",
    "A-b_9",
    "1",
    "0" * 12,
    "name.with.dots",
    "$LATEST",
    "python3.12",
    "app.handler",
    "arn:aws:iam::000000000000:role/worker",
    "arn:aws:sqs:us-east-1:000000000000:failed",
    "arn:aws:lambda:us-east-1:000000000000:function:ship",
    f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{UNKNOWN_UUID}",
    UNKNOWN_UUID,
    "lambda:InvokeFunction",
    "sqs.amazonaws.com",
    "/2015-03-31/functions",
)
ODD_TEXTS = (
    "",
    " ",
    "\t",
    "\x00",
    "a\x00b",
    "\r\nX-Injected: 1",
    "../../etc/passwd",
    "%2e%2e%2f",
    "a/b",
    "a:b:c:d:e:f:g:h",
    "arn:",
    "arn:aws:sqs:::",
    "arn:aws:lambda:us-east-1:000000000000:function:",
    "\u00e9",
    "\u4f60\u597d",
    "\U0001f600" * 3,
    "\u202eabc",
    "\u2028",
    "\ud7ff\ue000",
    "NaN",
    "null",
    "-1",
    "1_0",
    "\u0661",
    "'; DROP TABLE mappings; --",
    "{}",
    "${jndi}",
    "x" * 65,
    "x" * 1_000,
)
ODD_NUMBERS: tuple[int | float, ...] = (
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    0.5,
    1.0,
    -0.0,
    1e308,
    5e-324,
)
PATTERNS = ('{"body": ["a"]}', '{"data": {"n": [{"numeric": [">", 1]}]}}', "{}", "[]", "null", "{")


ZIP = base64.b64encode(
    zipped({"app.py": "def handler(event, context):\n    return event\n"})
).decode()
# What there is at the beginning: functions of the API, each with an alias and a statement.
FUNCTIONS = tuple(f"function-{n}" for n in range(8))
ALIAS, STATEMENT = "prod", "sqs"
# By the shape's name or the member's: where a value that fits cannot be found by trying TEXTS, or
# would rarely meet what is there.
EXAMPLES: dict[str, tuple[object, ...]] = {
    "NamespacedFunctionName": ("ship", "ship:$LATEST", *FUNCTIONS, f"{FUNCTIONS[0]}:{ALIAS}"),
    "FunctionName": (*FUNCTIONS * 25, "ship", *(f"function-{n}" for n in range(200))),
    "Name": (ALIAS, "next"),
    "FunctionVersion": ("ALL",),
    "VersionWithLatestPublished": ("1", "2", "$LATEST"),
    "Qualifier": (ALIAS, "1", "$LATEST"),
    "StatementId": (*(STATEMENT,) * 10, *(f"statement-{n}" for n in range(20))),
    "Action": ("lambda:InvokeFunction",),
    "Principal": ("sqs.amazonaws.com", "123456789012", "*"),
    "ReservedConcurrentExecutions": (0, 1, 50),
    "EventSourceArn": (QUEUE_ARN, f"{QUEUE_ARN}.fifo", STREAM_ARN, TABLE_STREAM_ARN),
    "Pattern": PATTERNS,
    "Handler": ("app.handler",),
    "Runtime": ("python3.12", "python3.11", "nodejs22.x", "provided.al2023"),
    "Role": ("arn:aws:iam::000000000000:role/worker",),
    "ZipFile": (ZIP,),
    "Code": ({"ZipFile": ZIP},),
    "StartingPosition": ("LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"),
    "Metrics": (["EventCount"],),
}


class ValueMaker:
    """Draws values, by the seed that it is given, and remembers the names that answers have.

    Attributes:
        known: Values of answers by member: what was made is asked for again under its name.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.known: dict[str, list[str]] = defaultdict(list)

    @classmethod
    def of_seed(cls, seed: int) -> "ValueMaker":
        """Make one that draws the same values each time."""
        return cls(Random(seed))

    def remember(self, answer: object) -> None:
        """Keep the names that an answer gives."""
        match answer:
            case dict():
                for name, value in answer.items():
                    if isinstance(value, str):
                        self._keep(name, value)
                    else:
                        self.remember(value)
            case list():
                for member in answer[:3]:
                    self.remember(member)

    def _keep(self, name: str, value: str) -> None:
        # An ARN is what tags name their resource by, and a function's is a name, too.
        is_whole = value.startswith("arn:aws:lambda:") and value.count(":") == UNQUALIFIED_COLONS
        is_resource = name.endswith("Arn") and is_whole
        names = {name, "Resource"} if is_resource else {name}
        if name == "FunctionArn" and is_whole:
            names.add("FunctionName")
        for each in names:
            kept = self.known[each]
            if value not in kept:
                kept.append(value)
            if len(kept) > KEPT_MAX:
                kept.pop(0)

    def fitting(self, shape: Shape, name: str, depth: int = 0) -> Any:
        """Give a value that the model allows, or ``ABSENT``."""
        examples = EXAMPLES.get(shape.name, EXAMPLES.get(name, ()))
        pools = [pool for pool in (examples, self.known.get(name, [])[-RECENT:]) if pool]
        if pools and self.random.random() < 0.95:
            return self.random.choice(self.random.choice(pools))
        makers: dict[str, Callable[[], Any]] = {
            "string": lambda: self._text(shape),
            "blob": lambda: base64.b64encode(self.random.randbytes(5)).decode(),
            "boolean": lambda: self.random.random() < 0.5,
            "timestamp": lambda: NOW_S - self.random.choice((0, 1, 0.5, 86_400)),
            "list": lambda: self._members(shape, depth),
            "map": lambda: self._entries(shape, depth),
            "structure": lambda: self.structure(shape, depth + 1),
        }
        return makers.get(shape.type_name, lambda: self._number(shape))()

    def structure(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        """Give a structure with its required members and some of the others."""
        values: dict[str, Any] = {}
        for name, member in shape.members.items():
            is_wanted = depth < DEPTH_MAX and self.random.random() < 0.3
            if name in shape.required_members or is_wanted:
                value = self.fitting(member, name, depth)
                if value is not ABSENT:
                    values[name] = value
        return values

    def _text(self, shape: Shape) -> Any:
        limits = shape.metadata
        if "enum" in limits:
            return self.random.choice(limits["enum"])
        first, last = limits.get("min", 0), limits.get("max", 10_000)
        edges = ("a" * max(first, 1), "a" * min(last, 300))
        pattern = limits.get("pattern", ".*").replace("\\p{L}\\p{Z}\\p{N}", "a-zA-Z0-9 ")
        fitting = [
            text
            for text in (*TEXTS, *edges)
            if first <= len(text) <= last and re.fullmatch(pattern, text, re.DOTALL)
        ]
        return self.random.choice(fitting) if fitting else ABSENT

    def _number(self, shape: Shape) -> int:
        first = int(shape.metadata.get("min", 0))
        last = int(shape.metadata.get("max", 1_000))
        near = (first, first + 1, (first + last) // 2, last - 1, last, min(first + 4, last))
        return self.random.choice(near)

    def _count(self, shape: Shape) -> int:
        first = int(shape.metadata.get("min", 0))
        usual = max(first, min(int(shape.metadata.get("max", 3)), self.random.choice((1, 1, 2, 3))))
        return first if self.random.random() < 0.1 else usual

    def _members(self, shape: Shape, depth: int) -> list[Any]:
        drawn = [self.fitting(shape.member, "", depth + 1) for _ in range(self._count(shape))]
        return [value for value in drawn if value is not ABSENT]

    def _entries(self, shape: Shape, depth: int) -> dict[str, Any]:
        drawn = [
            (self.fitting(shape.key, ""), self.fitting(shape.value, "", depth + 1))
            for _ in range(self._count(shape))
        ]
        return {str(key): value for key, value in drawn if ABSENT not in (key, value)}

    def odd(self, shape: Shape, depth: int = 0) -> Any:
        """Give a value that probably does not fit: the next one beyond an edge, or another type."""
        if self.random.random() < 0.35:
            return self.anything()
        match shape.type_name:
            case "list" | "map" | "structure":
                return self._odd_holder(shape, depth)
            case _:
                return self._odd_scalar(shape)

    def _odd_scalar(self, shape: Shape) -> Any:
        limits, draw = shape.metadata, self.random.choice
        match shape.type_name:
            case "string" | "blob":
                longer = "a" * (min(int(limits.get("max", 300)), 20_000) + 1)
                return draw((*ODD_TEXTS, longer))
            case "boolean":
                return draw(("true", 0, 1, None))
            case _:
                edges = (limits.get("min", 0) - 1, limits.get("max", 10_000) + 1)
                return draw((*ODD_NUMBERS, *edges))

    def _odd_holder(self, shape: Shape, depth: int) -> Any:
        limits, draw = shape.metadata, self.random.choice
        match shape.type_name:
            case "list":
                count = draw((0, int(limits.get("min", 1)) - 1, int(limits.get("max", 50)) + 1))
                inner = self._inner(shape.member, depth)
                return [inner] * max(0, min(count, 200)) or [None]
            case "map":
                return {draw(ODD_TEXTS): self._inner(shape.value, depth), "k" * 200: "v"}
            case _:
                return self._odd_structure(shape, depth)

    def _inner(self, shape: Shape, depth: int) -> Any:
        if depth >= DEPTH_MAX:
            return None
        value = self.odd(shape, depth + 1) if self.random.random() < 0.5 else ABSENT
        value = self.fitting(shape, "", depth + 1) if value is ABSENT else value
        return None if value is ABSENT else value

    def _odd_structure(self, shape: Shape, depth: int) -> dict[str, Any]:
        values = self.structure(shape, depth + 1)
        if self.random.random() < 0.3:
            values[self.random.choice(("Unknown", "", "__proto__", "\u00e9"))] = 1
        names = list(shape.members)
        if names and depth < DEPTH_MAX:
            name = self.random.choice(names)
            values[name] = self.odd(shape.members[name], depth + 1)
        return values

    def anything(self) -> Any:
        """Give some JSON value."""
        draw = self.random.choice
        some: tuple[Any, ...] = (
            None,
            True,
            False,
            [],
            {},
            [None],
            [[]],
            {"a": {"b": []}},
            [{}] * 3,
            "text",
            "",
        )
        return draw((*some, draw(ODD_NUMBERS), draw(ODD_TEXTS)))
