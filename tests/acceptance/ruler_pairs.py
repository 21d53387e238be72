"""Random patterns and events, as text: few names and values, so that they meet, and odd ones."""

import json
from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251 - seeded by the test
from typing import Any

NAMES = ("a", "b", "c", "d")
DOTTED = ("a.b", "b.c", "a.a", "c.d.a")
ODD_NAMES = ("", "a.", "$or", "prefix", "é", "ﾮ", "😀")
TEXTS = ("", "a", "A", "ab", "aB", "AB", "b", "ba", "abc", "é", "É", "ß", "SS", "ss", "k", "\u212a")
ODD_TEXTS = ('"', 'a"', '"a', "\\", "a\nb", "😀", "😁", "??", "1", "true", "ŉ", "ǆ", "ǅ", "İ", "i̇")
ADDRESSES = ("10.0.0.1", "010.0.0.1", "::1", "0:0:0:0:0:0:0:1")
NUMBERS = ("0", "1", "1.0", "10e-1", "2", "-1", "0.5", "1e3", "1000", "5e9", "123456789012345")
ODD_NUMBERS = ("9007199254740993", "12345678901234567890", "12345678901234567168", "1e-7", "-0")
INEXACT = ("0.1000000000000000055", "1.23456789012345678e19", "1e400", "2e-400")
DEEPEST = 3  # objects of a pattern
OPERATORS = ("=", "<", "<=", ">", ">=")
MALFORMED = ("[]", '"a"', "5", "[[1]]", "[{}]", "null")
UNSUPPORTED = (
    '{"wildcard":"a*"}',
    '{"cidr":"10.0.0.0/8"}',
    '{"exactly":"a"}',
    '{"anything-but":{"prefix":"a"}}',
    '{"anything-but":{"equals-ignore-case":"a"}}',
)
REFUSED = (
    '{"anything-but":[1,"a"]}',
    '{"anything-but":[]}',
    '{"prefix":5}',
    '{"exists":1}',
    '{"numeric":["<",5,">",1]}',
    '{"prefix":"a","suffix":"b"}',
    '{"unknown":"a"}',
)

# What stands at a name of a pattern: members, or the text of an array; at $or, alternatives.
Node = Any
Members = list[tuple[str, Node]]


