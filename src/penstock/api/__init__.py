"""Lambda's HTTP API for mappings, tags and Invoke, at AWS's paths and in AWS's words."""
