"""The audits of a world of queues: each has the rules of one subject, and one set of books."""

from penstock.simulation.deletion_audit import DeletionAudit
from penstock.simulation.failure_audit import FailureAudit
from penstock.simulation.group_audit import GroupAudit
from penstock.simulation.ledger import Books
from penstock.simulation.pace_audit import PaceAudit
from penstock.simulation.promptness_audit import PromptnessAudit
from penstock.simulation.ramp_audit import RampAudit
from penstock.simulation.visibility_audit import VisibilityAudit


class Audits:
    """All but those that queues and functions are seen with.

    Args:
        books: What all of them read and write.
    """

    def __init__(self, books: Books) -> None:
        self.ramps = RampAudit(books)
        self.pace = PaceAudit(books, self.ramps)
        self.promptness = PromptnessAudit(books)
        self.groups = GroupAudit(books)
        self.visibility = VisibilityAudit(books)
        self.deletions = DeletionAudit(books)
        self.failures = FailureAudit(books, self.deletions)
