"""Learning rates that change from epoch to epoch."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from .optimizer import Optimizer


class LRScheduler(ABC):
    """Base class of schedules: `get_lr` says the learning rates of an epoch, and `step` puts them into the optimizer's groups.

    The rates of the groups at the start are kept in ``base_lrs``, and in the groups as ``"initial_lr"``.

    current_epoch: the epoch to go on from; with the default, -1, the schedule begins, and ``current_epoch`` is 0 afterwards.

    >>> import numod as nm, numod.optimizer as optim
    >>> class Halving(optim.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5**self.current_epoch for lr in self.base_lrs]
    >>> optimizer = optim.SGD(nm.Parameter([1.0]), lr=8.0)
    >>> schedule = Halving(optimizer)
    >>> schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    4.0
    """

    _saved: ClassVar[tuple[str, ...]] = ("current_epoch",)

    def __init__(self, optimizer: Optimizer, current_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.current_epoch = current_epoch
        for number, group in enumerate(optimizer.param_groups):
            if current_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{name}: group {number} has no 'initial_lr' to go on from; leave current_epoch at -1 for a new schedule")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()

    @abstractmethod
    def get_lr(self) -> list[float]:
        """The learning rate of each group in the epoch ``self.current_epoch``."""

    def step(self, epoch: int | None = None) -> None:
        """Begin the next epoch, or the given one."""
        self.current_epoch = self.current_epoch + 1 if epoch is None else epoch
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes: where the schedule stands, and its settings."""
        return {key: getattr(self, key) for key in self._saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`. The optimizer's learning rates change with the next `step`; its own state dict has them too."""
        missing = [key for key in self._saved if key not in state_dict]
        if missing:
            raise KeyError(f"{type(self).__name__}.load_state_dict: {missing} missing, got {sorted(state_dict)}")
        for key in self._saved:
            setattr(self, key, state_dict[key])


class MultiStepLR(LRScheduler):
    """Multiply the learning rate of each group by ``gamma`` whenever one of ``milestones`` is reached.

    milestones: epochs, in order.

    >>> import numod as nm, numod.optimizer as optim
    >>> optimizer = optim.SGD(nm.Parameter([1.0]), lr=1.0)
    >>> schedule = optim.MultiStepLR(optimizer, [1, 3], gamma=0.5)
    >>> for epoch in range(4):
    ...     print(optimizer.param_groups[0]["lr"])
    ...     schedule.step()
    1.0
    0.5
    0.5
    0.25
    """

    _saved = ("milestones", "gamma", "current_epoch")

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, current_epoch: int = -1):
        self.milestones = list(milestones)
        if self.milestones != sorted(self.milestones):
            raise ValueError(f"MultiStepLR: milestones must be in increasing order, got {self.milestones}")
        self.gamma = gamma
        super().__init__(optimizer, current_epoch)

    def get_lr(self) -> list[float]:
        """``base_lr * gamma ** (milestones reached)`` for each group."""
        factor = self.gamma ** bisect.bisect_right(self.milestones, self.current_epoch)
        return [lr * factor for lr in self.base_lrs]
