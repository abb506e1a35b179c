"""The network of the tutorial and the demo: two convolutions and two linear layers, for digits of 28 x 28 pixels."""

import numod.functional as F
import numod.module as M


class ConvNet(M.Module):
    """From images (N, 1, 28, 28) to the logits of ten classes (N, 10)."""

    def __init__(self):
        super().__init__()
        self.conv1 = M.Conv2d(1, 10, 5)
        self.pool1 = M.MaxPool2d(2, 2)
        self.conv2 = M.Conv2d(10, 20, 5)
        self.pool2 = M.MaxPool2d(2, 2)
        self.fc1 = M.Linear(320, 50)
        self.fc2 = M.Linear(50, 10)

    def forward(self, x):  # noqa: D102
        x = self.pool1(F.relu(self.conv1(x)))  # (N, 1, 28, 28) -> (N, 10, 12, 12)
        x = self.pool2(F.relu(self.conv2(x)))  # -> (N, 20, 4, 4)
        x = F.flatten(x, 1)  # -> (N, 320)
        x = F.relu(self.fc1(x))
        return self.fc2(x)
