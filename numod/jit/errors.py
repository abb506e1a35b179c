"""What tracing refuses."""


class TraceError(Exception):
    """A function that cannot be traced, or a program that cannot be read."""
