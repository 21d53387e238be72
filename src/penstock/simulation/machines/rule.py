"""How a world of a machine says that a rule was broken: at once, where it happens."""


class RuleBrokenError(Exception):
    """A rule of AWS's, or one that docs/semantics.md states, does not hold.

    Args:
        rule: The sentence.
        details: What broke it.
    """

    def __init__(self, rule: str, *details: object) -> None:
        super().__init__(": ".join([rule, " ".join(map(str, details))]))
