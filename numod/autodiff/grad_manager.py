"""GradManager: which tensors to differentiate with respect to, when to record, and what to do with the gradients."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence

from .. import tape as tapes
from ..constants import constant
from ..op import apply
from ..ops.math import add
from ..ops.view import broadcast_to
from ..precision import as_given
from ..tape import Leaf
from ..tensor import Tensor

Callback = Callable[[Tensor, Tensor], Tensor | None]


class AttachError(TypeError, AssertionError):
    """Something was attached that cannot have a gradient. (MegEngine: AssertionError.)"""


class _Attached:
    """An attached tensor (held weakly), its callbacks, and its node while recording."""

    __slots__ = ("callbacks", "node", "tensor")

    def __init__(self, tensor: Tensor):
        self.tensor = weakref.ref(tensor)
        self.callbacks: list[Callback] = []
        self.node: tuple | None = None


class GradManager:
    """Records what is computed with the attached tensors and computes gradients with respect to them.

    >>> w = Tensor([1.0, 2.0])
    >>> gm = GradManager().attach(w)
    >>> with gm:
    ...     gm.backward((w * w).sum())
    >>> w.grad.tolist()
    [2.0, 4.0]

    Gradients add up in ``.grad`` until it is cleared. Tensors are attached by weak reference. One `backward` ends a recording. Managers may
    be nested: the outer one records the backward of the inner one, which gives gradients of gradients.
    """

    def __init__(self):
        self._attached: dict[int, _Attached] = {}
        self._recording = False

    def attached_tensors(self) -> list[Tensor]:
        """The attached tensors that are still alive."""
        return [tensor for each in self._attached.values() if (tensor := each.tensor()) is not None]

    def attach(self, tensors: Tensor | Iterable[Tensor], callbacks: Callback | Iterable[Callback] | None = None) -> GradManager:
        """Differentiate with respect to these tensors (of a float dtype) from now on.

        callbacks: ``callback(tensor, gradient) -> gradient``, called in order before the gradient is added to ``tensor.grad``.
        """
        chosen = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        calls = [] if callbacks is None else [callbacks] if callable(callbacks) else list(callbacks)
        for tensor in chosen:
            if not isinstance(tensor, Tensor):
                raise AttachError(f"GradManager.attach: expected a Tensor, got {type(tensor).__name__}")
            if not tensor._spec.is_float:
                raise AttachError(
                    f"GradManager.attach: only tensors of a float dtype have gradients, got dtype {tensor.dtype} and shape {tensor.shape}"
                )
        for tensor in chosen:
            key = id(tensor)
            entry = self._attached.get(key)
            if entry is None or entry.tensor() is not tensor:
                entry = self._attached[key] = _Attached(tensor)
                weakref.finalize(tensor, self._forget, weakref.ref(self), key).atexit = False
                if self._recording:
                    self._watch(entry)
            entry.callbacks += calls
        return self

    @staticmethod
    def _forget(manager: weakref.ref[GradManager], key: int) -> None:
        """A tensor has died: drop its entry."""
        self = manager()
        entry = self._attached.get(key) if self is not None else None
        if self is not None and entry is not None and entry.tensor() is None:
            self._unwatch(entry)
            del self._attached[key]

    def _watch(self, entry: _Attached) -> None:
        tensor = entry.tensor()
        if tensor is None:
            return
        entry.node = tapes.source(tensor)
        if entry.node is None:
            entry.node = (Leaf(tensor._spec), 0)
            tensor._node, tensor._index = entry.node
        if isinstance(entry.node[0], Leaf):
            entry.node[0].hold()

    def _unwatch(self, entry: _Attached) -> None:
        if entry.node is not None and isinstance(entry.node[0], Leaf):
            entry.node[0].let_go()
        entry.node = None

    def record(self) -> None:
        """Start recording; RuntimeError if this manager records already."""
        if self._recording:
            raise RuntimeError("GradManager.record: already recording")
        self._recording = True
        tapes.current().open()
        for entry in list(self._attached.values()):
            self._watch(entry)

    def release(self) -> None:
        """Stop recording and forget what was recorded."""
        if not self._recording:
            return
        self._recording = False
        for entry in list(self._attached.values()):
            self._unwatch(entry)
        tapes.current().close()

    @as_given  # gradients have the dtypes of the values
    def backward(self, y: Tensor | Sequence[Tensor] | None = None, dy: Tensor | Sequence[Tensor] | None = None) -> None:
        """Add the gradients of ``y`` (of ``sum(y * dy)``) to the ``.grad`` of the attached tensors, and end the recording.

        dy: of the shape and dtype of ``y``; ones if None. Raises RuntimeError when nothing is being recorded.
        """
        if not self._recording:
            raise RuntimeError("GradManager.backward: no computation history; call record() or enter the manager first")
        tape = tapes.current()
        seeds = [*_seeds(y, dy), *tape.shared]
        tape.shared = []
        recording = tape.recording
        try:
            tape.recording = recording and tape.managers > 1  # an outer manager records what the gradients are made of
            entries = [entry for entry in self._attached.values() if entry.node is not None]
            found = tapes.backward(seeds, {entry.node for entry in entries if entry.node}, _sum)
            for entry in entries:
                tensor = entry.tensor()
                gradient = found.get(entry.node) if entry.node else None
                if tensor is not None and gradient is not None:
                    _store(tensor, gradient, entry.callbacks)
        finally:
            tape.recording = recording
            self.release()

    def __enter__(self) -> GradManager:
        self.record()
        return self

    def __exit__(self, *error) -> None:
        self.release()

    def __or__(self, other: GradManager | GradManagerGroup) -> GradManagerGroup:
        return GradManagerGroup([self]) | other


class GradManagerGroup:
    """Several managers that record together: ``with gm1 | gm2: ...``; each runs its own backward."""

    def __init__(self, managers: Sequence[GradManager]):
        self._managers = list(managers)

    def __or__(self, other: GradManager | GradManagerGroup) -> GradManagerGroup:
        if isinstance(other, GradManager):
            return GradManagerGroup([*self._managers, other])
        if isinstance(other, GradManagerGroup):
            return GradManagerGroup([*self._managers, *other._managers])
        return NotImplemented

    __ror__ = __or__

    def __enter__(self) -> GradManagerGroup:
        for manager in self._managers:
            manager.record()
        return self

    def __exit__(self, *error) -> None:
        for manager in self._managers:
            manager.release()


def _seeds(y, dy) -> list[tuple]:
    """(node, output index, gradient) for each output that has a history."""
    outputs = [] if y is None else [y] if isinstance(y, Tensor) else list(y)
    if dy is None:
        gradients: list[Tensor | None] = [None] * len(outputs)
    else:
        gradients = [dy] if isinstance(dy, Tensor) else list(dy)
    if len(gradients) != len(outputs):
        raise RuntimeError(f"GradManager.backward: {len(outputs)} outputs but {len(gradients)} gradients for them")
    seeds = []
    for output, gradient in zip(outputs, gradients, strict=True):
        if not isinstance(output, Tensor):
            raise TypeError(f"GradManager.backward: expected tensors, got {type(output).__name__}")
        if gradient is not None:
            if not isinstance(gradient, Tensor):
                raise RuntimeError(f"GradManager.backward: dy must be a Tensor, got {type(gradient).__name__}")
            if gradient._spec is not output._spec and (gradient.shape, gradient.dtype) != (output.shape, output.dtype):
                raise RuntimeError(
                    f"GradManager.backward: dy must be {output.dtype} of shape {output.shape}, got {gradient.dtype} of shape {gradient.shape}"
                )
        source = tapes.source(output)
        if source is not None:
            seeds.append((*source, _ones(output) if gradient is None else gradient))
    return seeds


def _sum(a: Tensor, b: Tensor) -> Tensor:
    return apply(add, (a, b))


def _ones(like: Tensor) -> Tensor:
    one = constant(1.0, like.dtype, like.device)
    return one if like.ndim == 0 else apply(broadcast_to, (one,), (like.shape,))


def _store(tensor: Tensor, gradient: Tensor, callbacks: Sequence[Callback]) -> None:
    """Add a gradient to ``tensor.grad``, in place if there is one already."""
    result: Tensor | None = gradient
    for callback in callbacks:
        result = callback(tensor, result)  # type: ignore[arg-type]
    if result is None:
        return
    if tensor._grad is None:
        tensor._grad = Tensor._make(result._buffer, result._spec)  # its own object: the same gradient may go to several tensors
        tensor._grad._node, tensor._grad._index = result._node, result._index
    else:
        tensor._grad._bind(apply(add, (tensor._grad, result)))
