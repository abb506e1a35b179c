"""A network solves a differential equation: heat in a rod.

The temperature of a rod whose ends are kept cold obeys ``u_t = u_xx``, and starts as ``sin(pi x)``. A network ``u(x, t)`` is trained to obey it
(Raissi et al., 2019), never having seen a solution: the loss is how far its own derivatives are from the equation. They come
from gradients of gradients, so training takes a third.

Goal: within 0.5% of the exact solution ``exp(-pi^2 t) sin(pi x)``, in root mean square, after half a minute.
"""

import math
import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.optimizer import Adam

GOAL = 0.005


class Rod(M.Module):
    """The temperature at places x and times t, (N,) each -> (N,). The ends and the start are right whatever is learned."""

    def __init__(self, width):
        super().__init__()
        self.layer1, self.layer2, self.layer3 = M.Linear(2, width), M.Linear(width, width), M.Linear(width, 1)

    def forward(self, x, t):
        hidden = F.tanh(self.layer1(F.stack([x, t], axis=1)))
        hidden = F.tanh(self.layer2(hidden))
        learned = F.flatten(self.layer3(hidden))
        return F.sin(math.pi * x) + 10 * x * (1 - x) * t * learned


def derivatives(net, x, t):
    """u_t and u_xx at the points (x, t), both of them differentiable once more."""
    with GradManager().attach(x) as second:
        with GradManager().attach([x, t]) as first:
            first.backward(F.sum(net(x, t)))
        u_x, x.grad = x.grad, None
        u_t, t.grad = t.grad, None
        second.backward(F.sum(u_x))
    return u_t, x.grad


def main(updates=2000, points=256, width=32, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    net = Rod(width)
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=1e-2)
    for update in range(1, updates + 1):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - (update - 1) / updates)
        x, t = nm.Tensor(random.uniform(0, 1, points)), nm.Tensor(random.uniform(0, 0.3, points))
        with gm:
            u_t, u_xx = derivatives(net, x, t)
            loss = F.mean((u_t - u_xx) ** 2)
            gm.backward(loss)
        optimizer.step().clear_grad()
        if update % 200 == 0:
            print(f"update {update:4}: residual {loss.item():.6f}")

    x, t = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 0.3, 31))
    exact = np.exp(-(math.pi**2) * t) * np.sin(math.pi * x)
    found = net(nm.Tensor(x.ravel()), nm.Tensor(t.ravel())).numpy().reshape(x.shape)
    return float(np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean()))


if __name__ == "__main__":
    error = main()
    print(f"relative error {error:.2%}, goal {GOAL:.1%}")
    sys.exit(error > GOAL)
