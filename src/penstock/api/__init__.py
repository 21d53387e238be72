"""Lambda's HTTP API, and Penstock's own operations."""
