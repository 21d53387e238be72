"""The store of mappings and functions, in SQL."""
