"""Runs handlers in processes of this machine, as AWS Lambda would: the Runtime API's other side."""
