"""The environment variables of an execution environment."""

from collections.abc import Mapping
from pathlib import Path

from penstock.model.function import Function, LocalProcess
from penstock.model.function_log import log_group

# What a process needs to run on this machine. The service's credentials are not among it.
INHERITED = ("HOME", "USER", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")

# What Lambda lets no function declare, but for the region and the credentials: where roles are not
# assumed, a function has only what it declares.
# Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


def environment_variables(
    function: Function,
    hosting: LocalProcess,
    *,
    interpreter: str | None,
    inherited: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Give the variables that do not change between environments.

    Lambda's ``RESERVED`` names win over everything; then come those the function declares, those
    the service adds (``extra``), the region and Lambda's unreserved names, and what a process needs
    to run here.

    Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    region = function.scope.region
    path = inherited.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    variables = {name: inherited[name] for name in INHERITED if name in inherited}
    variables |= {
        "PATH": path if interpreter is None else f"{Path(interpreter).parent}:{path}",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    if interpreter is not None:
        virtual_environment = Path(interpreter).parent.parent
        if (virtual_environment / "pyvenv.cfg").is_file():
            variables["VIRTUAL_ENV"] = str(virtual_environment)
    variables |= extra
    variables |= hosting.environment
    return variables | {
        "_HANDLER": hosting.handler,
        "LAMBDA_TASK_ROOT": hosting.code,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(function.name),
    }
