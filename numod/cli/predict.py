"""What a saved ConvNet says about images; the demo asks it here and in a new process."""

from __future__ import annotations

import sys

import numpy as np

from .. import load
from ..tensor import Tensor
from .convnet import ConvNet

BATCH = 250


def logits(network: ConvNet, images: np.ndarray) -> np.ndarray:
    """The network's outputs (N, 10) for normalized images."""
    network.eval()
    return np.concatenate([network(Tensor(images[start : start + BATCH])).numpy() for start in range(0, len(images), BATCH)])


def main() -> None:
    """What the new process does with the three paths of its command line: CHECKPOINT, IMAGES, LOGITS."""
    checkpoint, images, result = sys.argv[1:]
    restored = ConvNet()
    restored.load_state_dict(load(checkpoint)["network"])
    np.save(result, logits(restored, np.load(images)))
