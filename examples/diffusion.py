"""A diffusion model draws the digits it is asked for.

A network learns to find images under noise (Ho, Jain and Abbeel, 2020). Begun with nothing but noise, it draws a new image in some dozens of steps,
each of which trusts it a little more. It is told which digit is wanted, and what it draws is put before a judge: a convolutional network that
has learned to read real digits.

Goal: the judge reads 90% of 200 drawings as the digit that was asked for, after half a minute. ``python examples/diffusion.py digits.png``
also keeps the drawings.
"""

import math
import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.cli import digits
from numod.cli.convnet import ConvNet
from numod.optimizer import Adam

GOAL = 0.90
STEPS = 50


class Denoiser(M.Module):
    """The image in what is noise in part (N, 784), at times (N,) from 0 (no noise) to 1 (nothing else), given the digit (N,)."""

    def __init__(self, width, layers=3, waves=16):
        super().__init__()
        self.waves = nm.Tensor(math.pi / 2 * np.arange(waves))
        self.image, self.time, self.digit = M.Linear(784, width), M.Linear(waves, width), M.Embedding(10, width)
        self.layers = [
            M.Sequential(M.LayerNorm(width), M.Linear(width, 2 * width), M.SiLU(), M.Linear(2 * width, width)) for _ in range(layers)
        ]
        self.head = M.Linear(width, 784)

    def forward(self, x, time, digit):
        x = self.image(x) + self.time(F.cos(F.expand_dims(time, 1) * self.waves)) + self.digit(digit)
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x)


def scales(time):
    """How much is left of an image, and how much of it is noise, at a time."""
    return np.cos(math.pi / 2 * time), np.sin(math.pi / 2 * time)


def learn(net, batches, loss_of, lr):
    """Minimize ``loss_of(net, batch)`` over the batches with Adam, at a rate that falls to 0."""
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=lr)
    for number, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = lr * (1 - number / len(batches))
        with gm:
            loss = loss_of(net, *batch)
            gm.backward(loss)
        optimizer.step().clear_grad()
        if (number + 1) % 300 == 0:
            print(f"{type(net).__name__}, update {number + 1:4}: loss {loss.item():.4f}")


def denoising_loss(net, images, labels, random):
    """Mean square error of the images that the network finds under noise, at random times."""
    time, noise = random.uniform(size=len(images)), random.standard_normal(images.shape)
    kept, added = scales(time[:, None])
    found = net(nm.Tensor(kept * images + added * noise), nm.Tensor(time), nm.Tensor(labels))
    return F.loss.square_loss(found, nm.Tensor(images))


def draw(net, labels, random):
    """New images (N, 784) of the digits that are asked for (N,): from noise, in small steps (Song, Meng and Ermon, 2021)."""
    x = random.standard_normal((len(labels), 784))
    for step in range(STEPS, 0, -1):
        image = net(nm.Tensor(x), nm.Tensor(np.full(len(labels), step / STEPS)), nm.Tensor(labels)).numpy()
        kept, added = scales(step / STEPS)
        noise = (x - kept * image) / added
        kept, added = scales((step - 1) / STEPS)
        x = kept * image + added * noise
    return x


def main(picture=None, updates=1500, batch=128, width=256, drawings=200, judge_updates=600, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    images, labels = digits.load()

    def batches(count):
        return [random.integers(0, len(images), batch) for _ in range(count)]

    def judge_loss(net, chosen):
        return F.loss.cross_entropy(net(nm.Tensor(digits.normalize(images[chosen]))), nm.Tensor(labels[chosen]))

    judge, net = ConvNet(), Denoiser(width)
    learn(judge, [(chosen,) for chosen in batches(judge_updates)], judge_loss, lr=2e-3)
    learn(net, [(2 * images[chosen].reshape(-1, 784) - 1, labels[chosen], random) for chosen in batches(updates)], denoising_loss, lr=2e-3)

    asked = np.arange(drawings, dtype="int32") % 10
    drawn = (draw(net, asked, random).reshape(-1, 28, 28) + 1) / 2  # (N, 28, 28)
    if picture:
        import matplotlib.pyplot as plt

        rows = drawn[: drawings // 10 * 10].reshape(-1, 10, 28, 28)
        plt.imsave(picture, rows.transpose(0, 2, 1, 3).reshape(-1, 280), cmap="gray_r", vmin=0, vmax=1)
    read = F.argmax(judge(nm.Tensor(digits.normalize(drawn))), axis=1).numpy()
    return float((read == asked).mean())


if __name__ == "__main__":
    share = main(*sys.argv[1:])
    print(f"{share:.1%} of the drawings are read as what was asked for, goal {GOAL:.0%}")
    sys.exit(share < GOAL)
