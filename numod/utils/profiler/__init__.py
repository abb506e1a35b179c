"""Which ops a program runs, on what, in which of its modules, and how long each takes: written as a trace that a browser shows.

The trace opens in https://ui.perfetto.dev and in chrome://tracing. A program that is not profiled pays nothing for this.
"""

from .profiler import Profiler, is_profiling, profile, scope, start_profile, stop_profile

__all__ = ["Profiler", "is_profiling", "profile", "scope", "start_profile", "stop_profile"]
