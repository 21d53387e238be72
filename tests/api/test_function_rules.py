"""What CreateFunction and the updates refuse, and what they take because it asks for nothing."""

import base64
import contextlib
import hashlib
import socket
from typing import Any

import msgspec
import pytest
from api_server import SIGNED, Server
from function_calls import ROLE, create, create_active, refusal, wait_until_updated, zipped

from penstock.api.functions.call import UPLOADS_MAX
from penstock.api.functions.configuration import this_architecture

pytest_plugins = ["api_fixtures"]

INVALID = "InvalidParameterValueException"
OTHER_ARCHITECTURE = "arm64" if this_architecture() == "x86_64" else "x86_64"
VPC = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:dead"
EFS = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0"
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l:1"
SIGNING = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
KEY = "arn:aws:kms:us-east-1:000000000000:key/k"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("PackageType", "Image"),
        ("Layers", [LAYER]),
        ("VpcConfig", VPC),
        ("FileSystemConfigs", [{"Arn": EFS, "LocalMountPath": "/mnt/x"}]),
        ("SnapStart", {"ApplyOn": "PublishedVersions"}),
        ("DeadLetterConfig", {"TargetArn": QUEUE_ARN}),
        ("TracingConfig", {"Mode": "Active"}),
        ("EphemeralStorage", {"Size": 1024}),
        ("Architectures", [OTHER_ARCHITECTURE]),
        ("KMSKeyArn", KEY),
        ("CodeSigningConfigArn", SIGNING),
        ("LoggingConfig", {"LogFormat": "JSON"}),
        ("LoggingConfig", {"LogGroup": "/other"}),
        ("ImageConfig", {"Command": ["x"]}),
    ],
)
def test_option_that_does_not_exist_is_refused_by_its_name(
    client: Any, member: str, value: object
) -> None:
    status, code, text = refusal(create, client=client, **{member: value})

    assert (status, code) == (400, INVALID)
    assert text.startswith(member)
    assert "eave it out" in text


@pytest.mark.parametrize(
    "code",
    [
        pytest.param({"ImageUri": "image"}, id="image"),
        pytest.param({"ZipFile": zipped(), "SourceKMSKeyArn": KEY}, id="key"),
    ],
)
def test_code_of_another_kind_is_refused(client: Any, code: dict[str, object]) -> None:
    assert refusal(create, client=client, Code=code)[:2] == (400, INVALID)


def test_options_that_ask_for_nothing_are_taken(client: Any) -> None:
    answer = create(
        client,
        PackageType="Zip",
        Layers=[],
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        FileSystemConfigs=[],
        SnapStart={"ApplyOn": "None"},
        DeadLetterConfig={},
        TracingConfig={"Mode": "PassThrough"},
        EphemeralStorage={"Size": 512},
        Architectures=[this_architecture()],
        KMSKeyArn="",
        LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/made"},
        Environment={},
    )

    assert answer["Environment"] == {"Variables": {}}
    assert {"VpcConfig", "Layers", "DeadLetterConfig", "KMSKeyArn"} & answer.keys() == set()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"Runtime": None}, "Runtime and Handler are mandatory", id="no Runtime"),
        pytest.param({"Handler": None}, "Runtime and Handler are mandatory", id="no Handler"),
        pytest.param({"Runtime": "java21"}, "this machine has python3.x", id="Runtime"),
        pytest.param({"Code": {}}, "Please provide a source for function code.", id="no code"),
        pytest.param(
            {"Code": {"S3Bucket": "bucket"}}, "Please provide a source", id="bucket, no key"
        ),
        pytest.param(
            {"Code": {"ZipFile": zipped(), "S3Bucket": "bucket", "S3Key": "k"}},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            id="two codes",
        ),
        pytest.param({"Code": {"ZipFile": b""}}, "must be a non-empty zip", id="empty"),
        pytest.param({"Code": {"ZipFile": b"x"}}, "Could not unzip uploaded file", id="no zip"),
        pytest.param(
            {"Environment": {"Variables": {"AWS_REGION": "x", "AWS_LAMBDA_FUNCTION_NAME": "y"}}},
            "Reserved keys used in this request: AWS_LAMBDA_FUNCTION_NAME, AWS_REGION",
            id="reserved",
        ),
        pytest.param(
            {"Environment": {"Variables": {"BIG": "x" * 4096}}},
            "exceeded the 4KB limit. Measured size: 4106 bytes",
            id="too large",
        ),
        pytest.param({"Handler": "app\0.handler"}, "Handler holds a NUL", id="NUL in Handler"),
        pytest.param({"Tags": {"aws:x": "y"}}, "begins with aws:", id="tag"),
        pytest.param({"name": "made:1"}, "created without one", id="qualifier"),
        pytest.param(
            {"name": "999999999999:function:made"}, "of account 999999999999", id="account"
        ),
    ],
)
def test_create_is_refused_with_its_cause(client: Any, changes: dict[str, Any], text: str) -> None:
    answer = refusal(create, client=client, **changes)

    assert answer[:2] == (400, INVALID)
    assert text in answer[2]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Timeout": 901}, "'901' at 'timeout'"),
        ({"MemorySize": 10_241}, "'10241' at 'memorySize'"),
        ({"Role": "nobody"}, "'nobody' at 'role'"),
        ({"Runtime": "python4"}, "'python4' at 'runtime'"),
        ({"name": "f" * 65}, "at 'functionName'"),
    ],
)
def test_constraint_of_the_model_is_told_in_aws_s_words(
    client: Any, changes: dict[str, Any], text: str
) -> None:
    status, code, message = refusal(create, client=client, **changes)

    assert (status, code) == (400, "ValidationException")
    assert message.startswith("1 validation error detected: Value ")
    assert text in message


