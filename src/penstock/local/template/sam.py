"""Expands a SAM template by AWS's own translator, without a call to AWS.

1. The translator sees functions, simple tables and layers, and of a function's events those that
   become mappings. What else SAM has is taken out before, and told as it was written.
2. The translator wants code in S3: a local CodeUri goes in as a marker, and comes out as the path.

Source: github.com/aws/serverless-application-model (the translator and its specification)
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.local.omission import Omission
from penstock.local.template.document import Lines, Template, Where
from penstock.local.template.function_code import CODE_NOT_KNOWN, IMAGE
from penstock.local.template.parameters import Parameters
from penstock.local.template.unknown import NotKnownHereError
from penstock.model.errors import ConfigurationError

SERVERLESS = "AWS::Serverless::"
TRANSFORM = "AWS::Serverless-2016-10-31"
LOCAL_FOLDER_DEFAULT = "."  # as for sam build, where CodeUri is not written
_FUNCTION = f"{SERVERLESS}Function"
_LAYER = f"{SERVERLESS}LayerVersion"
_EXPANDED = frozenset({_FUNCTION, _LAYER, f"{SERVERLESS}SimpleTable"})
_NEEDLESS = frozenset({f"{SERVERLESS}Connector"})
_MAPPING_EVENTS = frozenset(
    {"SQS", "Kinesis", "DynamoDB", "MSK", "MQ", "SelfManagedKafka", "DocumentDB"}
)
_OTHER_EVENTS = {
    "Api": "no HTTP request invokes it",
    "HttpApi": "no HTTP request invokes it",
    "Schedule": "nothing invokes it on schedule",
    "ScheduleV2": "nothing invokes it on schedule",
    "SNS": "the topic does not invoke it, which would be asynchronous; SqsSubscription: true puts"
    " a queue between",
    "S3": "the bucket does not invoke it",
    "EventBridgeRule": "no event of a bus invokes it",
    "CloudWatchEvent": "no event of a bus invokes it",
    "CloudWatchLogs": "no log invokes it",
}
# What SAM makes of events Api and HttpApi; other resources may refer to it.
_IMPLICIT_APIS = {
    "ServerlessRestApi": "AWS::ApiGateway::RestApi",
    "ServerlessRestApiProdStage": "AWS::ApiGateway::Stage",
    "ServerlessHttpApi": "AWS::ApiGatewayV2::Api",
    "ServerlessHttpApiApiGatewayDefaultStage": "AWS::ApiGatewayV2::Stage",
}
_EVENT_DEPTH = 5  # Resources, logical id, Properties, Events, name
_MARKER = "penstock-local-code"
_CODE_KEYS = ("CodeUri", "InlineCode", "ImageUri")


class Expansion(msgspec.Struct, frozen=True):
    """What a SAM template becomes.

    Attributes:
        left_out: Types of what was taken out, by logical id; other resources may refer to it.
    """

    template: Template
    omissions: tuple[Omission, ...]
    left_out: dict[str, str]


def is_sam(template: Template) -> bool:
    """Tell whether a template asks for SAM's transform."""
    return TRANSFORM in template.transforms


def expand(
    template: Template, parameters: Parameters, resolve: Callable[[object, Where], object]
) -> Expansion:
    """Expand a SAM template.

    Args:
        template: As it was written; it is left as it is.
        parameters: The translator puts them where SAM itself must know them.
        resolve: Gives the value of a CodeUri.

    Raises:
        ConfigurationError: The translator does not take it, or is not installed.
    """
    preparation = _Preparation(template, resolve)
    content = preparation.prepare()
    lines = template.lines | preparation.event_lines
    translated = _translate(content, parameters, Template(template.path, content, lines))
    translated["Transform"] = template.content["Transform"]  # its language may still be spoken
    for resource in translated["Resources"].values():
        code = (resource.get("Properties") or {}).get("Code")
        if isinstance(code, dict) and code.get("S3Bucket") == _MARKER:
            resource["Properties"]["Code"] = preparation.codes[code["S3Key"]]
    expanded = Template(template.path, translated, _with_generated(lines, translated))
    return Expansion(expanded, tuple(preparation.omissions), preparation.left_out)


