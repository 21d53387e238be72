"""What the world knows of the messages that a machine holds: copies, and the batches they make.

It is written from docs/semantics.md and design.md section 2, and shares no code with ``core``.
"""

import enum
from collections.abc import Iterable, Sequence

import msgspec

from penstock.model.message import Message
from penstock.simulation.machines.queue.plan import QueueSettings
from penstock.simulation.machines.queue.shelf import Entry

EVENT_UNITS_MAX = 23  # of 256 KiB, and metadata beside them, in an event of 6 MB
RELIED_ON = 20  # all but a twentieth of a visibility timeout: the server's clock began earlier
HEARTBEAT_S = 30
CALL_MAX = 10  # SQS: entries of one call
START_MS_MIN = 10_000  # that long a function's environment may take to start, at least


class Stage(enum.Enum):
    """Where a copy stands."""

    WAITING = enum.auto()
    FLYING = enum.auto()
    UNKNOWN = enum.auto()
    DONE = enum.auto()  # to be deleted
    DELETING = enum.auto()
    DELAYED = enum.auto()  # to be hidden for its back-off
    DISCARDED = enum.auto()  # to be recorded
    LEFT = enum.auto()  # nothing is to be done any more


class Hiding(msgspec.Struct, frozen=True):
    """How long what is received, or extended, is hidden.

    Attributes:
        relied_ms: What can be relied on.
        renew_ms: By when it is extended: so that its function's whole timeout still fits, where it
            can; half of it is spent at most, a quarter at least.
        tries_ms: For so long a batch whose function does not run is tried.
    """

    timeout_s: int
    relied_ms: int
    renew_ms: int
    is_heartbeat: bool
    tries_ms: int

    @classmethod
    def of(cls, queue_s: int, settings: QueueSettings) -> "Hiding":
        """Say what holds for a queue with that timeout."""
        heartbeat = settings.tags.get("penstock:visibility-heartbeat", "false")
        has_heartbeat = heartbeat != "false"
        timeout_s = max(1, queue_s)
        if has_heartbeat:
            timeout_s = HEARTBEAT_S if heartbeat == "true" else int(heartbeat)
        relied_ms = timeout_s * 1000 - timeout_s * 1000 // RELIED_ON
        runs_ms = 0 if has_heartbeat else (settings.timeout_s or 0) * 1000
        renew_ms = max(min(relied_ms // 2, relied_ms - runs_ms), relied_ms // 4)
        return cls(timeout_s, relied_ms, renew_ms, has_heartbeat, queue_s * 1000)


class Copy:
    """A message as one receive brought it.

    Attributes:
        since_ms: From when on it is hidden, as far as the machine can know.
        hiding: By what it was received, or extended last.
        is_doubtful: It may be visible earlier than that says.
        is_refused: The server extends it no more.
    """

    __slots__ = (
        "attempt",
        "backoff_s",
        "batch",
        "done_ms",
        "due_ms",
        "entry",
        "hiding",
        "is_doubtful",
        "is_extending",
        "is_failed",
        "is_refused",
        "message",
        "since_ms",
        "stage",
    )

    def __init__(
        self, message: Message, entry: Entry, hiding: Hiding, now_ms: int, *, is_doubtful: bool
    ) -> None:
        self.message = message
        self.entry = entry
        self.hiding = hiding
        self.since_ms = now_ms
        self.stage = Stage.WAITING
        self.is_doubtful = is_doubtful
        self.is_extending = False
        self.is_refused = False
        self.is_failed = False  # its last extension has
        self.batch: Batch | None = None
        self.backoff_s = 0
        self.done_ms = 0
        self.due_ms = 0
        self.attempt = 0

    @property
    def until_ms(self) -> int:
        """When the machine must take it for visible."""
        return 0 if self.is_refused else self.since_ms + self.hiding.relied_ms

    def __repr__(self) -> str:
        return self.message.receipt_handle


class Batch:
    """Copies that are invoked together.

    Attributes:
        ends_ms: When its window ends; when it began, without one.
        is_open: It takes more in.
        due_from_ms: After a rejection it is tried again from then on,
        due_by_ms: and by then.
        tried_until_ms: Not later than that; None: it was not rejected.
        is_kept: It is extended while it waits.
        is_loose: Its times are not known to the millisecond: an update, or a failed extension.
        renewals: Calls under way that extend copies of it.
        is_returning: It goes back to its queue.
    """

    __slots__ = (
        "began_ms",
        "copies",
        "due_by_ms",
        "due_from_ms",
        "ends_ms",
        "function",
        "groups",
        "id",
        "is_kept",
        "is_loose",
        "is_open",
        "is_returning",
        "kept_until_ms",
        "over_ms",
        "rejections",
        "renewals",
        "retry_by_ms",
        "started_ms",
        "tried_until_ms",
        "units",
    )

    def __init__(self, now_ms: int, window_s: int) -> None:
        self.copies: list[Copy] = []
        self.units = 0
        self.began_ms = now_ms
        self.ends_ms = now_ms + window_s * 1000
        self.is_open = True
        self.groups: set[str] = set()
        self.due_from_ms = self.due_by_ms = 0
        self.rejections = 0
        self.tried_until_ms: int | None = None
        self.is_kept = True
        self.kept_until_ms: int | None = None
        self.is_loose = False
        self.renewals = 0
        self.retry_by_ms: int | None = None
        self.is_returning = False
        self.id = 0
        self.function = ""
        self.started_ms = self.over_ms = 0

    def take(self, copy: Copy) -> None:
        """Take a copy in."""
        self.copies.append(copy)
        self.units += copy.entry.plan.units
        copy.batch = self

    def is_closed(self, now_ms: int) -> bool:
        """Tell whether nothing more is waited for: it is full, or its window has ended."""
        return not self.is_open or self.ends_ms <= now_ms

    @property
    def until_ms(self) -> int:
        """When the first of its copies counts as visible."""
        until_ms = min([copy.until_ms for copy in self.copies])
        return until_ms if self.tried_until_ms is None else min(until_ms, self.tried_until_ms)


class BatchBook:
    """The batches that wait, in the order they were received; with a window one of them is open."""

    def __init__(self) -> None:
        self.waiting: list[Batch] = []
        self.growing: Batch | None = None

    def take(self, copies: Sequence[Copy], settings: QueueSettings, now_ms: int) -> None:
        """Cut what was received: by count, by bytes, and at the end of a receive without window."""
        for copy in copies:
            batch = self.growing
            if batch is None or not self._has_room(batch, copy.entry.plan.units, settings):
                self.close()
                batch = self.growing = Batch(now_ms, settings.window_s)
                self.waiting.append(batch)
            batch.take(copy)
        growing = self.growing
        if growing is not None and not (
            settings.window_s and len(growing.copies) < settings.batch_size
        ):
            self.close()
        for batch in self.waiting:
            if not batch.groups:
                batch.groups = {copy.entry.group for copy in batch.copies if copy.entry.group}

    def take_groups(self, copies: Iterable[Copy], settings: QueueSettings, now_ms: int) -> None:
        """Cut what was received into batches of one message group each."""
        by_group: dict[str, list[Copy]] = {}
        for copy in copies:
            by_group.setdefault(copy.entry.group, []).append(copy)
        for group in by_group.values():
            self.take(group, settings, now_ms)

    def close(self) -> None:
        """The open batch takes no more in."""
        if self.growing is not None:
            self.growing.is_open = False
            self.growing = None

    def remove(self, batch: Batch) -> None:
        """A batch does not wait any more."""
        self.waiting.remove(batch)
        if batch is self.growing:
            self.close()

    def return_groups(self, groups: set[str]) -> None:
        """What waits of these groups goes back to the queue, with what waits behind that."""
        groups = set(groups)
        for batch in self.waiting:
            if groups & batch.groups:
                batch.is_returning = True
                groups |= batch.groups

    @staticmethod
    def _has_room(batch: Batch, units: int, settings: QueueSettings) -> bool:
        return len(batch.copies) < settings.batch_size and batch.units + units <= EVENT_UNITS_MAX
