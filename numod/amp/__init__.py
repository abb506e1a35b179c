"""Automatic mixed precision: `autocast` computes products and convolutions in 16 bits, `GradScaler` keeps small gradients from becoming zero.

``enabled``, ``low_prec_dtype`` and ``high_prec_dtype`` are the settings of this thread, and can be set, for all that comes after.

>>> import numod, numod.amp as amp, numod.functional as F
>>> amp.enabled, amp.low_prec_dtype, amp.high_prec_dtype
(False, 'float16', 'float32')
>>> amp.enabled = True
>>> F.matmul(F.ones((1, 1)), F.ones((1, 1))).dtype
dtype('float16')
>>> amp.enabled = False
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import precision
from .autocast import autocast, float_named, truth
from .convert_format import convert_module_format, convert_tensor_format
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "convert_module_format", "convert_tensor_format"]

if TYPE_CHECKING:
    enabled: bool
    low_prec_dtype: str
    high_prec_dtype: str


def _set(**changes: Any) -> None:
    precision.put(precision.setting()._replace(**changes))


class _Amp(ModuleType):
    """This module, whose settings are properties."""

    enabled = property(lambda self: precision.setting().enabled, lambda self, value: _set(enabled=truth("amp", value)))
    low_prec_dtype = property(
        lambda self: precision.setting().low.name, lambda self, value: _set(low=float_named("amp", "low_prec_dtype", value))
    )
    high_prec_dtype = property(
        lambda self: precision.setting().high.name, lambda self, value: _set(high=float_named("amp", "high_prec_dtype", value))
    )


sys.modules[__name__].__class__ = _Amp
