"""Layers and Sequential: their tensors, attributes, values and repr."""

from oracle import differs, group

NET = """
class Sub(M.Module):
    def __init__(self):
        super().__init__()
        self.w = Parameter([1.0, 2.0])
        self.buf = Tensor([0.0])
        self.lin = M.Linear(2, 3)
    def forward(self, x):
        return self.lin(x * self.w)

class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.zeta = M.Conv2d(1, 2, 3)
        self.alpha = Sub()
        self.lst = [M.ReLU(), M.Linear(1, 1, bias=False)]
        self.dct = {"b": M.Linear(1, 1), "a": Parameter([1.0])}
        self.tup = (M.Sigmoid(), 3, "x")
        self.plain = 5
        self.shared = self.alpha.lin
        self.p = Parameter([3.0])
        self.none = None
        self.nested = [[M.ReLU(), {"k": M.Linear(1, 1)}]]
    def forward(self, x):
        return x

def names(pairs):
    return [k for k, _ in pairs]

n = Net()
"""

CASES = [
    group(
        "Sequential",
        "from collections import OrderedDict\ns = M.Sequential(M.ReLU(), M.Linear(1, 2), M.Sigmoid())",
        """
        repr(s)
        len(s)
        repr(s[0])
        repr(s[-1])
        repr(s[0:2])
        repr(s[1:])
        type(s[0:2])
        s[5]
        s['0']
        [type(m).__name__ for m in s]
        s.layer_keys
        [type(m).__name__ for m in s.layer_values]
        [k for k, _ in s.named_children()]
        repr(M.Sequential())
        len(M.Sequential())
        M.Sequential(M.ReLU())(Tensor([-1.0, 1.0]))
        M.Sequential()(Tensor([-1.0, 1.0]))
        repr(M.Sequential(OrderedDict([('b', M.ReLU()), ('a', M.Linear(1, 1))])))
        [k for k, _ in M.Sequential(OrderedDict([('b', M.ReLU()), ('a', M.Linear(1, 1))])).named_children()]
        repr(M.Sequential(OrderedDict([('b', M.ReLU()), ('a', M.Linear(1, 1))]))[0])
        repr(M.Sequential(OrderedDict([('b', M.ReLU()), ('a', M.Linear(1, 1))])).a)
        list(M.Sequential(OrderedDict([('b', M.Linear(1, 1)), ('a', M.Linear(1, 1))])).state_dict())
        repr(M.Sequential(M.Sequential(M.ReLU(), M.ReLU()), M.Linear(1, 1)))
        s[0] = M.GELU(); repr(s)
        del s[0]; [len(s), s.layer_keys]
    """,
        grads=False,
    ),
    group(
        "repr of modules",
        NET,
        [
            f"repr(M.{text})"
            for text in (
                "ReLU()",
                "GELU()",
                "SiLU()",
                "Sigmoid()",
                "Softmax()",
                "Softmax(axis=1)",
                "Identity()",
                "LeakyReLU(0.1)",
                "PReLU()",
                "Dropout()",
                "Dropout(0.3)",
                "MaxPool2d(2)",
                "MaxPool2d((2, 3), (1, 2), (0, 1))",
                "AvgPool2d(2)",
                "AvgPool2d(2, mode='average')",
                "AvgPool2d(3, 2, 1)",
                "Conv2d(1, 10, 5)",
                "Conv2d(3, 4, 3, stride=2, padding=1, bias=False)",
                "Conv2d(2, 4, 3, 2, 1, 2, 2, False)",
                "Conv2d(2, 4, (3, 5))",
                "Conv2d(2, 4, 3, padding=(0, 1), name='c')",
                "Conv3d(2, 4, 3)",
                "Conv3d(2, 4, 3, 2, 1, 2, 2, False)",
                "ConvTranspose2d(3, 4, 3)",
                "BatchNorm1d(3)",
                "BatchNorm2d(4)",
                "BatchNorm2d(3, 1e-3, 0.5, False, False)",
                "BatchNorm2d(3, freeze=True)",
                "LayerNorm(4)",
                "LayerNorm((2, 3), affine=False)",
                "GroupNorm(2, 4)",
                "InstanceNorm(3)",
                "Embedding(3, 4)",
                "Linear(50, 10)",
                "Linear(3, 4, bias=False)",
                "AdaptiveAvgPool2d(2)",
                "PixelShuffle(2)",
            )
        ],
        """
        repr(n)
        str(n) == repr(n)
        repr(n.alpha)
        repr(M.Sequential(M.Conv2d(1, 2, 3), M.Sequential(M.ReLU(), M.Linear(2, 2))))
    """,
        """
        # the page's ConvNet
        class ConvNet(M.Module):
            def __init__(self):
                super().__init__()
                self.conv1 = M.Conv2d(1, 10, 5)
                self.pool1 = M.MaxPool2d(2, 2)
                self.fc2 = M.Linear(50, 10)
            def forward(self, x):
                return x
        repr(ConvNet())

        # a module with extra words
        class Extra(M.Module):
            def forward(self, x):
                return x
            def _module_info_string(self):
                return 'a=1'
        [repr(Extra()), repr(M.Sequential(Extra()))]

        # without children
        class Bare(M.Module):
            def forward(self, x):
                return x
        repr(Bare())
    """,
        differs(
            "repr(M.Conv1d(2, 4, 3, stride=2, bias=False))",
            "it works",
            gives="'Conv1d(2, 4, kernel_size=3, stride=2, bias=False)'",
            name="Conv1d",
        ),
        grads=False,
    ),
    group(
        "layers",
        "",
        """
        [(k, p.shape) for k, p in M.Linear(2, 3).named_tensors()]
        [(k, p.shape) for k, p in M.Conv1d(2, 4, 3).named_tensors()]
        [(k, p.shape) for k, p in M.Conv1d(2, 4, 3, groups=2).named_tensors()]
        [(k, p.shape) for k, p in M.Conv2d(2, 4, (3, 5)).named_tensors()]
        [(k, p.shape) for k, p in M.Conv2d(4, 8, 3, groups=2, bias=False).named_tensors()]
        [(k, p.shape) for k, p in M.Conv3d(2, 4, 3).named_tensors()]
        [(k, p.shape) for k, p in M.ConvTranspose2d(2, 4, 3).named_tensors()]
        [(k, p.shape) for k, p in M.Embedding(5, 3).named_tensors()]
        [(k, p.shape) for k, p in M.PReLU().named_tensors()]
        M.Linear(2, 3).bias
        M.Linear(2, 3, bias=False).bias
        M.Conv2d(1, 2, 3).bias
        M.Conv2d(1, 2, 3, bias=False).bias
        [getattr(M.Conv2d(4, 6, 3, 2, 1), k) for k in ('in_channels', 'out_channels', 'kernel_size', 'stride', 'padding', 'dilation', 'groups')]
        [getattr(M.Linear(4, 6), k) for k in ('in_features', 'out_features')]
        [getattr(M.MaxPool2d(3, 2, 1), k) for k in ('kernel_size', 'stride', 'padding')]
        [getattr(M.BatchNorm2d(3), k) for k in ('num_features', 'eps', 'momentum', 'affine', 'track_running_stats', 'freeze')]
        M.Dropout(0.3).drop_prob
        M.Conv2d(3, 4, 3, groups=2)
        M.Conv2d(4, 4, 0)
        M.Conv2d(4, 4, (1, 2, 3))
        M.Embedding(3, 4, padding_idx=1)
        M.Embedding(3, 2, initial_weight=Parameter([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))(Tensor([2, 0]))
        M.Embedding.from_pretrained(Parameter([[1.0, 2.0], [3.0, 4.0]]))(Tensor([1, 0, 1]))
        M.ReLU()(Tensor([-1.0, 1.0]))
        M.GELU()(Tensor([-1.0, 1.0]))
        M.SiLU()(Tensor([-1.0, 1.0]))
        M.Sigmoid()(Tensor([-1.0, 1.0]))
        M.Softmax()(Tensor([[-1.0, 1.0]]))
        M.Softmax(axis=0)(Tensor([[-1.0, 1.0]]))
        M.Identity()(Tensor([-1.0, 1.0]))
        M.LeakyReLU(0.1)(Tensor([-1.0, 1.0]))
        M.MaxPool2d(2)(Tensor(np.arange(16.0).reshape(1, 1, 4, 4)))
        M.AvgPool2d(2)(Tensor(np.arange(16.0).reshape(1, 1, 4, 4)))
        M.AvgPool2d(3, 2, 1)(Tensor(np.arange(16.0).reshape(1, 1, 4, 4)))
        M.Conv2d(1, 2, 3, padding=1, padding_mode='reflect')(F.ones((1, 1, 4, 4))).shape
        M.Conv1d(2, 4, 3, padding=1)(F.ones((1, 2, 5))).shape
        M.Conv3d(2, 4, 3)(F.ones((1, 2, 5, 4, 3))).shape
        M.Linear(3, 2)(F.ones((4, 5, 3))).shape
        M.Linear(3, 2)(F.ones(4))
    """,
        grads=False,
    ),
]
