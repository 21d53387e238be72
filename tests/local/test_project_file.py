"""``penstock.toml``: what it means, and how each mistake in it is named."""

import re
import sys
from pathlib import Path

import botocore.session
import msgspec
import pytest

from penstock.core.scaling import RampPolicy
from penstock.declared_mappings import DeclaredMapping
from penstock.local.project_file import Project, read_project
from penstock.local.project_tables import (
    MAPPING_PARAMETERS,
    FunctionTable,
    MappingTable,
    QueueTable,
    ServiceTable,
    SubscriptionTable,
)
from penstock.local.resources import queue_attributes
from penstock.local.service_run import service_settings
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, InvokeEndpoint, LambdaFunction, LocalProcess

SCOPE = Scope("000000000000", "us-east-1")
FUNCTION = '[functions.orders]\nurl = "http://127.0.0.1:9001"\n'
QUEUE = '[[queues]]\nname = "orders"\n'
FIFO = '[[queues]]\nname = "orders.fifo"\n'
MAPPING = '[[mappings]]\nname = "orders"\nFunctionName = "orders"\n'
STREAM = '[[streams]]\nname = "clicks"\n'
STREAM_MAPPING = f'{MAPPING}stream = "clicks"\nStartingPosition = "LATEST"\n'
INLINE_FILTERS = 'filters = [{ body = { kind = ["order"] } }, { body = ["x"] }]'
TABLE = '[[tables]]\nname = "items"\nAttributeDefinitions = []\nKeySchema = []\n'
TABLE_STREAM = 'StreamSpecification = { StreamEnabled = true, StreamViewType = "KEYS_ONLY" }\n'
TABLE_MAPPING = f'{MAPPING}table = "items"\nStartingPosition = "TRIM_HORIZON"\n'


def read(folder: Path, text: str) -> Project:
    path = folder / "penstock.toml"
    path.write_text(text)
    return read_project(path)


def write_handler(folder: Path) -> None:
    (folder / "app.py").write_text("def handler(event, context): ...\n")


def test_no_file_declares_nothing() -> None:
    assert read_project(None) == Project()


def test_local_function_takes_lambdas_own_keys(tmp_path: Path) -> None:
    write_handler(tmp_path)

    project = read(
        tmp_path,
        f"""
        [functions.orders]
        Handler = "app.handler"
        Runtime = "python3.11"
        Timeout = 30
        MemorySize = 256
        Environment = {{ STAGE = "local" }}
        code = "."
        python = "{sys.executable}"
        concurrency = 4
        """,
    )

    hosting = LocalProcess(
        code=str(tmp_path),
        handler="app.handler",
        runtime="python3.11",
        interpreter=sys.executable,
        environment={"STAGE": "local"},
    )
    assert project.functions == (
        Function(
            scope=SCOPE, name="orders", hosting=hosting, timeout_s=30, memory_mb=256, concurrency=4
        ),
    )


def test_function_has_the_role_that_is_declared(tmp_path: Path) -> None:
    role = "arn:aws:iam::123456789012:role/charge"

    project = read(tmp_path, f'{FUNCTION}Role = "{role}"\n')

    assert project.functions[0].role == role


def test_role_that_is_no_role_s_arn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, f'{FUNCTION}Role = "charge"\n')

    assert str(raised.value).endswith(
        "penstock.toml: functions.orders.Role: 'charge' is not a role's ARN; the form is"
        " arn:aws:iam::ACCOUNT:role/NAME"
    )


ASSUME = "[service]\nassume_role = true\n"


def test_function_without_a_role_is_refused_where_roles_are_assumed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, f"{ASSUME}{FUNCTION}")

    assert str(raised.value).endswith(
        "penstock.toml: functions.orders: Role is missing: [service] has assume_role = true, so"
        " each function needs the ARN of the role that it is run as"
    )


