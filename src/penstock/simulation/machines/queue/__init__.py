"""Worlds of one ``QueueConsumer`` and its queue."""
