"""Batch, layer, group and instance norm with their running statistics, and dropout."""

from oracle import differs, group

BN = "x = f32(3, 2, 2, 1, seed=1); m = f32(1, 2, 1, 1, seed=2); v = pos(1, 2, 1, 1, seed=3); w = f32(1, 2, 1, 1, seed=4); b = f32(1, 2, 1, 1, seed=5)"
TOLERANT = {"rtol": 1e-4, "atol": 1e-5}

CASES = [
    group(
        "batch_norm",
        BN,
        """
        F.batch_norm(x, m, v)
        F.batch_norm(x, m, v, w, b)
        F.batch_norm(x, m, v, w, b, eps=0.1)
        F.batch_norm(x, weight=w, bias=b, training=True)
        F.batch_norm(x, training=True)
        F.batch_norm(x, training=True, eps=0.1)
    """,
        grads="x w b",
        **TOLERANT,
    ),
    group(
        "batch_norm statistics",
        BN,
        """
        # moved in place
        F.batch_norm(x, m, v, w, b, training=True, momentum=0.9); [m, v]

        # momentum
        F.batch_norm(x, m, v, training=True, momentum=0.5); [m, v]

        # momentum 0
        F.batch_norm(x, m, v, training=True, momentum=0.0); [m, v]

        # returned
        F.batch_norm(x, m, v, training=True, inplace=False)

        # not moved
        F.batch_norm(x, m, v, training=True, inplace=False); [m, v]

        # not moved in inference
        F.batch_norm(x, m, v); [m, v]

        # same object
        k = m; F.batch_norm(x, m, v, training=True); [k is m, k]
    """,
        grads=False,
        **TOLERANT,
    ),
    group(
        "BatchNorm",
        "x = f32(3, 2, 2, 1, seed=1); y = f32(4, 2, seed=2); z = f32(2, 2, 3, seed=3)",
        """
        # 2d train
        n = M.BatchNorm2d(2); n(x)

        # 2d statistics
        n = M.BatchNorm2d(2); n(x); n(x); [n.running_mean, n.running_var]

        # 2d eval
        n = M.BatchNorm2d(2); n(x); n.eval(); n(x)

        # 2d eval keeps statistics
        n = M.BatchNorm2d(2); n.eval(); n(x); [n.running_mean, n.running_var]

        # 2d without affine
        n = M.BatchNorm2d(2, affine=False); [n(x), n.weight, n.bias]

        # 2d without statistics
        n = M.BatchNorm2d(2, track_running_stats=False); n.eval(); [n(x), n.running_mean, n.running_var]

        # 2d momentum
        n = M.BatchNorm2d(2, momentum=0.5); n(x); [n.running_mean, n.running_var]

        # 2d eps
        n = M.BatchNorm2d(2, eps=0.1); n(x)

        # 2d frozen
        n = M.BatchNorm2d(2, freeze=True); [n(x), n.running_mean]

        # 2d tensors
        n = M.BatchNorm2d(2); [(k, p) for k, p in n.named_tensors()]

        # 1d
        n = M.BatchNorm1d(2); [n(y), n.running_mean, n.running_var]

        # 1d of sequences
        n = M.BatchNorm1d(2); [n(z), n.running_mean, n.running_var]

        # 1d tensors
        n = M.BatchNorm1d(2); [(k, p.shape) for k, p in n.named_tensors()]

        # 2d of rank 3
        M.BatchNorm2d(2)(z)

        # 1d of rank 4
        M.BatchNorm1d(2)(x)

        # one value a channel
        M.BatchNorm2d(2)(x[:1, :, :1])
    """,
        differs("M.BatchNorm2d(3)(x)", "an error", raises=ValueError, name="wrong channels"),
        **TOLERANT,
    ),
    group(
        "layer_norm",
        "x = f32(2, 3, 4, seed=1); w = f32(4, seed=2); b = f32(4, seed=3); ww = f32(3, 4, seed=4); bb = f32(3, 4, seed=5)",
        """
        F.layer_norm(x, (4,), False)
        F.layer_norm(x, (4,), True, w, b)
        F.layer_norm(x, (3, 4), True, ww, bb)
        F.layer_norm(x, (4,), False, eps=0.1)
        F.layer_norm(x, (3, 4), False)
        M.LayerNorm(4)(x)
        M.LayerNorm((3, 4))(x)
        M.LayerNorm((3, 4), affine=False)(x)
        M.LayerNorm(4, eps=0.1)(x)
        M.LayerNorm(3)(x)
        [(k, p) for k, p in M.LayerNorm((2, 2)).named_tensors()]
    """,
        **TOLERANT,
    ),
    group(
        "group_norm",
        "x = f32(2, 4, 2, 1, seed=1); w = f32(4, seed=2); b = f32(4, seed=3)",
        """
        F.group_norm(x, 2, False)
        F.group_norm(x, 2, True, w, b)
        F.group_norm(x, 1, False)
        F.group_norm(x, 4, True, w, b, eps=0.1)
        M.GroupNorm(2, 4)(x)
        M.GroupNorm(2, 4, affine=False)(x)
        M.GroupNorm(3, 4)
        [(k, p) for k, p in M.GroupNorm(2, 4).named_tensors()]
    """,
        differs("M.GroupNorm(2, 6)(x)", "an error", raises=ValueError),
        **TOLERANT,
    ),
    group("instance_norm", "x = f32(2, 2, 2, 2, seed=1)", "M.InstanceNorm(2)(x)\nF.instance_norm(x, False)", **TOLERANT),
    group(
        "dropout",
        "x = F.ones((50, 40))",
        """
        # shape and dtype
        y = F.dropout(x, 0.5); [y.shape, y.dtype]

        # values
        sorted({round(float(a), 4) for a in F.dropout(x, 0.2).numpy().ravel()})

        # about half are kept
        bool(abs((F.dropout(x, 0.5).numpy() > 0).mean() - 0.5) < 0.1)

        # not while testing
        bool((F.dropout(x, 0.5, training=False).numpy() == 1).all())

        # nothing
        bool((F.dropout(x, 0.0).numpy() == 1).all())

        # module in training
        bool((M.Dropout(0.5)(x).numpy() == 0).mean() > 0.3)

        # module in evaluation
        d = M.Dropout(0.5); d.eval(); bool((d(x).numpy() == 1).all())

        # two draws differ
        bool((F.dropout(x, 0.5).numpy() != F.dropout(x, 0.5).numpy()).any())

        # probability above 1
        F.dropout(x, 1.5)

        # negative probability
        F.dropout(x, -0.5)

        # gradient is the mask
        gm = GradManager().attach(x)
        with gm:
            y = F.dropout(x, 0.5)
            gm.backward(y)
        bool((x.grad.numpy() == y.numpy()).all())
    """,
        grads=False,
    ),
]
