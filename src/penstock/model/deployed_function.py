"""A function that Lambda's API made, with its versions, aliases and policy.

A *declared* function stands in the project file and is a ``Function`` alone; a *deployed* one was
made by CreateFunction, and becomes a ``Function`` per version when it runs.
"""

import enum

import msgspec

from penstock.model.arn import FunctionReference, Scope
from penstock.model.function import LATEST, MEMORY_MB_DEFAULT, TIMEOUT_S_DEFAULT


class FunctionState(enum.StrEnum):
    """What becomes of a version: invoked only while it is active."""

    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"


class UpdateStatus(enum.StrEnum):
    """What became of the last update; until it succeeded the function runs as before it."""

    SUCCESSFUL = "Successful"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"


class CodePackage(msgspec.Struct, frozen=True):
    """A zip file, identified by its content.

    Attributes:
        sha256: Of the zip file, in hexadecimal digits.
    """

    sha256: str
    size_bytes: int


class FunctionConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What a version runs, and how.

    Attributes:
        environment: None: the request named no Environment, and answers have none.
        architecture: ``x86_64`` or ``arm64``, as Lambda says it.
    """

    runtime: str
    handler: str
    role: str
    code: CodePackage
    architecture: str
    description: str = ""
    timeout_s: int = TIMEOUT_S_DEFAULT
    memory_mb: int = MEMORY_MB_DEFAULT
    environment: dict[str, str] | None = None


class FunctionVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version: ``$LATEST``, which changes, or a published one, which does not.

    Attributes:
        number: ``$LATEST``, or decimal digits.
        update_status: None until it was active for the first time.
        failure: Why its state or its update is Failed.
    """

    number: str
    configuration: FunctionConfiguration
    revision_id: str
    last_modified_ms: int
    state: FunctionState = FunctionState.PENDING
    update_status: UpdateStatus | None = None
    failure: str = ""


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name of a version.

    Attributes:
        weights: 0..1 by version: the share of invocations that go there instead; at most one.
    """

    name: str
    version: str
    revision_id: str
    description: str = ""
    weights: dict[str, float] = {}


class Statement(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Who may do what with a function; kept for who asks for the policy.

    Attributes:
        principal: ``*``, or ``{"Service": ...}`` or ``{"AWS": ...}``.
        condition: By operator, then by key.
    """

    sid: str
    effect: str
    principal: str | dict[str, str]
    action: str
    resource: str
    condition: dict[str, dict[str, str]] = {}


class DeployedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of a function.

    Attributes:
        running: What ``$LATEST`` runs while an update is unfinished or has failed; None: what it
            says.
        published: In the order of their numbers.
        published_from: What ``$LATEST`` was when a version was published last.
        policies: Statements by qualifier; the empty text is the function itself.
        reserved_concurrency: None: the node's default.
        next_number: Of the next version; numbers are never used again.
        row_version: Of the row that it was read from.
    """

    scope: Scope
    name: str
    latest: FunctionVersion
    running: FunctionConfiguration | None = None
    published: tuple[FunctionVersion, ...] = ()
    published_from: FunctionConfiguration | None = None
    aliases: dict[str, Alias] = {}
    tags: dict[str, str] = {}
    policies: dict[str, tuple[Statement, ...]] = {}
    reserved_concurrency: int | None = None
    next_number: int = 1
    row_version: int = 0

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return FunctionReference(self.scope, self.name).arn

    @property
    def versions(self) -> tuple[FunctionVersion, ...]:
        """Every version: ``$LATEST``, then the published ones."""
        return (self.latest, *self.published)

    def find_version(self, qualifier: str) -> FunctionVersion | None:
        """Give the version that a number, an alias or ``$LATEST`` means."""
        alias = self.aliases.get(qualifier)
        number = qualifier if alias is None else alias.version
        return next((each for each in self.versions if each.number == number), None)

    def configuration_of(self, version: FunctionVersion) -> FunctionConfiguration:
        """Give what a version runs now."""
        if version.number == LATEST and self.running is not None:
            return self.running
        return version.configuration

    @property
    def code_sha256s(self) -> frozenset[str]:
        """The zip files that any version is, or runs."""
        configurations = [version.configuration for version in self.versions]
        configurations += [self.configuration_of(self.latest)]
        return frozenset(each.code.sha256 for each in configurations)
