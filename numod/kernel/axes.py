"""How operands are walked: the axes of a broadcast operand, and as few axes as all operands share."""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import Spec


def broadcast_strides(spec: Spec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an operand as seen with the output's shape; 0 along axes where it repeats."""
    missing = len(shape) - spec.ndim
    own = tuple(
        0 if extent == 1 and shape[missing + axis] != 1 else stride
        for axis, (extent, stride) in enumerate(zip(spec.shape, spec.strides, strict=True))
    )
    return (0,) * missing + own


def collapse(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Drop axes of extent 1 and join neighbours that every operand walks as one."""
    axes: list[tuple[int, list[int]]] = []
    for axis, extent in enumerate(shape):
        steps = [each[axis] for each in strides]
        if extent == 1:
            continue
        if axes and all(before == step * extent for before, step in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * extent, steps)
        else:
            axes.append((extent, steps))
    return tuple(extent for extent, _ in axes), [tuple(steps[i] for _, steps in axes) for i in range(len(strides))]
