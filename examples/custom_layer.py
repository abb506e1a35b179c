"""A layer with a kernel of its own goes on with a rhythm.

Networks of ReLUs cannot continue what is periodic; with the activation ``x + sin(a x)^2 / a`` they can (Liu Ziyin, Hartwig and Ueda, 2020). It
is declared below as an op: a few lines of plain Python that numba compiles into a kernel, and gradient rules for the input and for the
frequency ``a``, which is learned. ``numod check examples/custom_layer.py:snake`` proves it: values, gradients of first and second order,
memory layouts, special values and more.

Goal: a mean square error of at most 0.05 over two periods that come after everything that was seen, after some seconds. (A network of ReLUs gets
1 or more.)
"""

import math
import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.forms import elementwise
from numod.optimizer import Adam

GOAL = 0.05


@elementwise(
    takes="float",
    ref=lambda x, a: x + np.sin(a * x) ** 2 / a,
    vjp={
        "x": lambda g, x, a: g * (1 + F.sin(2 * a * x)),
        "a": lambda g, x, a: g * (x * F.sin(2 * a * x) - F.sin(a * x) ** 2 / a) / a,
    },
)
def snake(x, a):
    """``x + sin(a x)^2 / a``, as one kernel for every dtype and layout."""
    sine = math.sin(a * x)
    return x + sine * sine / a


class Snake(M.Module):
    """The activation with a learned frequency for each feature: (..., features) -> (..., features)."""

    def __init__(self, features, frequency):
        super().__init__()
        self.a = nm.Parameter(F.full((features,), frequency))

    def forward(self, x):
        return snake(x, self.a)


def rhythm(x):
    return np.sin(2 * math.pi * x) + x / 2


def main(updates=1000, width=32, activation=lambda width: Snake(width, frequency=8.0), seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    seen = random.uniform(-2, 2, (256, 1))
    x, y = nm.Tensor(seen), nm.Tensor(rhythm(seen) + 0.1 * random.standard_normal(seen.shape))

    net = M.Sequential(M.Linear(1, width), activation(width), M.Linear(width, 1))
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=1e-2)
    for update in range(1, updates + 1):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - (update - 1) / updates)
        with gm:
            loss = F.loss.square_loss(net(x), y)
            gm.backward(loss)
        optimizer.step().clear_grad()
        if update % 100 == 0:
            print(f"update {update:4}: mean square error {loss.item():.4f} on what is seen")

    later = np.linspace(2, 4, 200)[:, None]
    return float(((net(nm.Tensor(later)).numpy() - rhythm(later)) ** 2).mean())


if __name__ == "__main__":
    relu = main(activation=lambda width: M.ReLU())
    error = main()
    print(f"mean square error on what comes later {error:.4f}, goal {GOAL} (with ReLUs {relu:.4f})")
    sys.exit(error > GOAL)
