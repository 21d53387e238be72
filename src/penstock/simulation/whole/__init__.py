"""Worlds of queues and streams at once: one engine, one store, one API."""
