"""Runs machines: drivers, the clock, the supervisor."""
