"""Programs as people write them for MegEngine: what they print while they train, from the same weights, and where they end.

Max pooling comes after what has no ties, and a bias is left out where normalization would make it superfluous and in cells: MegEngine's gradients are
others there. There is no RNN and no LSTM: MegEngine's gradients of these change from run to run.
"""

from oracle import group

COMMON = """
import copy, io

def filled(net, seed=0):
    rng = np.random.RandomState(seed)
    state = {}
    for name, value in sorted(net.state_dict().items()):
        value = np.asarray(value)
        drawn = "running" not in name and value.dtype == np.float32 and "fake_quant" not in name and "act_observer" not in name
        state[name] = (rng.randn(*value.shape) * 0.2 + (value.size > 0 and value.min() == 1)).astype("float32") if drawn else value
    net.load_state_dict(state)
    return net

def batch(seed, *shape, classes=3):
    rng = np.random.RandomState(seed)
    return Tensor(rng.randn(*shape).astype("float32")), Tensor(rng.randint(0, classes, shape[0]).astype("int32"))
"""

DIGITS = """
class LeNet(M.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.pool1 = M.Conv2d(1, 4, 5), M.AvgPool2d(2, 2)
        self.conv2, self.pool2 = M.Conv2d(4, 6, 3), M.MaxPool2d(2, 2)
        self.fc, self.classifier = M.Linear(6 * 2 * 2, 12), M.Linear(12, 5)

    def forward(self, x):
        x = self.pool1(F.relu(self.conv1(x)))
        x = F.relu(self.pool2(self.conv2(x)))
        return self.classifier(F.relu(self.fc(F.flatten(x, 1))))

def train():
    rng = np.random.RandomState(0)
    dataset = ArrayDataset(rng.randint(0, 255, (24, 12, 12, 1)).astype("uint8"), rng.randint(0, 5, 24))
    transform = T.Compose([T.Normalize(mean=128, std=64), T.Pad(2), T.ToMode("CHW")])
    loader = data.DataLoader(dataset, data.RandomSampler(dataset, batch_size=8, drop_last=True, seed=3), transform=transform)
    net = filled(LeNet())
    gm = GradManager().attach(net.parameters())
    optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    losses, correct = [len(loader)], []
    for epoch in range(2):
        net.train()
        for image, label in loader:
            image, label = Tensor(image), Tensor(label)
            with gm:
                loss = F.nn.cross_entropy(net(image), label)
                gm.backward(loss)
                optimizer.step().clear_grad()
            losses.append(loss.item())
        net.eval()
        for image, label in data.DataLoader(dataset, data.SequentialSampler(dataset, 10), transform):
            scores = net(Tensor(image))
            correct.append(int((F.argmax(scores, axis=1) == Tensor(label)).sum().item()))
            losses.append(F.topk_accuracy(scores, Tensor(label), 2).item())
    return losses, correct
"""

RESNET = """
class Block(M.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = M.Conv2d(inputs, outputs, 3, stride, 1, bias=False), M.BatchNorm2d(outputs)
        self.conv2, self.bn2 = M.Conv2d(outputs, outputs, 3, 1, 1, bias=False), M.BatchNorm2d(outputs)
        same = inputs == outputs and stride == 1
        self.down = M.Identity() if same else M.Sequential(M.Conv2d(inputs, outputs, 1, stride, bias=False), M.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        y += self.down(x)
        return F.relu(y)

class ResNet(M.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = M.Conv2d(3, 4, 3, 1, 1, bias=False), M.BatchNorm2d(4)
        self.blocks = [Block(4, 4, 1), Block(4, 6, 2)]
        self.fc = M.Linear(6, 3)
        for each in self.modules():
            if isinstance(each, M.Conv2d):
                M.init.msra_normal_(each.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(F.flatten(F.avg_pool2d(x, x.shape[2]), 1))

def train():
    net = filled(ResNet())
    decayed, others = [], []
    for name, parameter in net.named_parameters():
        (others if "bn" in name or name.endswith("bias") else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0, "lr": 0.05}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    schedule = optim.MultiStepLR(optimizer, [2, 3], gamma=0.1)
    gm = GradManager()
    gm.attach(net.parameters())
    path = [len(decayed), len(others)]
    for step in range(4):
        x, y = batch(step, 4, 3, 8, 8)
        with gm:
            loss = F.loss.cross_entropy(net(x), y, label_smooth=0.1)
            gm.backward(loss)
        norm = optim.clip_grad_norm(net.parameters(), max_norm=0.5, ord=2)
        optimizer.step()
        optimizer.clear_grad()
        schedule.step()
        path += [loss.item(), norm.item(), *(each["lr"] for each in optimizer.param_groups)]
    net.eval()
    return path, net(x), [value for _, value in net.named_buffers()], net.fc.weight
"""

