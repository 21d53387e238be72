"""Reads SAM and CloudFormation templates into the same ``Project`` that ``penstock.toml`` gives."""
