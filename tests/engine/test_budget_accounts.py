"""Fetches that wait for room in the node's budget."""

import asyncio

from engine_fakes import run

from penstock.engine.byte_budget import NodeBudget


async def turn() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(5):
        turned = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turned.set_result, None)
        await turned


def test_budget_lets_a_fetch_wait_until_there_is_room() -> None:
    async def wait() -> tuple[bool, int]:
        budget = NodeBudget(100)
        account = budget.open_account("a")
        account.report_held(80)
        taking = asyncio.ensure_future(account.take(30))
        await turn()
        was_waiting = not taking.done()
        account.report_held(60)
        await taking
        return was_waiting, budget.held_bytes

    assert run(wait()) == (True, 90)


def test_budget_counts_an_answer_until_its_fetch_has_ended() -> None:
    async def fetch() -> list[int]:
        budget = NodeBudget(100)
        account = budget.open_account("a")
        await account.take(30)
        counted = [budget.held_bytes]
        account.report_held(20)
        account.end_fetch()
        counted.append(budget.held_bytes)
        account.close()
        return [*counted, budget.held_bytes]

    assert run(fetch()) == [30, 20, 0]


def test_budget_passes_over_a_fetch_that_was_cut_off() -> None:
    async def cut_off() -> int:
        budget = NodeBudget(100)
        first, second = budget.open_account("a"), budget.open_account("b")
        first.report_held(50)
        second.report_held(40)
        cut = asyncio.ensure_future(first.take(60))
        await turn()
        waiting = asyncio.ensure_future(second.take(10))
        await turn()
        assert not waiting.done()
        cut.cancel()
        await waiting
        return budget.held_bytes

    assert run(cut_off()) == 100


def test_budget_a_fetch_cut_off_in_the_turn_of_its_grant_ends_with_it() -> None:
    async def cut_off() -> int:
        budget = NodeBudget(100)
        account = budget.open_account("a")
        account.report_held(80)
        cut = asyncio.ensure_future(account.take(30))
        await turn()
        account.report_held(0)
        cut.cancel()
        await asyncio.wait([cut])
        account.end_fetch()
        return budget.held_bytes

    assert run(cut_off()) == 0


def test_budget_a_shard_that_has_ended_makes_room() -> None:
    async def end() -> None:
        budget = NodeBudget(100)
        first, second = budget.open_account("a"), budget.open_account("b")
        first.report_held(90)
        second.report_held(10)
        waiting = asyncio.ensure_future(second.take(50))
        await turn()
        first.close()
        await waiting

    run(end())
