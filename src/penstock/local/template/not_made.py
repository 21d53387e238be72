"""Says what it means that a resource of a template is not made here."""

from collections.abc import Mapping

from penstock.local.omission import Omission
from penstock.local.template.resource import Resource, references_in

# Nothing here would be another with them: nobody is asked for permission, logs need no group.
_NEEDLESS = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::LogGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
)
_CODE_DEPLOY = "AWS::CodeDeploy::"
_MEANINGS = {
    "AWS::CloudFormation::CustomResource": "not made; its function is not called",
    "AWS::CloudFormation::Stack": "not made; a nested stack is not read",
    "AWS::CloudWatch::Alarm": "not made; nothing is watched",
    "AWS::Lambda::EventInvokeConfig": "not made; there is no asynchronous invocation here",
    "AWS::Lambda::LayerVersion": "not made; functions run without it, so its libraries must be"
    " installed where they run",
    "AWS::Lambda::Url": "not made; no HTTP request invokes {functions}",
    "AWS::Logs::SubscriptionFilter": "not made; no log invokes {functions}",
    "AWS::Pipes::Pipe": "not made; nothing is moved by it",
    "AWS::Scheduler::Schedule": "not made; nothing invokes {functions} on schedule",
    "AWS::StepFunctions::StateMachine": "not made; it does not invoke {functions}",
}
_MEANINGS_BY_SERVICE = {
    "AWS::ApiGateway": "not made; no HTTP request invokes {functions}",
    "Custom": "not made; its function is not called",
}


def explain(resource: Resource, function_names: Mapping[str, str]) -> Omission:
    """Say what it means that a resource is not made.

    Args:
        resource: Of a type that is not made here.
        function_names: Of the functions of the template, by logical id.
    """
    is_needless = resource.type in _NEEDLESS or resource.type.startswith(_CODE_DEPLOY)
    return Omission(
        type=resource.type,
        subject=resource.logical_id,
        text="" if is_needless else _meaning(resource, function_names),
        is_needless=is_needless,
    )


def _meaning(resource: Resource, function_names: Mapping[str, str]) -> str:
    named = dict.fromkeys(name for name, _ in references_in(resource.properties))
    functions = [function_names[name] for name in named if name in function_names]
    text = _meaning_of_type(resource)
    if "{functions}" in text:
        return text.format(functions=" and ".join(functions) or "a function")
    return f"{text}; it refers to {' and '.join(functions)}" if functions else text


def _meaning_of_type(resource: Resource) -> str:
    if resource.type == "AWS::Events::Rule":
        if "ScheduleExpression" in resource.properties:
            return _MEANINGS["AWS::Scheduler::Schedule"]
        return "not made; no event of a bus invokes {functions}"
    by_service = (
        text for prefix, text in _MEANINGS_BY_SERVICE.items() if resource.type.startswith(prefix)
    )
    return _MEANINGS.get(resource.type) or next(by_service, "not made")
