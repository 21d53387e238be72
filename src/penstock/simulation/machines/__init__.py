"""Worlds of a single machine of the core: no asyncio, no drivers, rules to the millisecond."""
