"""Tools around models."""

from . import dlpack

__all__ = ["dlpack"]
