"""Quantization: parameters, observers, rounding with its gradients, layers that simulate it, and layers of integers."""

from oracle import differs, group

PARAMETERS = """
S, A = Q.QuantMode.SYMMERTIC, Q.QuantMode.ASYMMERTIC
def told(q):
    return None if q is None else [str(q.mode), q.dtype_meta and q.dtype_meta.name, q.scale, q.zero_point]
x = Tensor([-3.0, -2.6, -2.25, -1.25, -0.75, -0.25, 0.0, 0.25, 0.5, 0.75, 2.6, 60.0, 100.0, -70.0, 63.6, 63.75, -64.1, -64.25])
"""

OBSERVE = (
    PARAMETERS
    + """
def observed(o, *batches):
    for batch in batches:
        o(Tensor(batch))
    return told(o.get_qparams())
"""
)

LEARN = (
    PARAMETERS
    + """
rng = np.random.RandomState(1)
v = Tensor(rng.uniform(-30, 30, 40).astype('float32'))
g = Tensor(rng.standard_normal(40).astype('float32'))
def learned(f):
    p = list(f.parameters())[0]
    gm = GradManager().attach([p, v])
    with gm:
        y = f(v)
        gm.backward(y, g)
    return [y, v.grad, p.grad, told(f.get_qparams())]
"""
)

# The least number of a symmetric range is half way between two integers, and goes to whichever floats make of it: so the range is that of other numbers.
LAYERS = """
def fill(m):
    rng = np.random.RandomState(7)
    for name, t in sorted(m.named_tensors()):
        value = rng.uniform(0.3, 1.5, t.shape)
        if 'var' not in name and not name.endswith('bn.weight'):
            value = value * np.where(rng.rand(*t.shape) < 0.5, -1, 1)
        t[...] = Tensor(value.astype('float32'))
    return m
def simulated(m, *shape, config='ema_fakequant_qconfig'):
    seen, x = (Tensor(np.random.RandomState(seed).standard_normal(shape).astype('float32')) for seed in (3, 4))
    net = Q.quantize_qat(M.Sequential(M.QuantStub(), fill(m), M.DequantStub()), qconfig=getattr(Q, config))
    net(seen)
    first = net(x)
    net.eval()
    return net, x, [first, net(x)]
def trained(m, *shape, **options):
    net, x, outs = simulated(m, *shape, **options)
    q = net[1]
    scales = [getattr(p, 'scale', None) for p in (q.get_weight_qparams(), q.get_activation_qparams())]
    return [outs, scales, list(net.state_dict())]
def integers(m, *shape, **options):
    net, x, outs = simulated(m, *shape, **options)
    net = Q.quantize(net)
    net.eval()
    return [net(x), net[1](net[0](x)).numpy().tolist(), [getattr(net[1], 'weight', net[1]) is not net[1] and net[1].weight.numpy().tolist()]]
"""

FLOAT = [
    ("M.Conv2d(2, 4, 3, padding=1)", "2, 2, 5, 5"),
    ("M.Conv2d(2, 4, 3, groups=2, bias=False)", "2, 2, 5, 5"),
    ("M.ConvRelu2d(2, 4, 3, stride=2)", "2, 2, 5, 5"),
    ("M.ConvBn2d(2, 4, 3)", "2, 2, 5, 5"),
    ("M.ConvBn2d(2, 4, 3, groups=2, bias=False)", "2, 2, 5, 5"),
    ("M.ConvBnRelu2d(2, 4, 3, momentum=0.7)", "2, 2, 5, 5"),
    ("M.Linear(3, 4)", "5, 3"),
    ("M.LinearRelu(3, 4, bias=False)", "5, 3"),
    ("M.LinearBn1d(3, 4)", "5, 3"),
    ("M.Elemwise('sigmoid')", "2, 3"),
]
SIMULATED_ONLY = [
    ("M.ConvTranspose2d(2, 4, 3)", "2, 2, 5, 5"),
    ("M.ConvTransposeRelu2d(2, 4, 3, stride=2)", "2, 2, 5, 5"),
    ("M.ConvTransposeBn2d(2, 4, 3, groups=2)", "2, 2, 5, 5"),
    ("M.ConvTransposeBnRelu2d(2, 4, 3)", "2, 2, 5, 5"),
]

