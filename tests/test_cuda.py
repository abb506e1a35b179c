"""numod on a GPU: the tests of `on_gpu`, on numba's simulator where there is no GPU; and what is said where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from numod import Tensor
from numod.device import is_cuda_available

GPU = is_cuda_available()


@pytest.mark.parametrize(
    "part", ["elementwise- and dtypes", "elementwise- and not dtypes", "rowwise-", "not elementwise- and not rowwise-"]
)
def test_on_gpu(part):
    environment = os.environ if GPU else {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        part,
        str(Path(__file__).with_name("on_gpu.py")),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_without_a_gpu_the_extra_is_named():
    with pytest.raises(RuntimeError, match=r"gpu0: no CUDA device .* pip install 'numod\[cuda12\]'"):
        Tensor([1.0], device="gpu0")
