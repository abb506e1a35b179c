"""How calls of the functions of neural networks are drawn; see `functions`."""

import numpy as np
from functions import options, salted, sample


def sides(draw, axes, low, high):
    """An int, or a tuple of one for each axis."""
    return draw.integer(low, high) if draw.boolean() else tuple(draw.integer(low, high) for _ in range(axes))


def each(value, axes):
    return (value,) * axes if isinstance(value, int) else value


def convolution(draw, axes, transposed=False, grouped=True):
    """(input, weight, bias or None), and the settings."""
    one = axes == 1
    groups = draw.integer(1, 2) if grouped else 1
    kernel = tuple(draw.integer(1, 3) for _ in range(axes))
    stride, padding, dilation = (
        (draw.integer(*b) if one else sides(draw, axes, *b)) for b in ((1, 3), (0, 1 if transposed else 2), (1, 2))
    )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, each(dilation, axes), strict=True)]
    size = [max(1, r - 2 * p) + draw.integer(0, 3) for r, p in zip(reach, each(padding, axes), strict=True)]
    if transposed:
        size = [s + p + 1 for s, p in zip(size, each(padding, axes), strict=True)]
    inputs, outputs = draw.integer(1, 3), draw.integer(1, 3)
    shape = (inputs, outputs, *kernel) if transposed else (outputs, inputs, *kernel)
    x = draw.array((draw.integer(1, 2), groups * inputs, *size))
    weight = draw.array((groups, *shape) if groups > 1 else shape)
    bias = draw.array((1, groups * outputs, *[1] * axes)) if draw.boolean() else None
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return (x, weight, bias), settings | ({"groups": groups} if groups > 1 else {})


@sample("conv1d")
def conv1d(draw):
    return convolution(draw, 1, grouped=False)


@sample("conv2d")
def conv2d(draw):
    return convolution(draw, 2)


@sample("conv3d")
def conv3d(draw):
    return convolution(draw, 3)


@sample("conv_transpose2d")
def conv_transpose2d(draw):
    return convolution(draw, 2, transposed=True)


@sample("conv_transpose3d")
def conv_transpose3d(draw):
    return convolution(draw, 3, transposed=True, grouped=False)


@sample("local_conv2d")
def local_conv2d(draw):
    (x, weight, _), settings = convolution(draw, 2, grouped=False)
    settings["dilation"] = 1
    stride, padding = each(settings["stride"], 2), each(settings["padding"], 2)
    out = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True)]
    return (x, draw.array((*out, x.shape[1], *weight.shape[2:], weight.shape[0]))), settings


@sample("deformable_conv2d")
def deformable_conv2d(draw):
    (x, weight, bias), settings = convolution(draw, 2, grouped=False)
    stride, padding, dilation = (each(settings[name], 2) for name in ("stride", "padding", "dilation"))
    kernel = weight.shape[2:]
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)]
    taps = kernel[0] * kernel[1]
    draw.distinct = True
    offset = draw.array((len(x), 2 * taps, *out), low=-1.4, high=1.4)
    return (x, weight, offset, draw.array((len(x), taps, *out), low=0.1, high=1.0), bias), settings


@sample("deformable_psroi_pooling")
def deformable_psroi_pooling(draw):
    size, part = draw.integer(1, 3), 0
    channels = draw.integer(1, 2) * size * size
    x = draw.array((draw.integer(1, 2), channels, 6, 6))
    part = size
    rois = regions(draw, len(x), 6)
    draw.distinct = True  # where the places that are read are round, there is no gradient
    trans = draw.array((len(rois), 2, part, part), low=-1, high=1)
    return (x, rois, trans, draw.boolean(), part, size, size, draw.integer(1, 3), 1.0, 0.1), {}


def regions(draw, images, side):
    """(n, 5): which image, and two corners."""
    random, n = draw.random(), draw.integer(1, 3)
    corners = np.sort(random.uniform(0, side - 1, (n, 2, 2)), axis=1).reshape(n, 4)
    return np.concatenate([random.integers(0, images, (n, 1)), corners], 1).astype(np.float32)


