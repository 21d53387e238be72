"""Worlds of one ``ShardConsumer`` and its shard."""
