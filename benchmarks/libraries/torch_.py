"""The operations in PyTorch, eager."""

from __future__ import annotations

import inputs
import numpy as np
import torch
import torch.nn.functional as F

VERSION = torch.__version__
REAL = torch.float32  # float64 where the truth is asked for
_REDUCE = {"sum": torch.sum, "max": torch.amax, "mean": torch.mean, "argmax": torch.argmax}
_UNARY = {
    "relu": F.relu,
    "gelu": F.gelu,
    "exp": torch.exp,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sqrt": torch.sqrt,
    "log": torch.log,
    "erf": torch.erf,
}


def set_threads(count):
    torch.set_num_threads(count)


def tensor(x):
    made = torch.from_numpy(x)
    return made.to(REAL) if made.is_floating_point() else made.long()


def finish(result):
    """The result as an array, when everything is done."""
    return result.detach().double().numpy()


def matmul(m, n, k, transpose_a=False, transpose_b=False, batch=None):
    lead = () if batch is None else (batch,)
    a = tensor(inputs.array("a", *lead, *((k, m) if transpose_a else (m, k))))
    b = tensor(inputs.array("b", *lead, *((n, k) if transpose_b else (k, n))))
    a, b = (a.mT if transpose_a else a), (b.mT if transpose_b else b)
    return lambda: torch.matmul(a, b)


def conv(direction, x, weight, stride, padding, groups):
    x, w = tensor(inputs.array("x", *x)), tensor(inputs.array("w", *weight))
    if direction == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding, 1, groups)
    dy = tensor(inputs.array("dy", *F.conv2d(x, w, None, stride, padding, 1, groups).shape))
    wanted = [direction == "data", direction == "weight", False]
    backward = torch.ops.aten.convolution_backward
    arguments = (None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, wanted)
    return lambda: backward(dy, x, w, *arguments)[0 if wanted[0] else 1]


def conv_transpose(x, weight, stride):
    x, w = tensor(inputs.array("x", *x)), tensor(inputs.array("w", *weight))
    return lambda: F.conv_transpose2d(x, w, None, stride)


def conv1d(x, weight):
    x, w = tensor(inputs.array("x", *x)), tensor(inputs.array("w", *weight))
    return lambda: F.conv1d(x, w)


def elementwise(function, size):
    x, y = tensor(inputs.positive("x", size)), tensor(inputs.positive("y", size))
    if function in ("add", "mul"):
        call = getattr(torch, function)
        return lambda: call(x, y)
    call = _UNARY[function]
    return lambda: call(x)


def chain(size):
    x, y = tensor(inputs.array("x", size)), tensor(inputs.array("y", size))
    return lambda: F.relu(x * 2 + y)


def broadcast(x, y):
    x, y = tensor(inputs.array("x", *x)), tensor(inputs.array("y", *y))
    return lambda: x + y


def reduction(function, shape, axis):
    x, call = tensor(inputs.array("x", *shape)), _REDUCE[function]
    axis = tuple(range(len(shape))) if axis is None else axis
    return lambda: call(x, axis)


def transpose(shape, axes):
    x = tensor(inputs.array("x", *shape)).permute(axes)
    return lambda: x.clone(memory_format=torch.contiguous_format)


def concat(shape, count):
    parts = [tensor(inputs.array(f"x{i}", *shape)) for i in range(count)]
    return lambda: torch.cat(parts, 1)


def embedding(rows, width, count):
    weight, index = tensor(inputs.array("w", rows, width)), tensor(inputs.integers("i", rows, count))
    return lambda: F.embedding(index, weight)


def gather(shape, count):
    x, index = tensor(inputs.array("x", *shape)), tensor(inputs.integers("i", shape[1], shape[0], count))
    return lambda: torch.gather(x, 1, index)


def scatter(shape, count):
    x, index = tensor(inputs.array("x", *shape)), tensor(inputs.integers("i", shape[1], shape[0], count))
    source = tensor(inputs.array("s", shape[0], count))
    return lambda: x.scatter(1, index, source)


def rows(function, shape):
    x, call = tensor(inputs.array("x", *shape)), getattr(F, function)
    return lambda: call(x, -1)


def pool(kind, shape, kernel, stride, padding):
    x, call = tensor(inputs.array("x", *shape)), F.max_pool2d if kind == "max" else F.avg_pool2d
    return lambda: call(x, kernel, stride, padding)


def training(layer, shape):
    """The function, recorded, and its gradient with respect to the input."""
    x = tensor(inputs.array("x", *shape)).requires_grad_()
    channels = shape[1]
    extra = [tensor(inputs.positive("w", channels)).requires_grad_(), tensor(inputs.array("b", channels)).requires_grad_()]
    mean, var = torch.zeros(channels, dtype=REAL), torch.ones(channels, dtype=REAL)
    if layer == "embedding":
        index = tensor(inputs.integers("i", shape[0], 8192))
        call = lambda: F.embedding(index, x)
    elif layer == "cross_entropy":
        label = tensor(inputs.integers("l", shape[1], shape[0]))
        call = lambda: F.cross_entropy(x, label)
    else:
        call = {
            "gelu": lambda: F.gelu(x),
            "softmax": lambda: F.softmax(x, -1),
            "layer_norm": lambda: F.layer_norm(x, shape[1:], *extra),
            "batch_norm": lambda: F.batch_norm(x, mean, var, *extra, training=True),
            "group_norm": lambda: F.group_norm(x, 8, *extra),
            "max_pool": lambda: F.max_pool2d(x, 2),
            "avg_pool": lambda: F.avg_pool2d(x, 2),
        }[layer]
    return _recorded(call, (x, *extra))


def _recorded(call, wanted):
    """The function, recorded, and its gradient."""
    dy = tensor(inputs.array("dy", *call().shape))

    def step():
        for each in wanted:
            each.grad = None
        call().backward(dy)
        return wanted[0].grad

    return step


def attention(shape, step):
    q, k, v = (tensor(inputs.array(name, *shape)).requires_grad_(step) for name in "qkv")
    call = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _recorded(call, (q, k, v)) if step else call


def lstm(shape, hidden, step):
    x, net = tensor(inputs.array("x", *shape)).requires_grad_(step), torch.nn.LSTM(shape[2], hidden).requires_grad_(step)
    call = lambda: net(x)[0]
    return _recorded(call, (x, *net.parameters())) if step else call


def optimizer(name):
    parameters = [torch.nn.Parameter(tensor(inputs.array(f"p{i}", *shape))) for i, shape in enumerate(inputs.PARAMETERS)]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    made = torch.optim.Adam(parameters) if name == "Adam" else torch.optim.SGD(parameters, 0.01, 0.9)
    return lambda: made.step() or parameters[0]


def model_step(name, batch, compiled=False):
    import torch_models

    return torch_models.step(name, batch, tensor, compiled)


def model_inference(name, compiled=False):
    import torch_models

    return torch_models.inference(name, tensor, compiled)


def traced_step(name, batch):
    return model_step(name, batch, compiled=True)  # which needs a C++ compiler


def traced_inference(name):
    return model_inference(name, compiled=True)


def describe():
    return {"version": VERSION, "numpy": np.__version__}
