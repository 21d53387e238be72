"""Parameters, conditions and intrinsic functions of a template."""

from pathlib import Path

import pytest
from template_files import ENDPOINT, read, resources

from penstock.model.errors import ConfigurationError

HEAD = """
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Names: {Type: CommaDelimitedList, Default: "a, b,c"}
  Size: {Type: Number, Default: 5, MinValue: 1, MaxValue: 9}
  Secret: {Type: String, NoEcho: true, Default: hush, MinLength: 4}
  Version: {Type: "AWS::SSM::Parameter::Value<String>", Default: /cdk/version}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsDev, !Equals [1, "1"]]
  Either: !Or [!Condition IsProd, !Condition IsDev]
Mappings:
  Sizes: {dev: {small: 1}, prod: {small: 7}}
"""
FUNCTION = """
Show:
  Type: AWS::Lambda::Function
  Properties:
    FunctionName: show
    Code: .
    Handler: app.handler
    Runtime: python3.11
    Environment:
      Variables:
        VALUE: %s
Orders:
  Type: AWS::SQS::Queue
  Properties: {QueueName: orders}
Trades:
  Type: AWS::SQS::Queue
  Properties: {FifoQueue: true}
Clicks:
  Type: AWS::Kinesis::Stream
Items:
  Type: AWS::DynamoDB::Table
  Properties:
    AttributeDefinitions: []
    KeySchema: []
    StreamSpecification: {StreamViewType: KEYS_ONLY}
News:
  Type: AWS::SNS::Topic
Files:
  Type: AWS::S3::Bucket
Role:
  Type: AWS::IAM::Role
Alarm:
  Type: AWS::CloudWatch::Alarm
Live:
  Type: AWS::Lambda::Alias
  Properties: {FunctionName: !Ref Orders2, Name: live}
Orders2:
  Type: AWS::Lambda::Function
  Properties: {Code: ., Handler: app.handler, Runtime: python3.11}
Extra:
  Type: AWS::SQS::Queue
  Condition: IsProd
"""
ARN = "us-east-1:000000000000"


def value_of(folder: Path, text: str, **parameters: str) -> str | None:
    """Read the one variable of a function, whose value is the text."""
    template = HEAD + resources(FUNCTION % text)
    (show, *_) = read(folder, template, **parameters).functions
    environment: dict[str, str] = getattr(show.hosting, "environment", {})
    return environment.get("VALUE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("!Ref Stage", "dev", id="parameter"),
        pytest.param("!Ref Size", "5", id="number"),
        pytest.param("!Ref Secret", "hush", id="no-echo"),
        pytest.param("!Select [1, !Ref Names]", "b", id="list"),
        pytest.param("!Join ['-', !Ref Names]", "a-b-c", id="join"),
        pytest.param("!Join ['', [x, !Ref Size, true]]", "x5true", id="join-scalars"),
        pytest.param("!Select ['2', !Split [',', 'x,y,z']]", "z", id="split"),
        pytest.param(
            "!Sub '${Stage}/${!Stage}/${AWS::Region}'", "dev/${Stage}/us-east-1", id="sub"
        ),
        pytest.param("!Sub ['${a}-${Stage}', {a: !Ref Size}]", "5-dev", id="sub-variables"),
        pytest.param("!Sub '${Orders.Arn}'", f"arn:aws:sqs:{ARN}:orders", id="sub-attribute"),
        pytest.param("!If [IsProd, 1, 2]", "2", id="if"),
        pytest.param("!If [Both, x, y]", "x", id="and"),
        pytest.param("!If [Either, x, y]", "x", id="or"),
        pytest.param("!FindInMap [Sizes, !Ref Stage, small]", "1", id="map"),
        pytest.param("!FindInMap [Sizes, x, y, {DefaultValue: z}]", "z", id="map-default"),
        pytest.param("!Base64 hello", "aGVsbG8=", id="base64"),
        pytest.param("!Select [0, !GetAZs '']", "us-east-1a", id="zones"),
        pytest.param("!Ref AWS::AccountId", "000000000000", id="account"),
        pytest.param("!Ref AWS::StackName", "local", id="stack"),
        pytest.param("!Ref AWS::Partition", "aws", id="partition"),
        pytest.param("!Ref AWS::URLSuffix", "amazonaws.com", id="suffix"),
        pytest.param("!If [IsProd, x, !Ref AWS::NoValue]", None, id="no-value"),
        pytest.param("!Ref Orders", f"{ENDPOINT}/000000000000/orders", id="queue"),
        pytest.param("!GetAtt Trades.QueueName", "Trades.fifo", id="fifo-queue"),
        pytest.param("!Ref Clicks", "Clicks", id="stream"),
        pytest.param("!GetAtt Clicks.Arn", f"arn:aws:kinesis:{ARN}:stream/Clicks", id="stream-arn"),
        pytest.param("!GetAtt Items.Arn", f"arn:aws:dynamodb:{ARN}:table/Items", id="table-arn"),
        pytest.param("!Ref News", f"arn:aws:sns:{ARN}:News", id="topic"),
        pytest.param("!GetAtt News.TopicName", "News", id="topic-name"),
        pytest.param("!Ref Files", "files", id="bucket"),
        pytest.param("!GetAtt Files.Arn", "arn:aws:s3:::files", id="bucket-arn"),
        pytest.param("!GetAtt Role.Arn", "arn:aws:iam::000000000000:role/Role", id="role"),
        pytest.param("!Ref Live", f"arn:aws:lambda:{ARN}:function:Orders2", id="alias"),
        pytest.param(
            "!GetAtt Orders2.Arn", f"arn:aws:lambda:{ARN}:function:Orders2", id="function"
        ),
        pytest.param("12", "12", id="integer"),
        pytest.param("true", "true", id="boolean"),
    ],
)
def test_value_is_what_cloudformation_would_give(
    tmp_path: Path, text: str, expected: str | None
) -> None:
    assert value_of(tmp_path, text) == expected


