"""How a function's logs are named."""

from penstock.model.function_log import log_group


def test_log_group_is_named_as_lambda_names_it() -> None:
    """Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html."""
    assert log_group("charge") == "/aws/lambda/charge"
