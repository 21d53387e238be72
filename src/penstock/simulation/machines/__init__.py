"""Worlds of a single machine of the core: no loop of asyncio, no drivers, rules to the millisecond."""
