"""GradScaler: gradients times a factor, so that small ones are not zero in 16 bits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ..autodiff import GradManager
from ..constants import constant
from ..dtype import float32, promote
from ..functional import full_like
from ..ops import steps
from ..optimizer import update
from ..tensor import Tensor

_SAVED = ("scale_factor", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")


class GradScaler:
    """Multiplies what is differentiated by ``scale_factor``, and divides the gradients by it; finds a factor that is large and lets nothing overflow.

    init_scale: the factor at the start. growth_interval: after so many updates with finite gradients it is multiplied by ``growth_factor``; 0 for a
    factor that stays, where nothing looks for gradients that are not finite. backoff_factor: what it is multiplied by after a gradient that was not.

    Gradients that are not all finite become None, so that the step of the optimizer that follows does nothing.

    >>> import numod, numod.optimizer as optim
    >>> w = numod.Parameter([3.0])
    >>> gm, step, scaler = GradManager().attach([w]), optim.SGD([w], lr=0.1), GradScaler()
    >>> with gm:
    ...     scaler.backward(gm, w * w)
    >>> w.grad.tolist()
    [6.0]
    >>> with gm:
    ...     scaler.backward(gm, w * float("inf"))
    >>> w.grad, scaler.scale_factor
    (None, 8.0)
    """

    def __init__(self, init_scale: float = 2.0**4, growth_factor: float = 2.0, backoff_factor: float = 0.5, growth_interval: int = 2000):
        self.scale_factor = _scale("GradScaler", "init_scale", init_scale)
        self.growth_factor, self.backoff_factor = float(growth_factor), float(backoff_factor)
        self.growth_interval = growth_interval
        if not 1 <= self.growth_factor < math.inf or not 0 < self.backoff_factor <= 1:
            raise ValueError(
                f"GradScaler: growth_factor must be at least 1 and backoff_factor in (0, 1], got {growth_factor} and {backoff_factor}"
            )
        if not isinstance(growth_interval, int) or growth_interval < 0:
            raise ValueError(f"GradScaler: growth_interval must be an int of at least 0, got {growth_interval!r}")
        self._growth_tracker = 0
        self._found_non_finite = False

    def backward(
        self,
        gm: GradManager,
        y: Tensor | Sequence[Tensor] | None = None,
        dy: Tensor | Sequence[Tensor] | None = None,
        *,
        unscale_grad: bool = True,
        update_scale: bool | Literal["if_unscale_grad"] = "if_unscale_grad",
    ) -> None:
        """``gm.backward(y, dy)`` with all of it times the factor, then `unscale` of the tensors attached to ``gm``, then `update`.

        unscale_grad: False for gradients that stay multiplied, to add up those of several calls: `unscale` divides all that is in ``.grad``.
        update_scale: False to leave `update` to you. Without ``unscale_grad`` there is none.
        """
        if update_scale not in (True, False, "if_unscale_grad"):
            raise ValueError(f"GradScaler.backward: update_scale must be True, False or 'if_unscale_grad', got {update_scale!r}")
        outputs = [] if y is None else [y] if isinstance(y, Tensor) else list(y)
        given: Sequence[Any] = [full_like(each, 1.0) for each in outputs] if dy is None else [dy] if isinstance(dy, Tensor) else list(dy)
        gm.backward(outputs, [each * self.scale_factor if isinstance(each, Tensor) else each for each in given])
        if unscale_grad:
            self.unscale(gm.attached_tensors())
            if update_scale:
                self.update()

    def unscale(self, grad_tensors: Iterable[Tensor]) -> GradScaler:
        """Divide the gradients of these tensors by the factor, in place; if one of them is not finite, set all of them to None."""
        tensors = [grad_tensors] if isinstance(grad_tensors, Tensor) else list(grad_tensors)
        gradients = update.gradients("GradScaler.unscale", tensors)
        if self.growth_interval and not _finite(gradients):
            self._found_non_finite = True
            for tensor in tensors:
                tensor.grad = None
        else:
            update.change(steps.scale_all, gradients, 1 / self.scale_factor)
        return self

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the factor by what `unscale` has found since the last update, or set it to ``new_scale``."""
        if new_scale is not None:
            self.scale_factor = _scale("GradScaler.update", "new_scale", new_scale)
        elif self.growth_interval:
            self._growth_tracker = 0 if self._found_non_finite else self._growth_tracker + 1
            if self._found_non_finite:
                self.scale_factor *= self.backoff_factor
            elif self._growth_tracker >= self.growth_interval:
                self.scale_factor *= self.growth_factor
                self._growth_tracker = 0
        self._found_non_finite = False

    def state_dict(self) -> dict[str, Any]:
        """The settings, the factor, and how many updates it has not changed."""
        return {name: getattr(self, name) for name in _SAVED}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; KeyError if a name is missing."""
        missing = [name for name in _SAVED if name not in state]
        if missing:
            raise KeyError(
                f"GradScaler.load_state_dict: {', '.join(missing)} missing in the state, which has {', '.join(state) or 'nothing'}"
            )
        for name in _SAVED:
            setattr(self, name, state[name])


def _scale(name: str, setting: str, value: Any) -> float:
    found = float(value)
    if not 0 < found < math.inf:
        raise ValueError(f"{name}: {setting} must be a finite number above 0, got {value}")
    return found


def _finite(gradients: Sequence[Tensor]) -> bool:
    """Whether all elements are neither infinite nor NaN: the largest magnitude is then."""
    gradients = [gradient for gradient in gradients if gradient.size]
    if not gradients:
        return True
    one = constant(1.0, promote(float32, *(gradient.dtype for gradient in gradients)), gradients[0].device)
    return math.isfinite(steps.norm_of_all(one, one, *gradients, kind="max")[0].item())
