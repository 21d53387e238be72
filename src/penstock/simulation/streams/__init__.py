"""Worlds of streams: their servers, functions, destinations, faults, and their own auditor."""