def test_given_parameter_takes_the_place_of_the_default(tmp_path: Path) -> None:
    assert value_of(tmp_path, "!If [IsProd, !Ref Stage, x]", Stage="prod") == "prod"


def test_region_and_stack_may_be_given(tmp_path: Path) -> None:
    given = {"AWS::Region": "eu-west-1", "AWS::StackName": "mine"}

    value = value_of(tmp_path, "!Sub '${AWS::StackName}/${Orders.Arn}'", **given)

    assert value == "mine/arn:aws:sqs:eu-west-1:000000000000:orders"


def test_given_value_stands_for_one_of_ssm(tmp_path: Path) -> None:
    assert value_of(tmp_path, "!Ref Version", Version="21") == "21"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("!Ref Version", "kept in SSM", id="ssm"),
        pytest.param("!GetAtt Items.StreamArn", "known only once it is made", id="stream-arn"),
        pytest.param("!ImportValue other", "other stacks are not here", id="import"),
        pytest.param("'{{resolve:ssm:/a}}'", "a secret or an SSM parameter", id="dynamic"),
        pytest.param(
            "!Sub 'x{{resolve:ssm:/a}}'", "a secret or an SSM parameter", id="dynamic-sub"
        ),
        pytest.param(
            "!Ref Alarm", "Alarm (AWS::CloudWatch::Alarm) is not made here", id="not-made"
        ),
        pytest.param("!GetAtt Alarm.Arn", "is not made here", id="attribute-of-not-made"),
        pytest.param("!GetAtt Orders.Nope", "Nope of Orders (AWS::SQS::Queue)", id="attribute"),
        pytest.param("!Select [0, !Cidr ['10.0.0.0/24', 1, 5]]", "Fn::Cidr", id="cidr"),
    ],
)
def test_variable_that_only_aws_could_know_is_told_and_not_set(
    tmp_path: Path, text: str, reason: str
) -> None:
    project = read(tmp_path, HEAD + resources(FUNCTION % text))

    (told,) = [str(each) for each in project.omissions if "Environment" in each.subject]
    assert told.startswith("AWS::Lambda::Function Show.Environment.VALUE: not set; ")
    assert reason in told
    assert project.functions[0].hosting.environment == {}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("!Ref Orderz", "refers to 'Orderz', which is not in the template", id="ref"),
        pytest.param("!Ref Extra", "refers to Extra, whose condition IsProd is false", id="unmet"),
        pytest.param("!If [Nope, 1, 2]", "no condition 'Nope'", id="condition"),
        pytest.param("!If [IsProd, 1]", "Fn::If takes a condition and two values", id="if"),
        pytest.param("!Select [9, [a]]", "Fn::Select: no item 9 of 1", id="select"),
        pytest.param(f"!Select ['{'9' * 5000}', [a]]", " of 1", id="select-digits"),
        pytest.param("!Select [0, a]", "Fn::Select takes a list", id="select-text"),
        pytest.param("!Select a", "Fn::Select takes an index and a list", id="select-form"),
        pytest.param("!Join [1, [a]]", "Fn::Join takes a delimiter and a list", id="join"),
        pytest.param("!Join ['', [[a]]]", 'expected a text, got ["a"]', id="join-list"),
        pytest.param("!Split ['', a]", "Fn::Split takes a delimiter and a text", id="split"),
        pytest.param("!Sub [a]", "Fn::Sub takes a text, or a text and its variables", id="sub"),
        pytest.param("!FindInMap [Sizes, x, y]", "Mappings has no Sizes / x / y", id="map"),
        pytest.param(
            "!FindInMap [Sizes]", "takes the name of a mapping and two keys", id="map-form"
        ),
        pytest.param("!GetAtt Orders", "takes a logical id and an attribute", id="getatt"),
        pytest.param("{Ref: [a]}", "Ref takes a name", id="ref-list"),
        pytest.param("{'Fn::Sup': a}", "unknown function Fn::Sup", id="function"),
        pytest.param("!Length [a]", "needs the Transform AWS::LanguageExtensions", id="extension"),
        pytest.param("[a, b]", "expected a text, got list", id="list"),
    ],
)
def test_value_that_cannot_be_is_an_error_at_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        value_of(tmp_path, text)

    assert message in str(raised.value)
    assert f"{tmp_path / 'template.yaml'}:" in str(raised.value)
    assert ": Show" in str(raised.value)


