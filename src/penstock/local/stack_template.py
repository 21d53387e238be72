"""Recognises CloudFormation requests whose template holds functions or event source mappings."""

import re
import urllib.parse
from xml.sax.saxutils import escape

import msgspec

_ACTIONS = frozenset(
    {"CreateStack", "UpdateStack", "CreateChangeSet", "CreateStackSet", "UpdateStackSet"}
)
_FUNCTION_RESOURCE = re.compile(
    r"AWS::(?:Lambda::(?:Function|EventSourceMapping)|Serverless::Function)\b"
)
_MAPPING_RESOURCE = re.compile(r"AWS::(?:Lambda::EventSourceMapping|Serverless::Function)\b")
# SAM's other types come with functions, or need SAM's macro, which no emulator is sure to have.
_OTHER_RESOURCE_OF_SAM = re.compile(r"AWS::Serverless::\w+\b")


class StackTemplate(msgspec.Struct, frozen=True):
    """The template of a stack request.

    Attributes:
        body: TemplateBody, JSON or YAML; empty when there is none.
        url: TemplateURL, or None.
    """

    body: str
    url: str | None


def read_request(body: bytes) -> StackTemplate | None:
    """Read a form-encoded request; None when it brings no template to a stack.

    Source: docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    """
    # A field of the form counts once; strictness is CloudFormation's own.
    form = dict(urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if form.get("Action") not in _ACTIONS:
        return None
    template = StackTemplate(form.get("TemplateBody", ""), form.get("TemplateURL") or None)
    return template if template.body or template.url else None


def find_function_resource(template: str, *, has_functions_here: bool) -> str | None:
    """Find a resource type that only Penstock could keep its promise for, if any a function's.

    The text is searched, not parsed: a description that quotes such a type is refused too, which
    is safer than a function that is created and never invoked.

    Args:
        template: JSON or YAML.
        has_functions_here: Functions are Penstock's too, and not mappings alone.
    """
    kind = _FUNCTION_RESOURCE if has_functions_here else _MAPPING_RESOURCE
    match = kind.search(template) or _OTHER_RESOURCE_OF_SAM.search(template)
    return match[0] if match else None


_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-].*")


def object_path(url: str) -> str:
    """Turn a template's S3 URL, of either style, into the path ``/bucket/key``.

    Source: docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    parts = urllib.parse.urlsplit(url)
    match = _VIRTUAL_HOST.fullmatch(parts.hostname or "")
    return f"/{match['bucket']}{parts.path}" if match else parts.path


def validation_error(message: str) -> bytes:
    """Word a refusal as CloudFormation does: its query protocol's error document."""
    return (
        '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
        "<Error><Type>Sender</Type><Code>ValidationError</Code>"
        f"<Message>{escape(message)}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    ).encode()
