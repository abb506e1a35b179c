"""Recurrent layers, RNN and LSTM, and their cells, which do one step."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..errors import check
from ..ops import recurrent as ops
from ..ops.lstm import lstm
from ..precision import as_given
from ..tensor import Parameter, Tensor
from . import init
from .module import Module

_NONLINEARITIES: dict[str, Callable] = {"tanh": F.tanh, "relu": F.relu, "identity": lambda x: x}
_CELL_TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _nonlinearity(name: str, chosen: str) -> str:
    if chosen not in _NONLINEARITIES:
        raise ValueError(f"{name}: nonlinearity must be one of {list(_NONLINEARITIES)}, got {chosen!r}")
    return chosen


class _Cell(Module):
    """What cells share: their tensors. ``gates`` rows of ``hidden_size`` are computed from the input and the hidden state."""

    gates: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.gate_hidden_size = self.gates * hidden_size
        rows, kind = self.gate_hidden_size, Parameter if bias else Tensor
        self.weight_ih = Parameter(np.zeros((rows, input_size), np.float32))
        self.weight_hh = Parameter(np.zeros((rows, hidden_size), np.float32))
        self.bias_ih = kind(np.zeros(rows, np.float32))
        self.bias_hh = kind(np.zeros(rows, np.float32))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        for name in _CELL_TENSORS if self.bias else _CELL_TENSORS[:2]:
            _draw(getattr(self, name), self.hidden_size)

    @as_given
    def _sums(self, x: Tensor, h: Tensor) -> Tensor:
        check(
            x.ndim == 2 and x.shape[1] == self.input_size,
            "{}: input must be (N, {}), got shape {}",
            type(self).__name__,
            self.input_size,
            x.shape,
        )
        return F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)

    def _start(self, x: Tensor, h: Tensor | None) -> Tensor:
        shape = (x.shape[0], self.hidden_size)
        if h is None:
            return F.zeros(shape, dtype=x.dtype, device=x.device)
        check(h.shape == shape, "{}: a hidden state must have shape {}, got {}", type(self).__name__, shape, h.shape)
        return h


class RNNCell(_Cell):
    """One step of a recurrent network: ``h = f(x W_ih^T + b_ih + h W_hh^T + b_hh)`` (Elman, 1990).

    Shape: x (N, input_size), h (N, hidden_size), zeros if None -> (N, hidden_size).
    Parameters: weight_ih (hidden_size, input_size), weight_hh (hidden_size, hidden_size), bias_ih and bias_hh (hidden_size,), all uniform
    within ``1 / sqrt(hidden_size)`` of 0. With ``bias=False`` the biases are zeros, and no Parameters.
    nonlinearity: f: ``"tanh"``, ``"relu"`` or ``"identity"``.

    >>> import numod.functional as F, numod.module as M
    >>> M.RNNCell(3, 4)(F.ones((2, 3))).shape
    (2, 4)
    """

    gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"):
        self.nonlinearity = _nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state."""
        return _NONLINEARITIES[self.nonlinearity](self._sums(input, self._start(input, hx)))


class LSTMCell(_Cell):
    """One step of a network of long short-term memory (Hochreiter and Schmidhuber, 1997).

    With ``i, f, g, o`` the four parts of ``x W_ih^T + b_ih + h W_hh^T + b_hh``: ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)`` and
    ``h = sigmoid(o) * tanh(c)``.

    Shape: x (N, input_size), hx a tuple of h and c (N, hidden_size), zeros if None -> the next h and c.
    Parameters: weight_ih (4 * hidden_size, input_size), weight_hh (4 * hidden_size, hidden_size), bias_ih and bias_hh (4 * hidden_size,),
    drawn as in `RNNCell`.

    >>> import numod.functional as F, numod.module as M
    >>> h, c = M.LSTMCell(3, 4)(F.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next hidden state and cell state."""
        h, c = (None, None) if hx is None else hx
        into, keep, candidate, out = ops.cut(self._sums(input, self._start(input, h)), 1, ops.equal_sizes(4, self.hidden_size))
        state = ops.lstm_state(into, keep, candidate, self._start(input, c))
        return ops.lstm_output(out, state), state


