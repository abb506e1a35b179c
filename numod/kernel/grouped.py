"""Normalization of groups of channels on the CPU: one launch forward and one back, each of which reads a group from memory once.

A group is seen as (channels, places) and stays in a cache between the loops over it. The range counts groups.

Argument words: what the heads of the texts below say, addresses first; then how many groups an image has, channels, places, and eps as bits of a float64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step, Word

WORK = 16384  # elements worth handing to another thread


def program(way: str, inputs: Sequence[Spec], outputs: Sequence[Spec], eps: float) -> Program | None:
    """The launch of an op of `numod.ops.group_norm`: "forward" or "back"; None for dtypes and shapes that it is not for."""
    x = inputs[0]
    images, groups, channels, places = x.shape
    if x.dtype.name not in ("float32", "float64") or not x.size:
        return None
    addresses = (*(Ref("out", i) for i in range(len(outputs))), *(Ref("in", i) for i in range(len(inputs))))
    words: tuple[Word, ...] = (*addresses, groups, channels, places, *struct.unpack("q", struct.pack("d", eps)))
    kernel = Kernel(("grouped", way, str(x.dtype)), lambda: build(way, x.dtype))
    step = Step(kernel, images * groups, words, max(1, WORK // (channels * places)))
    return Program(tuple(out.nbytes for out in outputs), len(inputs), (step,))


def build(way: str, dtype: np.dtype) -> Callable:
    """The kernel for a dtype; sums are kept in float64."""
    backend = source.backend()
    namespace = {name: getattr(backend, name) for name in ("pointer", "fold_add", "sqrt")}
    namespace |= {"int64": np.int64, "float64": np.float64, "real": dtype.type, "zero": np.float64(0), "one": np.float64(1)}
    return source.execute({"forward": _FORWARD, "back": _BACK}[way], namespace, f"grouped_{way}")


_FORWARD = """
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    y = pointer(words[1], real)
    means = pointer(words[2], real)
    vars = pointer(words[3], real)
    x = pointer(words[4], real)
    weight = pointer(words[5], real)
    bias = pointer(words[6], real)
    groups, channels, places = words[7], words[8], words[9]
    eps = pointer(args, float64)[10]
    count = float64(channels * places)
    for group in range(begin, end):
        start, first = group * channels * places, group % groups * channels
        total = zero
        for k in range(start, start + channels * places):
            total = fold_add(total, float64(x[k]))
        mean = real(total / count)
        total = zero
        for k in range(start, start + channels * places):
            total = fold_add(total, float64((x[k] - mean) * (x[k] - mean)))
        means[group], vars[group] = mean, real(total / count)
        for channel in range(channels):
            at = start + channel * places
            scale = real(float64(weight[first + channel]) / sqrt(total / count + eps))
            shift = bias[first + channel]
            for k in range(at, at + places):
                y[k] = (x[k] - mean) * scale + shift
"""
_BACK = """
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    dx = pointer(words[1], real)
    along = pointer(words[2], real)
    totals = pointer(words[3], real)
    x = pointer(words[4], real)
    dy = pointer(words[5], real)
    means = pointer(words[6], real)
    vars = pointer(words[7], real)
    weight = pointer(words[8], real)
    groups, channels, places = words[9], words[10], words[11]
    eps = pointer(args, float64)[12]
    count = float64(channels * places)
    for group in range(begin, end):
        start, first = group * channels * places, group % groups * channels
        mean, scale = means[group], one / sqrt(float64(vars[group]) + eps)
        shift, slope = zero, zero
        for channel in range(channels):
            at = start + channel * places
            total, product = zero, zero
            for k in range(at, at + places):
                total = fold_add(total, float64(dy[k]))
                product = fold_add(product, float64(dy[k] * (x[k] - mean)))
            along[group * channels + channel], totals[group * channels + channel] = real(product * scale), real(total)
            shift += total * weight[first + channel]
            slope += product * weight[first + channel]
        moved, sloped = real(scale * shift / count), real(scale * scale * scale * slope / count)
        for channel in range(channels):
            at = start + channel * places
            scaled = real(scale * weight[first + channel])
            for k in range(at, at + places):
                dx[k] = dy[k] * scaled - moved - (x[k] - mean) * sloped
"""
