"""A long short-term memory learns to remember: the adding problem.

Each sequence has a random number at every step and a mark at two of them, anywhere in either half; the answer, at the end, is the sum of the two marked
numbers. To guess 1 always is wrong by 1/6 (mean square), and nothing better can be done without carrying a number along for dozens of
steps (Hochreiter and Schmidhuber, 1997).

Goal: a mean square error of at most 0.003 on new sequences of 30 steps, after a quarter of a minute.
"""

import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.optimizer import Adam, clip_grad_norm

GOAL = 0.003


class Adder(M.Module):
    """The last output of an LSTM as one number: (steps, N, 2) -> (N,)."""

    def __init__(self, hidden):
        super().__init__()
        self.lstm = M.LSTM(2, hidden)
        self.head = M.Linear(hidden, 1)

    def forward(self, x):
        outputs, _ = self.lstm(x)  # (steps, N, hidden)
        return F.flatten(self.head(outputs[-1]))


def draw(count, steps, random):
    """``count`` sequences of numbers and marks (steps, count, 2), and their sums (count,)."""
    numbers = random.uniform(0, 1, (steps, count))
    marks = np.zeros((steps, count))
    columns = np.arange(count)
    marks[random.integers(0, steps // 2, count), columns] = 1
    marks[random.integers(steps // 2, steps, count), columns] = 1
    return nm.Tensor(np.stack([numbers, marks], axis=2)), nm.Tensor((numbers * marks).sum(axis=0))


def main(steps=30, hidden=64, updates=1000, batch=64, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    net = Adder(hidden)
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=1e-2)

    for update in range(1, updates + 1):
        x, y = draw(batch, steps, random)
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - (update - 1) / updates)
        with gm:
            loss = F.loss.square_loss(net(x), y)
            gm.backward(loss)
        clip_grad_norm(net.parameters(), 1.0)
        optimizer.step().clear_grad()
        if update % 100 == 0:
            print(f"update {update:4}: mean square error {loss.item():.5f}")

    x, y = draw(1000, steps, random)
    return F.loss.square_loss(net(x), y).item()


if __name__ == "__main__":
    error = main()
    print(f"mean square error on new sequences {error:.5f}, goal {GOAL}")
    sys.exit(error > GOAL)