GAN = """
def train():
    generator = filled(M.Sequential(M.Linear(3, 8), M.ReLU(), M.Linear(8, 4)), 1)
    critic = filled(M.Sequential(M.Linear(4, 8), M.Sigmoid(), M.Linear(8, 1)), 2)
    first, second = GradManager().attach(generator.parameters()), GradManager().attach(critic.parameters())
    makes = optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    judges = optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.999))
    path = []
    for step in range(4):
        real, noise = batch(step, 6, 4)[0], batch(step + 9, 6, 3)[0]
        with second:
            fake = generator(noise).detach()
            loss = F.nn.binary_cross_entropy(critic(real), F.ones((6, 1))) + F.nn.binary_cross_entropy(critic(fake), F.zeros((6, 1)))
            mixed = (real + fake) / 2
            with GradManager().attach(mixed) as inner:
                inner.backward(critic(mixed).sum())
            loss += ((F.norm(mixed.grad, axis=1) - 1) ** 2).mean()
            second.backward(loss)
        judges.step().clear_grad()
        with first:
            made = F.nn.binary_cross_entropy(critic(generator(noise)), F.ones((6, 1)))
            first.backward(made)
        makes.step().clear_grad()
        path += [loss.item(), made.item()]
    return path, critic[0].weight, generator[2].weight
"""

SEQUENCES = """
class Language(M.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.drop = M.Embedding(7, 4), M.Dropout(0.0)
        self.lower, self.upper, self.out = M.RNNCell(4, 5, bias=False), M.RNNCell(5, 4, bias=False), M.Linear(4, 7)

    def forward(self, tokens):
        x, outputs = self.embed(tokens), []
        low, up = F.zeros((tokens.shape[1], 5)), F.zeros((tokens.shape[1], 4))
        for t in range(x.shape[0]):
            low = self.lower(x[t], low)
            up = self.upper(low, up)
            outputs.append(self.out(self.drop(up)))
        return F.stack(outputs)

def train():
    net = filled(Language())
    optimizer = optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.1)
    gm = GradManager().attach(net.parameters())
    text = np.random.RandomState(0).randint(0, 7, (6, 3)).astype("int32")
    path = []
    for step in range(4):
        with gm:
            loss = F.nn.cross_entropy(net(Tensor(text[:-1])).reshape(-1, 7), Tensor(text[1:]).flatten())
            gm.backward(loss)
        optim.clip_grad_value(net.parameters(), lower=-0.05, upper=0.05)
        optimizer.step().clear_grad()
        path.append(loss.item())
    return path, net.lower.weight_ih
"""

AVERAGE = """
def make():
    return M.Sequential(M.Linear(4, 6, bias=False), M.BatchNorm1d(6), M.ReLU(), M.Linear(6, 3))

def training(net, lr):
    optimizer = optim.Adam(net.parameters(), lr=lr)
    return net, GradManager().attach(net.parameters()), optimizer, optim.MultiStepLR(optimizer, [2, 5])

def steps(net, gm, optimizer, schedule, seeds, average=None):
    for seed in seeds:
        x, y = batch(seed, 6, 4)
        with gm:
            loss = F.nn.cross_entropy(net(x), y)
            gm.backward(loss)
        optimizer.step().clear_grad()
        schedule.step()
        for old, new in zip(average.parameters(), net.parameters()) if average else []:
            old[...] = old * 0.9 + new * 0.1
        for old, new in zip(average.buffers(), net.buffers()) if average else []:
            old.set_value(new)
        yield loss.item()

def train():
    run = training(filled(make()), 0.01)
    average = copy.deepcopy(run[0])
    path = [*steps(*run, range(4), average)]
    file = io.BytesIO()
    states = {name: each.state_dict() for name, each in zip(["net", "optimizer", "schedule"], [run[0], *run[2:]])}
    mge.save({"epoch": 4, "average": average.state_dict(), **states}, file)
    path += steps(*run, range(4, 7))
    file.seek(0)
    kept = mge.load(file)
    again = training(make(), 7.0)
    again[0].load_state_dict(kept["net"])
    again[2].load_state_dict(kept["optimizer"])
    again[3].load_state_dict(kept["schedule"])
    path += steps(*again, range(4, 7))
    average.eval()
    return path, kept["epoch"], list(kept["average"]), average(x := batch(9, 2, 4)[0])
"""

