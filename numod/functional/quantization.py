"""Quantizing and back: what training with quantization simulates, and what quantized layers compute with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..constants import beside
from ..dtype import is_integer
from ..errors import DTypeError
from ..op import apply
from ..ops import quantize as quantize_ops
from ..qparams import QParams, QuantMode, create_qparams, quantized_meta
from ..tensor import Tensor
from .elemwise import clip, round

_Function = TypeVar("_Function", bound=Callable)


def _parameters(inp: Tensor, qparams: QParams) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scale, zero point, and the least and greatest integer, as the ops take them beside ``inp``."""
    if qparams.dtype_meta is None or qparams.scale is None:
        raise ValueError(f"quantize: a dtype and a scale are needed, got {qparams}")
    meta, spec = qparams.dtype_meta, inp._spec
    point = qparams.zero_point if qparams.mode is QuantMode.ASYMMERTIC else None
    zero = beside(0.0, spec) if point is None else point.detach()
    return qparams.scale, zero, beside(float(meta.qmin), spec), beside(float(meta.qmax), spec)


def fake_quantized(inp: Tensor, qparams: QParams) -> Tensor:
    """`fake_quant_tensor` with a gradient for the scale too."""
    return apply(quantize_ops.fake_quantize, (inp, *_parameters(inp, qparams)))


def fake_quant_tensor(inp: Tensor, qparams: QParams) -> Tensor:
    """Each element at the nearest number that the quantized dtype has, as a float.

    Halves go away from zero. The gradient of what is not beyond the ends of the range goes through; the scale gets none.

    >>> from numod.quantization import QuantMode, create_qparams
    >>> fake_quant_tensor(Tensor([0.3, 0.8, 90.0]), create_qparams(QuantMode.SYMMERTIC, "qint8", Tensor(0.5))).tolist()
    [0.5, 1.0, 63.5]
    """
    scale, *others = _parameters(inp, qparams)
    return apply(quantize_ops.fake_quantize, (inp, scale.detach(), *others))


def fake_quant_bias(bias: Tensor | None, inp: Tensor, w_qat: Tensor) -> Tensor | None:
    """A bias as the integers of 32 bits have it to which products of ``inp`` and the weight ``w_qat`` are added.

    Its scale is the product of theirs, from their ``qparams``. It is returned as it is if one of them has none, or a zero point.
    """
    if bias is None:
        return None
    first, second = inp.qparams, w_qat.qparams
    known = all(q.mode is QuantMode.SYMMERTIC and q.dtype_meta is not None and q.scale is not None for q in (first, second))
    if not known:
        return bias
    qparams = create_qparams(QuantMode.SYMMERTIC, "qint32", first.scale.detach() * second.scale.detach())
    out = fake_quant_tensor(bias, qparams)
    out.qparams.update(qparams)
    return out


def on_levels(function: _Function) -> _Function:
    """Let a function that averages also take quantized tensors: it computes on their integers, which it rounds."""

    @functools.wraps(function)
    def of_any(inp: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if inp._spec.dtype.itemsize > 1 or (qparams := inp.qparams).scale is None or not is_integer(inp.dtype):
            return function(inp, *args, **kwargs)
        zero = beside(0.0, inp._spec) if qparams.zero_point is None else qparams.zero_point
        out = round(function(inp.astype("float32") - zero, *args, **kwargs)) + zero
        meta = quantized_meta(qparams.dtype_meta)  # type: ignore[arg-type]
        result = clip(out, meta.qmin, meta.qmax).astype(inp.dtype)  # cubic interpolation goes beyond the values
        result.qparams.update(qparams)
        return result

    return of_any  # type: ignore[return-value]


def to_integers(inp: Tensor, qparams: QParams) -> Tensor:
    """Numbers as the integers of a quantized dtype, which `Tensor.qparams` of the result tells."""
    steps = apply(quantize_ops.quantize_steps, (inp.detach(), *_parameters(inp, qparams)))
    meta = quantized_meta(qparams.dtype_meta)  # type: ignore[arg-type]
    out = steps.astype(meta.np_dtype_str)
    out.qparams.update(qparams)
    return out


def to_numbers(inp: Tensor) -> Tensor:
    """The numbers that the integers of a quantized tensor stand for, in float32."""
    qparams = inp.qparams
    if qparams.scale is None or not is_integer(inp.dtype):
        raise DTypeError(f"dequantize: takes integers whose qparams have a scale, got {inp.dtype} with {qparams}")
    levels = inp.astype("float32")
    return (levels if qparams.zero_point is None else levels - qparams.zero_point) * qparams.scale