@sample("region_restricted_conv")
def region_restricted_conv(draw):
    groups, side, kernel = draw.integer(1, 3), draw.integer(3, 5), draw.choice([1, 3])
    x = draw.array((draw.integer(1, 2), groups, side, side))
    weight = draw.array((groups, 1, 1, kernel, kernel))
    rin, rout = (draw.array((len(x), side, side), np.int32, 0, 2) for _ in range(2))
    return (x, weight, rin, rout), {"padding": kernel // 2, "groups": groups}


@sample("avg_pool2d")
def avg_pool2d(draw):
    args, settings = pooling(draw)
    return args, settings | options(draw, mode=["average", "average_count_exclude_padding"])


@sample("max_pool2d")
def max_pool2d(draw):
    draw.distinct = True  # MegEngine gives a gradient to all that tie
    return pooling(draw)


def pooling(draw):
    kernel = sides(draw, 2, 1, 3)
    settings = {"padding": draw.integer(0, min(each(kernel, 2)) // 2)} if draw.boolean() else {}
    settings |= {"stride": sides(draw, 2, 1, 3)} if draw.boolean() else {}
    return (draw.array((draw.integer(1, 2), draw.integer(1, 3), draw.integer(3, 7), draw.integer(3, 7))), kernel), settings


@sample("adaptive_avg_pool2d", "adaptive_max_pool2d")
def adaptive(draw):
    draw.distinct = True
    rows, columns = draw.integer(1, 7), draw.integer(1, 7)
    return (draw.array((draw.integer(1, 2), draw.integer(1, 3), rows, columns)), (draw.integer(1, rows), draw.integer(1, columns))), {}


@sample("sliding_window")
def sliding_window(draw):
    x = draw.array((draw.integer(1, 2), draw.integer(1, 3), draw.integer(5, 7), draw.integer(5, 7)))
    return (x, sides(draw, 2, 1, 3)), {"padding": sides(draw, 2, 0, 2), "stride": sides(draw, 2, 1, 3), "dilation": sides(draw, 2, 1, 2)}


@sample("sliding_window_transpose")
def sliding_window_transpose(draw):
    size, kernel = (draw.integer(5, 7), draw.integer(5, 7)), (draw.integer(1, 3), draw.integer(1, 3))
    padding, stride, dilation = (tuple(draw.integer(*b) for _ in range(2)) for b in ((0, 2), (1, 3), (1, 2)))
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in zip(size, kernel, padding, stride, dilation, strict=True)]
    return (draw.array((draw.integer(1, 2), 2, *out, *kernel)), size, kernel), {"padding": padding, "stride": stride, "dilation": dilation}


@sample("pixel_shuffle")
def pixel_shuffle(draw):
    r = draw.integer(1, 3)
    return (draw.array((*draw.shape(0, 2, 1), draw.integer(1, 2) * r * r, draw.integer(1, 3), draw.integer(1, 3))), r), {}


# -- norms ---------------------------------------------------------------------------------------------------------------


def affine(draw, shape):
    return {"weight": draw.array(shape), "bias": draw.array(shape)}


@sample("batch_norm")
def batch_norm(draw):
    channels = draw.integer(1, 3)
    x = draw.array((draw.integer(2, 4), channels, draw.integer(2, 4), draw.integer(1, 4)))
    shape = (1, channels, 1, 1)
    training = draw.boolean()
    running = (draw.array(shape), draw.array(shape, low=0.1)) if not training or draw.boolean() else ()
    return (x, *running), (affine(draw, shape) if draw.boolean() else {}) | {
        "training": training,
        **options(draw, momentum=[0.5], eps=[1e-3]),
    }


@sample("sync_batch_norm")
def sync_batch_norm(draw):
    args, settings = batch_norm(draw)
    shape = (1, args[0].shape[1], 1, 1)
    return (args[0], draw.array(shape), draw.array(shape, low=0.1)), settings


@sample("layer_norm")
def layer_norm(draw):
    draw.distinct = True  # the variance of equal numbers is a matter of rounding
    x = draw.array(draw.shape(1, 4, 3))
    shape = x.shape[-draw.integer(1, x.ndim) :]
    learned = draw.boolean()
    return (x, shape, learned), (affine(draw, shape) if learned else {})


@sample("general_norm")
def general_norm(draw):
    draw.distinct = True
    x = draw.array(draw.shape(2, 4, 3))
    axes = tuple(sorted(draw.permutation(x.ndim)[: draw.integer(1, x.ndim - 1)]))
    return (x, axes, True), affine(draw, tuple(x.shape[axis] for axis in axes))


@sample("group_norm")
def group_norm(draw):
    groups = draw.integer(1, 3)
    channels = groups * draw.integer(1, 2)
    x = draw.array((draw.integer(1, 3), channels, draw.integer(2, 4), draw.integer(2, 4)))
    learned = draw.boolean()
    return (x, groups, learned), (affine(draw, (channels,)) if learned else {})


@sample("instance_norm")
def instance_norm(draw):
    x = draw.array((draw.integer(1, 3), draw.integer(1, 3), draw.integer(2, 4), draw.integer(2, 4)))
    learned = draw.boolean()
    return (x, learned), (affine(draw, (x.shape[1],)) if learned else {})


@sample("local_response_norm")
def local_response_norm(draw):
    return (draw.array((2, draw.integer(1, 7), 3, 3)),), options(draw, kernel_size=[1, 3, 5], k=[1.0], alpha=[0.1], beta=[0.5])


@sample("dropout")
def dropout(draw):
    x = draw.array(draw.shape(1, 3, 1))
    return draw.choice([((x, 0.0), {}), ((x, 0.5), {"training": False})])


# -- attention and losses ------------------------------------------------------------------------------------------------


@sample("multi_head_attention")
def multi_head_attention(draw):
    heads, batch = draw.integer(1, 2), draw.integer(1, 2)
    size, rows = heads * draw.integer(1, 3), draw.integer(1, 4)
    q, k, v = (draw.array((batch, rows, size), low=-1, high=1) for _ in range(3))
    biased = draw.boolean()
    count = 4 * size * size + 4 * size * biased
    weights = draw.array((count,), low=-1, high=1)
    kwargs = dict.fromkeys(("qbias", "kbias", "vbias", "obias"), biased) | {f"{name}proj_size": size for name in "qkvo"}
    return (q, k, v, size, heads, 0.0, 0.0, weights), kwargs | {"training": draw.boolean()}


REDUCTIONS = ["mean", "sum", "none"]


@sample("l1_loss", "square_loss", home="functional.loss.")
def distance(draw):
    shape = draw.shape(1, 3, 1)
    draw.distinct = True
    return (draw.array(shape), draw.array(shape)), options(draw, reduction=REDUCTIONS)


@sample("hinge_loss", home="functional.loss.")
def hinge_loss(draw):
    shape = (draw.integer(1, 4), draw.integer(1, 4))
    draw.distinct = True
    label = np.where(draw.array(shape, bool), 1.0, -1.0).astype(np.float32)
    return (draw.array(shape), label), options(draw, reduction=REDUCTIONS, norm=["L1", "L2"])


@sample("binary_cross_entropy", home="functional.loss.")
def binary_cross_entropy(draw):
    shape, logits = draw.shape(1, 3, 1), draw.boolean()
    pred = draw.array(shape) if logits else draw.array(shape, low=0.1, high=0.9)
    return (pred, draw.array(shape, low=0, high=1)), {"with_logits": logits, **options(draw, reduction=REDUCTIONS)}


@sample("cross_entropy", home="functional.loss.")
def cross_entropy(draw):
    shape = draw.shape(2, 4, 1)
    axis = draw.integer(0, len(shape) - 1) if draw.boolean() else 1
    logits = draw.boolean()
    pred = salted(draw, draw.array(shape)) if logits else draw.array(shape, low=0.1, high=0.9)
    label = draw.indices((*shape[:axis], *shape[axis + 1 :]), shape[axis])
    return (pred, label), {"axis": axis, "with_logits": logits, **options(draw, reduction=REDUCTIONS, label_smooth=[0.1, 0.5])}


@sample("ctc_loss", home="functional.loss.")
def ctc_loss(draw):
    batch, classes = draw.integer(1, 3), draw.integer(3, 5)
    label_lengths = np.array([draw.integer(1, 3) for _ in range(batch)], np.int32)
    steps = 7
    pred = draw.array((steps, batch, classes), low=0.1, high=1.0)
    pred /= pred.sum(-1, keepdims=True)
    label = draw.array((int(label_lengths.sum()),), np.int32, 1, classes - 1)
    return (pred, np.full(batch, steps, np.int32), label, label_lengths), options(draw, reduction=REDUCTIONS)
