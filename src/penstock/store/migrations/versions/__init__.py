"""One module per revision, numbered; additive within a minor version of Penstock."""
