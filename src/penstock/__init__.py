"""Penstock: AWS Lambda's event source mappings, as a service that runs anywhere."""

__version__ = "0.1.0"

__all__ = ["__version__"]
