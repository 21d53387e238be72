"""Where the operations on functions are."""

from penstock.api.context import ApiContext
from penstock.api.functions.account import Account
from penstock.api.functions.aliases import Aliases
from penstock.api.functions.call import CallReader, Operation
from penstock.api.functions.code_links import CODE_PATH, CodeLinks
from penstock.api.functions.concurrency import ConcurrencySettings
from penstock.api.functions.creation import Creation
from penstock.api.functions.permissions import Permissions
from penstock.api.functions.reading import Reading
from penstock.api.functions.updates import Updates
from penstock.api.operator_routes import LambdaHandler, without_scope

FUNCTIONS_PATH = "/2015-03-31/functions"
_FUNCTION = FUNCTIONS_PATH + "/{FunctionName}"
_VERSIONS = _FUNCTION + "/versions"


def function_routes(context: ApiContext) -> list[tuple[str, str, LambdaHandler]]:
    """Give method, path and handler of each operation, and of the links to code."""
    links = CodeLinks(context)
    reader = CallReader()
    routes: list[tuple[str, str, LambdaHandler]] = [
        (operation.method, operation.path, reader.serve(operation))
        for operation in _operations(context, links)
    ]
    return [*routes, ("GET", CODE_PATH, without_scope(links.download))]


def _operations(context: ApiContext, links: CodeLinks) -> list[Operation]:
    """Give every operation; the dates in their paths are AWS's."""
    return [
        *_functions(context, links),
        *_aliases(context),
        *_settings(context),
    ]


def _functions(context: ApiContext, links: CodeLinks) -> list[Operation]:
    creation, reading, updates = Creation(context), Reading(context, links), Updates(context)
    settings, code = _FUNCTION + "/configuration", _FUNCTION + "/code"
    return [
        Operation(
            "CreateFunction", "POST", FUNCTIONS_PATH, creation.create, status=201, takes_code=True
        ),
        Operation("DeleteFunction", "DELETE", _FUNCTION, creation.delete, status=204),
        Operation("GetFunction", "GET", _FUNCTION, reading.get),
        Operation("GetFunctionConfiguration", "GET", settings, reading.get_configuration),
        Operation("ListFunctions", "GET", FUNCTIONS_PATH, reading.list_functions),
        Operation("UpdateFunctionCode", "PUT", code, updates.update_code, takes_code=True),
        Operation("UpdateFunctionConfiguration", "PUT", settings, updates.update_configuration),
        Operation("PublishVersion", "POST", _VERSIONS, updates.publish, status=201),
        Operation("ListVersionsByFunction", "GET", _VERSIONS, reading.list_versions),
    ]


def _aliases(context: ApiContext) -> list[Operation]:
    aliases = Aliases(context)
    every, one = _FUNCTION + "/aliases", _FUNCTION + "/aliases/{Name}"
    return [
        Operation("CreateAlias", "POST", every, aliases.create, status=201),
        Operation("ListAliases", "GET", every, aliases.list_page),
        Operation("GetAlias", "GET", one, aliases.get),
        Operation("UpdateAlias", "PUT", one, aliases.update),
        Operation("DeleteAlias", "DELETE", one, aliases.delete, status=204),
    ]


def _settings(context: ApiContext) -> list[Operation]:
    concurrency, permissions = ConcurrencySettings(context), Permissions(context)
    account, account_path = Account(context), "/2016-08-19/account-settings"
    reserved = "/2017-10-31/functions/{FunctionName}/concurrency"
    policy, statement = _FUNCTION + "/policy", _FUNCTION + "/policy/{StatementId}"
    return [
        Operation("PutFunctionConcurrency", "PUT", reserved, concurrency.put),
        Operation("DeleteFunctionConcurrency", "DELETE", reserved, concurrency.delete, status=204),
        Operation(
            "GetFunctionConcurrency",
            "GET",
            "/2019-09-30/functions/{FunctionName}/concurrency",
            concurrency.get,
        ),
        Operation("AddPermission", "POST", policy, permissions.add, status=201),
        Operation("GetPolicy", "GET", policy, permissions.get),
        Operation("RemovePermission", "DELETE", statement, permissions.remove, status=204),
        Operation("GetAccountSettings", "GET", account_path, account.get_settings),
        Operation(
            "GetFunctionCodeSigningConfig",
            "GET",
            "/2020-06-30/functions/{FunctionName}/code-signing-config",
            account.get_code_signing,
        ),
        Operation(
            "GetRuntimeManagementConfig",
            "GET",
            "/2021-07-20/functions/{FunctionName}/runtime-management-config",
            account.get_runtime_management,
        ),
    ]
