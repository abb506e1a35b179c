"""Conversion of colours."""

from oracle import differs, group

CASES = [
    group(
        "cvt_color of floats",
        "x = f32(2, 2, 3, 3, seed=1); a = f32(1, 2, 2, 4, seed=2); g = f32(1, 2, 3, 1, seed=3)",
        """
        F.vision.cvt_color(x, "RGB2GRAY")
        F.vision.cvt_color(x, "bgr2gray")
        F.vision.cvt_color(x, mode="RGB2YUV")
        F.vision.cvt_color(x, "YUV2RGB")
        F.vision.cvt_color(g, "GRAY2RGB")
        F.vision.cvt_color(a, "RGB2GRAY")
        F.vision.cvt_color(g, "RGB2YUV")
        F.vision.cvt_color(x[0], "RGB2GRAY")
        F.vision.cvt_color(x, "RGB2HSV")
        F.vision.cvt_color(x)
        F.vision.cvt_color(i32(1, 2, 2, 3), "RGB2GRAY")
        F.vision.cvt_color(f32(1, 3, 2, 1), "YUV2RGB_NV21")
    """,
        [
            differs(
                'F.vision.cvt_color(x, "RGB2BGR")',
                "floats have all orders of channels",
                gives="F.concat([x[..., 2:], x[..., 1:2], x[..., :1]], 3)",
            ),
            differs('F.vision.cvt_color(a, "RGBA2RGB")', "floats have all orders of channels", gives="a[..., :3]"),
            differs(
                'F.vision.cvt_color(a, "RGBA2GRAY")',
                "floats have all orders of channels",
                gives='F.vision.cvt_color(a[..., :3], "RGB2GRAY")',
            ),
        ],
        grads=False,
        atol=1e-5,
    ),
    group(
        "cvt_color of bytes",
        """
        x = u8(2, 3, 4, 3, seed=1, lo=0, hi=256)
        a = u8(1, 3, 4, 4, seed=2, lo=0, hi=256)
        g = u8(1, 2, 3, 1, seed=3, lo=0, hi=256)
        p = u8(2, 6, 4, 1, seed=4, lo=0, hi=256)
        q = u8(1, 3, 6, 1, seed=5, lo=90, hi=170)
        """,
        [
            f'F.vision.cvt_color({name}, "{mode}")'
            for name, modes in (
                ("x", "RGB2GRAY BGR2GRAY RGB2YUV YUV2RGB RGB2BGR BGR2RGB RGBA2RGB"),
                ("a", "RGBA2GRAY RGBA2RGB RGBA2BGR"),
                ("g", "GRAY2RGB YUV2RGB_NV12"),
                ("p", "YUV2RGB_NV21 YUV2RGB_NV12 YUV2RGB_YV12 YUV2RGB_YU12 YUV2BGR_NV12 YUV2GRAY_NV21 YUV2GRAY_YU12 YCrCb2RGB YCrCb2BGR"),
                ("p", "BT601_YUV2RGB_NV21 BT601_YUV2RGB_NV12 BT601_YUV2RGB_YV12 BT601_YUV2RGB_YU12 BT601_YUV2BGR_YV12"),
                ("q", "YUV2RGB_NV21 BT601_YUV2RGB_NV12 YUV2RGB_YU12"),
            )
            for mode in modes.split()
        ],
    ),
]
