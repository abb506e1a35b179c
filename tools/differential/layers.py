"""How layers, their weights and what they are called with are drawn. A sample gives (arguments, keyword arguments, inputs)."""

import functions_nn as nn
import numpy as np
from functions import options

import numod.module as M

LAYERS = {}


def layer(*names):
    def register(function):
        LAYERS.update(dict.fromkeys(names, function))
        return function

    return register


@layer("ReLU", "GELU", "SiLU", "Sigmoid", "Identity", "QuantStub", "DequantStub", "LeakyReLU", "PReLU")
def plain(draw):
    return (), {}, (draw.array(draw.shape(1, 4, 1)),)


@layer("Softmax")
def softmax(draw):
    x = draw.array(draw.shape(2, 4, 1))
    return (), {"axis": draw.integer(0, x.ndim - 1)} if draw.boolean() else {}, (x,)


@layer("Dropout")
def dropout(draw):
    return (draw.choice([0.0, 0.5]),), {}, (draw.array(draw.shape(1, 3, 1)),)


@layer("Concat")
def concat(draw):
    shape = draw.shape(1, 3, 1)
    return (), {}, ([draw.array(shape), draw.array(shape)], draw.integer(0, len(shape) - 1))


@layer("Elemwise")
def elemwise(draw):
    name, count = draw.choice(
        [("add", 2), ("mul", 2), ("relu", 1), ("fuse_add_relu", 2), ("sigmoid", 1), ("max", 2), ("exp", 1), ("fuse_mul_add3", 3)]
    )
    shape = draw.shape(1, 3, 1)
    draw.distinct = True
    return (name,), {}, tuple(draw.array(shape) for _ in range(count))


@layer("Embedding")
def embedding(draw):
    rows, columns = draw.integer(1, 5), draw.integer(1, 4)
    return (rows, columns), {}, (draw.indices(draw.shape(1, 2, 1), rows),)


@layer("Linear", "LinearRelu")
def linear(draw):
    inputs, outputs = draw.integer(1, 5), draw.integer(1, 5)
    return (inputs, outputs), options(draw, bias=[True, False]), (draw.array((*draw.shape(1, 2, 1), inputs)),)


@layer("LinearBn1d", "LinearBnRelu1d")
def linear_bn(draw):
    inputs, outputs = draw.integer(1, 5), draw.integer(1, 5)
    return (inputs, outputs), options(draw, bias=[True, False]), (several(draw, draw.array((1, inputs))),)


@layer("BatchMatMulActivation")
def batch_matmul(draw):
    batch, inputs, outputs = draw.integer(1, 3), draw.integer(1, 4), draw.integer(1, 4)
    kwargs = {"bias": False, "nonlinear_mode": draw.choice(["identity", "relu"])}
    return (batch, inputs, outputs), kwargs, (draw.array((batch, inputs, draw.integer(1, 4))),)


def convolution(draw, axes, transposed=False, grouped=True):
    (x, weight, bias), settings = nn.convolution(draw, axes, transposed, grouped)
    groups = settings.get("groups", 1)
    sides = weight.shape[-axes:]
    first, second = weight.shape[-axes - 2] * groups, weight.shape[-axes - 1] * groups
    channels = (first, second) if transposed else (second, first)
    return (*channels, sides if axes > 1 else sides[0]), settings | {"bias": bias is not None}, (x,)


def several(draw, x):
    """Five images of the size of these: batch normalization is then far from dividing by 0, where rounding is all there is to compare."""
    draw.distinct = True
    return draw.array((5, *x.shape[1:]))


@layer("Conv1d")
def conv1d(draw):
    return convolution(draw, 1, grouped=False)


@layer("Conv2d", "ConvRelu2d")
def conv2d(draw):
    args, kwargs, inputs = convolution(draw, 2)
    return args, kwargs | options(draw, padding_mode=["zeros", "replicate"]), inputs


@layer("Conv3d")
def conv3d(draw):
    return convolution(draw, 3)


@layer("ConvTranspose2d", "ConvTransposeRelu2d")
def conv_transpose2d(draw):
    return convolution(draw, 2, transposed=True)


@layer("ConvTranspose3d")
def conv_transpose3d(draw):
    return convolution(draw, 3, transposed=True, grouped=False)


@layer("ConvBn2d", "ConvBnRelu2d")
def conv_bn(draw):
    args, kwargs, (x,) = convolution(draw, 2)
    return args, kwargs, (several(draw, x),)


@layer("ConvTransposeBn2d", "ConvTransposeBnRelu2d")
def conv_transpose_bn(draw):
    args, kwargs, (x,) = convolution(draw, 2, transposed=True)
    return args, kwargs, (several(draw, x),)


@layer("DeformableConv2d")
def deformable(draw):
    (x, weight, offset, mask, bias), settings = nn.deformable_conv2d(draw)
    return (weight.shape[1], weight.shape[0], weight.shape[2:]), settings | {"bias": bias is not None}, (x, offset, mask)


@layer("DeformablePSROIPooling")
def deformable_pooling(draw):
    (x, rois, trans, *settings), _ = nn.deformable_psroi_pooling(draw)
    return tuple(settings), {}, (x, rois, trans)


