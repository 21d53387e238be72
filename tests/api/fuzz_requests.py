"""Requests of the fuzz: from members to bytes, and what is broken on the way."""

import base64
import json
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from api_server import SIGNED
from fuzz_model import PLACE, Operation
from fuzz_values import ABSENT, NOW_S, ODD_TEXTS, PATTERNS, ValueMaker

LONG_BYTES = 1_100_000  # above what a control request may have
RAW_BODIES = (
    b"",
    b" ",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{",
    b"{}{}",
    b'{"a":}',
    b'{"FunctionName": "ship", "FunctionName": "ship"}',
    b"\xff\xfe",
    b'{"FunctionName": "\xc3\x28"}',
    b'{"FunctionName": "\\ud800"}',
    b"\x1f\x8b\x08\x00",
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b'{"BatchSize": ' + b"9" * 5_000 + b"}",
    b'{"BatchSize": 1e999}',
    b'{"BatchSize": NaN}',
    b"FunctionName=ship",
    b"<xml/>",
    b" " * LONG_BYTES,
)
RAW_HEADERS: tuple[dict[str, str], ...] = (
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": ""},
    {"Content-Type": "\u00e9"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "unknown"},
    {"Accept": "application/xml"},
    {"Authorization": ""},
    {"Authorization": "AWS4-HMAC-SHA256 Credential=a"},
    {"Authorization": "Basic YTpi"},
    {"Host": "evil.example"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"X-Amz-Date": "never"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Range": "bytes=0-"},
    {"If-None-Match": "*"},
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW")
RAW_QUERIES = (
    "%ff",
    "FunctionName=%ff",
    "MaxItems=%ff",
    "tagKeys=%ff&tagKeys=%ed%a0%80",
    "%",
    "&&&===&",
    "MaxItems=1&MaxItems=2",
    "Marker=" + "A" * 9_000,
    "Marker=YWZ0ZXI6",
    "EventSourceArn=%00",
)
PATH_PARTS = ("..", ".", "", "%00", "%ff", "%2F", "%25", "%", "a b", ":", "\u00e9", "x" * 3_000)

# Without their source or code hardly any creation would be taken, nor with those of other sources.
USUAL = {"EventSourceArn": 0.97, "Code": 1, "Runtime": 1, "Role": 1, "Handler": 1, "ZipFile": 0.9}
SELDOM = frozenset(
    {
        "AcceleratorConfig",
        "AmazonManagedKafkaEventSourceConfig",
        "Architectures",
        "CapacityProviderConfig",
        "CodeSigningConfigArn",
        "DeadLetterConfig",
        "DocumentDBEventSourceConfig",
        "DurableConfig",
        "EphemeralStorage",
        "FileSystemConfigs",
        "ImageConfig",
        "KMSKeyArn",
        "Layers",
        "LoggingConfig",
        "PackageType",
        "PublishTo",
        "Queues",
        "RuntimeConfig",
        "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig",
        "SnapStart",
        "SourceAccessConfigurations",
        "TenancyConfig",
        "Topics",
        "TracingConfig",
        "VpcConfig",
    }
)

OWN_NAMES = ("clicks", "unknown", "true", "1", "100", "0" * 26)
OWN_QUERY = ("mapping", "after", "limit", "all", "Unknown")
OWN_MEMBERS: dict[str, tuple[Any, ...]] = {
    "action": ("rewind", "skip"),
    "to": ("TRIM_HORIZON",),
    "timestamp": (NOW_S, "2023-11-14T00:00:00Z"),
    "shard": ("shardId-000000000000", "unknown"),
    "sequence_number": ("1", "9" * 129),
    "event": ({"body": "a", "eventSource": "aws:sqs"}, {"Records": [{"body": "{}"}]}),
    "patterns": ([PATTERNS[0]], list(PATTERNS)),
    "mapping": ("clicks", "unknown"),
    "source": ("sqs", "kinesis", "dynamodb"),
}


class Trial(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        operation: That it is of; a raw one may miss it.
        parameters: Its members, wherever they stand in it.
        is_raw: Its bytes were broken: the HTTP server itself may refuse them.
    """

    operation: Operation
    parameters: dict[str, Any]
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    is_raw: bool = False

    def __str__(self) -> str:
        body = self.body if len(self.body) < 600 else self.body[:300] + b"..." + self.body[-100:]
        return f"{self.operation.name}: {self.method} {self.target[:600]} {self.headers} {body!r}"


class TrialMaker:
    """Draws requests for operations."""

    def __init__(self, random: Random, values: ValueMaker) -> None:
        self._random = random
        self._values = values

    def draw(self, operation: Operation) -> Trial:
        """Give a request: of five some two are right, two have odd members, one is broken."""
        kind = self._random.random()
        if operation.model is None:
            trial = self._own(operation)
            return self._broken(trial) if kind < 0.2 else trial
        parameters = self._fitting(operation)
        if kind < 0.45:
            return to_trial(operation, parameters)
        if kind < 0.85:
            self._spoil(operation, parameters)
            return to_trial(operation, parameters)
        return self._broken(to_trial(operation, parameters))

    def _own(self, operation: Operation) -> Trial:
        """Give a request of the service's own operations, which have no model: some are right."""
        draw, names = self._random.choice, [*self._values.known["UUID"][-3:], *OWN_NAMES]
        path = PLACE.sub(lambda _: quote(draw((*names, draw(ODD_TEXTS))), safe=""), operation.path)
        query = {
            draw(OWN_QUERY): draw((*names, draw(ODD_TEXTS)))
            for _ in range(draw((0, 0, 0, 0, 1, 2)))
        }
        members = {
            name: draw(fitting) if self._random.random() < 0.8 else self._values.anything()
            for name, fitting in OWN_MEMBERS.items()
            if self._random.random() < 0.4
        }
        body = json.dumps(members).encode() if operation.method == "POST" else b""
        return Trial(
            operation=operation,
            parameters={},
            method=operation.method,
            target=path + (f"?{urlencode(query)}" if query else ""),
            headers=dict(SIGNED),
            body=body,
        )

    def _fitting(self, operation: Operation) -> dict[str, Any]:
        share = self._random.choice((0.0, 0.0, 0.05, 0.2))  # most members exclude others
        parameters: dict[str, Any] = {}
        for name, shape in operation.inputs.items():
            if name not in operation.required and self._random.random() >= self._share(name, share):
                continue
            value = self._values.fitting(shape, name)
            if value is not ABSENT:
                parameters[name] = value
        self._add_position(operation, parameters)
        return parameters

    def _share(self, name: str, share: float) -> float:
        return share * 0.1 if name in SELDOM else USUAL.get(name, share)

    def _add_position(self, operation: Operation, parameters: dict[str, Any]) -> None:
        """Let a creation say where to start, if its source is a stream; mostly."""
        if "StartingPosition" not in operation.inputs or self._random.random() < 0.1:
            return
        if ":sqs:" in str(parameters.get("EventSourceArn")):
            parameters.pop("StartingPosition", None)
        else:
            parameters.setdefault("StartingPosition", "LATEST")

    def _spoil(self, operation: Operation, parameters: dict[str, Any]) -> None:
        names = list(operation.inputs) or ["Unknown"]
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            name = self._random.choice(names)
            change = self._random.random()
            if change < 0.1:
                parameters.pop(name, None)
            elif change < 0.2:
                parameters[name] = None
            elif change < 0.27:
                parameters[self._random.choice(("Unknown", "", "uuid"))] = self._values.anything()
            elif name in operation.inputs:
                parameters[name] = self._values.odd(operation.inputs[name])

    def _broken(self, trial: Trial) -> Trial:
        draw = self._random.choice
        change = draw(("body", "body", "cut", "headers", "method", "path", "query"))
        changes: dict[str, Any] = {"is_raw": True}
        match change:
            case "body":
                changes["body"] = draw(RAW_BODIES)
            case "cut":
                changes["body"] = trial.body[: self._random.randrange(len(trial.body) + 1)]
            case "headers":
                changes["headers"] = trial.headers | draw(RAW_HEADERS)
            case "method":
                changes["method"] = draw(METHODS)
            case "path":
                changes["target"] = self._broken_path(trial.target)
            case "query":
                name = draw(("Unknown", "MaxItems", "tagKeys", "FunctionName", ""))
                added = draw((urlencode({name: draw(ODD_TEXTS)}), draw(RAW_QUERIES)))
                changes["target"] = f"{trial.target}{'&' if '?' in trial.target else '?'}{added}"
        return msgspec.structs.replace(trial, **changes)

    def _broken_path(self, target: str) -> str:
        parts = target.split("/")
        place = self._random.randrange(1, len(parts) + 1)
        part = self._random.choice(PATH_PARTS)
        if self._random.random() < 0.5:
            parts.insert(place, part)
        else:
            parts[place - 1 : place] = ["", part] if place == 1 else [part]
        return quote("/".join(parts), safe="/%?&=:")


def to_trial(operation: Operation, parameters: dict[str, Any]) -> Trial:
    """Put each member where the model has it; what cannot stand there is left out."""
    path, query, headers = operation.path, [], dict(SIGNED)
    held: dict[str, Any] = {}
    sent = dict(parameters)
    for name, value in parameters.items():
        shape = operation.inputs.get(name)
        place = shape.serialization if shape is not None else {}
        wire_name = place.get("name", name)
        match place.get("location"):
            case "uri":
                sent[name] = _as_text(value)  # whatever it was, it is text now
                path = path.replace(f"{{{wire_name}}}", quote(sent[name], safe=""))
            case "querystring":
                query += [(wire_name, text) for text in as_texts(value)]
            case "header":
                headers[wire_name] = _as_header(value)
            case _:
                held[name] = value
    escaped = path.replace("{", "%7B").replace("}", "%7D")
    return Trial(
        operation=operation,
        parameters=sent,
        method=operation.method,
        target=f"{escaped}?{urlencode(query)}" if query else escaped,
        headers=headers,
        body=_body_of(operation, held),
        is_raw="//" in path or path.endswith("/"),  # a member of the path was empty
    )


def _body_of(operation: Operation, held: dict[str, Any]) -> bytes:
    if operation.payload is not None:
        payload = held.get(operation.payload)
        return json.dumps(payload).encode() if payload is not None else b""
    if operation.method in ("GET", "DELETE") and not held:
        return b""
    return json.dumps(held).encode()


def as_texts(value: Any) -> list[str]:
    """Give the texts that a value is in a query: a list is several of one name."""
    return [_as_text(each) for each in (value if isinstance(value, list) else [value])]


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_header(value: Any) -> str:
    text = _as_text(value).replace("\r", " ").replace("\n", " ").replace("\x00", "")
    return text if text.isascii() else base64.b64encode(text.encode()).decode()
