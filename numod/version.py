"""The version of numod."""

__version__ = "0.1.0"
