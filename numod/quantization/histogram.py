"""Histograms of observed values, and the range of them whose quantization has the least squared error (NumPy only).

The search is that of FBGEMM's and PyTorch's observers: both ends of the range begin at the extremes, and the end with the emptier tail moves
inwards as long as the error falls.
"""

from __future__ import annotations

import math

import numpy as np

_QUANTILE = 1e-5  # the part of the values that a tail loses with each step


def extremes(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value."""
    if values.size == 0:
        raise ValueError("HistogramObserver: cannot observe a tensor without elements")
    return float(values.min()), float(values.max())


def extended(counts: np.ndarray, low: float, high: float, values: np.ndarray, parts: int) -> tuple[np.ndarray, float, float]:
    """A histogram over [low, high] with more values counted, and the range it then covers: (counts, low, high).

    It keeps its number of bins. Where the new range is wider, each old bin is cut into ``parts``, which are gathered into wider bins.
    """
    bins = counts.size
    least, greatest = extremes(values)
    least, greatest = min(least, low), max(greatest, high)
    if least == low and greatest == high:
        return counts + np.histogram(values, bins, (low, high))[0], low, high
    if low == high:  # all were one value: there are no bins to cut
        return (
            np.histogram(values, bins, (least, greatest))[0] + np.histogram([low], bins, (least, greatest))[0] * counts.sum(),
            least,
            greatest,
        )
    fine = (high - low) / (bins * parts)
    joined = math.ceil((greatest - least) / (bins * fine))  # so many parts make a new bin
    rest = joined * bins * fine - (greatest - least)
    least, greatest = least - rest / 2, greatest + rest / 2
    start = round((low - least) / fine)
    spread = np.zeros(bins * joined)
    spread[start : start + bins * parts] = np.repeat(counts / parts, parts)[: spread.size - start]
    moved = spread.reshape(bins, joined).sum(1)
    return moved + np.histogram(values, bins, (least, greatest))[0], least, greatest


def best_range(counts: np.ndarray, low: float, high: float, levels: int) -> tuple[float, float]:
    """The part of [low, high] that, cut into so many levels, represents the values with the least squared error."""
    bins = counts.size
    width = (high - low) / bins
    shares = np.cumsum(counts, dtype=np.float64) / counts.sum(dtype=np.float64)
    first, last = 0, bins - 1
    alpha, beta = 0.0, 1.0
    least = math.inf
    while alpha < beta:
        left = max(first, min(int(np.searchsorted(shares, alpha + _QUANTILE)), last))
        right = min(last, max(int(np.searchsorted(shares, beta - _QUANTILE, side="right")) - 1, first))
        tried = (left, last) if left - first > last - right else (first, right)
        if tried[0] != first:
            alpha += _QUANTILE
        else:
            beta -= _QUANTILE
        if tried == (first, last):
            continue
        error = _squared_error(counts, width, *tried, levels)
        if error > least:
            break
        least, (first, last) = error, tried
    return low + width * first, low + width * (last + 1)


def _squared_error(counts: np.ndarray, width: float, first: int, last: int, levels: int) -> float:
    """The squared error of the values, even over each bin, with levels in the middles of equal parts of the bins from first to last."""
    part = width * (last - first + 1) / levels
    if part == 0:
        return 0.0
    begin = (np.arange(counts.size) - first) * width
    end = begin + width
    level = np.clip(np.floor(begin / part), 0, levels - 1)
    end_level = np.clip(np.floor(end / part), 0, levels - 1)
    same = level == end_level
    half = part / 2

    def area(start, stop):
        return (stop**3 - start**3) / 3

    center, end_center = level * part + half, end_level * part + half
    across = area(begin - center, half) + (end_level - level - 1) * area(-half, half) + area(-half, end - end_center)
    errors = np.where(same, area(begin - center, end - center), across)
    return float(np.sum(counts / width * errors))
