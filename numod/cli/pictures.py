"""The pictures that the demo leaves behind."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from ..errors import MissingExtra


def figure(width: float, height: float):
    """An empty figure, in inches, that belongs to no window."""
    try:
        from matplotlib.figure import Figure  # part of an extra
    except ImportError:
        raise MissingExtra("drawing the demo's pictures", "demo") from None
    return Figure((width, height), layout="constrained")


def learning_curve(path: pathlib.Path, losses: Sequence[float], train: Sequence[float], held_out: Sequence[float]) -> None:
    """Loss and accuracies by epoch."""
    drawing = figure(9, 3.5)
    left, right = drawing.subplots(1, 2)
    epochs = range(1, len(losses) + 1)
    left.plot(epochs, losses, marker="o")
    left.set(xlabel="epoch", ylabel="cross entropy", title="loss while training")
    right.plot(epochs, [100 * share for share in train], marker="o", label="training")
    right.plot(epochs, [100 * share for share in held_out], marker="o", label="held out")
    right.set(xlabel="epoch", ylabel="correct, %", title="accuracy")
    right.legend()
    drawing.savefig(path, dpi=120)


def predictions(path: pathlib.Path, images: np.ndarray, labels: np.ndarray, logits: np.ndarray, columns: int = 8) -> None:
    """Held-out digits with what the network takes them for: a row of mistakes first, as far as there are any, then others."""
    guesses = logits.argmax(1)
    wrong = np.flatnonzero(guesses != labels)[:columns]
    right = np.flatnonzero(guesses == labels)[: 3 * columns - len(wrong)]
    drawing = figure(columns, 4)
    places = drawing.subplots(3, columns).ravel()
    for place in places:
        place.axis("off")
    for place, index in zip(places, np.concatenate([wrong, right]), strict=False):
        place.imshow(images[index], cmap="gray_r")
        correct = guesses[index] == labels[index]
        title = f"{guesses[index]}" if correct else f"{guesses[index]}, is {labels[index]}"
        place.set_title(title, fontsize=10, color="black" if correct else "tab:red")
    drawing.savefig(path, dpi=120)
