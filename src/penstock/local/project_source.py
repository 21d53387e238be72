"""Where dev's project comes from: ``penstock.toml``, or a SAM or CloudFormation template."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock.local.project_file import PROJECT_FILE_DEFAULT, Project, read_project
from penstock.model.errors import ConfigurationError

TEMPLATE_SUFFIXES = (".yaml", ".yml", ".json", ".template")
_TEMPLATE_NAMES = ("template.yaml", "template.yml", "template.json")


class ProjectSource(msgspec.Struct, frozen=True, kw_only=True):
    """A file, and what the command line adds to it.

    Attributes:
        path: None declares nothing.
        parameters: Of a template, by name.
    """

    path: Path | None
    parameters: Mapping[str, str] = {}

    @property
    def is_template(self) -> bool:
        """Tell it by the file's name."""
        return self.path is not None and is_template(self.path)

    def read(self, *, endpoint: str, inline_folder: Path) -> Project:
        """Read the project as it is now.

        Args:
            endpoint: Of the AWS in which a template is made.
            inline_folder: Takes the code that stands in a template itself.

        Raises:
            ConfigurationError: The file cannot be read, or declares what cannot be.
        """
        project = self._read(endpoint, inline_folder)
        _refuse_keys_of_serve(project)
        return project

    def _read(self, endpoint: str, inline_folder: Path) -> Project:
        if self.path is None or not self.is_template:
            if self.parameters:
                raise ConfigurationError("--parameter is for templates; penstock.toml has none")
            return read_project(self.path)
        # Imported here: only templates need YAML, which is of the extra penstock[dev].
        try:
            from penstock.local.template.project import (  # noqa: PLC0415
                TemplateRequest,
                read_template,
            )
        except ImportError as exc:
            raise ConfigurationError(
                f"{self.path}: templates need YAML and AWS's translator; install penstock[dev]"
            ) from exc
        return read_template(
            TemplateRequest(
                path=self.path,
                parameters=self.parameters,
                endpoint=endpoint,
                inline_folder=inline_folder,
            )
        )


def is_template(path: Path) -> bool:
    """Tell by its name whether a file is a template."""
    return path.suffix in TEMPLATE_SUFFIXES


def find_project_file(given: Path | None) -> Path | None:
    """Give the file that is named, or the one of the folder that is; None: the folder has none.

    Raises:
        ConfigurationError: The folder has several.
    """
    folder = Path() if given is None else given
    if not folder.is_dir():
        return folder
    names = (PROJECT_FILE_DEFAULT, *_TEMPLATE_NAMES)
    found = [name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        raise ConfigurationError(f"{folder.absolute()} has {' and '.join(found)}; name one of them")
    if found:
        return folder / found[0]
    if given is None:
        return None
    others = sorted(each.name for each in folder.glob("*.template.json"))
    wanted = f"; name its {' or '.join(others)}" if others else ""
    raise ConfigurationError(f"{folder} has none of {', '.join(names)}{wanted}")


def parse_parameter(text: str) -> tuple[str, str]:
    """Read one ``KEY=VALUE`` of the command line.

    Raises:
        ConfigurationError: It is not of that form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(f"--parameter {text!r} is not of the form KEY=VALUE")
    return key.strip(), value


def _refuse_keys_of_serve(project: Project) -> None:
    service = project.service
    if service.store is not None:
        raise ConfigurationError(
            f"{project.path}: service.store: dev keeps its store in the folder --data names;"
            " remove the key, or use penstock serve"
        )
    for key in ("callers", "upstream"):
        if getattr(service, key) is not None:
            raise ConfigurationError(
                f"{project.path}: service.{key}: dev is for this machine alone, takes any"
                " credentials, and has its own embedded AWS; remove the key, or use penstock serve"
            )
