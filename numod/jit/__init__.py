"""trace: functions that are run as one program.

>>> import numod as nm
>>> @trace
... def double(x):
...     return x + x
>>> [double(nm.Tensor([i])).item() for i in range(3)]
[0, 2, 4]
"""

from .config import DTRConfig, GraphOptimizationConfig, SublinearMemoryConfig
from .errors import TraceError
from .loading import Program, load
from .tracing import exclude_from_trace, partial_trace, trace

__all__ = [
    "DTRConfig",
    "GraphOptimizationConfig",
    "Program",
    "SublinearMemoryConfig",
    "TraceError",
    "exclude_from_trace",
    "load",
    "partial_trace",
    "trace",
]