def test_credentials_are_not_declared_where_the_role_gives_them(tmp_path: Path) -> None:
    write_handler(tmp_path)

    with pytest.raises(ConfigurationError) as raised:
        read(
            tmp_path,
            f"""{ASSUME}
            [functions.orders]
            Handler = "app.handler"
            code = "."
            Role = "arn:aws:iam::123456789012:role/charge"
            Environment = {{ AWS_SESSION_TOKEN = "mine" }}
            """,
        )

    assert "functions.orders.Environment.AWS_SESSION_TOKEN: the function has its role's" in str(
        raised.value
    )


def test_roles_are_assumed_where_the_file_says_so(tmp_path: Path) -> None:
    project = read(tmp_path, f'{ASSUME}{FUNCTION}Role = "arn:aws:iam::123456789012:role/charge"\n')

    settings = service_settings(project, address=("127.0.0.1", 0), store_url="", is_verbose=False)

    assert settings.assumes_roles


def test_interpreter_defaults_to_the_environment_beside_the_file(tmp_path: Path) -> None:
    write_handler(tmp_path)
    beside = tmp_path / ".venv" / "bin" / "python"
    beside.parent.mkdir(parents=True)
    beside.symlink_to(sys.executable)

    project = read(tmp_path, '[functions.orders]\nHandler = "app.handler"\ncode = "."\n')

    hosting = project.functions[0].hosting
    assert isinstance(hosting, LocalProcess)
    assert hosting.interpreter == str(beside)


def test_node_function_names_its_node(tmp_path: Path) -> None:
    (tmp_path / "index.mjs").touch()
    beside = tmp_path / ".venv" / "bin" / "python"
    beside.parent.mkdir(parents=True)
    beside.symlink_to(sys.executable)
    node = tmp_path / "node"
    node.touch(0o755)
    text = '[functions.orders]\nHandler = "index.handler"\ncode = "."\nRuntime = "nodejs22.x"\n'

    plain, named = read(tmp_path, text), read(tmp_path, f'{text}node = "node"\n')

    hosting = LocalProcess(code=str(tmp_path), handler="index.handler", runtime="nodejs22.x")
    assert plain.functions[0].hosting == hosting
    assert named.functions[0].hosting == msgspec.structs.replace(hosting, interpreter=str(node))


def test_bootstrap_needs_no_handler(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").touch(0o755)

    project = read(tmp_path, '[functions.orders]\ncode = "."\nRuntime = "provided.al2023"\n')

    assert project.functions[0].hosting == LocalProcess(
        code=str(tmp_path), handler="bootstrap", runtime="provided.al2023"
    )


def test_folder_of_the_nodejs_client_is_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "client" / "node_modules" / "aws-lambda-ric").mkdir(parents=True)

    project = read(tmp_path, '[service]\nnodejs_client = "client"\n')

    assert project.service.nodejs_client == str(tmp_path / "client")


def test_endpoint_runs_one_invocation_at_a_time(tmp_path: Path) -> None:
    project = read(tmp_path, FUNCTION)

    hosting = InvokeEndpoint(url="http://127.0.0.1:9001")
    assert project.functions == (
        Function(scope=SCOPE, name="orders", hosting=hosting, concurrency=1),
    )


