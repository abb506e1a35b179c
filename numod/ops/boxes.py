"""Boxes in images, given by their corners (x0, y0, x1, y1)."""

from __future__ import annotations

import numpy as np

from ..dtype import boolean, is_float
from ..errors import DTypeError, check
from ..forms.host import host
from ..kernel import suppression
from ..spec import Spec


def _infer(boxes: Spec, *, threshold):
    if not boxes.is_float:
        raise DTypeError(f"keep_boxes: boxes must be floats, got {boxes.dtype}")
    check(boxes.ndim == 2 and boxes.shape[1] == 4, "keep_boxes: boxes must be (n, 4), got shape {}", boxes.shape)
    return boxes.like(boxes.shape[:1], boolean)


def _overlap(a, b):
    """The area that two boxes share, as a part of what they cover together."""
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    shared = max(x1 - x0, 0) * max(y1 - y0, 0)
    covered = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / covered if covered else 0.0


def _ref(boxes, threshold):
    kept = []
    for at, box in enumerate(boxes):
        if all(_overlap(boxes[other], box) <= threshold for other in kept):
            kept.append(at)
    return np.isin(np.arange(len(boxes)), kept)


def _sample(draw):
    """Boxes at quarters of integers, and a threshold that no quotient of their areas is near."""
    size = draw.integer(0, 12)
    random = draw.random()
    corner, side = random.integers(0, 24, (size, 2)), random.integers(0, 24, (size, 2))
    dtype = draw.dtype if is_float(draw.dtype) else np.float32
    return ((np.hstack([corner, corner + side]) / 4).astype(dtype),), {"threshold": draw.choice([0.123457, 0.312347, 0.712343])}


@host(
    inputs=("boxes",),
    attrs={"threshold": 0.5},
    infer=_infer,
    ref=_ref,
    sample=_sample,
    errors=((ValueError, lambda Tensor, op: op(Tensor([1.0, 2.0]))), (DTypeError, lambda Tensor, op: op(Tensor([[1, 2, 3, 4]])))),
)
def keep_boxes(boxes, threshold):
    """Which boxes stay when each that overlaps an earlier one that stays by more than ``threshold`` is dropped (greedy non-maximum suppression)."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep = np.zeros(len(boxes), bool)
    left = np.arange(len(boxes))
    while left.size:
        first, left = left[0], left[1:]
        keep[first] = True
        low, high = np.maximum(boxes[first, :2], boxes[left, :2]), np.minimum(boxes[first, 2:], boxes[left, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        left = left[shared <= threshold * (area[first] + area[left] - shared)]
    return keep


@keep_boxes.fast("cpu")
def _keep_boxes_twin(specs, attrs, outputs):
    return suppression.program(specs[0], outputs[0], attrs["threshold"])
