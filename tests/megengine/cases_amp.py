"""Mixed precision: dtypes, values and gradients within autocast, nested settings, and how a GradScaler changes its factor.

What a block gives in float16 is given in float32, as only that has gradients here, beside the name of its dtype.
"""

from oracle import differs, group

CAST = """
def cast(function, **options):
    with amp.autocast(**options):
        y = function()
    name = np.dtype(y.dtype).name
    return [name, y if name == "float32" else y.astype("float32")]
"""

HALF = CAST + "x = pos(3, 4, hi=0.9); y = pos(3, 4, seed=1); h = x.astype('float16'); k = y.astype('float16')\n"

SCALED = """
def scaled(scaler, *values, **options):
    w = Parameter([3.0])
    gm = GradManager().attach([w])
    path = []
    for value in values:
        w.grad = None
        with gm:
            scaler.backward(gm, (w * value).sum(), **options)
        path.append([None if w.grad is None else w.grad.numpy(), scaler.state_dict()])
    return path
"""

SETTINGS = """
def said():
    one = Tensor([[1.0]])
    return [amp.enabled, amp.low_prec_dtype, amp.high_prec_dtype, np.dtype(F.matmul(one, one).dtype).name]
"""

CASES = [
    group(
        "autocast to the lower precision",
        CAST + "x = f32(3, 4); y = f32(4, 5, seed=1); v = f32(4, seed=2); b = f32(2, 3, 4); w = f32(5, 4, seed=3); c = f32(5, seed=4)",
        """
        cast(lambda: F.matmul(x, y))
        cast(lambda: x @ y)
        cast(lambda: F.matmul(b, y))
        cast(lambda: F.matmul(x, v))
        cast(lambda: F.matmul(x.astype("float16"), y))
        cast(lambda: F.matmul(x, w, transpose_b=True))
        cast(lambda: F.matmul(v, v))
        cast(lambda: F.dot(v, v))
        cast(lambda: F.linear(x, w, c))
        cast(lambda: F.linear(x, w))
        cast(lambda: F.matmul(Tensor([[1, 2]]), y[:2]))
        cast(lambda: F.matmul(x, y), enabled=False)
        """,
        differs(
            "cast(lambda: F.matmul(Tensor([[1, 2]]), Tensor([[3], [4]])))",
            "products of integers are exact",
            gives="['int32', Tensor([[11.0]])]",
        ),
        rtol=4e-3,
        atol=4e-3,
    ),
    group(
        "convolutions within autocast",
        CAST
        + "x = f32(2, 4, 5, 5); w = f32(3, 4, 3, 3, seed=1); c = f32(1, 3, 1, 1, seed=2); s = f32(2, 4, 5, seed=3); u = f32(3, 4, 3, seed=4)\n"
        "g = f32(2, 1, 2, 3, 3, seed=5); t = f32(4, 3, 3, 3, seed=6); q = f32(1, 2, 4, 4, 4, seed=7); r = f32(3, 2, 2, 2, 2, seed=8)",
        """
        cast(lambda: F.conv2d(x, w, c))
        cast(lambda: F.conv2d(x, w, padding=1, stride=2))
        cast(lambda: F.conv2d(x, g, groups=2))
        cast(lambda: F.conv1d(s, u))
        cast(lambda: F.conv_transpose2d(x, t))
        cast(lambda: F.conv3d(q, r))
        cast(lambda: F.conv_transpose3d(f32(1, 3, 2, 2, 2), r))
        """,
        rtol=1e-2,
        atol=2e-2,
    ),
    group(
        "normalization within autocast",
        CAST
        + "x = f32(4, 4, 3, 3); w = pos(1, 4, 1, 1, seed=1); c = f32(1, 4, 1, 1, seed=2); m = f32(1, 4, 1, 1, seed=3); v = pos(1, 4, 1, 1, seed=4)\n"
        "e = f32(4, seed=5); f = f32(4, seed=6); z = f32(5, 4, seed=7)",
        """
        cast(lambda: F.batch_norm(x, m, v, w, c, training=True)) + [m, v]
        cast(lambda: F.batch_norm(x, m, v, w, None))
        cast(lambda: F.batch_norm(x, training=True))
        cast(lambda: F.layer_norm(z, (4,), True, e, f))
        cast(lambda: F.layer_norm(z.astype("float16"), (4,), True, e, f))
        cast(lambda: F.layer_norm(z.astype("float16"), (4,), False))
        cast(lambda: F.nn.group_norm(x.astype("float16"), 2, True, e, f))
        cast(lambda: F.nn.instance_norm(x, True, e, f))
        """,
        rtol=1e-2,
        atol=1e-2,
        grads="x w e f z",
    ),
    group(
        "autocast to the higher precision",
        HALF,
        [f"cast(lambda: F.{name}(h))" for name in "exp expm1 log log1p sqrt sin cos tan asin acos atan sinh cosh asinh atanh".split()],
        """
        cast(lambda: F.acosh(h + 1))
        cast(lambda: h / k)
        cast(lambda: h / 3)
        cast(lambda: 3 / h)
        cast(lambda: h ** k)
        cast(lambda: h ** 2)
        cast(lambda: h ** 0.5)
        cast(lambda: 2 ** h)
        cast(lambda: F.atan2(h, k))
        cast(lambda: F.logaddexp(h, k))
        cast(lambda: F.softplus(h))
        cast(lambda: F.logsigmoid(h))
        cast(lambda: F.hsigmoid(h))
        cast(lambda: F.logsoftmax(h, axis=1))
        cast(lambda: F.logsumexp(h, axis=1))
        cast(lambda: F.norm(h, axis=1))
        cast(lambda: F.normalize(h, axis=1))
        cast(lambda: F.mean(h))
        cast(lambda: F.std(h, axis=1))
        cast(lambda: F.loss.cross_entropy(h, Tensor([0, 1, 2])))
        cast(lambda: F.loss.cross_entropy(h, Tensor([0, 1, 2]), label_smooth=0.1))
        cast(lambda: F.loss.square_loss(h, k, reduction="none"))
        cast(lambda: F.loss.binary_cross_entropy(h, h))
        cast(lambda: F.exp(Tensor([1])))
        """,
        rtol=2e-3,
        atol=2e-3,
        grads="",
    ),
    group(
        "a higher precision of 16 bits",
        CAST + "x = pos(3, 4)",
        """
        cast(lambda: F.exp(x), high_prec_dtype="float16")
        cast(lambda: x / 2, high_prec_dtype="float16")
        cast(lambda: F.exp(Tensor([1])), high_prec_dtype="float16")
        cast(lambda: F.softmax(x, axis=1), high_prec_dtype="float16")
        cast(lambda: F.mean(x), high_prec_dtype="float16")
        """,
        rtol=2e-3,
        atol=2e-3,
    ),
    group(
        "what is not cast",
        HALF,
        [f"cast(lambda: F.{name}(h))" for name in "square abs neg relu tanh sigmoid gelu silu relu6 hswish sum prod max".split()],
        """
        cast(lambda: h + k)
        cast(lambda: h + y)
        cast(lambda: h * 1.5)
        cast(lambda: F.maximum(h, y))
        cast(lambda: F.softmax(h, axis=1))
        cast(lambda: F.concat([h, y]))
        cast(lambda: F.where(h > 0.7, h, y))
        cast(lambda: F.loss.l1_loss(h, k, reduction="none"))
        cast(lambda: F.avg_pool2d(h.reshape(1, 1, 3, 4), 2))
        """,
        rtol=2e-3,
        atol=2e-3,
        grads="",
    ),
    group(
        "settings of autocast",
        SETTINGS,
        """
        # before and after a block
        with amp.autocast():
            inside = said()
        [inside, said()]
        # a block in a block
        with amp.autocast(high_prec_dtype="float16"):
            with amp.autocast():
                inner = said()
            outer = said()
        [inner, outer, said()]
        # a block that is not enabled leaves things as they are
        with amp.autocast():
            with amp.autocast(enabled=False, high_prec_dtype="float16"):
                inner = said()
        inner
        # the settings of the module
        amp.enabled = True
        on = said()
        amp.enabled = False
        [on, said()]
        # an error ends a block
        def fail():
            with amp.autocast():
                raise KeyError
        [outcome(fail), said()]
        # a decorated function
        f = amp.autocast()(said)
        [f(), said(), f.__name__]
        # attributes
        a = amp.autocast(False, "bfloat16")
        [a.enabled, a.low_prec_dtype, a.high_prec_dtype]
        """,
        differs(
            "a = amp.autocast()\nwith a:\n    with a:\n        pass\ninner = said()\namp.enabled = False\ninner",
            "a block may be entered twice; MegEngine's stays on",
            gives='[False, "float16", "float32", "float32"]',
        ),
        grads=False,
    ),
    group(
        "GradScaler",
        SCALED + "inf, nan = float('inf'), float('nan')",
        """
        scaled(amp.GradScaler(), 1.0, 2.0)
        scaled(amp.GradScaler(growth_interval=2), 1.0, 2.0, 3.0, 4.0, 5.0)
        scaled(amp.GradScaler(8.0, 4.0, 0.25, 2), 1.0, inf, 1.0, 1.0, nan, 1.0)
        scaled(amp.GradScaler(growth_interval=0), 1.0, inf)
        scaled(amp.GradScaler(growth_interval=1), 1.0, inf, unscale_grad=False)
        scaled(amp.GradScaler(growth_interval=1), 1.0, inf, update_scale=False)
        scaled(amp.GradScaler(growth_interval=1), 1.0, unscale_grad=False, update_scale=True)
        amp.GradScaler().state_dict()
        amp.GradScaler().load_state_dict({})
        """,
        """
        # a factor that is given
        s = amp.GradScaler()
        s.update(100.0)
        s.update(Tensor(50.0))
        s.state_dict()
        # a state that is loaded
        s = amp.GradScaler(growth_interval=3)
        scaled(s, 1.0)
        other = amp.GradScaler(2.0, 3.0)
        [other.load_state_dict(s.state_dict()), other.state_dict()]
        # what was found is remembered until the update
        p, q = Parameter([1.0]), Parameter([1.0])
        s = amp.GradScaler()
        p.grad, q.grad = Tensor([inf]), Tensor([2.0])
        s.unscale([p, q])
        q.grad = Tensor([2.0])
        path = [p.grad, s.unscale([q]) is s, q.grad]
        s.update()
        path + [s.state_dict()]
        # several outputs and their gradients
        w = Parameter([3.0])
        gm = GradManager().attach([w])
        with gm:
            amp.GradScaler().backward(gm, [w * 2, w * 3], [Tensor([1.0]), Tensor([10.0])])
        w.grad
        """,
        differs(
            "p, q = Parameter([1.0]), Parameter([1.0])\np.grad = Tensor([2.0])\namp.GradScaler().unscale([p, q])\n[p.grad, q.grad]",
            "tensors without a gradient are left out",
            gives="[Tensor([0.125]), None]",
        ),
        differs("amp.GradScaler(init_scale=-1).state_dict()", "a factor is above 0", raises=ValueError),
        grads=False,
    ),
    group(
        "formats for mixed precision",
        "x = f32(2, 3, 4, 5); n = M.Conv2d(3, 2, 3); n.weight = Parameter(f32(2, 3, 3, 3, seed=1)); y = f32(2, 3, 5, 5, seed=2)",
        """
        amp.convert_tensor_format(x) is x
        amp.convert_tensor_format(x)
        amp.convert_tensor_format(x, inplace=False)
        [F.relu(amp.convert_tensor_format(x)), amp.convert_tensor_format(x).sum(axis=1), amp.convert_tensor_format(x).reshape(2, -1)]
        amp.convert_tensor_format(f32(3)).format
        amp.convert_tensor_format(Parameter(f32(1, 2, 1, 2)), inplace=False)
        amp.convert_module_format(n) is n
        amp.convert_module_format(n, inplace=False) is n
        {name: value.shape for name, value in amp.convert_module_format(n, inplace=False).state_dict().items()}
        """,
        differs("amp.convert_tensor_format(x).format", "there is one order in memory", gives='"default"'),
        differs("amp.convert_module_format(n)(y)", "MegEngine reads weights in another order", gives="F.conv2d(y, n.weight)"),
        differs(
            "amp.convert_module_format(n)(amp.convert_tensor_format(y))",
            "on a CPU MegEngine has no such kernel",
            gives="F.conv2d(y, n.weight)",
        ),
        differs("amp.convert_tensor_format(x)[0]", "MegEngine turns the axes", gives="x[0]"),
        differs("amp.convert_tensor_format(3)", "takes a Tensor", raises=TypeError),
        grads=False,
        atol=1e-5,
    ),
]