def test_lambda_function_lives_where_its_arn_says(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:ship:live"

    project = read(
        tmp_path,
        '[service]\naccount_id = "123456789012"\n'
        f'[functions.orders]\narn = "{arn}"\n{QUEUE}{MAPPING}queue = "orders"\n',
    )

    assert project.functions == (
        Function(
            scope=Scope("123456789012", "eu-west-1"),
            name="ship",
            hosting=LambdaFunction(arn=arn),
            concurrency=1000,
        ),
    )
    assert project.mappings[0].parameters["FunctionName"] == arn


def test_service_table_sets_the_ramp_of_queues(tmp_path: Path) -> None:
    project = read(tmp_path, "[service]\nqueue_ramp = { per_minute = 60, maximum = 1000 }\n")

    settings = service_settings(project, address=("127.0.0.1", 0), store_url="", is_verbose=False)

    assert settings.ramp == RampPolicy(initial=5, per_minute=60, maximum=1_000)


def test_mapping_names_a_queue_of_the_file(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        '[service]\naccount_id = "111122223333"\nregion = "eu-west-1"\n'
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nBatchSize = 5\nreplace = true\n',
    )

    arn = "arn:aws:sqs:eu-west-1:111122223333:orders"
    parameters = {"FunctionName": "orders", "EventSourceArn": arn, "BatchSize": 5}
    assert project.mappings == (
        DeclaredMapping(name="orders", parameters=parameters, replace=True),
    )


def test_mapping_names_a_stream_and_a_destination_of_the_file(tmp_path: Path) -> None:
    project = read(tmp_path, f'{FUNCTION}{STREAM}{QUEUE}{STREAM_MAPPING}on_failure = "orders"\n')

    (mapping,) = project.mappings
    destination = "arn:aws:sqs:us-east-1:000000000000:orders"
    assert mapping.parameters == {
        "FunctionName": "orders",
        "EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
        "StartingPosition": "LATEST",
        "DestinationConfig": {"OnFailure": {"Destination": destination}},
    }
    assert (mapping.replace, project.mapping_tables) == (False, {})


@pytest.mark.parametrize(
    ("section", "arn"),
    [
        ("topics", "arn:aws:sns:us-east-1:000000000000:failures"),
        ("buckets", "arn:aws:s3:::failures"),
    ],
)
def test_mapping_names_a_destination_of_each_kind(tmp_path: Path, section: str, arn: str) -> None:
    project = read(
        tmp_path,
        f'{FUNCTION}{STREAM}[[{section}]]\nname = "failures"\n{STREAM_MAPPING}'
        'on_failure = "failures"\n',
    )

    config = {"OnFailure": {"Destination": arn}}
    assert project.mappings[0].parameters["DestinationConfig"] == config


def test_mapping_of_a_table_waits_for_its_stream_and_follows_it(tmp_path: Path) -> None:
    project = read(tmp_path, f"{FUNCTION}{TABLE}{TABLE_STREAM}{TABLE_MAPPING}")

    (mapping,) = project.mappings
    assert mapping.parameters == {"FunctionName": "orders", "StartingPosition": "TRIM_HORIZON"}
    assert (mapping.replace, project.mapping_tables) == (True, {"orders": "items"})


@pytest.mark.parametrize(
    ("written", "given"),
    [
        pytest.param("2018-11-02T06:13:29.351Z", 1_541_139_209.351, id="date"),
        pytest.param("2018-11-02 07:13:29.351+01:00", 1_541_139_209.351, id="date with offset"),
        pytest.param("1541139209", 1_541_139_209, id="number"),
    ],
)
def test_timestamp_is_a_date_of_toml_or_a_number(
    tmp_path: Path, written: str, given: float
) -> None:
    timestamp = f"StartingPositionTimestamp = {written}\n"

    project = read(tmp_path, f"{FUNCTION}{STREAM}{STREAM_MAPPING}{timestamp}")

    assert project.mappings[0].parameters["StartingPositionTimestamp"] == given


def test_queue_takes_sqs_own_attribute_names(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        f'{QUEUE}VisibilityTimeout = 30\ndead_letter_queue = "dead"\nmax_receive_count = 3\n'
        '[[queues]]\nname = "dead"\n',
    )

    orders = QueueTable(
        name="orders", visibility_timeout_s=30, dead_letter_queue="dead", max_receive_count=3
    )
    assert project.resources == (orders, QueueTable(name="dead"))


def test_fifo_queue_is_called_so_and_may_say_so(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        f"{FIFO}FifoQueue = true\nContentBasedDeduplication = true\n"
        'dead_letter_queue = "dead.fifo"\nmax_receive_count = 3\n'
        '[[queues]]\nname = "dead.fifo"\n',
    )

    orders, dead = project.queues
    assert (orders.is_fifo, dead.is_fifo, dead.fifo_queue) == (True, True, None)
    assert queue_attributes(orders) == {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    assert queue_attributes(dead) == {"FifoQueue": "true"}
    assert queue_attributes(QueueTable(name="orders", fifo_queue=False)) == {}


def test_mapping_takes_filters_as_tables(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        f"""{FUNCTION}{QUEUE}{MAPPING}queue = "orders"
        [[mappings.filters]]
        body.name = [{{ prefix = "é" }}]
        """,
    )
    inline = read(tmp_path, f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\n{INLINE_FILTERS}')

    assert project.mappings[0].parameters["FilterCriteria"] == {
        "Filters": [{"Pattern": '{"body":{"name":[{"prefix":"é"}]}}'}]
    }
    assert inline.mappings[0].parameters["FilterCriteria"] == {
        "Filters": [{"Pattern": '{"body":{"kind":["order"]}}'}, {"Pattern": '{"body":["x"]}'}]
    }


def test_mapping_of_a_queue_takes_lambdas_parameters_and_options(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        f'{FUNCTION}{QUEUE}[[topics]]\nname = "failures"\n{MAPPING}queue = "orders"\n'
        "BatchSize = 100\nMaximumBatchingWindowInSeconds = 5\n"
        "ProvisionedPollerConfig = { MaximumPollers = 5 }\n"
        'MetricsConfig = { Metrics = ["EventCount"] }\non_failure = "failures"\n'
        'Tags = { team = "a", "penstock:maximum-receive-count" = "3" }\n',
    )

    assert project.mappings[0].parameters == {
        "FunctionName": "orders",
        "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:orders",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "ProvisionedPollerConfig": {"MaximumPollers": 5},
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "Tags": {
            "team": "a",
            "penstock:maximum-receive-count": "3",
            "penstock:on-failure": "arn:aws:sns:us-east-1:000000000000:failures",
        },
    }


def test_mapping_parameters_are_those_of_lambdas_model() -> None:
    model = botocore.session.Session().get_service_model("lambda")

    shape = model.operation_model("CreateEventSourceMapping").input_shape

    assert set(MAPPING_PARAMETERS) == set(shape.members)


MISTAKES = [
    pytest.param("a = ", "not valid TOML: Invalid value (at", id="toml"),
    pytest.param("[function.a]", "function: unknown key; did you mean functions?", id="section"),
    pytest.param("functions = 3", "functions: expected a table, got int (3)", id="not-a-table"),
    pytest.param("[queues]\n", "queues: expected [[queues]] tables, got dict", id="not-an-array"),
    pytest.param('[functions."a b"]', "functions.a b: a function's name is 1 to 64", id="name"),
    pytest.param(
        f'{STREAM}ShardCount = 2\nStreamModeDetails = {{ StreamMode = "ON_DEMAND" }}\n',
        "streams[0]: ShardCount is for StreamMode PROVISIONED, not for ON_DEMAND",
        id="shards-on-demand",
    ),
    pytest.param(
        f"{TABLE}ProvisionedThroughput = {{ ReadCapacityUnits = 1, WriteCapacityUnits = 1 }}\n",
        "tables[0]: ProvisionedThroughput is for BillingMode PROVISIONED; say so",
        id="throughput-per-request",
    ),
    pytest.param(
        "[functions.a]", "functions.a: give exactly one of code (with Handler), url", id="no-home"
    ),
    pytest.param('[functions.a]\nurl = "http://h"\ncode = "."', "got code and url", id="two-homes"),
    pytest.param('[functions.a]\ncode = "."', "functions.a: Handler is missing", id="no-handler"),
    pytest.param(
        '[functions.a]\ncode = "nowhere"\nHandler = "app.handler"',
        "/nowhere does not exist",
        id="no-folder",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nHandler = "app.handler"',
        "/app.py, which does not exist",
        id="no-file",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nHandler = "index.handler"\nRuntime = "java21"',
        "functions.a.Runtime: Runtime java21 does not run here; this machine has python3.",
        id="runtime",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nRuntime = "nodejs22.x"',
        'functions.a: Handler is missing; for example Handler = "app.handler"',
        id="node-handler",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nHandler = "index.handler"\nRuntime = "nodejs22.x"',
        "functions.a.Handler: 'index.handler' needs the file ",
        id="node-file",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nRuntime = "provided.al2023"',
        "/bootstrap does not exist; a provided runtime runs an executable file of that name",
        id="bootstrap",
    ),
    pytest.param(
        '[functions.a]\ncode = "."\nHandler = "ok.handler"\nnode = "/bin/sh"',
        "functions.a.node: has no part in Runtime python3",
        id="node",
    ),
    pytest.param(
        '[service]\nnodejs_client = "nowhere"',
        "service.nodejs_client: ",
        id="nodejs-client",
    ),
    pytest.param(
        f"{FUNCTION}Timout = 3",
        "functions.orders.Timout: unknown key; did you mean Timeout? The keys are Handler",
        id="unknown-key",
    ),
    pytest.param(
        f'{FUNCTION}Timeout = "3"',
        "functions.orders.Timeout: expected int, got str ('3')",
        id="wrong-type",
    ),
    pytest.param(
        f"{FUNCTION}Timeout = 901",
        "functions.orders.Timeout: expected int <= 900, got int (901)",
        id="out-of-range",
    ),
    pytest.param(
        f'{FUNCTION}Handler = "app.handler"',
        "functions.orders.Handler: belongs to a function with code, not url",
        id="handler-with-url",
    ),
    pytest.param(
        f"{FUNCTION}MemorySize = 128",
        "functions.orders.MemorySize: belongs to a function with code, not url",
        id="memory-with-url",
    ),
    pytest.param('[functions.a]\nurl = "h:1"', "functions.a.url: 'h:1' is not of the", id="url"),
    pytest.param('[functions.a]\narn = "a"', "functions.a.arn: 'a' is not a function's", id="arn"),
    pytest.param(
        '[functions.a]\narn = "arn:aws:lambda:eu-west-1:123456789012:function:a"',
        "functions.a.arn: the function is of account 123456789012, and mappings here are of"
        ' account 000000000000; set account_id = "123456789012" in [service]',
        id="arn-of-another-account",
    ),
    pytest.param(f"{QUEUE}{QUEUE}", "queues[1].name: 'orders' is declared twice", id="queue-twice"),
    pytest.param(
        f"{QUEUE}VisibilityTimout = 3",
        "queues[0].VisibilityTimout: unknown key; did you mean VisibilityTimeout?",
        id="queue-key",
    ),
    pytest.param(
        f"{QUEUE}max_receive_count = 3",
        "queues[0]: dead_letter_queue and max_receive_count belong together",
        id="half-redrive",
    ),
    pytest.param(
        f'{QUEUE}dead_letter_queue = "order"\nmax_receive_count = 3',
        "'order' is not a queue of this file; did you mean orders?",
        id="no-dead-letter-queue",
    ),
    pytest.param(
        f"{QUEUE}FifoQueue = true",
        "queues[0].FifoQueue: the name 'orders' does not end in .fifo",
        id="fifo-name",
    ),
    pytest.param(
        f"{FIFO}FifoQueue = false",
        "queues[0].FifoQueue: the name 'orders.fifo' ends in .fifo",
        id="not-fifo-name",
    ),
    pytest.param(
        f'{QUEUE}DeduplicationScope = "queue"',
        "queues[0].DeduplicationScope: belongs to FIFO queues, whose names end in .fifo",
        id="fifo-attribute",
    ),
    pytest.param(
        f'{QUEUE}{FIFO}dead_letter_queue = "orders"\nmax_receive_count = 3',
        "queues[1].dead_letter_queue: 'orders' is not a FIFO queue, and the dead letters of a FIFO",
        id="fifo-dead-letters",
    ),
    pytest.param(
        f'{FIFO}{QUEUE}dead_letter_queue = "orders.fifo"\nmax_receive_count = 3',
        "queues[1].dead_letter_queue: 'orders.fifo' is not a standard queue, and the dead letters",
        id="dead-letters",
    ),
    pytest.param("[[mappings]]\n", "mappings[0]: name is missing", id="mapping-without-name"),
    pytest.param(
        '[[mappings]]\nname = "m"', "mappings[0]: FunctionName is missing", id="no-function-name"
    ),
    pytest.param(
        f'{FUNCTION}[[mappings]]\nname = "m"\nFunctionName = "order"',
        "'order' is not a function of this file; did you mean orders?",
        id="no-function",
    ),
    pytest.param(
        f"{FUNCTION}{MAPPING}",
        "give exactly one of queue, stream, table and EventSourceArn",
        id="no-source",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "odrers"',
        "mappings[0].queue: 'odrers' is not a queue of this file; did you mean orders?",
        id="no-queue",
    ),
    pytest.param(
        f'{FUNCTION}{MAPPING}EventSourceArn = "orders"',
        "mappings[0].EventSourceArn: 'orders' is not an ARN",
        id="source-arn",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nBatchsize = 1',
        "mappings[0].Batchsize: unknown key; did you mean BatchSize?",
        id="mapping-key",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\n{MAPPING}queue = "orders"',
        "mappings[1].name: 'orders' is declared twice",
        id="mapping-twice",
    ),
    pytest.param(
        f'{FUNCTION}{STREAM}{MAPPING}stream = "click"',
        "mappings[0].stream: 'click' is not a stream of this file; did you mean clicks?",
        id="no-stream",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{STREAM}{MAPPING}queue = "orders"\nstream = "clicks"',
        "mappings[0]: give exactly one of queue, stream, table and EventSourceArn",
        id="two-sources",
    ),
    pytest.param(
        f'{FUNCTION}{MAPPING}table = "items"',
        "mappings[0].table: 'items' is not a table of this file; there are no tables",
        id="no-table",
    ),
    pytest.param(
        f"{FUNCTION}{TABLE}{TABLE_MAPPING}",
        "mappings[0].table: the table 'items' has no stream; add to its [[tables]]:"
        " StreamSpecification = { StreamEnabled = true, StreamViewType",
        id="table-without-stream",
    ),
    pytest.param(
        f'{FUNCTION}{STREAM}{QUEUE}{STREAM_MAPPING}on_failure = "odrers"',
        "mappings[0].on_failure: 'odrers' is no queue, topic or bucket of this file; did you mean",
        id="no-destination",
    ),
    pytest.param(
        f'{FUNCTION}{STREAM}{QUEUE}[[topics]]\nname = "orders"\n{STREAM_MAPPING}'
        'on_failure = "orders"',
        "'orders' is arn:aws:sqs:us-east-1:000000000000:orders and arn:aws:sns:us-east-1:0000000",
        id="two-destinations",
    ),
    pytest.param(
        f'{FUNCTION}{STREAM}{QUEUE}{STREAM_MAPPING}on_failure = "orders"\nDestinationConfig = {{}}',
        "mappings[0]: give either DestinationConfig or on_failure, not both",
        id="destination-twice",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\non_failure = "orders"\n'
        'Tags = { "penstock:on-failure" = "x" }',
        "mappings[0]: give either the tag penstock:on-failure or on_failure, not both",
        id="tag-twice",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\n{INLINE_FILTERS}\nFilterCriteria = {{}}',
        "mappings[0]: give either FilterCriteria or filters, not both",
        id="filters-twice",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nfilters = [{{ body = [2026-01-31] }}]',
        "mappings[0].filters[0]: cannot be written as JSON: Object of type date is not JSON",
        id="filter-date",
    ),
    pytest.param(
        "[service]\nfilters_max = 11",
        "service.filters_max: expected int <= 10, got int (11)",
        id="filters-max",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nfilters = [{{}}, "{{}}"]',
        "mappings[0].filters[1]: expected a table, got str ('{}')",
        id="filter-text",
    ),
    pytest.param(
        '[[queues]]\nname = "orders"\nVisibilityTimeout = "30"',
        "queues[0].VisibilityTimeout: expected int, got str ('30')",
        id="visibility-in-quotes",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nBatchSize = "10"',
        "mappings[0].BatchSize: expected integer, got str ('10') in mapping 'orders'",
        id="batch-size-in-quotes",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nFilterCriteria = {{ Filters = [3] }}',
        "mappings[0].FilterCriteria.Filters[0]: expected structure, got int (3) in mapping",
        id="filter-number",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nBatchSize = 0',
        "mappings[0]: mapping 'orders': 1 validation error detected: Value '0' at 'batchSize'",
        id="batch-size-too-small",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\non_failure = "orders"\nTags = 3',
        "mappings[0].Tags: expected a table, got int (3)",
        id="tags",
    ),
    pytest.param(
        f'{FUNCTION}{QUEUE}{MAPPING}queue = "orders"\nTags = {{ "penstock:concurrency" = 1 }}',
        "mappings[0].Tags.penstock:concurrency: expected a text, got int (1); the value of a tag"
        " stands in quotes",
        id="tag-without-quotes",
    ),
    pytest.param(
        "[service]\nqueue_ramp = { initial = 50, maximum = 10 }",
        "service.queue_ramp: initial 50 is above maximum 10",
        id="ramp-upside-down",
    ),
    pytest.param(
        f"{FUNCTION}{STREAM}{STREAM_MAPPING}StartingPositionTimestamp = 2018-11-02T06:13:29",
        "mappings[0].StartingPositionTimestamp: 2018-11-02 06:13:29 has no offset; write it as",
        id="timestamp-without-offset",
    ),
    pytest.param(
        f"{FUNCTION}{STREAM}{STREAM_MAPPING}StartingPositionTimestamp = 2018-11-02",
        "mappings[0].StartingPositionTimestamp: 2018-11-02 has no offset",
        id="timestamp-without-time",
    ),
    pytest.param(
        "[service]\nqueue_ramp = { initial = 0 }",
        "service.queue_ramp.initial: expected int >= 1, got int (0)",
        id="ramp",
    ),
    pytest.param(f"queues = {'9' * 5000}", "not valid TOML: Exceeds the limit", id="digits"),
    pytest.param(f"queues = {'[' * 50_000}", "nested too deeply", id="deep"),
    pytest.param('[service]\naccount_id = "1"', "service.account_id: expected str", id="account"),
    pytest.param(
        '[functions.a]\ncode = "."\nHandler = "ok.handler"\nEnvironment = { A = 1 }',
        "functions.a.Environment.A: expected str, got int (1)",
        id="variable",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_mistake_is_one_line_that_names_the_place(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "ok.py").write_text("def handler(event, context): ...\n")

    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)

    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"{tmp_path}/penstock.toml: ")
    assert "\n" not in message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read: No such file"):
        read_project(tmp_path / "absent.toml")


def test_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="/dev/zero: larger than 16,777,216 bytes"):
        read_project(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("document", "names"),
    [
        pytest.param("README.md", ["orders"], id="README"),
        pytest.param("docs/operations.md", ["orders", "clicks"], id="operations"),
    ],
)
def test_example_of_the_documents_can_be_read(
    tmp_path: Path, document: str, names: list[str]
) -> None:
    text = (Path(__file__).parents[2] / document).read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    write_handler(tmp_path)
    for executable in (".venv/bin/python", "tools/node22/bin/node", "score/bootstrap"):
        path = tmp_path / executable
        path.parent.mkdir(parents=True)
        path.symlink_to(sys.executable)
    (tmp_path / "tools" / "node_modules" / "aws-lambda-ric").mkdir(parents=True)
    (tmp_path / "thumbnail").mkdir()
    (tmp_path / "thumbnail" / "index.js").touch()

    project = read(tmp_path, example)

    assert [mapping.name for mapping in project.mappings] == names


@pytest.mark.parametrize("table", [ServiceTable, FunctionTable, MappingTable, SubscriptionTable])
def test_key_of_the_file_is_documented(table: type[msgspec.Struct]) -> None:
    operations = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    example = re.search(r"```toml\n(.*?)```", operations, re.DOTALL)

    keys = [field.encode_name for field in msgspec.structs.fields(table)]

    assert example is not None
    assert [key for key in keys if not re.search(rf"\b{key}\b", example[1])] == []


def test_stream_without_a_starting_position_is_told_its_choices(tmp_path: Path) -> None:
    write_handler(tmp_path)

    with pytest.raises(ConfigurationError, match=r'StartingPosition is missing: .* "TRIM_HORIZON"'):
        read(tmp_path, f'{FUNCTION}{STREAM}{MAPPING}stream = "clicks"\n')
