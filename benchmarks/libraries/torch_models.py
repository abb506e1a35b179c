"""The models in PyTorch, as users write them."""

from __future__ import annotations

import inputs
import torch
import torch.nn.functional as F
from mge_models import MOBILENET, _input
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), nn.Conv2d(10, 20, 5)
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        plain = stride == 1 and inputs == outputs
        self.down = nn.Identity() if plain else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.down(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        blocks, width = [], 64
        for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [Block(width, outputs, stride), Block(outputs, outputs, 1)]
            width = outputs
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(512, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden, layers = inputs * expand, []
        if expand > 1:
            layers += [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU()]
        layers += [nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()], 32
        for expand, outputs, count, stride in MOBILENET:
            for number in range(count):
                layers.append(Inverted(width, outputs, stride if number == 0 else 1, expand))
                width = outputs
        layers += [nn.Conv2d(width, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU()]
        self.layers, self.fc = nn.Sequential(*layers), nn.Linear(1280, 10)

    def forward(self, x):
        return self.fc(self.layers(x).mean((2, 3)))


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
        for inputs_, outputs in ((192, 384), (384, 256), (256, 256)):
            layers += [nn.Conv2d(inputs_, outputs, 3, 1, 1), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.MaxPool2d(3, 2))
        self.classifier = nn.Sequential(nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, length, width)
        x = x + self.out(mixed)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, width=128, heads=4, length=64, words=256):
        super().__init__()
        self.tokens, self.places = nn.Embedding(words, width), nn.Parameter(torch.from_numpy(inputs.array("places", length, width) * 0.02))
        self.layers, self.norm, self.head = (
            nn.Sequential(*[Layer(width, heads) for _ in range(2)]),
            nn.LayerNorm(width),
            nn.Linear(width, words),
        )

    def forward(self, tokens):
        return self.head(self.norm(self.layers(self.tokens(tokens) + self.places))).reshape(-1, 256)


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(64, 128), nn.Linear(128, 10)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][-1])


MODELS = {
    "ConvNet": ConvNet,
    "MLP": mlp,
    "ResNet18": ResNet18,
    "MobileNetV2": MobileNetV2,
    "AlexNet": AlexNet,
    "Transformer": Transformer,
    "LSTM": LSTM,
}


def step(name, batch, tensor, compiled=False):
    """A training step: forward, backward, optimizer."""
    net = torch.compile(MODELS[name]()) if compiled else MODELS[name]()
    x, labels = (tensor(each) for each in _input(name, batch))
    if name in ("MLP", "Transformer", "LSTM"):
        optimizer = torch.optim.Adam(net.parameters(), 1e-4)
    else:
        optimizer = torch.optim.SGD(net.parameters(), 1e-3, 0.9)

    def run():
        loss = F.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return run


def inference(name, tensor, compiled=False):
    """One example, in evaluation mode, without gradients."""
    net = MODELS[name]().eval()
    net = torch.compile(net) if compiled else net
    x = tensor(_input(name, 1)[0])

    def run():
        with torch.inference_mode():
            return net(x)

    return run