def test_credentials_may_be_variables_and_be_read_back(client: Any) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    created = create(client, Environment={"Variables": variables})

    assert created["Environment"] == {"Variables": variables}


def test_variable_s_value_is_in_no_error(client: Any) -> None:
    variables = {"PASSWORD": "secret" * 1000}

    assert "secret" not in refusal(create, client=client, Environment={"Variables": variables})[2]


def test_variable_s_value_is_not_told_where_its_name_breaks_the_model(client: Any) -> None:
    """AWS tells no value of a map that its model calls sensitive.

    Source: docs/semantics.md#request-validation
    """
    variables = {"1PASSWORD": "secret"}

    answer = refusal(create, client=client, Environment={"Variables": variables})

    assert answer[1] == "ValidationException"
    assert answer[2].startswith(
        "1 validation error detected: Value at 'environment.variables' failed to satisfy "
        "constraint: Map keys must satisfy constraint: [Member must satisfy regular expression"
    )


def test_update_refuses_the_same(client: Any) -> None:
    create_active(client)

    layers = refusal(client.update_function_configuration, FunctionName="made", Layers=[LAYER])
    runtime = refusal(client.update_function_configuration, FunctionName="made", Runtime="java21")
    image = refusal(client.update_function_code, FunctionName="made", ImageUri="image")
    handler = refusal(client.update_function_configuration, FunctionName="made", Handler="a\0.b")
    timeout = refusal(client.update_function_configuration, FunctionName="made", Timeout=901)

    assert [answer[1] for answer in (layers, runtime, image, handler)] == [INVALID] * 4
    assert timeout[1] == "ValidationException"
    assert wait_until_updated(client)["Timeout"] == 3


def create_raw(server: Server, body: dict[str, object]) -> tuple[int, str]:
    """Send CreateFunction without a client that knows better."""
    whole = {"FunctionName": "raw", "Runtime": "python3.11", "Role": ROLE, "Handler": "a.b"} | body
    answer = server.send("POST", "/2015-03-31/functions", msgspec.json.encode(whole), SIGNED)
    return answer.status, answer.code


@pytest.mark.parametrize("text", ["?", "QUJ", "QQ==QUJD", "QUJDQ===", "QUJD\n", "\u00e9QUJ"])
def test_code_that_is_no_base64_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("penstock.api.functions.code.PIECE_CHARS", 4)

    assert create_raw(server, {"Code": {"ZipFile": text}}) == (400, "SerializationException")


def test_code_that_is_decoded_in_pieces_is_whole(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.api.functions.code.PIECE_CHARS", 8)

    made = create(client)

    assert base64.b64decode(made["CodeSha256"]) == hashlib.sha256(zipped()).digest()


def test_code_above_the_quota_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.api.functions.code.ZIPPED_BYTES_MAX", 10)
    code = base64.b64encode(zipped()).decode()

    assert create_raw(server, {"Code": {"ZipFile": code}}) == (
        413,
        "RequestEntityTooLargeException",
    )


def test_code_of_all_functions_has_a_quota(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(zipped())
    monkeypatch.setattr("penstock.api.functions.code.TOTAL_CODE_BYTES_MAX", 2 * size)
    create_active(client, Publish=True)

    refused = refusal(client.update_function_code, FunctionName="made", ZipFile=zipped())

    assert refused == (400, "CodeStorageExceededException", "Code storage limit exceeded.")


def test_body_above_the_quota_is_not_read(server: Server) -> None:
    headers = SIGNED | {"Content-Length": str(69_905_068)}

    answer = server.send("POST", "/2015-03-31/functions", b"", headers)

    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")
    assert answer.json["message"] == (
        "Request must be smaller than 69905067 bytes for the CreateFunction operation"
    )


def test_name_in_the_body_is_not_another_than_in_the_address(server: Server) -> None:
    body = msgspec.json.encode({"FunctionName": "other"})

    answer = server.send("PUT", "/2015-03-31/functions/made/configuration", body, SIGNED)

    assert (answer.status, answer.code) == (400, "SerializationException")


def begin_upload(server: Server) -> socket.socket:
    """Begin a large request, and say no more of it."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    headers = "".join(f"{name}: {value}\r\n" for name, value in SIGNED.items())
    connection.sendall(
        f"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{headers}"
        "Expect: 100-continue\r\nContent-Length: 9000000\r\n\r\n".encode()
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    return connection


def test_small_request_does_not_wait_for_large_ones_that_stall(server: Server, client: Any) -> None:
    with contextlib.ExitStack() as stalled:
        for _ in range(UPLOADS_MAX):
            stalled.enter_context(begin_upload(server))

        created = create(client)

    assert created["FunctionName"] == "made"
