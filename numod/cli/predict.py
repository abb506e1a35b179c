"""``python -m numod.cli.predict CHECKPOINT IMAGES LOGITS``: what a saved ConvNet says about images. The demo runs it in a new process."""

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


if __name__ == "__main__":
    checkpoint, images, result = sys.argv[1:]
    restored = ConvNet()
    restored.load_state_dict(load(checkpoint)["network"])
    np.save(result, logits(restored, np.load(images)))
