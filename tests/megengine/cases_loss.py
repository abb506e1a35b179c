"""Losses: values, gradients, reductions, label smoothing, axes, extremes, errors."""

from oracle import differs, group

CE = "x = f32(3, 4, seed=1); t = Tensor([0, 3, 1]); p = F.softmax(f32(3, 4, seed=2), axis=1); y = f32(2, 3, 2, seed=3); k = Tensor([[0, 2], [1, 1]])"
BCE = "x = f32(2, 3, seed=1); t = flags(2, 3, seed=2).astype('float32'); p = pos(2, 3, seed=3, lo=0.1, hi=0.9); s = pos(2, 3, seed=4, lo=0, hi=1)"

CASES = [
    group(
        "cross_entropy",
        CE,
        """
        F.loss.cross_entropy(x, t)
        F.nn.cross_entropy(x, t)
        F.loss.cross_entropy(x, t, reduction='sum')
        F.loss.cross_entropy(x, t, reduction='none')
        F.loss.cross_entropy(x, t, label_smooth=0.1)
        F.loss.cross_entropy(x, t, label_smooth=0.3, reduction='none')
        F.loss.cross_entropy(p, t, with_logits=False)
        F.loss.cross_entropy(p, t, with_logits=False, label_smooth=0.2)
        F.loss.cross_entropy(y, k)
        F.loss.cross_entropy(y, k, axis=1, reduction='none')
        F.loss.cross_entropy(x.T, t, axis=0)
        F.loss.cross_entropy(x * 1000, t)
        F.loss.cross_entropy(x * 100, t, label_smooth=0.1)
        F.loss.cross_entropy(x, t, axis=-1)
        F.loss.cross_entropy(x, Tensor([0, 3]))
        F.loss.cross_entropy(x, t, reduction='nonsense')
        F.loss.cross_entropy(x, t.astype('uint8'))
    """,
    ),
    group(
        "l1 and square loss",
        "x = f32(2, 3, seed=1); y = f32(2, 3, seed=2)",
        """
        F.loss.l1_loss(x, y)
        F.loss.l1_loss(x, y, reduction='sum')
        F.loss.l1_loss(x, y, reduction='none')
        F.loss.l1_loss(x, y[0])
        F.loss.square_loss(x, y)
        F.loss.square_loss(x, y, reduction='none')
        F.loss.square_loss(x, Tensor([1, 2, 3]))
        F.nn.square_loss(x, y)
        F.nn.l1_loss(x, y)
        F.loss.l1_loss(x, y.reshape(3, 2))
        F.loss.square_loss(x, y, reduction='nonsense')
    """,
        differs(
            "F.loss.square_loss(x, y, 'sum')", "a reduction given by position counts", gives="F.loss.square_loss(x, y, reduction='sum')"
        ),
    ),
    group(
        "binary_cross_entropy",
        BCE,
        """
        F.loss.binary_cross_entropy(x, t)
        F.nn.binary_cross_entropy(x, t)
        F.loss.binary_cross_entropy(x, t, reduction='sum')
        F.loss.binary_cross_entropy(x, t, reduction='none')
        F.loss.binary_cross_entropy(x, s)
        F.loss.binary_cross_entropy(p, t, with_logits=False)
        F.loss.binary_cross_entropy(p, s, with_logits=False, reduction='none')
        F.loss.binary_cross_entropy(x * 100, t)
        F.loss.binary_cross_entropy(x, t.reshape(3, 2))
    """,
    ),
    group(
        "other losses",
        "x = f32(3, 4, seed=1); s = Tensor(np.sign(np.arange(12).reshape(3, 4) % 3 - 0.5).astype('float32'))",
        """
        F.loss.hinge_loss(x, s)
        F.loss.hinge_loss(x, s, norm='L2')
        F.loss.hinge_loss(x, s, reduction='none')
    """,
    ),
]