FINETUNE = """
class Swish(Function):
    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + F.exp(-self.beta * x))
        return x * self.s

    def backward(self, dy):
        return dy * (self.s + self.beta * self.x * self.s * (1 - self.s))

class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.backbone = M.Sequential(M.Conv2d(3, 4, 3, padding=1), M.BatchNorm2d(4), M.ReLU(), M.ConvBnRelu2d(4, 4, 3, padding=1))
        self.neck, self.head = M.GroupNorm(2, 4), M.Linear(4, 2)

    def forward(self, x):
        return self.head(F.mean(self.neck(Swish(1.5)(self.backbone(x))), axis=(2, 3)))

def train():
    net, seen = filled(Net()), []
    for each in net.modules():
        if isinstance(each, M.BatchNorm2d):
            each.freeze = True
    hooks = [
        net.backbone.register_forward_hook(lambda module, inputs, output: seen.append((type(module).__name__, tuple(output.shape)))),
        net.head.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,)),
    ]
    last = [parameter for name, parameter in net.backbone.named_parameters() if name.startswith("3.conv")]
    gm = GradManager()
    gm.attach(net.head.parameters(), callbacks=[lambda parameter, grad: grad * 0.5])
    gm.attach(net.neck.parameters())
    gm.attach(last)
    groups = [{"params": net.head.parameters(), "lr": 0.1}, {"params": list(net.neck.parameters())}, {"params": last}]
    optimizer = optim.Adagrad(groups, lr=0.01)
    (x, y), path = batch(0, 3, 3, 6, 6, classes=2), []
    for step in range(4):
        with gm:
            loss = F.nn.hinge_loss(net(x), F.one_hot(y, 2) * 2 - 1, norm="L2") if step % 2 else F.nn.cross_entropy(net(x), y)
            gm.backward(loss)
        optimizer.step()
        optimizer.clear_grad()
        path.append(loss.item())
    for hook in hooks:
        hook.remove()
    return path, seen, net(x), net.backbone[1].running_mean, net.backbone[0].weight
"""

QUANTIZED = """
class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant, self.add, self.fc = M.QuantStub(), M.DequantStub(), M.Elemwise("add"), M.Linear(4, 3)
        self.first, self.second = M.ConvBnRelu2d(3, 4, 3, padding=1), M.ConvRelu2d(4, 4, 3)

    def forward(self, x):
        x = self.first(self.quant(x))
        return F.mean(self.dequant(self.fc(F.mean(self.second(self.add(x, x)), axis=(2, 3)))), axis=0, keepdims=True)

def train():
    net = Q.quantize_qat(filled(Net()), qconfig=Q.ema_fakequant_qconfig)
    gm = GradManager().attach(net.parameters())
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    path = []
    for step in range(4):
        x, _ = batch(step, 3, 3, 6, 6)
        with gm:
            loss = F.nn.cross_entropy(net(x), Tensor([1]))
            gm.backward(loss)
        optimizer.step().clear_grad()
        path.append(loss.item())
    net.eval()
    return path, net(x), repr(net), list(net.state_dict())
"""

ATTENTION = """
class Layer(M.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.q, self.k, self.v, self.o = (M.Linear(size, size, bias=letter != "k") for letter in "qkvo")
        self.heads, self.norm, self.scale = heads, M.LayerNorm(size), Parameter(np.ones((1,), "float32"))
        self.ff = M.Sequential(M.Linear(size, 2 * size), M.GELU(), M.Linear(2 * size, size))

    def forward(self, x):
        count, length, size = x.shape
        y = self.norm(x)
        q, k, v = (each(y).reshape(count, length, self.heads, size // self.heads).transpose(0, 2, 1, 3) for each in (self.q, self.k, self.v))
        mask = Tensor(np.triu(np.full((length, length), -1e9, "float32"), 1))
        weights = F.softmax(F.matmul(q, k, transpose_b=True) / (size // self.heads) ** 0.5 + mask, axis=-1)
        x = x + self.o(F.matmul(weights, v).transpose(0, 2, 1, 3).reshape(count, length, size)) * self.scale
        return x + self.ff(x)

class Warming(optim.LRScheduler):
    def get_lr(self):
        return [lr * min(1, (self.current_epoch + 1) / 3) for lr in self.base_lrs]

def train(wrap):
    net = filled(M.Sequential(Layer(4, 2), Layer(4, 2), M.Linear(4, 3)))
    gm, optimizer = GradManager().attach(net.parameters()), optim.AdamW(net.parameters(), lr=1e-2)
    schedule = Warming(optimizer)

    def step(x, y):
        with gm:
            loss = F.nn.cross_entropy(net(x).reshape(-1, 3), y.flatten())
            gm.backward(loss)
            optimizer.step().clear_grad()
        return loss

    step, path = wrap(step), []
    for seed in range(4):
        rng = np.random.RandomState(seed)
        x, y = Tensor(rng.randn(2, 5, 4).astype("float32")), Tensor(rng.randint(0, 3, (2, 5)).astype("int32"))
        path += [step(x, y).item(), optimizer.param_groups[0]["lr"]]
        schedule.step()
    return path, net[2].weight
"""

CASES = [
    group(f"training {what}", COMMON + text, [f"train({how})" for how in calls], grads=False, rtol=2e-4, atol=1e-5)
    for what, text, calls in [
        ("on digits", DIGITS, [""]),
        ("a residual network", RESNET, [""]),
        ("two networks against each other", GAN, [""]),
        ("on sequences", SEQUENCES, [""]),
        ("with an average of weights, and resumed", AVERAGE, [""]),
        ("the last layers of a network", FINETUNE, [""]),
        ("for quantization", QUANTIZED, [""]),
        ("with attention", ATTENTION, ["lambda f: f", "trace(symbolic=True)", "trace(symbolic=False)"]),
    ]
]
