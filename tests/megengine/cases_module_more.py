"""Layers with given weights: outputs, gradients, names and shapes in state dicts, repr."""

from oracle import differs, group

LEARN = """
def fill(m, scale=1.0):
    for k, (name, t) in enumerate(sorted(m.named_tensors())):
        values = np.random.RandomState(k).uniform(-scale, scale, t.shape)
        t[...] = Tensor((np.abs(values) + 0.5 if name.endswith("var") else values).astype("float32"))
    return m

def tensors(y):
    return [t for each in y for t in tensors(each)] if isinstance(y, (tuple, list)) else [y]

def learn(m, *xs):
    fill(m)
    gm = GradManager().attach(list(m.parameters()))
    with gm:
        y = m(*xs)
        outs = tensors(y)
        weights = [np.random.RandomState(k).uniform(0.5, 2.0, t.shape).astype("float32") for k, t in enumerate(outs)]
        gm.backward(outs, [Tensor(w) for w in weights])
    grads = {name: p.grad for name, p in m.named_parameters()}
    if isinstance(m, M.RNNCell):  # MegEngine leaves gradients of the biases by sample
        grads = {name: g.sum(axis=0) if name.startswith("bias") and g.ndim > 1 else g for name, g in grads.items()}
    return [y, grads, {name: b for name, b in m.named_buffers()}]

def inside(m):
    return [repr(m), [(k, t.shape) for k, t in m.named_tensors()], [(k, a.shape) for k, a in m.state_dict().items()],
            [k for k, _ in m.named_parameters()]]
"""

IMAGES = (
    LEARN
    + """
x = f32(2, 4, 5, 6)
"""
)

ROWS = (
    LEARN
    + """
x = f32(5, 3)
"""
)

SEQUENCES = (
    LEARN
    + """
x = f32(5, 2, 3)
h = f32(1, 2, 4, seed=1)
c = f32(1, 2, 4, seed=2)
hh = f32(4, 2, 4, seed=3)
cc = f32(4, 2, 4, seed=4)
"""
)

PAIR = """
x = pos(2, 3, lo=0.1, hi=0.9)
y = pos(2, 3, lo=0.1, hi=0.9, seed=1)
z = f32(2, 3, seed=2)
w = f32(2, 3, seed=3)
"""

LAYERS = [
    "ConvBn2d(4, 6, 3, 2, 1)",
    "ConvBn2d(4, 4, (3, 2), groups=2, bias=False, eps=0.01, momentum=0.5)",
    "ConvBn2d(4, 4, 3, padding=1, padding_mode='reflect', affine=False)",
    "ConvBnRelu2d(4, 6, 3)",
    "ConvRelu2d(4, 6, 3, padding=1)",
    "ConvTranspose2d(4, 6, 3)",
    "ConvTranspose2d(4, 6, (3, 2), 2, (1, 0), 1, 2)",
    "ConvTranspose2d(4, 6, 3, groups=2, bias=False)",
    "ConvTransposeBn2d(4, 6, 3, 2, 1, bias=False)",
    "ConvTransposeBnRelu2d(4, 6, 3)",
    "ConvTransposeRelu2d(4, 6, 3)",
    "InstanceNorm(4)",
    "InstanceNorm(4, eps=0.1, affine=False)",
    "PReLU()",
    "PReLU(4)",
    "LeakyReLU(0.2)",
    "Pad(((0, 0), (0, 0), (1, 2)), constant_val=2.0)",
    "Pad(((0, 0), (0, 0), (1, 2), (2, 0)), mode='reflect')",
]
AFFINE = ["LinearBn1d(3, 4)", "LinearBn1d(3, 4, bias=False)", "LinearBnRelu1d(3, 4)", "LinearRelu(3, 4)"]
METHODS = {
    "x": "abs acos asin asinh atanh ceil cos cosh erf exp expm1 floor gelu h_swish hsigmoid log log1p logsigmoid negate relu relu6 round sigmoid "
    "sign silu sin sinh softplus sqrt square tan tanh",
    "x, y": "add atan2 eq floor_div fuse_add_h_swish fuse_add_relu fuse_add_sigmoid fuse_add_tanh leq log_sum_exp lt max min mul pow prelu sub "
    "true_div ADD",
    "z, x, y": "fuse_mul_add3",
    "x, y, z, w": "fuse_mul_add4",
}