class _Spelled:
    """A number as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text


def written(members: Sequence[tuple[str, str]]) -> str:
    pairs = (f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in members)
    return "{" + ",".join(pairs) + "}"


def pattern_text(node: Node) -> str:
    if isinstance(node, str):
        return node
    members = []
    for name, below in node:
        if name == "$or" and not isinstance(below, str):
            members.append((name, f"[{','.join(pattern_text(each) for each in below)}]"))
        else:
            members.append((name, pattern_text(below)))
    return written(members)


class PairDrawer:
    """Draws pairs; the same seed gives the same pairs."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible on purpose

    def pair(self) -> tuple[str, str]:
        pattern = self._pattern(0)
        event = self._meeting_event(pattern, 0) if self._chance(75) else self._object(0)
        return pattern_text(pattern), event

    def _chance(self, percent: float) -> bool:
        return self._random.random() * 100 < percent

    def _of(self, usual: Sequence[str], odd: Sequence[str], percent: float = 2) -> str:
        return self._random.choice(odd if self._chance(percent) else usual)

    def _name(self) -> str:
        return self._of(DOTTED if self._chance(12) else NAMES, ODD_NAMES, 0.5)

    def _text(self) -> str:
        text = self._of(TEXTS, ODD_TEXTS)
        return json.dumps(self._of((text,), ADDRESSES, 0.5), ensure_ascii=False)

    def _number(self) -> str:
        return self._of((self._of(NUMBERS, ODD_NUMBERS),), INEXACT, 0.3)

    def _scalar(self) -> str:
        if self._chance(20):
            return self._random.choice(("null", "true", "false"))
        return self._random.choice((self._text, self._number))()

    def _value(self, depth: int) -> str:
        kinds: list[Callable[[], str]] = [self._scalar] * 4
        if depth < 4:
            kinds += [lambda: self._object(depth + 1)] * 3 + [lambda: self._array(depth + 1)] * 2
        return self._random.choice(kinds)()

    def _array(self, depth: int) -> str:
        count = self._random.choice((0, 1, 2, 2, 3))
        return "[" + ",".join(self._value(depth) for _ in range(count)) + "]"

    def _object(self, depth: int) -> str:
        count = self._random.choice((0, 1, 2, 3, 4) if depth else (1, 2, 3, 4))
        members = {self._name(): self._value(depth) for _ in range(count)}
        again = [(name, self._value(depth)) for name in members if self._chance(0.1)]
        return written([*members.items(), *again])

    def _pattern(self, depth: int) -> Members:
        count = self._random.choice((1, 1, 1, 2, 2, 3))
        names = [self._name() for _ in range(count)]
        members: Members = [(n, self._field(DEEPEST if n == "$or" else depth)) for n in names]
        if self._chance(10 if depth == 0 else 4):
            branches = self._random.choice((2, 2, 3)) if self._chance(97) else 1
            alternatives = [self._pattern(depth + 1) for _ in range(branches)]
            members.insert(self._random.randint(0, len(members)), ("$or", alternatives))
        return members

    def _field(self, depth: int) -> Node:
        if depth < DEEPEST and self._chance(35):
            return self._pattern(depth + 1)
        if self._chance(0.2):
            return self._random.choice(MALFORMED)
        count = self._random.choice((1, 1, 2, 3))
        return "[" + ",".join(self._rule() for _ in range(count)) + "]"

    def _rule(self) -> str:
        if self._chance(0.8):
            return self._random.choice(UNSUPPORTED if self._chance(50) else REFUSED)
        kinds = (self._scalar,) * 6 + (self._exists,) * 3 + (self._textual,) * 3
        return self._random.choice((*kinds, *(self._anything_but, self._numeric) * 2))()

    def _exists(self) -> str:
        return written([("exists", self._random.choice(("true", "false")))])

    def _textual(self) -> str:
        operator = self._random.choice(("prefix", "suffix", "equals-ignore-case"))
        text = self._text()
        if operator != "equals-ignore-case" and self._chance(40):
            text = written([("equals-ignore-case", text)])
        return written([(operator, text)])

    def _anything_but(self) -> str:
        draw = self._random.choice((self._text, self._number))
        values = [draw() for _ in range(self._random.choice((1, 1, 2, 3)))]
        is_single = len(values) == 1 and self._chance(50)
        return written([("anything-but", values[0] if is_single else f"[{','.join(values)}]")])

    def _numeric(self) -> str:
        if self._chance(50):
            return f'{{"numeric":["{self._random.choice(OPERATORS)}",{self._number()}]}}'
        low, high = self._random.choice((">", ">=")), self._random.choice(("<", "<="))
        bounds = [self._number(), self._number()]
        if self._chance(97):
            bounds.sort(key=float)
        return f'{{"numeric":["{low}",{bounds[0]},"{high}",{bounds[1]}]}}'

    def _meeting_event(self, node: Members, depth: int) -> str:
        """Draw an event with most of a pattern's paths, and often the values that it asks for."""
        members: dict[str, str] = {}
        for name, below in node:
            if name == "$or" and not isinstance(below, str):
                chosen = self._random.choice(below)
                members |= {inner: self._meeting(deeper, depth) for inner, deeper in chosen}
            elif self._chance(93):
                members[name] = self._meeting(below, depth)
        if self._chance(30):
            members.setdefault(self._name(), self._value(depth + 2))
        return written(list(members.items()))

    def _meeting(self, below: Node, depth: int) -> str:
        if isinstance(below, str):
            value = self._meeting_scalar(below)
        elif below and isinstance(below[0], list):  # of an $or within an $or
            value = self._meeting_event(self._random.choice(below), depth + 1)
        else:
            value = self._meeting_event(below, depth + 1)
        if self._chance(20):
            others = [self._value(depth + 2) for _ in range(self._random.choice((0, 1, 2)))]
            others.insert(self._random.randint(0, len(others)), value)
            return "[" + ",".join(others) + "]"
        return value

    def _meeting_scalar(self, rules: str) -> str:
        rule = json.loads(rules, parse_int=_Spelled, parse_float=_Spelled)
        while isinstance(rule, dict | list) and rule:
            rule = self._random.choice(list(rule.values()) if isinstance(rule, dict) else rule)
        if isinstance(rule, dict | list) or self._chance(10):
            return self._scalar()
        return rule.text if isinstance(rule, _Spelled) else json.dumps(rule, ensure_ascii=False)
