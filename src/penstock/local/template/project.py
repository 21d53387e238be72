"""From a template to the ``Project`` that ``penstock.toml`` would give."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from penstock.local.hidden_values import hide
from penstock.local.omission import Omission
from penstock.local.project_file import REGION_DEFAULT, Project, make_project
from penstock.local.project_tables import ServiceTable
from penstock.local.template.assembly import Assembly
from penstock.local.template.document import Template, Where, read_document
from penstock.local.template.parameters import Parameters, read_parameters
from penstock.local.template.resource import Resource, check_references, read_resources
from penstock.local.template.sam import SERVERLESS, TRANSFORM, Expansion, expand, is_sam
from penstock.local.template.values import LANGUAGE_EXTENSIONS, Values
from penstock.local.toml_table import Place
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

_SECTIONS = (
    *("AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings"),
    *("Conditions", "Transform", "Globals", "Hooks", "Resources", "Outputs"),
)
_NEEDLESS_RULES = frozenset({"CheckBootstrapVersion"})  # CDK's, of the account's own preparation
_TRANSFORMS = (TRANSFORM, LANGUAGE_EXTENSIONS)


class TemplateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which template to read, and how.

    Attributes:
        parameters: Values by name.
        endpoint: Of the AWS in which it is made; queues' URLs begin with it.
        inline_folder: Takes the code that stands in the template itself.
    """

    path: Path
    parameters: Mapping[str, str]
    endpoint: str
    inline_folder: Path


def read_template(request: TemplateRequest) -> Project:
    """Read a SAM or CloudFormation template.

    Raises:
        ConfigurationError: It cannot be read, or declares what cannot be.
    """
    try:
        return _read(request)
    except RecursionError as exc:
        raise ConfigurationError(f"{request.path}: nested too deeply") from exc


def _read(request: TemplateRequest) -> Project:
    written = read_document(request.path)
    _check_sections(written)
    scope = Scope(ServiceTable().account_id, REGION_DEFAULT)
    parameters = read_parameters(written, request.parameters, scope)
    try:
        return _build(written, parameters, request)
    except ConfigurationError as exc:
        raise ConfigurationError(hide(str(exc), parameters.hidden_values)) from exc


def _build(written: Template, parameters: Parameters, request: TemplateRequest) -> Project:
    expansion = _expand(written, parameters, request.endpoint)
    template = expansion.template
    resources = read_resources(template)
    absent = _stand_ins(template, expansion.left_out)
    values = Values(template, parameters, absent | resources, request.endpoint)
    made, unmet = _by_condition(resources, values)
    names = (*parameters.values, *parameters.unread, "AWS::NoValue", *absent, *resources)
    check_references(made, frozenset(names))
    assembly = Assembly(made, values, parameters.scope, request.inline_folder)
    assembly.assemble()
    rules = _unread_rules(written)
    omissions = (*rules, *expansion.omissions, *unmet, *assembly.omissions)
    return _make_project(request.path, parameters, assembly, omissions)


def _check_sections(template: Template) -> None:
    top = Where(template)
    for name in template.content:
        if name not in _SECTIONS:
            raise top.at(name).error(f"unknown section; {suggest(name, _SECTIONS, 'sections')}")
    for each in template.transforms:
        if each not in _TRANSFORMS:
            raise top.at("Transform").error(f"{each!r} is not carried out here, only at AWS")
    if is_sam(template):
        return
    if "Globals" in template.content:
        raise top.at("Globals").error(f"belongs to SAM; add Transform: {TRANSFORM}")
    for logical_id, resource in template.section("Resources").items():
        if isinstance(resource, dict) and str(resource.get("Type")).startswith(SERVERLESS):
            where = top.at("Resources", logical_id)
            raise where.error(f"{resource['Type']} belongs to SAM; add Transform: {TRANSFORM}")


def _unread_rules(template: Template) -> list[Omission]:
    """Tell of the Rules, which AWS holds the parameters against, and nobody here."""
    return [
        Omission(
            type="rule",
            subject=name,
            text="" if name in _NEEDLESS_RULES else "not checked; AWS may refuse these parameters",
            is_needless=name in _NEEDLESS_RULES,
        )
        for name in template.section("Rules")
    ]


def _expand(template: Template, parameters: Parameters, endpoint: str) -> Expansion:
    if not is_sam(template):
        return Expansion(template, (), {})
    values = Values(template, parameters, read_resources(template), endpoint)
    return expand(template, parameters, values.resolve)


def _stand_ins(template: Template, left_out: Mapping[str, str]) -> dict[str, Resource]:
    """Stand for what SAM's part of the template has and nothing here makes, so that it is named."""
    return {
        logical_id: Resource(
            logical_id=logical_id,
            type=kind,
            properties={},
            condition=None,
            depends_on=(),
            metadata={},
            where=Where(template, ("Resources", logical_id)),
        )
        for logical_id, kind in left_out.items()
    }


def _by_condition(
    resources: Mapping[str, Resource], values: Values
) -> tuple[dict[str, Resource], list[Omission]]:
    """Part the resources whose condition holds from the others."""
    made, unmet = {}, []
    for logical_id, resource in resources.items():
        condition = resource.condition
        if condition is None or values.holds(condition, resource.where.at("Condition")):
            made[logical_id] = resource
        else:
            text = f"not made; its condition {condition} is false"
            unmet.append(Omission(type=resource.type, subject=logical_id, text=text))
    return made, unmet


def _make_project(
    path: Path, parameters: Parameters, assembly: Assembly, omissions: Iterable[Omission]
) -> Project:
    scope = parameters.scope
    service = {"account_id": scope.account, "region": scope.region}
    document = {**assembly.document, "service": service}
    project = make_project(document, Place(str(path), origins=assembly.origins), path)
    hidden = parameters.hidden_values
    told = tuple(msgspec.structs.replace(each, text=hide(each.text, hidden)) for each in omissions)
    return msgspec.structs.replace(project, omissions=told, hidden_values=hidden)