@layer("LocalConv2d")
def local_conv2d(draw):
    (x, weight), settings = nn.local_conv2d(draw)
    return (x.shape[1], weight.shape[-1], *x.shape[2:], weight.shape[3:5]), settings, (x,)


@layer("RegionRestrictedConv")
def region_restricted(draw):
    (x, weight, rin, rout), settings = nn.region_restricted_conv(draw)
    channels = x.shape[1]
    return (channels, channels, weight.shape[-1]), settings | options(draw, bias=[True, False]), (x, rin, rout)


@layer("MaxPool2d")
def max_pool(draw):
    (x, kernel), settings = nn.max_pool2d(draw)
    return (kernel,), settings, (x,)


@layer("AvgPool2d")
def avg_pool(draw):
    (x, kernel), settings = nn.avg_pool2d(draw)
    return (kernel,), settings, (x,)


@layer("AdaptiveAvgPool2d", "AdaptiveMaxPool2d")
def adaptive(draw):
    (x, shape), _ = nn.adaptive(draw)
    return (shape,), {}, (x,)


@layer("SlidingWindow")
def sliding_window(draw):
    (x, kernel), settings = nn.sliding_window(draw)
    return (kernel,), settings, (x,)


@layer("SlidingWindowTranspose")
def sliding_window_transpose(draw):
    (x, size, kernel), settings = nn.sliding_window_transpose(draw)
    return (size, kernel), settings, (x,)


@layer("PixelShuffle")
def pixel_shuffle(draw):
    (x, factor), _ = nn.pixel_shuffle(draw)
    return (factor,), {}, (x,)


@layer("Pad")
def pad(draw):
    x = draw.array(draw.shape(1, 4, 2))
    widths = tuple((draw.integer(0, 1), draw.integer(0, 1)) for _ in range(x.ndim))
    return (widths,), {"mode": draw.choice(["constant", "edge", "reflect"])}, (x,)


@layer("BatchNorm2d", "SyncBatchNorm")
def batch_norm(draw):
    x = draw.array((draw.integer(2, 4), draw.integer(1, 3), draw.integer(2, 4), draw.integer(1, 4)))
    kwargs = options(draw, affine=[True, False], momentum=[0.5])
    return (x.shape[1],), kwargs | draw.choice([{}, {"freeze": True}, {"track_running_stats": False}]), (x,)


@layer("BatchNorm1d")
def batch_norm1d(draw):
    x = draw.array(draw.choice([(5, 3), (3, 2, 4)]))
    return (x.shape[1],), options(draw, affine=[True, False], momentum=[0.5]), (x,)


@layer("LayerNorm")
def layer_norm(draw):
    draw.distinct = True
    x = draw.array(draw.shape(1, 4, 3))
    return (x.shape[-draw.integer(1, x.ndim) :],), options(draw, affine=[True, False], eps=[1e-3]), (x,)


@layer("GeneralNorm")
def general_norm(draw):
    (x, axes, _), _ = nn.general_norm(draw)
    return (tuple(x.shape[axis] for axis in axes), axes), options(draw, eps=[1e-3]), (x,)


@layer("GroupNorm")
def group_norm(draw):
    (x, groups, learned), _ = nn.group_norm(draw)
    return (groups, x.shape[1]), {"affine": learned}, (x,)


@layer("InstanceNorm")
def instance_norm(draw):
    (x, learned), _ = nn.instance_norm(draw)
    return (x.shape[1],), {"affine": learned}, (x,)


@layer("LocalResponseNorm")
def local_response_norm(draw):
    (x,), settings = nn.local_response_norm(draw)
    return (), settings, (x,)


@layer("MultiHeadAttention")
def attention(draw):
    heads, batch = draw.integer(1, 2), draw.integer(1, 2)
    size = heads * draw.integer(1, 3)
    x = tuple(draw.array((batch, 3, size), low=-1, high=1) for _ in range(3))
    return (size, heads), options(draw, bias=[True, False]), x


@layer("RNNCell", "LSTMCell")
def cell(draw):
    inputs, hidden, batch = draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 3)
    return (inputs, hidden), options(draw, bias=[True, False]), (draw.array((batch, inputs)),)


@layer("RNN", "LSTM")
def recurrent(draw):
    inputs, hidden, batch, steps = draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 3), draw.integer(1, 4)
    kwargs = options(draw, num_layers=[1, 2], bidirectional=[False, True], bias=[True, False], batch_first=[False, True])
    shape = (batch, steps, inputs) if kwargs.get("batch_first") else (steps, batch, inputs)
    return (inputs, hidden), kwargs, (draw.array(shape),)


@layer("Sequential")
def sequential(draw):
    return tuple(draw.choice([["M.Linear(3, 4)", "M.ReLU()", "M.Linear(4, 2)"], ["M.Linear(3, 3)"]])), {}, (draw.array((2, 3)),)


MISSING = {"Module": "abstract"}


def state_of(draw, name, args, kwargs):
    """Weights for a layer, of the shapes that it has."""
    made = getattr(M, name)(*[eval(x, {"M": M}) if isinstance(x, str) and x.startswith("M.") else x for x in args], **kwargs)
    return {
        key: draw.array(value.shape, value.dtype, 0.2 if key.endswith("running_var") else -1.0, 1.0)
        if value.dtype.kind == "f"
        else np.array(value)
        for key, value in made.state_dict().items()
    }