class _Preparation:
    """Makes of a template what the translator may see."""

    def __init__(self, template: Template, resolve: Callable[[object, Where], object]) -> None:
        self.omissions: list[Omission] = []
        self.left_out = dict(_IMPLICIT_APIS)
        self.codes: dict[str, object] = {}
        self.event_lines: Lines = {}
        self._template = template
        self._resolve = resolve
        self._content: dict[str, Any] = copy.deepcopy(template.content)
        self._lines_of_events: dict[tuple[str, ...], Lines] = {}
        for keys, line in template.lines.items():
            event, below = keys[:_EVENT_DEPTH], keys[_EVENT_DEPTH:]
            self._lines_of_events.setdefault(event, {})[below] = line

    def prepare(self) -> dict[str, Any]:
        """Give a copy of the template's content, changed."""
        resources = self._content["Resources"]
        for logical_id, resource in list(resources.items()):
            where = Where(self._template, ("Resources", logical_id))
            if not isinstance(resource, dict):
                raise where.error("expected a resource with its Type")
            resource.pop("Connectors", None)  # permissions, which nothing here asks for
            kind = str(resource.get("Type", "")).strip()
            if kind.startswith(SERVERLESS) and kind not in _EXPANDED:
                del resources[logical_id]
                self.left_out[logical_id] = kind
                omission = Omission(
                    type=kind,
                    subject=logical_id,
                    text="" if kind in _NEEDLESS else "not made",
                    is_needless=kind in _NEEDLESS,
                )
                self.omissions.append(omission)
                continue
            properties = resource.get("Properties") or {}
            if not isinstance(properties, dict):
                raise where.at("Properties").error("expected names with their values below it")
            if kind == _LAYER:
                properties["ContentUri"] = f"s3://{_MARKER}/{logical_id}"
            if kind == _FUNCTION:
                resource["Properties"] = properties
                self._mark_code(logical_id, properties, where.at("Properties"))
                self._sort_events(logical_id, properties, where.at("Properties", "Events"))
        return self._content

    def _mark_code(self, logical_id: str, properties: dict[str, Any], where: Where) -> None:
        """Put a marker in place of a local CodeUri, and keep what it stands for."""
        shared = self._function_globals()
        if properties.get("PackageType", shared.get("PackageType")) == IMAGE:
            return
        given = next((table for table in (properties, shared) if set(_CODE_KEYS) & set(table)), {})
        if "InlineCode" in given or "ImageUri" in given:
            return
        try:
            uri = self._resolve(given.get("CodeUri", LOCAL_FOLDER_DEFAULT), where.at("CodeUri"))
        except NotKnownHereError as exc:
            self.codes[logical_id] = {CODE_NOT_KNOWN: exc.reason}
        else:
            if not isinstance(uri, str) or uri.startswith("s3://"):
                return
            self.codes[logical_id] = uri
        properties["CodeUri"] = f"s3://{_MARKER}/{logical_id}"

    def _function_globals(self) -> dict[str, Any]:
        globals_ = self._content.get("Globals") or {}
        function = globals_.get("Function") if isinstance(globals_, dict) else None
        return function if isinstance(function, dict) else {}

    def _sort_events(self, logical_id: str, properties: dict[str, Any], where: Where) -> None:
        events = properties.get("Events") or {}
        if not isinstance(events, dict):
            raise where.error("expected names with their events below it")
        for name, event in list(events.items()):
            if not isinstance(event, dict):
                raise where.at(name).error("expected an event with its Type")
            if _becomes_mapping(event):
                self._keep_lines(logical_id, name, where.at(name))
                continue
            del events[name]
            kind = str(event.get("Type"))
            omission = Omission(
                type=f"event {kind}",
                subject=f"{logical_id}.{name}",
                text=_OTHER_EVENTS.get(kind, "it does not invoke the function"),
            )
            self.omissions.append(omission)

    def _keep_lines(self, function_id: str, event_name: str, where: Where) -> None:
        """Let the mapping of an event be found where the event stands."""
        for below, line in self._lines_of_events.get(where.keys, {}).items():
            self.event_lines[("Resources", function_id + event_name, *below)] = line


def _becomes_mapping(event: dict[str, Any]) -> bool:
    if event.get("Type") == "SNS":
        properties = event.get("Properties")
        return isinstance(properties, dict) and bool(properties.get("SqsSubscription"))
    return str(event.get("Type")) in _MAPPING_EVENTS


class _Session(msgspec.Struct, frozen=True):
    """All that the translator asks of a boto session."""

    region_name: str


def _translate(content: dict[str, Any], parameters: Parameters, template: Template) -> Any:  # noqa: ANN401
    # Imported here: it takes most of a second, and only SAM needs it.
    try:
        from samtranslator.metrics.metrics import (  # noqa: PLC0415
            DummyMetricsPublisher,
            Metrics,
        )
        from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
        from samtranslator.parser.parser import Parser  # noqa: PLC0415
        from samtranslator.translator.translator import Translator  # noqa: PLC0415
    except ImportError as exc:
        raise ConfigurationError(
            f"{template.path}: SAM templates need AWS's translator; install penstock[dev]"
        ) from exc
    values = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in parameters.values.items()
    }
    metrics = Metrics(_MARKER, DummyMetricsPublisher())
    translator = Translator(
        managed_policy_map={},  # a name that is not in it stays as it is
        sam_parser=Parser(),
        boto_session=_Session(parameters.scope.region),
        metrics=metrics,
    )
    try:
        return translator.translate(content, values, passthrough_metadata=True)
    except InvalidDocumentException as exc:
        raise ConfigurationError(_explain(exc, template)) from exc
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
        text = f"{template.path}: AWS's SAM translator cannot read the template ({reason})"
        raise ConfigurationError(text) from exc
    finally:
        metrics.publish()  # to nobody; else it complains


def _explain(error: Any, template: Template) -> str:  # noqa: ANN401  the translator has no types
    """Put all that the translator found into one line, each with its place."""
    texts = []
    for cause in error.causes:
        logical_id = getattr(cause, "_logical_id", None)
        keys = ("Resources", logical_id) if isinstance(logical_id, str) else ()
        texts.append(f"{Where(template, keys).shown}: {cause.message}")
    return "; ".join(texts)


def _with_generated(lines: Lines, content: Mapping[str, Any]) -> Lines:
    """Give what the translator added the line of what it was made for: its name begins so."""
    known = {keys[1]: line for keys, line in lines.items() if _is_resource(keys)}
    generated: Lines = {}
    lengths = sorted({len(name) for name in known}, reverse=True)
    for logical_id in content["Resources"]:
        starts = (logical_id[:length] for length in lengths)
        origin = next((start for start in starts if start in known), None)
        if origin is not None:
            generated["Resources", logical_id] = known[origin]
    return generated | lines


def _is_resource(keys: tuple[str, ...]) -> bool:
    return keys[:1] == ("Resources",) and keys[1:] == keys[1:2] != ()
