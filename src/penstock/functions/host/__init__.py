"""Local functions: a Lambda Runtime API server and the processes it feeds."""
