"""How calls of `functional.vision` are drawn; see `functions`."""

import numpy as np
from functions import options, sample
from functions_nn import regions


def vision(*names):
    return sample(*names, home="functional.vision.")


def image(draw, low=2, high=7):
    return draw.array((draw.integer(1, 2), draw.integer(1, 3), draw.integer(low, high), draw.integer(low, high)))


@vision("correlation")
def correlation(draw):
    x = image(draw, 5, 7)
    settings = {"kernel_size": draw.choice([1, 3]), "max_displacement": draw.integer(1, 2), "pad_size": draw.integer(2, 3)}
    return (x, draw.array(x.shape)), settings | {
        "stride1": draw.integer(1, 2),
        "stride2": draw.integer(1, 2),
        "is_multiply": draw.boolean(),
    }


@vision("cvt_color")
def cvt_color(draw):
    mode = draw.choice(
        ["RGB2GRAY", "BGR2GRAY", "RGB2BGR", "BGR2RGB", "RGB2YUV", "YUV2RGB", "RGBA2RGB", "RGBA2BGR", "RGBA2GRAY", "GRAY2RGB"]
    )
    channels = {"RGBA": 4, "GRAY": 1}.get(mode.split("2")[0], 3)
    shape = (draw.integer(1, 2), draw.integer(1, 5), draw.integer(1, 5), channels)
    dtype = draw.choice(["uint8", "uint8", "float32"])
    return (draw.array(shape, dtype, 0, 255 if dtype == "uint8" else 1),), {"mode": mode}


@vision("interpolate")
def interpolate(draw):
    mode = draw.choice(["bilinear", "bilinear", "nearest", "bicubic", "linear"])
    if mode == "linear":
        x, size = draw.array((2, draw.integer(1, 3), draw.integer(2, 7))), draw.integer(1, 9)
    else:
        x, size = image(draw), (draw.integer(1, 9), draw.integer(1, 9))
    factor = draw.choice([2.0, 0.5, 1.5]) if mode == "linear" else draw.choice([2.0, 0.5, (2.0, 1.5)])
    kwargs = {"size": size} if draw.boolean() else {"scale_factor": factor}
    return (x,), kwargs | {"mode": mode} | (options(draw, align_corners=[False, True]) if mode in ("bilinear", "linear") else {})


@vision("nms")
def nms(draw):
    n, random = draw.integer(1, 8), draw.random()
    corners = np.sort(random.uniform(0, 10, (n, 2, 2)), axis=1).reshape(n, 4).astype(np.float32)
    scores = (random.permutation(n) / n + 0.01).astype(np.float32)
    return (corners, scores, draw.choice([0.1, 0.3, 0.5])), options(draw, max_output=[1, 3, 20])


@vision("remap")
def remap(draw):
    x = image(draw)
    draw.distinct = True
    rows, columns = draw.integer(1, 5), draw.integer(1, 5)
    places = draw.array((len(x), rows, columns, 2), low=-1.3, high=max(x.shape[2:]) + 0.7)
    modes = {
        "border_mode": draw.choice(["replicate", "constant", "reflect", "reflect_101", "wrap"]),
        "interp_mode": draw.choice(["linear", "nearest"]),
    }
    return (x, places), modes | options(draw, scalar=[0.0, 1.5])


def matrices(draw, n, rows):
    random = draw.random()
    base = (
        np.eye(3)[:rows] + random.uniform(-0.2, 0.2, (n, rows, 3)) + np.pad(random.uniform(-1, 1, (n, rows, 1)), ((0, 0), (0, 0), (2, 0)))
    )
    if rows == 3:
        base[:, 2] = np.add([0, 0, 1], random.uniform(-0.02, 0.02, (n, 3)))
    return base.astype(np.float32)


@vision("warp_affine")
def warp_affine(draw):
    x = image(draw)
    shape = (draw.integer(1, 6), draw.integer(1, 6))
    kwargs = {"border_mode": draw.choice(["replicate", "constant"]), "format": "NCHW"}
    return (x, matrices(draw, len(x), 2), shape), kwargs | options(draw, border_val=[0.0, 1.5])


@vision("warp_perspective")
def warp_perspective(draw):
    x = image(draw)
    shape = (draw.integer(1, 6), draw.integer(1, 6))
    kwargs = {"border_mode": draw.choice(["replicate", "constant", "reflect", "wrap"])}
    return (x, matrices(draw, len(x), 3), shape), kwargs | options(draw, border_val=[0.0, 1.5])


@vision("roi_align")
def roi_align(draw):
    x = image(draw, 4, 7)
    kwargs = options(draw, mode=["average", "max"], spatial_scale=[1.0, 0.5], sample_points=[1, 2, (2, 3)], aligned=[True, False])
    return (x, regions(draw, len(x), 6), draw.choice([2, (1, 3), (2, 2)])), kwargs


@vision("roi_pooling")
def roi_pooling(draw):
    draw.distinct = True
    x = image(draw, 4, 7)
    return (x, regions(draw, len(x), 6), draw.choice([2, (1, 3), (2, 2)])), options(draw, mode=["max", "average"], scale=[1.0, 0.5])
