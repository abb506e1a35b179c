"""The models in numod and in MegEngine: the same code, with another package."""

from __future__ import annotations

import importlib
import math

import inputs
import numpy as np


def _input(name, batch):
    """(input, labels) of a model."""
    if name in ("Transformer", "LSTM"):
        length = 64 if name == "Transformer" else 50
        tokens = inputs.integers("tokens", 256, batch, length + 1)
        if name == "Transformer":
            return tokens[:, :-1].copy(), tokens[:, 1:].reshape(-1).copy()
        return inputs.array("sequence", length, batch, 64), inputs.integers("labels", 10, batch)
    shapes = {"ConvNet": (1, 28, 28), "MLP": (784,), "ResNet18": (3, 32, 32), "MobileNetV2": (3, 64, 64), "AlexNet": (3, 224, 224)}
    return inputs.array("x", batch, *shapes[name]), inputs.integers("labels", 10, batch)


def _models(package):
    """Constructors by name."""
    M, F, nm = (importlib.import_module(package + part) for part in (".module", ".functional", ""))

    class ConvNet(M.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.pool1 = M.Conv2d(1, 10, 5), M.MaxPool2d(2, 2)
            self.conv2, self.pool2 = M.Conv2d(10, 20, 5), M.MaxPool2d(2, 2)
            self.fc1, self.fc2 = M.Linear(320, 50), M.Linear(50, 10)

        def forward(self, x):
            x = self.pool1(F.relu(self.conv1(x)))
            x = self.pool2(F.relu(self.conv2(x)))
            return self.fc2(F.relu(self.fc1(F.flatten(x, 1))))

    def mlp():
        return M.Sequential(M.Linear(784, 512), M.ReLU(), M.Linear(512, 256), M.ReLU(), M.Linear(256, 10))

    class Block(M.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = M.Conv2d(inputs, outputs, 3, stride, 1, bias=False), M.BatchNorm2d(outputs)
            self.conv2, self.bn2 = M.Conv2d(outputs, outputs, 3, 1, 1, bias=False), M.BatchNorm2d(outputs)
            plain = stride == 1 and inputs == outputs
            self.down = M.Identity() if plain else M.Sequential(M.Conv2d(inputs, outputs, 1, stride, bias=False), M.BatchNorm2d(outputs))

        def forward(self, x):
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.down(x))

    class ResNet18(M.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = M.Conv2d(3, 64, 3, 1, 1, bias=False), M.BatchNorm2d(64)
            blocks, width = [], 64
            for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
                blocks += [Block(width, outputs, stride), Block(outputs, outputs, 1)]
                width = outputs
            self.blocks, self.fc = M.Sequential(*blocks), M.Linear(512, 10)

        def forward(self, x):
            x = self.blocks(F.relu(self.bn(self.conv(x))))
            return self.fc(F.mean(x, [2, 3]))

    class Inverted(M.Module):
        def __init__(self, inputs, outputs, stride, expand):
            super().__init__()
            hidden, layers = inputs * expand, []
            if expand > 1:
                layers += [M.Conv2d(inputs, hidden, 1, bias=False), M.BatchNorm2d(hidden), M.ReLU()]
            layers += [M.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), M.BatchNorm2d(hidden), M.ReLU()]
            self.layers = M.Sequential(*layers, M.Conv2d(hidden, outputs, 1, bias=False), M.BatchNorm2d(outputs))
            self.residual = stride == 1 and inputs == outputs

        def forward(self, x):
            return x + self.layers(x) if self.residual else self.layers(x)

    class MobileNetV2(M.Module):
        def __init__(self):
            super().__init__()
            layers, width = [M.Conv2d(3, 32, 3, 2, 1, bias=False), M.BatchNorm2d(32), M.ReLU()], 32
            for expand, outputs, count, stride in MOBILENET:
                for number in range(count):
                    layers.append(Inverted(width, outputs, stride if number == 0 else 1, expand))
                    width = outputs
            layers += [M.Conv2d(width, 1280, 1, bias=False), M.BatchNorm2d(1280), M.ReLU()]
            self.layers, self.fc = M.Sequential(*layers), M.Linear(1280, 10)

        def forward(self, x):
            return self.fc(F.mean(self.layers(x), [2, 3]))

    class AlexNet(M.Module):
        def __init__(self):
            super().__init__()
            layers = [M.Conv2d(3, 64, 11, 4, 2), M.ReLU(), M.MaxPool2d(3, 2), M.Conv2d(64, 192, 5, 1, 2), M.ReLU(), M.MaxPool2d(3, 2)]
            for inputs_, outputs in ((192, 384), (384, 256), (256, 256)):
                layers += [M.Conv2d(inputs_, outputs, 3, 1, 1), M.ReLU()]
            self.features = M.Sequential(*layers, M.MaxPool2d(3, 2))
            self.classifier = M.Sequential(M.Linear(9216, 4096), M.ReLU(), M.Linear(4096, 4096), M.ReLU(), M.Linear(4096, 10))

        def forward(self, x):
            return self.classifier(F.flatten(self.features(x), 1))

    class Attention(M.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.qkv, self.out = heads, M.Linear(width, 3 * width), M.Linear(width, width)

        def forward(self, x, mask):
            batch, length, width = x.shape
            each = width // self.heads
            qkv = F.transpose(self.qkv(x).reshape(batch, length, 3, self.heads, each), (2, 0, 3, 1, 4))
            scores = F.matmul(qkv[0], qkv[1], transpose_b=True) / math.sqrt(each) + mask
            mixed = F.transpose(F.matmul(F.softmax(scores, -1), qkv[2]), (0, 2, 1, 3)).reshape(batch, length, width)
            return self.out(mixed)

    class Layer(M.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.norm1, self.norm2 = M.LayerNorm(width), M.LayerNorm(width)
            self.attention, self.up, self.down = Attention(width, heads), M.Linear(width, 4 * width), M.Linear(4 * width, width)

        def forward(self, x, mask):
            x = x + self.attention(self.norm1(x), mask)
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Transformer(M.Module):
        def __init__(self, width=128, heads=4, length=64, words=256):
            super().__init__()
            self.tokens, self.places = M.Embedding(words, width), nm.Parameter(inputs.array("places", length, width) * np.float32(0.02))
            self.layers, self.norm, self.head = [Layer(width, heads) for _ in range(2)], M.LayerNorm(width), M.Linear(width, words)
            self.mask = nm.Tensor(np.triu(np.full((length, length), -1e9, np.float32), 1))

        def forward(self, tokens):
            x = self.tokens(tokens) + self.places
            for layer in self.layers:
                x = layer(x, self.mask)
            return self.head(self.norm(x)).reshape(-1, 256)

    class LSTM(M.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = M.LSTM(64, 128), M.Linear(128, 10)

        def forward(self, x):
            return self.fc(self.lstm(x)[0][-1])

    return {
        "ConvNet": ConvNet,
        "MLP": mlp,
        "ResNet18": ResNet18,
        "MobileNetV2": MobileNetV2,
        "AlexNet": AlexNet,
        "Transformer": Transformer,
        "LSTM": LSTM,
    }


MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def step(library, name, batch):
    """A training step: forward, backward, optimizer."""
    net = _models(library.name)[name]()
    x, labels = (library.tensor(each) for each in _input(name, batch))
    manager = library.GradManager().attach(net.parameters())
    if name in ("MLP", "Transformer", "LSTM"):
        optimizer = library.optim.Adam(net.parameters(), 1e-4)
    else:
        optimizer = library.optim.SGD(net.parameters(), 1e-3, 0.9)
    entropy = library.F.nn.cross_entropy

    def run():
        with manager:
            loss = entropy(net(x), labels)
            manager.backward(loss)
        optimizer.step().clear_grad()
        return loss

    return run


def inference(library, name):
    """One example, in evaluation mode."""
    net = _models(library.name)[name]()
    net.eval()
    x = library.tensor(_input(name, 1)[0])
    return lambda: net(x)
