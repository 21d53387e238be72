"""Where the operations on functions are."""

from penstock.api.context import ApiContext
from penstock.api.functions.call import CallReader, Operation
from penstock.api.functions.code_links import CODE_PATH, CodeLinks
from penstock.api.functions.creation import Creation
from penstock.api.functions.reading import Reading
from penstock.api.operator_routes import LambdaHandler, without_scope

FUNCTIONS_PATH = "/2015-03-31/functions"
_FUNCTION = FUNCTIONS_PATH + "/{FunctionName}"


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
    creation, reading = Creation(context), Reading(context, links)
    return [
        Operation(
            "CreateFunction", "POST", FUNCTIONS_PATH, creation.create, status=201, takes_code=True
        ),
        Operation("DeleteFunction", "DELETE", _FUNCTION, creation.delete, status=204),
        Operation("GetFunction", "GET", _FUNCTION, reading.get),
        Operation(
            "GetFunctionConfiguration",
            "GET",
            _FUNCTION + "/configuration",
            reading.get_configuration,
        ),
        Operation("ListFunctions", "GET", FUNCTIONS_PATH, reading.list_functions),
        Operation("ListVersionsByFunction", "GET", _FUNCTION + "/versions", reading.list_versions),
    ]
