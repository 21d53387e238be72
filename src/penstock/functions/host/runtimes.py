"""Which of Lambda's runtimes run on this machine."""


def explain_runtime(runtime: str) -> str | None:
    """Say why a runtime does not run here; None: it does."""
    if runtime.startswith("python"):
        return None
    return (
        f"{runtime!r} does not run here; local functions are python3.x, any other runs behind url"
    )
