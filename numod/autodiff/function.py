"""Function: an operation whose gradient its author writes."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

from .. import tape as tapes
from ..tape import Node
from ..tensor import Tensor


class MissingBackward(NotImplementedError):
    """A Function without a ``backward`` was differentiated."""


class Function(ABC):
    """An operation with a forward and a backward of one's own. What backward needs, forward keeps on ``self``.

    >>> import numod.functional as F
    >>> class Sigmoid(Function):
    ...     def forward(self, x):
    ...         self.y = F.sigmoid(x)
    ...         return self.y
    ...     def backward(self, dy):
    ...         return dy * self.y * (1 - self.y)
    >>> Sigmoid()(Tensor([0.0])).tolist()
    [0.5]
    """

    @abstractmethod
    def forward(self, *inputs: Tensor):
        """The outputs: a Tensor or a tuple of them. Nothing is recorded here."""

    def backward(self, *output_gradients: Tensor | None):
        """The gradient of each input (None for no gradient), from that of each output (None if nothing depends on it)."""
        raise MissingBackward(f"{type(self).__name__}: has no backward, so it cannot be differentiated")

    def __call__(self, *inputs: Tensor):
        """Run forward, and remember to call backward."""
        for value in inputs:
            if not isinstance(value, Tensor):
                raise TypeError(f"{type(self).__name__}: takes tensors, got {type(value).__name__}")
        call = copy.copy(self)  # an instance may be called again before this call is differentiated
        with tapes.paused():
            result = call.forward(*inputs)
        single = isinstance(result, Tensor)
        outs = tuple(Tensor._make(out._buffer, out._spec) for out in ((result,) if single else result))
        origins = tuple(tapes.source(value) for value in inputs)
        if tapes.current().recording and any(origins):
            tapes.attach(Node(origins, tuple(out._spec for out in outs), _pull, call), outs)
        return outs[0] if single else outs


def _pull(node: Node, gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Call the author's backward."""
    results = node.call.backward(*gradients)
    if results is None or isinstance(results, Tensor):
        results = (results,)
    if len(results) > len(node.inputs):
        raise ValueError(f"{type(node.call).__name__}.backward: returned {len(results)} gradients for {len(node.inputs)} inputs")
    return [*results, *[None] * (len(node.inputs) - len(results))]
