"""Lets the loop do other things in the middle of something long."""

import asyncio


async def next_turn() -> None:
    """Go on when everything else that is ready now has had its turn."""
    loop = asyncio.get_running_loop()
    turn: asyncio.Future[None] = loop.create_future()
    handle = loop.call_soon(turn.set_result, None)
    try:
        await turn
    finally:
        handle.cancel()
