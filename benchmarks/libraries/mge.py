"""The operations in numod and in MegEngine: the same code, with another package."""

from __future__ import annotations

import importlib
import math

import inputs
import numpy as np

_NAMES = {"matmul": "matmul", "max": "max", "sum": "sum", "mean": "mean", "argmax": "argmax"}


class Operations:
    """Each method returns a function that runs the operation once, to the end."""

    def __init__(self, package: str):
        load = lambda name: importlib.import_module(f"{package}.{name}")
        self.name, self.nm, self.F = package, importlib.import_module(package), load("functional")
        self.GradManager, self.optim = load("autodiff").GradManager, load("optimizer")
        if package == "megengine":
            load("config").async_level = 0  # operations are done when they return

    def set_threads(self, count):
        if self.name == "numod":
            self.nm.set_num_threads(count)

    def describe(self):
        return {"version": self.nm.__version__, "numpy": np.__version__}

    def tensor(self, x):
        return self.nm.Tensor(x)

    def finish(self, result):
        return np.asarray(result.numpy(), np.float64)

    def matmul(self, m, n, k, transpose_a=False, transpose_b=False, batch=None):
        lead = () if batch is None else (batch,)
        a = self.tensor(inputs.array("a", *lead, *((k, m) if transpose_a else (m, k))))
        b = self.tensor(inputs.array("b", *lead, *((n, k) if transpose_b else (k, n))))
        call = self.F.matmul
        return lambda: call(a, b, transpose_a, transpose_b)

    def _weight(self, shape, groups):
        w = inputs.array("w", *shape)
        return self.tensor(w if groups == 1 else w.reshape(groups, shape[0] // groups, *shape[1:]))

    def conv(self, direction, x, weight, stride, padding, groups):
        call, x_shape, w_shape = self.F.conv2d, tuple(x), tuple(weight)
        x, w = self.tensor(inputs.array("x", *x)), self._weight(weight, groups)
        if direction == "forward":
            return lambda: call(x, w, None, stride, padding, 1, groups)
        dy = self.tensor(inputs.array("dy", *call(x, w, None, stride, padding, 1, groups).shape))
        if self.name != "numod":
            return None
        table = importlib.import_module("numod.op").TABLE
        arguments = {"stride": (stride,) * 2, "padding": (padding,) * 2, "dilation": (1, 1), "groups": groups}
        if direction == "weight":
            return lambda: table["conv_weight_gradient"](dy, x, shape=w_shape, **arguments)
        flat = self.tensor(inputs.array("w", *w_shape))
        return lambda: table["conv_data_gradient"](dy, flat, shape=x_shape, **arguments)

    def conv_transpose(self, x, weight, stride):
        x, w, call = self.tensor(inputs.array("x", *x)), self.tensor(inputs.array("w", *weight)), self.F.conv_transpose2d
        return lambda: call(x, w, None, stride)

    def conv1d(self, x, weight):
        x, w, call = self.tensor(inputs.array("x", *x)), self.tensor(inputs.array("w", *weight)), self.F.conv1d
        return lambda: call(x, w)

    def elementwise(self, function, size):
        x, y = self.tensor(inputs.positive("x", size)), self.tensor(inputs.positive("y", size))
        if function == "erf" and self.name == "megengine":
            return None
        call = importlib.import_module("numod.op").TABLE["erf"] if function == "erf" else getattr(self.F, function)
        if function in ("add", "mul"):
            return lambda: call(x, y)
        return lambda: call(x)

    def chain(self, size):
        x, y, relu = self.tensor(inputs.array("x", size)), self.tensor(inputs.array("y", size)), self.F.relu
        return lambda: relu(x * 2 + y)

    def broadcast(self, x, y):
        x, y = self.tensor(inputs.array("x", *x)), self.tensor(inputs.array("y", *y))
        return lambda: x + y

    def reduction(self, function, shape, axis):
        x, call = self.tensor(inputs.array("x", *shape)), getattr(self.F, function)
        axis = list(axis) if isinstance(axis, (tuple, list)) else axis
        return lambda: call(x, axis)

    def transpose(self, shape, axes):
        x, call = self.tensor(inputs.array("x", *shape)), self.F.transpose
        if self.name == "numod":  # a transpose is a view: what is measured is its copy
            layout = importlib.import_module("numod.functional").copy
            return lambda: layout(call(x, axes))
        return None

    def concat(self, shape, count):
        parts, call = [self.tensor(inputs.array(f"x{i}", *shape)) for i in range(count)], self.F.concat
        return lambda: call(parts, 1)

    def embedding(self, rows, width, count):
        weight, index = self.tensor(inputs.array("w", rows, width)), self.tensor(inputs.integers("i", rows, count))
        call = self.F.nn.embedding
        return lambda: call(index, weight)

    def gather(self, shape, count):
        x, index = self.tensor(inputs.array("x", *shape)), self.tensor(inputs.integers("i", shape[1], shape[0], count))
        call = self.F.gather
        return lambda: call(x, 1, index)

    def rows(self, function, shape):
        x, call = self.tensor(inputs.array("x", *shape)), getattr(self.F, function)
        return lambda: call(x, -1)

    def pool(self, kind, shape, kernel, stride, padding):
        x, call = self.tensor(inputs.array("x", *shape)), getattr(self.F, f"{kind}_pool2d")
        return lambda: call(x, kernel, stride, padding)

    def training(self, layer, shape):
        F, x = self.F, self.tensor(inputs.array("x", *shape))
        channels = shape[1]
        w, b = self.tensor(inputs.positive("w", channels)), self.tensor(inputs.array("b", channels))
        per_channel = (1, channels, *(1,) * (len(shape) - 2))
        mean, var = self.nm.Tensor(np.zeros(per_channel, np.float32)), self.nm.Tensor(np.ones(per_channel, np.float32))
        wanted = [x] if layer in ("gelu", "softmax", "cross_entropy", "max_pool", "avg_pool", "embedding") else [x, w, b]
        if layer == "batch_norm":
            w, b = w.reshape(per_channel), b.reshape(per_channel)
            wanted = [x, w, b]
            call = lambda: F.nn.batch_norm(x, mean, var, w, b, training=True)
        elif layer == "embedding":
            index = self.tensor(inputs.integers("i", shape[0], 8192))
            call = lambda: F.nn.embedding(index, x)
        elif layer == "cross_entropy":
            label = self.tensor(inputs.integers("l", shape[1], shape[0]))
            call = lambda: F.nn.cross_entropy(x, label)
        else:
            call = {
                "gelu": lambda: F.gelu(x),
                "softmax": lambda: F.softmax(x, -1),
                "layer_norm": lambda: F.nn.layer_norm(x, shape[1:], True, w, b),
                "group_norm": lambda: F.nn.group_norm(x, 8, True, w, b),
                "max_pool": lambda: F.max_pool2d(x, 2),
                "avg_pool": lambda: F.avg_pool2d(x, 2),
            }[layer]
        output = lambda out: out[0] if isinstance(out, (tuple, list)) else out
        return self._recorded(lambda: output(call()), wanted)

    def scatter(self, shape, count):
        x, index = self.tensor(inputs.array("x", *shape)), self.tensor(inputs.integers("i", shape[1], shape[0], count))
        source, call = self.tensor(inputs.array("s", shape[0], count)), self.F.scatter
        return lambda: call(x, 1, index, source)

    def _recorded(self, call, wanted):
        """The function, recorded, and its gradient."""
        dy = self.tensor(inputs.array("dy", *call().shape))
        manager = self.GradManager().attach(wanted)

        def step():
            for each in wanted:
                each.grad = None
            with manager:
                manager.backward(call(), dy)
            return wanted[0].grad

        return step

    def attention(self, shape, step):
        F, length, scale = self.F, shape[2], 1 / math.sqrt(shape[3])
        q, k, v = (self.tensor(inputs.array(name, *shape)) for name in "qkv")
        mask = self.tensor(np.triu(np.full((length, length), -1e9, np.float32), 1))
        call = lambda: F.matmul(F.softmax(F.matmul(q, k, transpose_b=True) * scale + mask, -1), v)
        return self._recorded(call, [q, k, v]) if step else call

    def lstm(self, shape, hidden, step):
        x, net = self.tensor(inputs.array("x", *shape)), importlib.import_module(f"{self.name}.module").LSTM(shape[2], hidden)
        call = lambda: net(x)[0]
        return self._recorded(call, [x, *net.parameters()]) if step else call

    def optimizer(self, name):
        parameters = [self.nm.Parameter(inputs.array(f"p{i}", *shape)) for i, shape in enumerate(inputs.PARAMETERS)]
        for parameter in parameters:
            parameter.grad = self.nm.Tensor(np.full(parameter.shape, 1e-3, np.float32))
        made = self.optim.Adam(parameters, 1e-3) if name == "Adam" else self.optim.SGD(parameters, 0.01, 0.9)
        return lambda: made.step() and parameters[0]

    def model_step(self, name, batch):
        return importlib.import_module("mge_models").step(self, name, batch)

    def model_inference(self, name):
        return importlib.import_module("mge_models").inference(self, name)

    def traced_step(self, name, batch):
        return self.trace(self.model_step(name, batch))

    def traced_inference(self, name):
        return self.trace(self.model_inference(name))

    def trace(self, function):
        """As a program. (MegEngine's with ``without_host`` fails on these models.)"""
        return importlib.import_module(f"{self.name}.jit").trace(function, symbolic=True)
