"""Functions of neural networks: layers without their parameters, activations and losses."""

from __future__ import annotations

import math

from ..errors import check
from ..op import apply
from ..ops import linalg as linalg_ops
from ..tensor import Tensor
from .attention import multi_head_attention
from .conv import conv1d, conv2d, conv3d, conv_transpose2d, conv_transpose3d, local_conv2d, region_restricted_conv
from .deformable import deformable_conv2d, deformable_psroi_pooling
from .dropout import dropout
from .elemwise import gelu, hsigmoid, hswish, leaky_relu, logsigmoid, prelu, relu, relu6, sigmoid, silu, softplus
from .gathering import embedding, indexing_one_hot, one_hot
from .linalg import matmul, normalize
from .loss import binary_cross_entropy, cross_entropy, ctc_loss, hinge_loss, l1_loss, square_loss
from .norm import batch_norm, general_norm, group_norm, instance_norm, layer_norm, local_response_norm, sync_batch_norm
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    max_pool2d,
    pixel_shuffle,
    sliding_window,
    sliding_window_transpose,
)
from .reduction import logsoftmax, logsumexp, softmax
from .sides import reshaped
from .tensor import pad
from .vision import correlation, cvt_color, interpolate, nms, remap, roi_align, roi_pooling, warp_affine, warp_perspective


def linear(inp: Tensor, weight: Tensor, bias: Tensor | None = None, compute_mode: str = "default") -> Tensor:
    """``inp @ weight.T + bias``.

    Shape: inp (..., features), weight (outputs, features), bias (outputs,) -> (..., outputs).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([0.5])).tolist()
    [[11.5]]
    """
    check(weight.ndim == 2, "linear: weight must be (outputs, features), got shape {}", weight.shape)
    check(
        inp.ndim >= 1 and inp.shape[-1] == weight.shape[1],
        "linear: input of shape {} has not {} features, which weight takes",
        inp.shape,
        weight.shape[1],
    )
    if bias is None:
        return matmul(inp, weight, transpose_b=True)
    rows = inp if inp._spec.ndim == 2 else reshaped(inp, (math.prod(inp.shape[:-1]), inp.shape[-1]))
    check(bias.size == weight.shape[0], "linear: bias must have {} elements, got shape {}", weight.shape[0], bias.shape)
    out = apply(linalg_ops.linear, (rows, weight, reshaped(bias, weight.shape[:1])))
    return reshaped(out, (*inp.shape[:-1], out.shape[-1]))


__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "conv_transpose3d",
    "correlation",
    "cross_entropy",
    "ctc_loss",
    "cvt_color",
    "deformable_conv2d",
    "deformable_psroi_pooling",
    "dropout",
    "embedding",
    "gelu",
    "general_norm",
    "group_norm",
    "hinge_loss",
    "hsigmoid",
    "hswish",
    "indexing_one_hot",
    "instance_norm",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_conv2d",
    "local_response_norm",
    "logsigmoid",
    "logsoftmax",
    "logsumexp",
    "matmul",
    "max_pool2d",
    "multi_head_attention",
    "nms",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "prelu",
    "region_restricted_conv",
    "relu",
    "relu6",
    "remap",
    "roi_align",
    "roi_pooling",
    "sigmoid",
    "silu",
    "sliding_window",
    "sliding_window_transpose",
    "softmax",
    "softplus",
    "square_loss",
    "sync_batch_norm",
    "warp_affine",
    "warp_perspective",
]
