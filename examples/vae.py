"""A variational autoencoder learns to draw digits.

It finds a code of a few numbers for each image, and an image for each code (Kingma and Welling, 2014). The loss is what it takes to send an image: its
code, as far as that differs from noise, and then what the code leaves open. New digits are drawn from codes that are noise.

Goal: 120 nats for a held-out image, after half a minute. ``python examples/vae.py digits.png`` also draws a hundred digits that nobody wrote.
"""

import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.cli import digits
from numod.optimizer import Adam

GOAL = 120.0


class Autoencoder(M.Module):
    """Images (N, 784) -> the logits of their pixels (N, 784), through codes drawn from a mean and a variance, whose logarithm it is (N, code)."""

    def __init__(self, code, width):
        super().__init__()
        self.encoder = M.Sequential(M.Linear(784, width), M.ReLU(), M.Linear(width, width), M.ReLU(), M.Linear(width, 2 * code))
        self.decoder = M.Sequential(M.Linear(code, width), M.ReLU(), M.Linear(width, width), M.ReLU(), M.Linear(width, 784))

    def forward(self, images):
        mean, log_variance = F.split(self.encoder(images), 2, axis=1)
        code = mean + F.exp(log_variance / 2) * nm.random.normal(size=mean.shape)
        return self.decoder(code), mean, log_variance


def loss_of(net, images):
    """The evidence lower bound, negated: nats for each image."""
    logits, mean, log_variance = net(images)
    divergence = F.sum(mean**2 + F.exp(log_variance) - log_variance - 1) / 2
    left_open = F.loss.binary_cross_entropy(logits, images, reduction="sum")
    return (divergence + left_open) / len(images)


def draw(net, code, path):
    """A hundred new digits, as a picture."""
    import matplotlib.pyplot as plt

    images = F.sigmoid(net.decoder(nm.random.normal(size=(100, code)))).numpy().reshape(10, 10, 28, 28)
    plt.imsave(path, images.transpose(0, 2, 1, 3).reshape(280, 280), cmap="gray_r")


def main(picture=None, count=5000, epochs=40, batch=100, code=16, width=400, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    images, labels = digits.load()
    train, held_out = digits.split(labels, count, seed)
    images = images.reshape(-1, 784)

    net = Autoencoder(code, width)
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=1e-3)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for chosen in np.array_split(random.permutation(train), len(train) // batch):
            with gm:
                loss = loss_of(net, nm.Tensor(images[chosen]))
                gm.backward(loss)
            optimizer.step().clear_grad()
            total += loss.item()
        cost = loss_of(net, nm.Tensor(images[held_out])).item()
        print(f"epoch {epoch:2}: {total * batch / len(train):.2f} nats, {cost:.2f} for held-out images")
    if picture:
        draw(net, code, picture)
    return cost


if __name__ == "__main__":
    cost = main(*sys.argv[1:])
    print(f"{cost:.2f} nats for a held-out image, goal {GOAL:.0f}")
    sys.exit(cost > GOAL)
