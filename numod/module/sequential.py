"""Sequential: layers one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from ..tensor import Tensor
from .module import Module


class Sequential(Module):
    """Pass the input through all layers in turn.

    Layers are given one by one, and then are called ``0``, ``1``, ..., or as one OrderedDict from name to layer. They are attributes under
    these names, and a Sequential can be indexed, sliced, iterated over and shortened like a list; a slice keeps the names.

    >>> import numod as nm, numod.module as M
    >>> net = M.Sequential(M.Linear(4, 8), M.ReLU(), M.Linear(8, 2))
    >>> net(nm.Tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (1, 2)
    >>> net[:2]
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
    )
    """

    layer_keys: list[str]

    def __init__(self, *args: Callable | OrderedDict[str, Callable], name: str | None = None):
        super().__init__(name=name)
        layers: dict[str, Any] = {str(index): layer for index, layer in enumerate(args)}
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            layers = args[0]
        for key, layer in layers.items():
            if hasattr(self, key):
                raise ValueError(f"Sequential: a layer cannot be named {key!r}, every Sequential has this attribute")
            setattr(self, key, layer)
        self.layer_keys = list(layers)

    @property
    def layer_values(self) -> list[Any]:
        """The layers, in order."""
        return [getattr(self, key) for key in self.layer_keys]

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict((key, getattr(self, key)) for key in self.layer_keys[index]))
        return getattr(self, self.layer_keys[index])

    def __setitem__(self, index: int | slice, layer: Callable) -> None:
        if isinstance(index, slice):
            raise TypeError("Sequential: one layer can be set at a time, got a slice")
        setattr(self, self.layer_keys[index], layer)

    def __delitem__(self, index: int | slice) -> None:
        for key in self.layer_keys[index] if isinstance(index, slice) else [self.layer_keys[index]]:
            delattr(self, key)
        del self.layer_keys[index]

    def __len__(self) -> int:
        return len(self.layer_keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layer_values)

    def forward(self, inp: Tensor) -> Tensor:
        """What the last layer returns."""
        for layer in self.layer_values:
            inp = layer(inp)
        return inp
