"""The ARNs of what a project file declares; a table's stream has one only once it is made."""

from penstock.model.arn import Arn, Scope


def queue_arn(name: str, scope: Scope) -> str:
    """Name a queue of this account and region."""
    return str(Arn("aws", "sqs", scope.region, scope.account, name))


def stream_arn(name: str, scope: Scope) -> str:
    """Name a Kinesis stream of this account and region."""
    return str(Arn("aws", "kinesis", scope.region, scope.account, f"stream/{name}"))


def topic_arn(name: str, scope: Scope) -> str:
    """Name a topic of this account and region."""
    return str(Arn("aws", "sns", scope.region, scope.account, name))


def bucket_arn(name: str) -> str:
    """Name a bucket; buckets have no account and no region in their name."""
    return str(Arn("aws", "s3", "", "", name))
