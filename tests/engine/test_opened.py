"""What is opened once, and again when it failed."""

from engine_fakes import run

from penstock.engine.opened import Opened


def test_opened_is_opened_when_it_is_needed_and_anew_when_it_was_dropped() -> None:
    numbers = iter(range(9))

    async def open_next() -> int:
        return next(numbers)

    async def use() -> list[int]:
        opened = Opened(open_next)
        got = [await opened.get(), await opened.get()]
        opened.drop()
        return [*got, await opened.get()]

    assert run(use()) == [0, 0, 1]
