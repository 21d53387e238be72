"""Lambda's API for functions: one module per group of operations."""
