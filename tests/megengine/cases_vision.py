"""Resizing and warping images, regions of them, and picking boxes."""

from oracle import differs, group

CASES = [
    group(
        "interpolate",
        "x = f32(2, 3, 3, 4); line = f32(2, 2, 5); u = Tensor(np.arange(12).reshape(1, 1, 3, 4), dtype='uint8')",
        """
        F.vision.interpolate(x, (4, 5))
        F.vision.interpolate(x, [5, 2], align_corners=True)
        F.vision.interpolate(x, Tensor([4, 5]), align_corners=False)
        F.vision.interpolate(x, scale_factor=2)
        F.vision.interpolate(x, scale_factor=1.5, align_corners=True)
        F.vision.interpolate(x, scale_factor=(0.7, 2.0))
        F.vision.interpolate(x, (3, 4))
        F.vision.interpolate(x, (4, 7), mode='nearest')
        F.vision.interpolate(x, (2, 3), mode='nearest')
        F.vision.interpolate(x, scale_factor=2.0, mode='nearest')
        F.vision.interpolate(x, (5, 7), mode='bicubic')
        F.vision.interpolate(x, (2, 3), mode='bicubic')
        F.vision.interpolate(line, 7, mode='linear')
        F.vision.interpolate(line, 3, mode='linear', align_corners=True)
        F.vision.interpolate(line, scale_factor=1.7, mode='linear')
        F.vision.interpolate(u, (4, 6), mode='nearest')
        F.nn.interpolate(x, (4, 5))
        F.vision.interpolate(x)
        F.vision.interpolate(x, (4, 5), scale_factor=2)
        F.vision.interpolate(x, (4, 5), mode='cubic')
        F.vision.interpolate(x, (4, 5), mode='nearest', align_corners=False)
        F.vision.interpolate(x, 4, mode='linear')
        F.vision.interpolate(line, 4)
        F.vision.interpolate(x, 4, mode='trilinear')
    """,
        differs("F.vision.interpolate(x, 5)", "one number is for all sides", gives="F.vision.interpolate(x, (5, 5))"),
    ),
    group(
        "interpolate volumes: MegEngine has no gradient of it",
        "solid = f32(1, 2, 2, 3, 4)",
        """
        F.vision.interpolate(solid, (3, 5, 2), mode='trilinear')
        F.vision.interpolate(solid, (3, 2, 6), mode='trilinear', align_corners=True)
        F.vision.interpolate(solid, scale_factor=2, mode='trilinear')
        F.vision.interpolate(solid, (4, 5))
    """,
        differs(
            "F.vision.interpolate(Tensor([[[[1, 2]]]], dtype='float16'), (1, 4))",
            "float16 stays",
            gives="Tensor([[[[1, 1.25, 1.75, 2]]]], dtype='float16')",
        ),
        grads=False,
    ),
    group(
        "non-maximum suppression",
        "b = Tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 5.0, 5.0], [0.0, 0.0, 4.5, 4.0], [10.0, 10.0, 11.0, 11.0]]); s = Tensor([0.5, 0.9, 0.6, 0.1])",
        """
        F.vision.nms(b, s, 0.3)
        F.vision.nms(b, s, 0.8)
        F.vision.nms(b, s, 0.8, 2)
        F.vision.nms(b, s, iou_thresh=0.99, max_output=9)
        F.vision.nms(b[:2], Tensor([0.5, 0.4]), 0.0)
        F.vision.nms(Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]]), Tensor([0.5, 0.4]), 0.5)
        F.vision.nms(Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]]), Tensor([0.5, 0.4]), 0.49)
        F.nn.nms(b, s, 0.3)
        F.vision.nms(b[:, :3], s, 0.3)
        F.vision.nms(b, s[:3], 0.3)
    """,
        differs("F.vision.nms(b, s * 0, 0.3)", "of equal scores the first is the better", gives="Tensor([0, 3])"),
        differs("F.vision.nms(b * 0, s, 0.3)", "nothing does not overlap nothing", gives="Tensor([1, 2, 0, 3])"),
        grads=False,
    ),
    group(
        "remap",
        "x = f32(2, 2, 3, 4); m = Tensor([[[[0.3, 0.6], [1.2, -1.7]], [[2.6, 1.6], [3.6, 2.7]], [[-5.2, 9.1], [5.3, -3.1]]]] * 2); y = 1.3 * x[:1]",
        """
        F.vision.remap(x, m)
        F.vision.remap(x, m, border_mode='reflect')
        F.vision.remap(x, m, border_mode='reflect_101')
        F.vision.remap(x, m, border_mode='wrap')
        F.vision.remap(x, m, border_mode='constant')
        F.vision.remap(x, m, border_mode='constant', scalar=7.0)
        F.vision.remap(x, m, interp_mode='nearest')
        F.vision.remap(x, m, 'wrap', interp_mode='nearest')
        F.remap(y, m[:1])
        F.nn.remap(y, m[:1])
        F.vision.remap(x, m, border_mode='other')
        F.vision.remap(x, m, interp_mode='other')
        F.vision.remap(x, m[0])
        F.vision.remap(y, m)
    """,
    ),
    group(
        "warps",
        "x = f32(2, 2, 3, 4); a = Tensor([[[1.2, 0.3, -0.4], [-0.2, 0.9, 0.3]]] * 2); p = F.concat([a, Tensor([[[0.1, -0.05, 1.0]]] * 2)], 1)",
        """
        F.vision.warp_perspective(x, p, (2, 3))
        F.vision.warp_perspective(x, p, Tensor([2, 3]))
        F.vision.warp_perspective(x, p, (4, 5), border_mode='reflect')
        F.vision.warp_perspective(x, p, (4, 5), border_mode='reflect_101')
        F.vision.warp_perspective(x, p, (4, 5), border_mode='wrap')
        F.vision.warp_perspective(x, p, (4, 5), border_mode='constant')
        F.vision.warp_perspective(x, p, (4, 5), border_mode='constant', border_val=7.0)
        F.vision.warp_perspective(x, p, (2, 3), mat_idx=[1, 1])
        F.vision.warp_perspective(x, p, (2, 3), mat_idx=Tensor([1, 0]))
        F.vision.warp_perspective(x, p[:1], (2, 3), mat_idx=[1])
        F.warp_perspective(x, p, (2, 3))
        F.vision.warp_perspective(x, p[:1], (2, 3))
        F.vision.warp_perspective(x, p, (2, 3), mat_idx=[0, 2])
        F.vision.warp_perspective(x, a, (2, 3))
    """,
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "affine warps: MegEngine has no gradient of them",
        "x = f32(2, 2, 3, 4); a = Tensor([[[1.2, 0.3, -0.4], [-0.2, 0.9, 0.3]]] * 2)",
        """
        F.vision.warp_affine(x, a, (2, 3), format='NCHW')
        F.vision.warp_affine(x, a, (4, 5), border_mode='wrap', format='NCHW')
        F.vision.warp_affine(x, a, (4, 5), border_mode='constant', border_val=7.0, format='NCHW')
        F.warp_affine(x, a, (2, 3), format='NCHW')
        F.vision.warp_affine(x, a[0], (2, 3), format='NCHW')
    """,
        differs(
            "F.vision.warp_affine(x, a, (2, 3))",
            "weights are not rounded to 1/32",
            gives="F.transpose(F.vision.warp_affine(F.transpose(x, (0, 3, 1, 2)), a, (2, 3), format='NCHW'), (0, 2, 3, 1))",
        ),
        grads=False,
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "regions of interest",
        "x = f32(2, 2, 6, 7); r = Tensor([[0, 0.5, 1.2, 4.6, 5.1], [1, 2, 1, 6, 3.3], [1, -2, -1, 9, 9], [0, 3, 3, 2, 2], [1, 2.2, 2.4, 2.5, 3]])",
        """
        F.vision.roi_align(x, r, (2, 3))
        F.vision.roi_align(x, r, 2, spatial_scale=0.9, sample_points=(3, 1))
        F.vision.roi_align(x, r, [1, 2], aligned=False)
        F.vision.roi_align(x, r, (2, 3), mode='max', spatial_scale=0.9, sample_points=(2, 3))
        F.vision.roi_align(x, r, (1, 2), mode='max', aligned=False)
        F.nn.roi_align(x, r, 1)
        F.vision.roi_align(x, r, 1, mode='other')
    """,
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "correlation: the gradients that MegEngine gives are not those of its values",
        "a = f32(2, 3, 5, 6); b = f32(2, 3, 5, 6, seed=1)",
        """
        F.vision.correlation(a, b)
        F.vision.correlation(a, b, 3, pad_size=1)
        F.vision.correlation(a, b, max_displacement=2, stride2=2, pad_size=2)
        F.vision.correlation(a, b, max_displacement=3, stride2=2, pad_size=4)
        F.vision.correlation(a, b, kernel_size=3, max_displacement=2, stride1=2, stride2=2, pad_size=3)
        F.nn.correlation(a, b, max_displacement=0)
        F.vision.correlation(a[:, :, :2, :2], b[:, :, :2, :2])
        F.vision.correlation(a, b[:, :2])
    """,
        grads=False,
    ),
    group(
        "correlation by differences",
        "a = f32(2, 3, 5, 6); b = f32(2, 3, 5, 6, seed=1)",
        """
        F.vision.correlation(a, b, is_multiply=False)
        F.vision.correlation(a, b, max_displacement=2, stride1=2, pad_size=3, is_multiply=False)
    """,
        grads=False,
    ),
    group(
        "pooled regions of interest",
        "x = f32(2, 2, 6, 7); r = Tensor([[0, 0.5, 1.2, 4.6, 5.1], [1, 2, 1, 6, 3.3], [1, -2, -1, 9, 9], [1, 2.2, 2.4, 2.5, 3]])",
        """
        F.vision.roi_pooling(x, r, (2, 3))
        F.vision.roi_pooling(x, r, 2, scale=0.7)
        F.vision.roi_pooling(x, r, [3, 1], mode='average', scale=0.7)
        F.vision.roi_pooling(x, r, 4, mode='average')
        F.nn.roi_pooling(x, r, 1)
        F.vision.roi_pooling(x, r, 1, mode='other')
    """,
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "pooled regions inside out: MegEngine has no gradient of them",
        "x = f32(1, 2, 6, 7); r = Tensor([[0.0, 3.0, 3.0, 2.0, 2.0], [0.0, 4.0, 1.0, 0.0, 3.0]])",
        "F.vision.roi_pooling(x, r, (2, 3))\nF.vision.roi_pooling(x, r, 2, mode='average')",
        grads=False,
    ),
]
