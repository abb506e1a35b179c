"""Layers that read images at places which are learned."""

from __future__ import annotations

from .. import functional as F
from ..tensor import Tensor
from .conv import _Conv
from .module import Module


class DeformableConv2d(_Conv):
    """Convolution that reads each value somewhat off its place, and times a factor, see :func:`numod.functional.deformable_conv2d`.

    Shape: (N, in_channels, H, W), offset (N, parts * kh * kw * 2, H', W') and mask (N, parts * kh * kw, H', W') -> (N, out_channels, H', W').
    Parameters: as in `Conv2d`. Offset and mask are inputs, mostly the results of convolutions of the same image.

    >>> import numod.functional as F, numod.module as M
    >>> M.DeformableConv2d(2, 4, 3, padding=1)(F.ones((1, 2, 5, 6)), offset=F.zeros((1, 18, 5, 6)), mask=F.ones((1, 9, 5, 6))).shape
    (1, 4, 5, 6)
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        name: str | None = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, conv_mode, compute_mode, name=name
        )

    def calc_conv(self, inp: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with this weight and bias in place of the layer's own."""
        settings = (self.stride, self.padding, self.dilation, self.groups, self.conv_mode, self.compute_mode)
        return F.deformable_conv2d(inp, weight, offset, mask, bias, *settings)

    def forward(self, inp: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """The convolution of what is read, plus the bias."""
        return self.calc_conv(inp, self.weight, offset, mask, self.bias)


class DeformablePSROIPooling(Module):
    """Means of the cells of regions of interest, each moved, see :func:`numod.functional.deformable_psroi_pooling`.

    Shape: (N, C, H, W), rois (R, 5) and trans (R, 2, pooled_h, pooled_w) -> (R, C, pooled_h, pooled_w).

    >>> import numod as nm, numod.functional as F, numod.module as M
    >>> image, whole = nm.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), nm.Tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])
    >>> M.DeformablePSROIPooling(True, 1, 1, 1, 2, 1.0)(image, whole, F.zeros((1, 2, 1, 1))).item()
    1.75
    """

    def __init__(
        self,
        no_trans: bool,
        part_size: int,
        pooled_h: int,
        pooled_w: int,
        sample_per_part: int,
        spatial_scale: float,
        trans_std: float = 0.1,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.no_trans = no_trans
        self.part_size = part_size
        self.pooled_h = pooled_h
        self.pooled_w = pooled_w
        self.sample_per_part = sample_per_part
        self.spatial_scale = spatial_scale
        self.trans_std = trans_std

    def forward(self, inp: Tensor, rois: Tensor, trans: Tensor) -> Tensor:
        """The means of the cells of ``rois``, moved by ``trans``."""
        cells = (self.part_size, self.pooled_h, self.pooled_w, self.sample_per_part)
        return F.deformable_psroi_pooling(inp, rois, trans, self.no_trans, *cells, self.spatial_scale, self.trans_std)