NET = """
class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.q, self.dq = M.QuantStub(), M.DequantStub()
        self.c, self.cr, self.cb = M.ConvBnRelu2d(1, 2, 3), M.ConvRelu2d(2, 2, 3), M.ConvBn2d(2, 2, 1, bias=False)
        self.add, self.cat = M.Elemwise('add'), M.Concat()
        self.l = [M.LinearRelu(64, 5), {'x': M.LinearBn1d(3, 2)}]
        self.relu = M.ReLU()
        self.off = M.Linear(5, 3)
        self.off.disable_quantize()
    def forward(self, x):
        x = self.cr(self.c(self.q(x)))
        return self.dq(self.cat([x, self.add(x, self.cb(x))], 1))
n = Net()
"""

CASES = [
    group(
        "quantization: parameters",
        PARAMETERS,
        """
        [str(m) for m in Q.QuantMode]
        told(Q.create_qparams())
        told(Q.create_qparams(S, 'qint8'))
        told(Q.create_qparams(A, 'quint8', Tensor(0.5), Tensor(3.0)))
        Q.create_qparams(S, 'other', Tensor(0.5))
        repr(Q.create_qparams(A, 'quint8', Tensor(0.5), Tensor(3.0)))
        told(Tensor([1.0]).qparams)
        x.qparams.update(Q.create_qparams(S, 'qint8', Tensor(0.5))); [told(x.qparams), told((x + 0).qparams), told(x.detach().qparams), repr(x)[:10]]
        import copy; x.qparams.update(Q.create_qparams(S, 'qint8', Tensor(0.5))); told(copy.deepcopy(x).qparams)
        x.qparams = Q.create_qparams()
        Q.create_qparams(S, 'qint8', Tensor(0.5)) == Q.create_qparams(S, 'qint8', Tensor(0.5))
        Q.create_qparams(S, 'qint8', Tensor(0.5)) == Q.create_qparams(S, 'qint8', Tensor(0.25))
        hash(Q.create_qparams())
        [list(m) for m in [Q.create_qparams(S, n).dtype_meta for n in ('qint8', 'qint8_narrow', 'quint8', 'qint4', 'quint4', 'qint32')]]
        Q.QConfig(None, Q.MinMaxObserver(), None, None)
        """,
        grads=False,
    ),
    group(
        "quantization: rounding",
        PARAMETERS,
        [
            f"Q.fake_quant_tensor(x, Q.create_qparams({arguments}))"
            for arguments in (
                "S, 'qint8', Tensor(0.5)",
                "S, 'qint8_narrow', Tensor(0.5)",
                "S, 'qint4', Tensor(0.5)",
                "A, 'quint8', Tensor(0.5), Tensor(3.0)",
                "A, 'quint8', Tensor(0.5), Tensor(3.4)",
                "S, 'quint8', Tensor(0.5), Tensor(3.0)",
                "S, 'qint8', Tensor(0.3)",
            )
        ],
        """
        Q.fake_quant_tensor(Tensor([float('nan'), float('inf'), -float('inf')]), Q.create_qparams(S, 'qint8', Tensor(0.5)))
        Q.FakeQuantize('qint8')(x, Q.create_qparams(S, 'qint8', Tensor(0.5)))
        """,
    ),
    group(
        "quantization: rounding, errors and biases",
        PARAMETERS,
        """
        repr(Q.FakeQuantize('qint8'))
        Q.FakeQuantize('qint8', enable=False)(x, Q.create_qparams(S, 'qint8', Tensor(0.5)))
        Q.FakeQuantize('other')
        Q.FakeQuantize('qint8')(x, Q.create_qparams(S, 'qint8_narrow', Tensor(0.5)))
        Q.FakeQuantize('qint8').get_qparams()
        Q.fake_quant_bias(Tensor([0.33, -0.7]), x, x)
        Q.fake_quant_bias(None, x, x)
        """,
        """
        # a bias
        x.qparams.update(Q.create_qparams(S, 'qint8', Tensor(0.5)))
        w = Tensor([1.0])
        w.qparams.update(Q.create_qparams(S, 'qint8_narrow', Tensor(0.25)))
        b = Q.fake_quant_bias(Tensor([0.33, -0.7]), x, w)
        [b, told(b.qparams)]

        # a bias beside an asymmetric input
        x.qparams.update(Q.create_qparams(A, 'quint8', Tensor(0.5), Tensor(3.0)))
        w = Tensor([1.0])
        w.qparams.update(Q.create_qparams(S, 'qint8_narrow', Tensor(0.25)))
        Q.fake_quant_bias(Tensor([0.33, -0.7]), x, w)
        """,
        grads=False,
    ),
    group(
        "quantization: learned rounding",
        LEARN,
        """
        # TQT
        f = Q.TQT('qint4')
        f.set_qparams(Q.create_qparams(S, 'qint4', Tensor(3.0)))
        [learned(f), repr(f), [[k, a] for k, a in f.state_dict().items()]]

        # TQT, asymmetric
        Q.TQT('qint8').set_qparams(Q.create_qparams(A, 'qint8', Tensor(3.0), Tensor(2.0)))

        # LSQ
        f = Q.fake_quant.LSQ('qint4')
        f.set_qparams(Q.utils.LSQParams(S, f.dtype, Tensor(3.0), Tensor(0.0), Tensor(0.3)))
        [learned(f), repr(f), [[k, a] for k, a in f.state_dict().items()]]

        # LSQ with a zero point, values
        f = Q.fake_quant.LSQ('qint4')
        f.set_qparams(Q.create_qparams(A, 'qint4', Tensor(3.0), Tensor(2.0)))
        f(v)

        # LSQ of a negative step
        f = Q.fake_quant.LSQ('qint8')
        f.step_size[...] = -0.3
        [f(v), told(f.get_qparams())]

        # LSQ of a tiny scale
        f = Q.fake_quant.LSQ('qint8')
        f.set_qparams(Q.create_qparams(S, 'qint8', Tensor(1e-6)))
        told(f.get_qparams())

        # switched off
        f = Q.TQT('qint8')
        f.disable()
        f(v)
        """,
        grads=False,
    ),
    group(
        "quantization: observers",
        OBSERVE,
        [
            f"observed(Q.MinMaxObserver({mode}, dtype='{dtype}'), [[-1.0, 2.0, 3.5]], [-3.0, 0.0])"
            for mode in "SA"
            for dtype in ("qint8", "qint8_narrow", "quint8", "qint4", "quint4")
        ],
        """
        observed(Q.MinMaxObserver())
        observed(Q.MinMaxObserver(A))
        observed(Q.MinMaxObserver(A, dtype='quint8'), [2.0, 3.0])
        observed(Q.MinMaxObserver(eps=0.1), [2.0, 3.0])
        observed(Q.MinMaxObserver(), [2, 3])
        observed(Q.SyncMinMaxObserver(), [2.0, 3.0])
        observed(Q.ExponentialMovingAverageObserver(), [-1.0, 2.0], [-2.0, 4.0], [0.0, 1.0])
        observed(Q.ExponentialMovingAverageObserver(momentum=0.5, mode=A), [-1.0, 2.0], [-2.0, 4.0])
        observed(Q.SyncExponentialMovingAverageObserver(), [-1.0, 2.0], [-2.0, 4.0])
        [[k, a] for k, a in Q.MinMaxObserver().state_dict().items()]
        [[k, a] for k, a in Q.ExponentialMovingAverageObserver().state_dict().items()]
        [k for k in Q.HistogramObserver().state_dict()]
        [repr(o) for o in (Q.MinMaxObserver(), Q.HistogramObserver(), Q.PassiveObserver('qint8'))]
        Q.MinMaxObserver(dtype='other')
        o = Q.MinMaxObserver(A, dtype='quint8'); observed(o, [-1.0, 3.0]); [o.get_quantized_dtype(), dict(o.get_quantized_dtype().metadata['mgb_dtype'])]
        o = Q.MinMaxObserver(); observed(o, [-1.0, 3.0]); dict(o.get_quantized_dtype().metadata['mgb_dtype'])
        Q.MinMaxObserver(A).get_quantized_dtype()
        Q.MinMaxObserver(S, dtype='quint8').get_quantized_dtype()
        o = Q.MinMaxObserver(); o.eval(); [o.enabled, o(x).shape, o.max_val, o.train(), o.enabled]
        observed(Q.HistogramObserver())
        observed(Q.HistogramObserver(bins=8, upsample_rate=4), [1.0, 1.0])
        Q.PassiveObserver('qint8').get_qparams()
        Q.PassiveObserver('qint8').scale
        Q.PassiveObserver('qint8').set_qparams(Q.create_qparams(S, 'qint8_narrow', Tensor(0.5)))
        """,
        """
        # a passive observer
        o = Q.PassiveObserver('qint8')
        o.set_qparams(Q.create_qparams(S, 'qint8', Tensor(0.5)))
        o.scale = Tensor(0.25)
        [o(x), told(o.get_qparams()), float(o.orig_scale)]

        # a passive observer with a negative scale
        o = Q.PassiveObserver('qint8')
        o.set_qparams(Q.create_qparams(S, 'qint8', Tensor(0.5)))
        o.scale = Tensor(-0.25)

        # momentum
        o = Q.ExponentialMovingAverageObserver()
        o.set_momentum(0.5)
        observed(o, [-1.0, 2.0], [-2.0, 4.0], [-3.0, 5.0])

        # histograms
        rng = np.random.RandomState(0)
        out = []
        for bins, rate, mode, dtype in ((2048, 128, S, 'qint8'), (32, 4, A, 'quint8'), (100, 7, S, 'qint4')):
            o = Q.HistogramObserver(bins, rate, mode, dtype=dtype)
            for k in range(3):
                out.append([observed(o, (rng.standard_normal(500) ** 3 * (1 + k)).astype('float32')), float(o.min_val), float(o.max_val)])
        out
        """,
        [
            differs(
                "o = Q.HistogramObserver(bins=4)\no(Tensor([1.0, 2.0]))\no.disable()\no(Tensor([5.0, 9.0]))\no.max_val",
                "a histogram that is switched off stays as it is",
                gives="Tensor(2.0)",
                name="histograms, switched off",
            )
        ],
        grads=False,
    ),
    group(
        "quantization: training", LAYERS, [f"trained({layer}, {shape})" for layer, shape in FLOAT + SIMULATED_ONLY], grads=False, atol=2e-5
    ),
    group(
        "quantization: training, learned",
        LAYERS,
        [f"trained({layer}, {shape}, config='tqt_qconfig')" for layer, shape in FLOAT],
        grads=False,
        atol=2e-5,
    ),
    group("quantization: integers", LAYERS, [f"integers({layer}, {shape})" for layer, shape in FLOAT], grads=False, atol=2e-5),
    group(
        "quantization: networks",
        NET,
        """
        repr(Q.quantize_qat(n))
        repr(Q.quantize_qat(n, qconfig=Q.tqt_qconfig))
        repr(Q.quantize_qat(n, inplace=False)) == repr(n)
        list(Q.quantize_qat(n).state_dict())
        repr(QAT.Linear(3, 2))
        [QAT.Linear(3, 2).get_weight_qparams(), QAT.Linear(3, 2).get_activation_dtype()]
        QAT.Linear(3, 2)(F.ones((1, 3))).shape
        QAT.QATModule()
        repr(QD.QuantStub())
        Q.quantize(n) is n
        Q.quantize_qat(M.Linear(1, 2)).weight.shape
        Q.apply_easy_quant(Q.quantize_qat(M.Sequential(M.QuantStub(), M.Linear(3, 2)), qconfig=Q.easyquant_qconfig), F.ones((2, 3)))
        Q.quantize_qat(Q.quantize_qat(n))
        """,
        """
        # integers
        n(F.ones((2, 1, 8, 8)))
        Q.quantize_qat(n)
        n(F.ones((2, 1, 8, 8)))
        repr(Q.quantize(n))

        # integers do not train
        s = Q.quantize_qat(M.Sequential(M.QuantStub()))
        s(F.ones((2,)))
        Q.quantize(s)(F.ones((2,)))

        # the twin has the parameters
        l = M.Linear(3, 2)
        q = QAT.Linear.from_float_module(l)
        [q.weight is l.weight, q.bias is l.bias]

        # another class
        class Mine(M.Conv2d):
            pass
        Q.quantize_qat(M.Sequential(Mine(1, 2, 3)))

        # another class, mapped
        class Mine(M.Conv2d):
            pass
        type(Q.quantize_qat(M.Sequential(Mine(1, 2, 3)), mapping={Mine: QAT.Conv2d})[0]).__name__

        # switches
        q = Q.quantize_qat(M.Sequential(M.Linear(3, 2)))
        Q.disable_observer(q)
        Q.disable_fake_quant(q)
        off = [q[0].act_observer.enabled, q[0].weight_observer.enabled, q[0].act_fake_quant.enabled, q[0].weight_fake_quant.enabled]
        Q.enable_observer(q)
        Q.enable_fake_quant(q)
        [off, q[0].act_observer.enabled, q[0].weight_observer.enabled, q[0].act_fake_quant.enabled, q[0].weight_fake_quant.enabled]

        # another qconfig
        q = Q.quantize_qat(M.Sequential(M.QuantStub()))
        q(Tensor([1.0, -2.0]))
        r = Q.reset_qconfig(q, Q.tqt_qconfig, inplace=False)
        [r[0].act_fake_quant.scale, repr(r), repr(q)]

        # propagate
        q = Q.quantize_qat(M.Sequential(M.QuantStub()))
        Q.propagate_qconfig(q, Q.min_max_fakequant_qconfig)
        repr(q)

        # not quantized input
        q = Q.quantize_qat(M.Sequential(M.Linear(3, 2)))
        q(F.ones((1, 3)))
        z = Q.quantize(q)
        z.eval()
        z(F.ones((1, 3)))
        """,
        grads=False,
    ),
]
