"""An agent learns to balance a pole by trial and error: REINFORCE.

The cart-pole of Barto, Sutton and Anderson (1983), written by hand below for many carts at once. The agent pushes left or right at each step, and an
episode ends when the pole falls, the cart leaves the track, or 500 steps are done. Its network gives the probability of
each push; pushes followed by more steps than usual become likelier (Williams, 1992).

Goal: 475 steps on average, the mark at which the task counts as solved, after half a minute.
"""

import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.optimizer import Adam

GOAL = 475
LIMIT = 500  # steps in an episode


class CartPoles:
    """Several carts on tracks, each with a pole on a hinge. A state is (position, velocity, angle, angular velocity)."""

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def __init__(self, count, random):
        self.states = random.uniform(-0.05, 0.05, (count, 4))
        self.standing = np.ones(count, bool)

    def push(self, right):
        """Push every cart to the right or to the left (count,), for one step; what has fallen stays as it is."""
        _, velocity, angle, spin = self.states.T
        mass = self.CART + self.POLE
        sine, cosine = np.sin(angle), np.cos(angle)
        push = (np.where(right, self.FORCE, -self.FORCE) + self.POLE * self.HALF_LENGTH * spin**2 * sine) / mass
        twist = (self.GRAVITY * sine - cosine * push) / (self.HALF_LENGTH * (4 / 3 - self.POLE * cosine**2 / mass))
        shove = push - self.POLE * self.HALF_LENGTH * twist * cosine / mass
        change = np.stack([velocity, shove, spin, twist], axis=1)
        self.states = self.states + self.SECONDS * change * self.standing[:, None]
        self.standing &= (abs(self.states[:, 0]) < 2.4) & (abs(self.states[:, 2]) < np.radians(12))


def play(net, count, random):
    """Play ``count`` episodes; returns states (steps, 4), pushes (steps,) and, of each step, how many still came in its episode (steps,)."""
    carts, columns = CartPoles(count, random), np.arange(count)
    seen = []
    for time in range(LIMIT):
        up = carts.standing.copy()
        if not up.any():
            break
        chances = F.sigmoid(net(nm.Tensor(carts.states))).numpy()[:, 0]
        right = random.uniform(size=count) < chances
        seen.append((carts.states[up], right[up], columns[up], np.full(up.sum(), time)))
        carts.push(right)
    states, pushes, episodes, times = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    return states, pushes, np.bincount(episodes)[episodes] - times


def main(rounds=100, count=32, hidden=64, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    net = M.Sequential(M.Linear(4, hidden), M.ReLU(), M.Linear(hidden, 1))
    gm = GradManager().attach(net.parameters())
    optimizer = Adam(net.parameters(), lr=1e-2)
    for turn in range(1, rounds + 1):
        states, pushes, left = play(net, count, random)
        worth = 1 - 0.99**left  # of the steps that still came, the later the less
        advantage = (worth - worth.mean()) / (worth.std() + 1e-6)
        with gm:
            logits = net(nm.Tensor(states))[:, 0]
            log_chances = F.logsigmoid(F.where(nm.Tensor(pushes), logits, -logits))
            gm.backward(-F.mean(log_chances * nm.Tensor(advantage)))
        optimizer.step().clear_grad()
        if turn % 10 == 0:
            print(f"round {turn:3}: balanced for {len(states) / count:.1f} steps")
    return len(play(net, 100, random)[0]) / 100


if __name__ == "__main__":
    steps = main()
    print(f"balanced for {steps:.1f} steps on average, goal {GOAL}")
    sys.exit(steps < GOAL)
