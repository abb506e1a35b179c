"""Random programs: calls of ops of the table on each other's results, as a function of tensors that can be run again and again."""

from __future__ import annotations

import math

import numpy as np

from numod import Tensor, functional as F
from numod.autodiff import GradManager
from numod.op import TABLE
from numod.testing import Draw

# Left out: what is of use only inside other ops and takes their results, and what never gives the same twice.
SLOW = {"svd", "ctc_loss"}
OPS = [op for op in TABLE.values() if op.sample is not None and op.name not in SLOW]
COMMON = [op for op in OPS if op.form in ("elementwise", "rowwise", "view")]


def adapted(x, like):
    """The elements of ``x``, as often as it takes, in the shape of ``like``: a tensor that depends on ``x``."""
    wanted = math.prod(like.shape)
    if x.shape == like.shape:
        return x
    flat = F.flatten(x, 0) if x.ndim else F.reshape(x, (1,))
    if flat.shape[0] < wanted:
        times = -(-wanted // flat.shape[0])
        flat = F.flatten(F.broadcast_to(flat, (times, flat.shape[0])), 0)
    return F.reshape(flat[:wanted], like.shape)


class Program:
    """``run(leaves)`` gives the results; ``leaves`` are arrays for its arguments.

    Drawn so that the calls are accepted with these leaves; with others they may be refused.
    """

    def __init__(self, data, most=30):
        self.draw = Draw(data, most=8)
        self.leaves: list[np.ndarray] = []
        self.lines = []
        values: list[Tensor] = []
        for _ in range(self.draw.integer(1, most)):
            line = self._line(values)
            if line is not None:
                self.lines.append(line)
        self.wanted = [self.draw.integer(0, max(len(values) - 1, 0)) for _ in range(2)] if values else []
        self.learns = bool(values) and self.draw.boolean()

    def _line(self, values):
        """One call, on what there is or on new leaves; None if it is refused."""
        draw = self.draw
        op = draw.choice(COMMON if draw.integer(0, 2) else OPS)
        arrays, attrs = op.sample(draw)
        sources = []
        for array in arrays:
            array = np.asarray(array)
            fitting = [n for n, value in enumerate(values) if value.dtype == array.dtype and value.size] if array.size else []
            if fitting and array.dtype == np.float32 and draw.integer(0, 3):
                sources.append(("value", draw.choice(fitting[-6:]), array))
            elif array.dtype == np.float32:
                self.leaves.append(array)
                sources.append(("leaf", len(self.leaves) - 1, array))
            else:
                sources.append(("constant", Tensor(array, dtype=array.dtype), array))
        line = op, attrs, sources
        try:
            made = self._apply(line, values, [Tensor(x, dtype=x.dtype) for x in self.leaves])
        except (ValueError, TypeError, RuntimeError, IndexError):
            return None
        values += [out for out in made if out.size]
        return line

    @staticmethod
    def _apply(line, values, leaves):
        op, attrs, sources = line
        inputs = []
        for kind, what, array in sources:
            tensor = values[what] if kind == "value" else leaves[what] if kind == "leaf" else what
            inputs.append(adapted(tensor, array) if kind == "value" else tensor)
        made = op(*inputs, **attrs)
        return made if isinstance(made, tuple) else (made,)

    def run(self, *leaves):
        """The wanted values, and the gradients of their sums with respect to the leaves."""
        manager = GradManager().attach([leaf for leaf in leaves if leaf.dtype == np.float32]) if self.learns else None
        if manager is None:
            return self._values(leaves)
        with manager:
            results = self._values(leaves)
            floats = [out for out in results if out.dtype == np.float32]
            if floats:
                manager.backward(sum(out.sum() for out in floats))
        gradients = [leaf.grad for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None
        return results, gradients

    def _values(self, leaves):
        values: list[Tensor] = []
        for line in self.lines:
            values += [out for out in self._apply(line, values, leaves) if out.size]
        return [values[n] for n in self.wanted]

    def __repr__(self):
        return "\n".join(
            f"{op.name}({', '.join(f'{kind} {what}' if kind != 'constant' else str(array.shape) for kind, what, array in sources)}, {attrs})"
            for op, attrs, sources in self.lines
        )
