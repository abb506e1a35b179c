"""Tools around models."""

from . import bn_fusion, dlpack, module_stats, profiler

__all__ = ["bn_fusion", "dlpack", "module_stats", "profiler"]