class _Recurrent(Module):
    """Layers of cells that walk along a sequence. A subclass says what a step is."""

    cell: ClassVar[type[_Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ):
        super().__init__()
        name = type(self).__name__
        if not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"{name}: num_layers must be a positive int, got {num_layers!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"{name}: dropout must be at least 0 and less than 1, got {dropout}")
        if proj_size != 0:
            raise ValueError(f"{name}: proj_size must be 0, hidden states are not projected; got {proj_size}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.num_directions = 2 if bidirectional else 1
        self.proj_size = proj_size
        widths = [input_size] + [hidden_size * self.num_directions] * (num_layers - 1)
        self.cells = [[self._make_cell(width) for _ in range(self.num_directions)] for width in widths]
        rows, columns = self.cell.gates * hidden_size, self.num_directions * sum(width + hidden_size + 2 * bias for width in widths)
        self._flatten_weights = Parameter(np.zeros((rows, columns), np.float32))
        self.reset_parameters()

    def _make_cell(self, width: int) -> _Cell:
        return self.cell(width, self.hidden_size, self.bias)

    def reset_parameters(self) -> None:
        """Draw new values."""
        _draw(self._flatten_weights, self.hidden_size)
        for cells, weights in zip(self.cells, self._weights(self._flatten_weights.detach()), strict=True):
            for cell, tensors in zip(cells, weights, strict=True):
                for name, value in zip(_CELL_TENSORS, tensors, strict=False):
                    getattr(cell, name)._reset(value)

    def _weights(self, flat: Tensor) -> list[list[list[Tensor]]]:
        """For each layer and direction: input weight, hidden weight and the two biases, if any, which lie in ``flat`` in this order."""
        names = _CELL_TENSORS if self.bias else _CELL_TENSORS[:2]
        shapes = [getattr(cell, name).shape for cells in self.cells for cell in cells for name in names]
        pieces = iter(ops.cut(flat.reshape(-1), 0, tuple(math.prod(shape) for shape in shapes)))
        shaped = iter([piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)])
        return [[[next(shaped) for _ in names] for _ in cells] for cells in self.cells]

    @abstractmethod
    def _steps(self, sums: Tensor, weight: Tensor, states: tuple[Tensor, ...], backwards: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The sequence of outputs and the last states, from what the inputs contribute to the sums before the gates."""

    @as_given
    def _run(self, x: Tensor, starts: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
        """The sequence of outputs, and the last states."""
        name = type(self).__name__
        check(
            x.ndim == 3 and x.shape[2] == self.input_size, "{}: input must have {} features, got shape {}", name, self.input_size, x.shape
        )
        x = F.transpose(x, (1, 0, 2)) if self.batch_first else x
        steps, count = x.shape[:2]
        check(steps > 0, "{}: the sequence has no steps, got shape {}", name, x.shape)
        shape = (self.num_layers * self.num_directions, count, self.hidden_size)
        states = []
        for start in starts:
            check(
                start is None or start.shape == shape,
                "{}: hidden states must have shape {}, got {}",
                name,
                shape,
                getattr(start, "shape", None),
            )
            full = F.zeros(shape, dtype=x.dtype, device=x.device) if start is None else start
            states.append([each.reshape(shape[1:]) for each in ops.cut(full, 0, ops.equal_sizes(shape[0], 1))])
        last: list[tuple[Tensor, ...]] = []
        for layer, directions in enumerate(self._weights(self._flatten_weights)):
            if layer and self.dropout and self.training:
                x = F.dropout(x, self.dropout)
            outs = []
            for direction, weights in enumerate(directions):
                at = layer * self.num_directions + direction
                out, final = self._walk_along(x, weights, tuple(state[at] for state in states), backwards=direction == 1)
                outs.append(out)
                last.append(final)
            x = outs[0] if len(outs) == 1 else F.concat(outs, axis=2)
        return (F.transpose(x, (1, 0, 2)) if self.batch_first else x), [F.stack(each) for each in zip(*last, strict=True)]

    def _walk_along(self, x: Tensor, weights: Sequence[Tensor], states: tuple[Tensor, ...], backwards: bool) -> tuple[Tensor, Any]:
        """One layer in one direction. What the inputs of all steps contribute is one matrix product."""
        steps, count, width = x.shape
        bias = weights[2] + weights[3] if self.bias else None
        sums = F.linear(x.reshape(steps * count, width), weights[0], bias)
        return self._steps(sums.reshape(steps, count, sums.shape[1]), weights[1], states, backwards)


class RNN(_Recurrent):
    """Layers of `RNNCell` along a sequence.

    input_size, hidden_size, num_layers; bias: whether there are any.
    nonlinearity: ``"tanh"`` or ``"relu"``.
    batch_first: sequences are (N, steps, features) and not (steps, N, features). Hidden states are not affected.
    dropout: in training mode, the probability with which an output of any layer but the last is dropped.
    bidirectional: each layer has another cell that walks backwards; its outputs follow the first one's along the last axis.
    proj_size: must be 0; it is here because MegEngine has it.

    Shape: x (steps, N, input_size), hx (num_layers * directions, N, hidden_size), zeros if None -> the outputs of the last layer
    (steps, N, directions * hidden_size), and the last hidden states, as hx.
    Parameters: ``_flatten_weights``, which has the weights and biases of all layers and directions one after the other, each as in `RNNCell`
    and in the order weight_ih, weight_hh, bias_ih, bias_hh. As in MegEngine it alone is used and learned; ``cells`` has, layer by layer, the
    cells as they were at the start.

    >>> import numod.functional as F, numod.module as M
    >>> outputs, h = M.RNN(3, 4, num_layers=2)(F.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    cell = RNNCell

    def __init__(self, *args, nonlinearity: str = "tanh", **kwargs):
        self.nonlinearity = _nonlinearity("RNN", nonlinearity)
        super().__init__(*args, **kwargs)

    def _make_cell(self, width: int) -> _Cell:
        return RNNCell(width, self.hidden_size, self.bias, self.nonlinearity)

    def _steps(self, sums: Tensor, weight: Tensor, states: tuple[Tensor, ...], backwards: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        (h,), outs, way = states, [], -1 if backwards else 1
        for part in ops.cut(sums, 0, ops.equal_sizes(sums.shape[0], 1))[::way]:
            h = _NONLINEARITIES[self.nonlinearity](part.reshape(sums.shape[1:]) + F.matmul(h, weight, transpose_b=True))
            outs.append(h)
        return F.stack(outs[::way]), (h,)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The outputs of all steps, and the last hidden states."""
        out, (h,) = self._run(input, (hx,))
        return out, h


class LSTM(_Recurrent):
    """Layers of `LSTMCell` along a sequence. The arguments are those of `RNN`, without ``nonlinearity``.

    Shape: x (steps, N, input_size), hx a tuple of h and c (num_layers * directions, N, hidden_size), zeros if None -> the outputs of the
    last layer (steps, N, directions * hidden_size), and a tuple of the last h and c.
    Parameters: ``_flatten_weights`` as in `RNN`, each part as in `LSTMCell`.

    >>> import numod.functional as F, numod.module as M
    >>> outputs, (h, c) = M.LSTM(3, 4, bidirectional=True)(F.ones((5, 2, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    cell = LSTMCell

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def _steps(self, sums: Tensor, weight: Tensor, states: tuple[Tensor, ...], backwards: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        outs, cells, _ = lstm(sums, weight, *states, reverse=backwards)
        last = 0 if backwards else -1
        return outs, (outs[last], cells[last])

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The outputs of all steps, and the last hidden and cell states."""
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            raise TypeError(f"LSTM: hx must be a tuple of the hidden states and the cell states, got {type(hx).__name__}")
        out, (h, c) = self._run(input, (None, None) if hx is None else hx)
        return out, (h, c)


def _draw(tensor: Tensor, hidden_size: int) -> None:
    """Uniform values within ``1 / sqrt(hidden_size)`` of 0."""
    bound = 1 / math.sqrt(max(hidden_size, 1))
    init.uniform_(tensor, -bound, bound)
