"""Every public name of MegEngine 1.13 is there, and called in the same way, but for what is listed here with a reason.

tests/megengine/api.json has MegEngine's names and signatures; tests/megengine/signatures.py says when two signatures agree.
"""

import importlib
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "megengine"))
signatures = importlib.import_module("signatures")

# What differs on purpose: the namespace, names, and why.
WALKS = "buffers children modules named_buffers named_children named_modules named_parameters named_tensors parameters tensors"
DIFFERENT = [
    ("", "load", "code in pickles is never run, so there is no pickle module to choose"),
    ("", "save", "it writes safetensors files, not pickles"),
    ("*", "get_cuda_compute_capability get_cuda_device_property set_prealloc_config", "device types are strings, here 'cuda'"),
    ("distributed", "Client.*_is_grad Client.*_remote_tracer", "how two ranks agree on gradients: here the sender says so"),
    ("functional.vision", "nvof", "needs a hardware unit of a GPU"),
    ("module", "Conv1d.get_pad_witdth Conv2d.get_pad_witdth RegionRestrictedConv.get_pad_width", "how calc_conv pads, its own affair"),
    ("module", "RNN.* LSTM.*", "how a layer makes its cells and runs them, its own affair"),
    ("module", "Module.*", "`**kwargs` hands private switches from one walk to the other"),
    *(
        (namespace, " ".join(f"*.{walk}" for walk in WALKS.split()), "as in Module, which these classes repeat")
        for namespace in ("module.qat", "module.quantized", "quantization", "quantization.*", "traced_module")
    ),
    ("module.q*", "Conv2d.get_pad_witdth", "how calc_conv pads, its own affair"),
    ("module", "Module.forward", "abstract: a subclass says what it takes"),
    ("autodiff", "Function.forward", "abstract: a subclass says what it takes, and there are no keyword arguments"),
    ("optimizer", "Optimizer.backward", "deprecated: it always fails, GradManager has it"),
    ("data", "DataLoader.check_memory_rationality", "warns that forked workers copy the memory of their parent, and these are spawned"),
    ("data", "Infinite.sample StreamSampler.sample", "there are no indices to give: the one always fails, the other counts without an end"),
    (
        "data.dataset",
        "CIFAR* MNIST* ImageNet* ImageFolder.collect* PascalVOC.*",
        "files are read as published, and nothing is downloaded or unpacked",
    ),
    (":Tensor", "__array_priority__ __array_wrap__", "__array_ufunc__ = None says the same to NumPy"),
    (":Tensor", "__getnewargs__ __setstate__", "pickled through __reduce__"),
    (":Tensor", "__trunc__", "always fails"),
    (":Tensor", "graph", "the graph that MegEngine captures a tensor in, which tensors here know nothing of"),
    (
        "jit",
        "trace.check* trace.compile* trace.convert* trace.execute trace.flatten* trace.ops trace.set* trace.trace_* trace.unset* trace.vars trace.without*",
        "how a function is traced, its own affair",
    ),
    ("traced_module", "optimize", "the default is a tuple, which nobody can change by mistake"),
    ("utils.profiler", "Profiler.*", "where a profile is written, its own affair: it writes one format to one file"),
]


def listed(namespace, name):
    """The entries of DIFFERENT that speak of a name."""
    return [entry for entry in DIFFERENT if fnmatchcase(namespace, entry[0]) and any(fnmatchcase(name, part) for part in entry[1].split())]


def mistakes():
    """What differs and is not listed: (namespace, name, MegEngine's signature, numod's)."""
    return [found for found in signatures.compare() if not listed(*found[:2])]


def test_names_and_signatures_are_megengines():
    lines = [f"{namespace or 'numod'} {name}: {mine} instead of {theirs}" for namespace, name, theirs, mine in mistakes()]
    assert not lines, "\n".join(lines)


def test_what_is_listed_does_differ():
    used = [entry for found in signatures.compare() for entry in listed(*found[:2])]
    assert [entry for entry in DIFFERENT if entry not in used] == []


@pytest.mark.parametrize(
    ("mine", "theirs", "agreed"),
    [
        ("(x, y)", "(x, y)", True),
        ("(x, y)", "(y, x)", False),
        ("(x)", "(x, y=1)", False),
        ("(x, y=1)", "(x)", True),
        ("(x, y)", "(x)", False),
        ("(x, y=2)", "(x, y=1)", False),
        ("(x, y=1)", "(x, y)", True),
        ("(x, y)", "(x, y=1)", False),
        ("(x, y=())", "(x, y=[])", True),
        ("(x, y=1)", "(x, *, y=1)", True),
        ("(x, *, y=1)", "(x, y=1)", False),
        ("(x, *, y)", "(x)", False),
        ("(x, name=None)", "(x, **kwargs)", True),
        ("(x)", "(x, **kwargs)", False),
        ("(x)", "(x, *args)", False),
        ("(self, x)", "(self, y)", False),
        ("value", "(self)", False),
        ("(self)", "value", True),
    ],
)
def test_signatures_agree(mine, theirs, agreed):
    assert signatures.agree(mine, theirs) == agreed
