"""``numod demo``: learn real digits, say where the time went, keep the result, and prove that it can be used again."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from .. import functional as F, random, save
from ..autodiff import GradManager
from ..data import DataLoader, RandomSampler
from ..data.dataset import ArrayDataset
from ..kernel import loader as kernels
from ..optimizer import SGD
from ..tensor import Tensor
from . import digits, pictures, predict
from .convnet import ConvNet

EPOCHS, BATCH, DIGITS = 16, 64, 5000
RATE, MOMENTUM, DECAY, SHIFT = 0.02, 0.9, 5e-4, 1


class Clock:
    """Adds up the seconds spent in named parts of the program."""

    def __init__(self, spent: dict[str, float]):
        self.spent = spent

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count the seconds of a block for ``part``."""
        start = time.perf_counter()
        yield
        self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - start

    def timed(self, part: str, iterable) -> Iterator:
        """The items of ``iterable``, with the time it takes to make each counted for ``part``."""
        items = iter(iterable)
        while True:
            with self(part):
                item = next(items, None)
            if item is None:
                return
            yield item

    def report(self) -> str:
        """A line for each part, in the order in which they first came."""
        total = sum(self.spent.values())
        lines = [f"  {part:<22}{seconds:8.2f} s{seconds / total:7.1%}" for part, seconds in self.spent.items()]
        return "\n".join([*lines, f"  {'together':<22}{total:8.2f} s"])


class Trainer:
    """The network, its optimizer, and one step of training."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.network = ConvNet()
        self.manager = GradManager().attach(self.network.parameters())
        self.optimizer = SGD(self.network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)

    def step(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
        """Learn from one batch; returns its loss and how many of it were recognised."""
        target = Tensor(labels)
        with self.manager:
            with self.clock("forward"):
                logits = self.network(Tensor(images))
                loss = F.loss.cross_entropy(logits, target)
            with self.clock("backward"):
                self.manager.backward(loss)
        with self.clock("optimizer"):
            self.optimizer.step().clear_grad()
            return loss.item(), int((logits.numpy().argmax(1) == labels).sum())

    def epoch(self, batches: DataLoader, bar: tqdm) -> tuple[float, float]:
        """One pass over the data; returns the mean loss and the share of digits recognised."""
        self.network.train()
        total, correct, seen = 0.0, 0, 0
        for images, labels in self.clock.timed("data", batches):
            loss, hits = self.step(images, labels)
            total, correct, seen = total + loss * len(labels), correct + hits, seen + len(labels)
            bar.update(len(labels))
            bar.set_postfix(loss=f"{total / seen:.4f}", accuracy=f"{correct / seen:.2%}", refresh=False)
        return total / seen, correct / seen


def rehearse(images: np.ndarray, labels: np.ndarray) -> None:
    """One step of training and an evaluation of a network that is thrown away."""
    trial = Trainer(Clock({}))
    trial.step(images, labels)
    predict.logits(trial.network, images)


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    clock = Clock({"start and imports": time.process_time()})
    pictures.figure(1, 1)  # fails now rather than after the training if the extra is missing
    arguments.out.mkdir(parents=True, exist_ok=True)
    with clock("data"):
        images, labels = digits.load()
        train, held_out = digits.split(labels, arguments.digits, arguments.seed)
        inputs = digits.normalize(images)
    with clock("kernels"):  # compiled or loaded here, so that the first step of training is like the others
        rehearse(inputs[train[:BATCH]], labels[train[:BATCH]])
    print(f"{len(train)} digits to train, {len(held_out)} held out; {kernels.compiled} kernels compiled, the others were in the cache")

    random.seed(arguments.seed)
    trainer = Trainer(clock)
    dataset = ArrayDataset(inputs[train], labels[train])
    batches = DataLoader(dataset, RandomSampler(dataset, BATCH, seed=arguments.seed), digits.Shift(SHIFT, arguments.seed))
    history: list[tuple[float, float, float]] = []
    for epoch in range(1, arguments.epochs + 1):
        with tqdm(total=len(train), desc=f"epoch {epoch:2}/{arguments.epochs}", unit="digit", file=sys.stdout) as bar:
            for group in trainer.optimizer.param_groups:
                group["lr"] = RATE * (1 - (epoch - 1) / arguments.epochs)
            loss, accuracy = trainer.epoch(batches, bar)
            with clock("evaluation"):
                logits = predict.logits(trainer.network, inputs[held_out])
                share = float((logits.argmax(1) == labels[held_out]).mean())
            history.append((loss, accuracy, share))
            bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.2%}", held_out=f"{share:.2%}")

    checkpoint = arguments.out / "convnet.safetensors"
    with clock("checkpoint, new process"):
        save({"network": trainer.network.state_dict(), "optimizer": trainer.optimizer.state_dict(), "epoch": arguments.epochs}, checkpoint)
        same = np.array_equal(in_new_process(checkpoint, inputs[held_out]), logits)
    with clock("pictures"):
        pictures.learning_curve(arguments.out / "learning-curve.png", *zip(*history, strict=True))
        pictures.predictions(arguments.out / "predictions.png", images[held_out], labels[held_out], logits)

    print(f"\nheld-out digits recognised: {history[-1][2]:.2%}")
    print(f"{checkpoint}: a new process that loads it gives {'the same predictions' if same else 'OTHER PREDICTIONS'}")
    print(f"pictures: {arguments.out / 'learning-curve.png'}, {arguments.out / 'predictions.png'}")
    print(f"\nwhere the time went\n{clock.report()}")
    return 0 if same else 1


def in_new_process(checkpoint: pathlib.Path, inputs: np.ndarray) -> np.ndarray:
    """The logits that a new Python process computes with the network saved in ``checkpoint``."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = pathlib.Path(folder) / "images.npy", pathlib.Path(folder) / "logits.npy"
        np.save(question, inputs)
        program = "from numod.cli import predict; predict.main()"
        subprocess.run([sys.executable, "-c", program, checkpoint, question, answer], check=True)
        return np.load(answer)