def nested(function: str, times: int, inner: str) -> str:
    return f"{{{function}: " * times + inner + "}" * times


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("!Sub ['${a}${a}', {a: " * 40 + "x" + "}]" * 40, id="sub"),
        pytest.param(f"!Join ['{'x' * 9000}', !Split [',', '{',' * 9000}']]", id="join"),
        pytest.param(nested("Fn::Base64", 60, "x"), id="base64"),
        pytest.param(nested("Fn::ToJsonString", 30, "['\"']"), id="json"),
    ],
)
def test_functions_write_no_more_than_a_limit(tmp_path: Path, text: str) -> None:
    template = "Transform: AWS::LanguageExtensions\n" + HEAD + resources(FUNCTION % text)

    with pytest.raises(ConfigurationError, match="VALUE: its functions write more than 16,777"):
        read(tmp_path, template)


def test_variable_that_is_named_twice_is_resolved_once(tmp_path: Path) -> None:
    assert value_of(tmp_path, "!Sub ['${a}${a}', {a: " * 40 + "''" + "}]" * 40) == ""


def test_language_extensions_count_and_write_json(tmp_path: Path) -> None:
    text = "!Sub ['${n} ${j}', {n: !Length [a, b], j: !ToJsonString {a: !Ref Stage}}]"
    template = "Transform: AWS::LanguageExtensions\n" + HEAD + resources(FUNCTION % text)

    (show, *_) = read(tmp_path, template).functions

    assert show.hosting.environment == {"VALUE": '2 {"a":"dev"}'}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Stage": "test"}, "'test' is not one of AllowedValues: dev, prod"),
        ({"Size": "x"}, "'x' is not a number"),
        ({"Size": "0"}, "'0' is below MinValue: 1"),
        ({"Size": "10"}, "'10' is above MaxValue: 9"),
        ({"Secret": "abc"}, "its value is below MinLength: 4 characters"),
        ({"Stagge": "dev"}, "no parameter 'Stagge'; did you mean Stage?"),
    ],
)
def test_parameter_that_is_not_allowed_is_refused(
    tmp_path: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        value_of(tmp_path, "x", **given)

    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("A: {Type: String}, B: {Type: Number}", "without a value: A, B; add --parameter A=VALUE"),
        ("A: {Default: x}", "Type is missing"),
        ("A: {Type: Text, Default: x}", "'Text' is not a type of parameters"),
        ("A: {Type: String, Default: x, Max: 1}", "Max: unknown"),
        ("A: {Type: String, Default: {}}", "expected a text, a number or a list of them"),
        ("A: {Type: String, Default: x, AllowedPattern: '('}", "'(' cannot be read"),
        (
            "A: {Type: String, Default: x, AllowedPattern: y+, ConstraintDescription: only y}",
            "'x' does not match AllowedPattern y+ (only y)",
        ),
        ("A: {Type: String, Default: x, MinLength: z}", "MinLength: expected a number"),
        ("A: 5", "expected a parameter's properties"),
    ],
)
def test_parameter_that_is_declared_wrongly_is_refused(
    tmp_path: Path, parameters: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, f"Parameters: {{{parameters}}}\nResources: {{}}\n")

    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("A: !Condition B, B: !Condition A", "refer to themselves in a circle: A -> B -> A"),
        ("A: true", "expected Fn::Equals, Fn::And, Fn::Or, Fn::Not or another Condition"),
        ("A: !Not [1, 2]", "expected Fn::Equals"),
    ],
)
def test_condition_that_cannot_be_told_is_refused(
    tmp_path: Path, conditions: str, message: str
) -> None:
    queue = "{Type: 'AWS::SQS::Queue', Condition: A}"
    template = f"Conditions: {{{conditions}}}\nResources: {{Q: {queue}}}\n"

    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, template)

    assert message in str(raised.value)
