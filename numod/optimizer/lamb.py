"""LAMB, for parameters of any float dtype and for those of half precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..op import Op
from ..ops import steps
from ..tensor import Parameter
from . import update
from .adam import check_betas
from .optimizer import Optimizer, check_at_least


class LAMB(Optimizer):
    """LAMB: Adam's direction, at a length in proportion to the parameter's, for large batches (You et al., 2020).

    With Adam's corrected means ``m`` and ``v``: ``u = m / (sqrt(v) + eps) + weight_decay * param``, and
    ``param -= lr * |param| / |u| * u``, or without the quotient where a length is 0.

    bias_correction: correct the means for their start at zero.
    always_adapt: use the quotient of lengths also where ``weight_decay`` is 0.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([3.0, 4.0])
    >>> optimizer = optim.LAMB(x, lr=0.1, always_adapt=True)
    >>> x.grad = nm.Tensor([1.0, 0.0])
    >>> optimizer.step().clear_grad()
    >>> x
    Parameter([2.5 4. ], device=xpux:0)
    """

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: bool = True,
        weight_decay: float = 0.0,
        always_adapt: bool = False,
    ):
        name = type(self).__name__
        check_at_least(name, 0, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(name, betas)
        self.bias_correction = bias_correction
        self.always_adapt = always_adapt
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps})

    def _create_state(self, param_group: dict[str, Any]) -> None:
        for param in param_group["params"]:
            self._add_state(param, "exp_avg")
            self._add_state(param, "exp_avg_sq")
            self._add_state(param, "step", initializer=0.0)

    _op: ClassVar[Op] = steps.lamb_steps
    _names: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq", "step")

    def _updates(self, param_group: dict[str, Any]) -> None:
        params, lr, (beta1, beta2), eps, decay = (param_group[key] for key in ("params", "lr", "betas", "eps", "weight_decay"))
        fades = (beta1, beta2) if self.bias_correction else (0, 0)
        settings = lr, beta1, 1 - beta1, beta2, 1 - beta2, *fades, eps, decay
        update.step(self._op, params, self._state, self._names, *settings, adapted=bool(self.always_adapt or decay > 0))


class LAMBFp16(LAMB):
    """`LAMB` for parameters of half precision: it keeps a float32 copy of each (``param_fp32`` in its state), and steps on that.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([3.0, 4.0])
    >>> optim.LAMBFp16(x, lr=0.1).state_dict()["state"][0]["param_fp32"]
    array([3., 4.], dtype=float32)
    """

    _op = steps.lamb_copy_steps
    _names = ("exp_avg", "exp_avg_sq", "step", "param_fp32")

    def _create_state(self, param_group: dict[str, Any]) -> None:
        for param in param_group["params"]:
            value = param.detach().astype("float32")
            for name in ("exp_avg", "exp_avg_sq"):
                self._add_state(param, name, initializer=value * 0)
            self._add_state(param, "step", initializer=0.0)
            self._add_state(param, "param_fp32", initializer=value)
