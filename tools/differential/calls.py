"""A call as plain data, how a library answers it, and the loop in which a process of its own does so.

    python calls.py megengine   # answers pickled calls on its standard input, one after the other, on its standard output

Nothing here imports numod or MegEngine before it is asked, and Python 3.10 is enough. Arrays travel as bytes: pickles of NumPy 1 and 2 differ.
"""

import contextlib
import importlib
import os
import pickle
import struct
import sys
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Call:
    """A function by its place in the library, and its arguments; arrays in them stand for tensors.

    name:    "functional.relu", or ":Tensor.sum", whose first argument is the tensor.
    fixed:   whether the result is determined; of random ones only shapes and dtypes count.
    state:   for a layer, the weights; `args` and `kwargs` make the layer then, and `inputs` are what it is called with.
    """

    name: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    fixed: bool = True
    state: dict | None = None
    inputs: tuple = ()
    training: bool = True

    def __str__(self):
        parts = [*map(shown, self.args), *(f"{key}={shown(value)}" for key, value in self.kwargs.items())]
        text = f"{self.name}({', '.join(parts)})"
        return text if self.state is None else f"{text}({', '.join(map(shown, self.inputs))}), training={self.training}"


def shown(value):
    """A value as text, short."""
    if isinstance(value, np.ndarray):
        numbers = np.array2string(value, threshold=24, edgeitems=6, max_line_width=10**6, separator=", ").replace("\n", "")
        return f"{value.dtype}{list(value.shape)}{numbers}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(shown, value))})"
    return repr(value)


# -- arrays as bytes ---------------------------------------------------------------------------------------------------


def walk(value, change):
    """The same lists, tuples and dicts, with `change` made of everything else in them."""
    if not isinstance(value, (tuple, list, dict)):
        return change(value)
    if isinstance(value, dict):
        return {key: walk(item, change) for key, item in value.items()}
    return (list if isinstance(value, list) else tuple)(walk(item, change) for item in value)


def pack(value):
    return walk(value, lambda x: ("array", x.dtype.str, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else x)


def unpack(value):
    if isinstance(value, tuple) and len(value) == 4 and value[0] == "array":
        return np.frombuffer(value[3], value[1]).reshape(value[2])
    if isinstance(value, dict):
        return {key: unpack(item) for key, item in value.items()}
    return type(value)(map(unpack, value)) if isinstance(value, (tuple, list)) else value


def send(stream, value):
    data = pickle.dumps(pack(value), protocol=4)
    stream.write(struct.pack("<q", len(data)) + data)
    stream.flush()


def receive(stream):
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    return unpack(pickle.loads(stream.read(struct.unpack("<q", head)[0])))


# -- answering ---------------------------------------------------------------------------------------------------------


class Library:
    """numod or MegEngine, answering calls."""

    def __init__(self, name):
        self.name = name
        self.Tensor = importlib.import_module(name).Tensor
        self.manager = importlib.import_module(f"{name}.autodiff").GradManager
        if name == "megengine":
            sys.modules[name].config.async_level = 0  # its asynchronous mode gave wrong numbers
            sys.modules[name].set_log_level("ERROR")

    def answer(self, call):
        """{"out": ..., "grads": [...], "after": [...]}, or {"raises": class, "says": text}; of a layer also its state and repr."""
        try:
            return self.run(call) if call.state is None else self.run_layer(call)
        except Exception as error:
            self.settle()
            return {"raises": type(error).__name__, "says": str(error)[:300]}

    def settle(self):
        """After an error, let those that come late come now, and not at the next call."""
        for _ in range(3):
            with contextlib.suppress(RuntimeError):
                (self.Tensor([1.0]) * 2).numpy()

    def tensors(self, value, made):
        """The arguments with tensors in place of arrays; `made` collects them."""

        def change(x):
            if not isinstance(x, np.ndarray):
                return x
            made.append(self.Tensor(x, dtype=x.dtype))
            return made[-1]

        return walk(value, change)

    def function(self, name):
        module, _, rest = name.partition(":") if ":" in name else (*name.rpartition(".")[:1], "", name.rpartition(".")[2])
        found = importlib.import_module(f"{self.name}.{module}" if module else self.name)
        for part in rest.split("."):
            found = getattr(found, part)
        return found

    def run(self, call):
        function, made = self.function(call.name), []
        args, kwargs = self.tensors(call.args, made), self.tensors(call.kwargs, made)
        out = function(*args, **kwargs)
        answer = {"out": self.plain(out), "after": [x.numpy() for x in made]}
        made = []
        args, kwargs = self.tensors(call.args, made), self.tensors(call.kwargs, made)
        answer["grads"] = self.gradients(lambda: function(*args, **kwargs), made)
        return answer

    def run_layer(self, call):
        home = {"M": importlib.import_module(f"{self.name}.module")}
        args = [eval(x, home) if isinstance(x, str) and x.startswith("M.") else x for x in call.args]  # layers in layers
        layer = self.function(call.name)(*args, **call.kwargs)
        layer.load_state_dict({key: np.array(value) for key, value in call.state.items()})
        layer.train() if call.training else layer.eval()
        made = []
        inputs = self.tensors(call.inputs, made)
        try:
            text = repr(layer)
        except Exception as error:
            text = f"raises {type(error).__name__}"
        names = [name for name, _ in layer.named_parameters()]
        learned = [parameter for _, parameter in layer.named_parameters()]
        grads = self.gradients(lambda: layer(*inputs), [*made, *learned])
        answer = {"out": self.plain(layer(*inputs)), "after": [x.numpy() for x in made], "grads": grads}
        state = {key: np.asarray(value) for key, value in layer.state_dict().items()}
        return {**answer, "state": state, "keys": list(state), "parameters": names, "repr": text}

    def gradients(self, function, tensors):
        """The gradient of ``sum(out * cotangent)`` for each float32 tensor, or what that raises."""
        floats = [x for x in tensors if np.dtype(x.dtype) == np.float32]
        if not floats:
            return []
        try:
            with self.manager().attach(floats) as manager:
                outs = [x for x in self.leaves(function()) if np.dtype(x.dtype) == np.float32]
                manager.backward(outs, [self.Tensor(cotangent(x.shape, k)) for k, x in enumerate(outs)])
            return [None if x.grad is None else x.grad.numpy() for x in floats]
        except Exception as error:
            self.settle()
            return {"raises": type(error).__name__, "says": str(error)[:300]}

    def leaves(self, value):
        if isinstance(value, self.Tensor):
            return [value]
        return [leaf for item in value for leaf in self.leaves(item)] if isinstance(value, (tuple, list)) else []

    def plain(self, value):
        """A result without the library's classes: arrays, numbers, text, and lists and tuples of them."""
        if isinstance(value, self.Tensor):
            return value.numpy()
        if isinstance(value, (tuple, list)):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        return value if value is None or isinstance(value, (bool, int, float, complex, str, np.ndarray)) else str(value)


def cotangent(shape, seed):
    """What a result is multiplied with before the gradient is taken."""
    return np.random.RandomState(7 + seed).uniform(0.5, 2.0, shape).astype("float32")


def serve(library):
    """Answer calls until the input ends. What the library itself prints goes to the standard error."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answering = Library(library)
    send(stream, "ready")
    while True:
        try:
            name, args, kwargs, fixed, state, inputs, training = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(stream, answering.answer(Call(name, args, kwargs, fixed, state, inputs, training)))


if __name__ == "__main__":
    serve(sys.argv[1])
