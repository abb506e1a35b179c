"""Deformable convolution and pooling."""

from oracle import differs, group

CASES = [
    group(
        "deformable_conv2d",
        """
        x = f32(2, 4, 4, 5, seed=1)
        w = f32(3, 4, 2, 2, seed=2)
        g = f32(2, 3, 2, 2, 2, seed=3)
        o = f32(2, 8, 3, 4, seed=4)
        m = f32(2, 4, 3, 4, seed=5)
        p = f32(2, 16, 3, 3, seed=6)
        q = f32(2, 8, 3, 3, seed=7)
        b = f32(1, 3, 1, 1, seed=8)
        z = F.zeros((2, 8, 3, 4))
        """,
        """
        F.deformable_conv2d(x, w, o, m)
        F.deformable_conv2d(x, w, o, m, b)
        F.deformable_conv2d(x, w, o * 3, m)
        F.deformable_conv2d(x, w, z, m)
        F.deformable_conv2d(x, w, o[:, :, :, :3], m[:, :, :, :3], b, stride=2, padding=1)
        F.deformable_conv2d(x, w, o[:, :, :, :3], m[:, :, :, :3], stride=(1, 2), padding=(1, 1), dilation=(3, 2))
        F.deformable_conv2d(x, g, o, m, groups=2)
        F.deformable_conv2d(x, g, p, q, stride=2, padding=1, groups=2)
        F.deformable_conv2d(x, w, o[:, :6], m)
        F.deformable_conv2d(x, w, o, m[:, :3])
        F.deformable_conv2d(x, w, o[:, :, :2], m)
        F.deformable_conv2d(x, w, o[:, :, :2], m[:, :, :2])
        F.deformable_conv2d(x[0], w, o, m)
        F.deformable_conv2d(x, w[:, :3], o, m)
    """,
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "deformable_psroi_pooling",
        """
        x = f32(2, 3, 6, 7, seed=1)
        rois = Tensor([[0.0, 0.0, 0.0, 4.0, 3.0], [1, 1, 2, 5, 5], [0, -3, -2, 9.4, 3.6], [1, 3, 3, 1, 1], [0, 0.5, 1.5, 4.5, 2.5]])
        t = f32(5, 2, 3, 3, seed=2)
        u = f32(5, 2, 1, 1, seed=3)
        """,
        """
        F.deformable_psroi_pooling(x, rois, t, True, 3, 3, 3, 2, 1.0)
        F.deformable_psroi_pooling(x, rois, t, False, 3, 3, 3, 2, 1.0)
        F.deformable_psroi_pooling(x, rois, t, False, 3, 3, 3, 3, 0.5, 0.6)
        F.deformable_psroi_pooling(x, rois, u, False, 1, 1, 1, 4, 0.7, trans_std=1.0)
        F.deformable_psroi_pooling(x, rois, t * 20, False, 3, 3, 3, 1, 1.0)
        F.deformable_psroi_pooling(x, rois, f32(5, 2, 2, 3), True, 2, 2, 3, 2, 1.0)
        F.deformable_psroi_pooling(x[0], rois, t, True, 3, 3, 3, 2, 1.0)
        F.deformable_psroi_pooling(x, rois[:, :4], t, True, 3, 3, 3, 2, 1.0)
        F.deformable_psroi_pooling(x, rois, t, False, 2, 2, 2, 2, 1.0)
    """,
        differs(
            "F.deformable_psroi_pooling(x, rois, t, False, 1, 3, 3, 2, 1.0)",
            "the rows and columns of trans that are used are its own",
            gives="F.deformable_psroi_pooling(x, rois, F.broadcast_to(t[:, :, :1, :1], (5, 2, 3, 3)), False, 3, 3, 3, 2, 1.0)",
        ),
        differs(
            "F.deformable_psroi_pooling(x, Tensor([[2.0, 0.0, 0.0, 1.0, 1.0]]), t[:1], True, 3, 3, 3, 2, 1.0)",
            "the number of an image that there is not is an error",
            raises=IndexError,
            asked=False,
        ),
        differs(
            "F.deformable_psroi_pooling(x, rois, t[:2], False, 3, 3, 3, 2, 1.0)",
            "every region needs its trans",
            raises=ValueError,
            asked=False,
        ),
        grads="x t u",
        rtol=1e-4,
        atol=2e-5,
    ),
]
