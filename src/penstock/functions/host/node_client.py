"""Finds AWS's official runtime client for Node.js, the npm package ``aws-lambda-ric``.

It is looked for in the function's code folder, in the folder that the service's setting names, and
beside the service, where ``npm install --global --prefix`` puts it; not in the folders above the
code, as Node.js would do: anybody may write into some of them.
Its native module need not be built (``pure_runtime_client.cjs`` stands in for it), so its install
scripts need not be run.

Source: github.com/aws/aws-lambda-nodejs-runtime-interface-client
"""

import shlex
import sys
from pathlib import Path

import msgspec

from penstock.model.errors import ConfigurationError

NODE_CLIENT = "aws-lambda-ric"

_MAJORS = (3, 4)  # what bootstrap.mjs can start
_NODE_OF_VERSION_4 = 22  # it runs on no older one
_NODE_WITHOUT_CALLBACKS = 24  # Lambda refuses handlers with a callback from there on


class NodeClient(msgspec.Struct, frozen=True):
    """An installed runtime client.

    Attributes:
        package: The package's folder.
        main: The module that starts it.
    """

    package: Path
    version: str
    main: Path


class _Manifest(msgspec.Struct, frozen=True):
    """What of ``package.json`` is read."""

    version: str
    main: str


def find_node_client(code: str, folder: str | None) -> NodeClient | None:
    """Find the runtime client for a function; None when there is none.

    Args:
        code: The function's code folder.
        folder: The one that the service's setting names, with ``node_modules`` in it.

    Raises:
        ConfigurationError: What is found is no whole package.
    """
    places = [Path(code) / "node_modules"]
    if folder is not None:
        places.append(Path(folder) / "node_modules")
    places.append(Path(sys.prefix) / "lib" / "node_modules")
    packages = (place / NODE_CLIENT for place in places)
    package = next((path for path in packages if (path / "package.json").is_file()), None)
    return None if package is None else _read(package)


def check_node_client(code: str, folder: str | None, node: int) -> None:
    """Refuse to run a function without a runtime client that goes with its Node.js.

    Args:
        code: As ``find_node_client``.
        folder: Likewise.
        node: The major version of what runs the function.

    Raises:
        ConfigurationError: There is none, or not the right one.
    """
    client = find_node_client(code, folder)
    if client is None:
        raise ConfigurationError(
            f"Node.js functions need AWS's runtime client, the npm package {NODE_CLIENT};"
            f" install it once: {install_command(node)}"
        )
    major = client.version.partition(".")[0]
    if major not in map(str, _MAJORS) or (major == "4" and node < _NODE_OF_VERSION_4):
        raise ConfigurationError(
            f"the runtime client {client.package} is version {client.version}, which does not run"
            f" here under Node.js {node}; install another: {install_command(node)}"
        )


def _read(package: Path) -> NodeClient:
    try:
        manifest = msgspec.json.decode((package / "package.json").read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigurationError(f"{package} is not a package that npm installed: {exc}") from exc
    main = package / manifest.main
    if not main.is_file():
        raise ConfigurationError(f"{package} is not whole: {main} is missing; install it anew")
    return NodeClient(package, manifest.version, main)


def install_command(node: int = 0) -> str:
    """Give the command that installs it beside the service.

    Version 3 takes every handler; version 4 refuses those with a callback.

    Args:
        node: The major version of what runs the function; 0 where it is not known.
    """
    major = 4 if node >= _NODE_WITHOUT_CALLBACKS else 3
    prefix = shlex.quote(sys.prefix)
    return f"npm install --global --prefix {prefix} --ignore-scripts {NODE_CLIENT}@{major}"
