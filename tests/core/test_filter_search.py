"""The search in events of an unusual shape; test_filter_compile compares its verdicts."""

from penstock.core.filter_search import Element, Held, Want, held_values, is_match


def is_one(value: object) -> bool:
    return value == 1


def test_held_values_are_found_by_any_way_to_spell_the_path() -> None:
    event = {"a": {"b": 1}, "a.b": [2, {"b": 3}]}

    found = [held.value for held in held_values(("a", "b"), event)]

    assert sorted(map(str, found)) == ["1", "2"]


def test_held_values_know_the_elements_that_they_stand_in() -> None:
    inner = [{"b": 1}, 5]
    outer = [0, inner]

    found = list(held_values(("a", "b"), {"a": outer}))

    assert found == [Held(1, Element(id(inner), 0, Element(id(outer), 1, None)))]


def test_search_chooses_values_of_one_element() -> None:
    wants = [Want(("a", name), is_one, allows_absence=False) for name in "bc"]

    assert is_match(wants, {"a": [[{"b": 1}, {"b": 1, "c": 1}]]})
    assert not is_match(wants, {"a": [[{"b": 1}, {"c": 1}]]})


def test_search_ends_without_a_match_when_choices_are_too_many() -> None:
    names = "abcdefgh"
    wants = [Want((name, "x"), is_one, allows_absence=False) for name in names]
    never = Want(("z",), is_one, allows_absence=True)
    event = {name: [{"x": 1}, {"x": 1}, {"x": 1}, {"x": 1}, {"x": 1}, {"x": 1}] for name in names}

    assert not is_match([*wants, never], event | {"z": 2})
    assert is_match([*wants, never], event)