CASES = [
    group(
        "layers that learn",
        IMAGES,
        [f"learn(M.{layer}, x)" for layer in LAYERS],
        [f"inside(M.{layer})" for layer in LAYERS],
        [f"m = fill(M.{layer}); m.eval(); m(x)" for layer in LAYERS if "Bn" in layer],
        """
        M.ConvTranspose2d(3, 4, 3, groups=2)
        M.ConvTranspose2d(4, 4, 3, 2, 1, 2)(x)
        M.ConvBn2d(3, 4, 3, groups=2)
        M.ConvBn2d(4, 4, 3, name='a').name
        M.ConvBn2d(4, 4, 3, name='a').bn.name
        m = M.ConvTranspose2d(4, 6, 3, 2, 1, 1); [m.kernel_size, m.stride, m.padding, m.output_padding, m.dilation, m.groups]
        [M.LeakyReLU(0.5).negative_slope, M.PReLU(3).num_parameters, M.Pad(((1, 1),)).pad_width, M.Pad(((1, 1),)).pad_val]
        abs(float(np.std(M.ConvTranspose2d(40, 80, 3, groups=2).weight.numpy())) * 720 ** 0.5 - 1) < 0.05
        M.PReLU(3, 0.5).weight
    """,
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "affine layers that learn",
        ROWS,
        [f"learn(M.{layer}, x)" for layer in AFFINE],
        [f"inside(M.{layer})" for layer in AFFINE],
        [f"m = fill(M.{layer}); m.eval(); m(x)" for layer in AFFINE],
        """
        inside(M.BatchMatMulActivation(2, 3, 4))
        inside(M.BatchMatMulActivation(2, 3, 4, bias=False))
        fill(M.BatchMatMulActivation(1, 5, 4, bias=False))(F.expand_dims(x, 0))
        fill(M.BatchMatMulActivation(1, 5, 4, bias=False, nonlinear_mode='relu'))(F.expand_dims(x, 0))
        M.Concat()([x, x * 2])
        M.Concat()([x, x * 2], 1)
        inside(M.Concat())
        M.QuantStub()(x * 2)
        M.DequantStub()(x * 2)
        inside(M.QuantStub())
    """,
        differs(
            "m = M.BatchMatMulActivation(1, 5, 2); m.bias[...] = Tensor([1.0, 2.0]); m.weight[...] = Tensor([0.0]); m(F.expand_dims(x, 0))",
            "MegEngine adds the bias along the columns, where there are as many as rows",
            gives="Tensor(np.array([[[1.0] * 3, [2.0] * 3]], 'float32'))",
            vjps={"x": [[0.0] * 3] * 5},
            name="bias of BatchMatMulActivation",
        ),
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "Elemwise",
        PAIR,
        [f"M.Elemwise('{name}')({args})" for args, names in METHODS.items() for name in names.split()],
        "repr(M.Elemwise('add'))",
    ),
    group(
        "Elemwise of three",
        PAIR,
        "M.Elemwise('clip')(z, x - 0.5, y)",
        "M.Elemwise('acosh')(x + 1)",
        "M.Elemwise('add').method",
        differs("M.Elemwise('foo')", "unknown methods are refused at once", raises=ValueError),
    ),
    group(
        "recurrent layers",
        SEQUENCES,
        """
        learn(M.RNNCell(3, 4), x[0])
        learn(M.RNNCell(3, 4, nonlinearity='relu'), x[0], h[0])
        learn(M.RNNCell(3, 4, bias=False), x[0], h[0])
        learn(M.RNN(3, 4), x)
        learn(M.RNN(3, 4, nonlinearity='relu'), x, h)
        learn(M.RNN(3, 4, 2), x)
        inside(M.RNNCell(3, 4))
        inside(M.LSTMCell(3, 4, bias=False))
        inside(M.RNN(3, 4, 2, bidirectional=True))
        inside(M.LSTM(3, 4, 2, bidirectional=True))
        inside(M.LSTM(3, 4, bias=False))
        [getattr(M.LSTM(3, 4, 2, dropout=0.5), k) for k in ('input_size', 'hidden_size', 'num_layers', 'bias', 'batch_first', 'dropout', 'bidirectional')]
        M.LSTM(3, 4, dropout=1.5)
        M.LSTM(3, 4, proj_size=9)
        M.RNNCell(3, 4)(x)
        M.RNNCell(3, 4)(x[:, :, :2][0])
        [bool((np.abs(p.numpy()) <= 0.1).all()) and abs(p.numpy().std() - 0.1 / 3 ** 0.5) < 0.02 for p in M.LSTMCell(100, 100).parameters()]
    """,
        grads="x h",
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "recurrent layers, values alone",  # MegEngine's gradients of LSTMs, and of what walks backwards, are wrong
        SEQUENCES,
        """
        fill(M.LSTMCell(3, 4))(x[0])
        fill(M.LSTMCell(3, 4))(x[0], (h[0], c[0]))
        fill(M.LSTMCell(3, 4, bias=False))(x[0], (h[0], c[0]))
        fill(M.RNN(3, 4, bidirectional=True))(x)
        fill(M.LSTM(3, 4))(x)
        fill(M.LSTM(3, 4))(x, (h, c))
        fill(M.LSTM(3, 4, 2))(x)
        fill(M.LSTM(3, 4, bias=False))(x)
        fill(M.LSTM(3, 4, batch_first=True))(F.transpose(x, (1, 0, 2)), (h, c))
        fill(M.RNN(3, 4, 2, bidirectional=True, batch_first=True))(F.transpose(x, (1, 0, 2)), hh)
        fill(M.LSTM(3, 4, 2, bidirectional=True))(x)
        fill(M.LSTM(3, 4, 2, bidirectional=True))(x, (hh, cc))
        fill(M.LSTM(3, 4, 2, bidirectional=True, bias=False))(x, (hh, cc))
    """,
        grads=False,
        rtol=2e-4,
        atol=2e-5,
    ),
]
