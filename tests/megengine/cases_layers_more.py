"""Layers of functions that convolutional networks use less often: outputs, gradients, state dicts, repr, attributes, refusals."""

from cases_module_more import LEARN
from oracle import differs, group

SAY = """
def say(m, names):
    return [getattr(m, name) for name in names.split()]
"""

IMAGES = (
    LEARN
    + SAY
    + """
x = f32(2, 4, 3, 5)
"""
)

VOLUMES = (
    LEARN
    + """
x = f32(1, 4, 2, 2, 2)
"""
)

WITHOUT_PARAMETERS = [
    "AdaptiveAvgPool2d((2, 3))",
    "AdaptiveAvgPool2d(3)",
    "AdaptiveMaxPool2d((3, 4))",
    "AdaptiveMaxPool2d(2)",
    "SlidingWindow((2, 3), (1, 0), 2, (1, 2))",
    "SlidingWindow(2)",
    "PixelShuffle(2)",
    "LocalResponseNorm()",
    "LocalResponseNorm(3, 1.0, 0.5, 0.9)",
]
ATTRIBUTES = [
    ("AdaptiveAvgPool2d((2, 3), name='a')", "oshp name training"),
    ("AdaptiveMaxPool2d(2)", "oshp name"),
    ("SlidingWindow((2, 3), (1, 0), 2, (1, 2), name='a')", "kernel_size padding stride dilation name"),
    ("SlidingWindowTranspose(4, 2, name='a')", "output_size kernel_size padding stride dilation name"),
    ("PixelShuffle(2, name='a')", "upscale_factor name"),
    ("LocalResponseNorm(name='a')", "kernel_size k alpha beta name"),
    ("GeneralNorm((3, 4), (1, 2), name='a')", "normalized_shape normalized_axis eps affine name"),
    ("SyncBatchNorm(3, 0.1, 0.5, freeze=True, name='a')", "num_features eps momentum affine track_running_stats freeze name"),
    ("ConvTranspose3d(4, 6, 3, 2, 1)", "in_channels out_channels kernel_size stride padding dilation groups name"),
]
NORMS = [
    "GeneralNorm((4, 3), (1, 2))",
    "GeneralNorm([4, 5], [1, 3], eps=0.1)",
    "GeneralNorm((3, 5), (-2, -1))",
    "GeneralNorm((4,), 1)",
    "GeneralNorm((2,), eps=0.5)",
    "GeneralNorm((3, 5), (2, 3), affine=False)",
]
BATCH_NORMS = [
    "SyncBatchNorm(4)",
    "SyncBatchNorm(4, 0.1, 0.5)",
    "SyncBatchNorm(4, affine=False)",
    "SyncBatchNorm(4, track_running_stats=False)",
    "SyncBatchNorm(4, freeze=True)",
    "SyncBatchNorm(4, group=None)",
]
TRANSPOSED = [
    "ConvTranspose3d(4, 6, 2)",
    "ConvTranspose3d(4, 3, (3, 2, 1), 2, 1, 0, (1, 2, 1), bias=False)",
    "ConvTranspose3d(4, 3, (1, 2, 2), (1, 2, 3), (0, 1, 0))",
]
DEFORMABLE = (
    LEARN
    + SAY
    + """
x = f32(2, 4, 4, 3)
o = f32(2, 18, 4, 3, seed=1)
m = pos(2, 9, 4, 3, seed=2)
rois = Tensor(np.array([[0, 0, 1, 2, 3], [1, 1, 0, 3, 2]], "float32"))
t = f32(2, 2, 3, 3, seed=3)
"""
)
REGIONS = (
    LEARN
    + SAY
    + """
x = f32(2, 4, 4, 3)
r = flags(2, 4, 3, seed=6).astype("int32")
u = flags(2, 4, 3, seed=6).astype("uint8")
s = flags(2, 2, 1, seed=7).astype("int32")
q = flags(2, 2, 2, seed=7).astype("int32")
"""
)
DEFORMABLES = ["DeformableConv2d(4, 6, 3, padding=1)", "DeformableConv2d(4, 2, 3, 1, 1, groups=2, bias=False)"]
LOCALS = [
    "LocalConv2d(4, 6, 4, 3, 2)",
    "LocalConv2d(4, 2, 4, 3, (3, 2), (2, 1), (1, 0))",
    "LocalConv2d(4, 2, 4, 3, 3, 2, 1, groups=2)",
]
REGION_CONVS = [
    ("RegionRestrictedConv(4, 2, 3, 1, padding=1)", "r, r"),
    ("RegionRestrictedConv(4, 4, 3, 4, padding=1)", "u, u"),
    ("RegionRestrictedConv(4, 2, (3, 2), 2, False)", "r, q"),
    ("RegionRestrictedConv(4, 2, 2, dilation=2)", "r, s"),
]

CASES = [
    group(
        "layers without parameters",
        IMAGES,
        [f"M.{layer}(x)" for layer in WITHOUT_PARAMETERS],
        [f"inside(M.{layer})" for layer in [*WITHOUT_PARAMETERS, "SlidingWindowTranspose((4, 5), 2)"]],
        [f"say(M.{layer}, '{names}')" for layer, names in ATTRIBUTES],
        """
        M.AdaptiveAvgPool2d(Tensor([2, 3]))(x)
        M.SlidingWindowTranspose((4, 5), (1, 2))(F.reshape(x, (1, 3, 4, 5, 1, 2))[:, :, :, :4])
        M.SlidingWindowTranspose((3, 7), (2, 3), (1, 0), 2, (1, 2))(F.reshape(x, (1, 5, 2, 2, 2, 3)))
        M.PixelShuffle(0)(x)
        M.PixelShuffle(3)(x)
        M.AdaptiveMaxPool2d(2, 'a')
        M.PixelShuffle()
    """,
        atol=1e-5,
    ),
    group(
        "norms that learn",
        IMAGES,
        [f"learn(M.{layer}, x)" for layer in [*NORMS, *BATCH_NORMS]],
        [f"inside(M.{layer})" for layer in [*NORMS, *BATCH_NORMS]],
        [f"m = fill(M.{layer}); m.eval(); [m(x), dict(m.named_buffers())]" for layer in BATCH_NORMS],
        """
        M.GeneralNorm()
        M.GeneralNorm(4, 1)
        M.GeneralNorm((4, 5))
        M.GeneralNorm((4, 5), 1)
        M.GeneralNorm(None, (1, 2))
        M.GeneralNorm((4, 5), (1, 2))(x)
        M.GeneralNorm((5, 4), (3, 1))(x)
        M.SyncBatchNorm(4, freeze=True, track_running_stats=False)
        M.SyncBatchNorm(4)(F.expand_dims(x, 0))
        M.SyncBatchNorm(5)(x[0, 0, 0])
        learn(M.SyncBatchNorm(3), x[0])
        learn(M.SyncBatchNorm(5), x[0, 0])
    """,
        differs(
            "M.GeneralNorm(normalized_axis=(1, 3), affine=False)(x)",
            "without weights no shape is needed",
            gives="F.general_norm(x, (1, 3), affine=False)",
        ),
        differs("M.SyncBatchNorm(3)(x)", "other channels are refused", raises=ValueError),
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "transposed convolutions of volumes that learn",
        VOLUMES,
        [f"learn(M.{layer}, x)" for layer in TRANSPOSED],
        [f"inside(M.{layer})" for layer in [*TRANSPOSED, "ConvTranspose3d(4, 6, 3, (1, 2, 1), (0, 1, 0), 1, (1, 1, 2), 2)"]],
        """
        M.ConvTranspose3d(4, 6, 3, groups=3)
        M.ConvTranspose3d(4, 6, 3, conv_mode='cross_correlation')
        M.ConvTranspose3d(4, 6, 3)(x[0])
        M.ConvTranspose3d(3, 6, 3)(x)
        abs(float(np.std(M.ConvTranspose3d(40, 80, 3).weight.numpy())) * 1080 ** 0.5 - 1) < 0.02
        abs(float(np.std(M.ConvTranspose3d(80, 40, 3, groups=2).weight.numpy())) * 2160 ** 0.5 - 1) < 0.02
        M.ConvTranspose3d(4, 2, 1).bias
    """,
        differs(
            "fill(M.ConvTranspose3d(4, 6, 2, groups=2))(x)",
            "groups work",
            gives="m = fill(M.ConvTranspose3d(4, 6, 2, groups=2)); F.conv_transpose3d(x, m.weight, m.bias, groups=2)",
        ),
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "deformable layers that learn",
        DEFORMABLE,
        [f"learn(M.{layer}, x, o, m)" for layer in DEFORMABLES],
        [f"inside(M.{layer})" for layer in [*DEFORMABLES, "DeformableConv2d(4, 6, (3, 2), 2, (1, 0), (2, 1), 2)"]],
        """
        learn(M.DeformableConv2d(4, 2, (3, 2), (2, 1), 1), x, o[:, :12, :2], m[:, :6, :2])
        M.DeformablePSROIPooling(True, 3, 3, 3, 2, 0.5)(x, rois, t)
        M.DeformablePSROIPooling(False, 3, 3, 3, 2, 1.0, 0.3)(x, rois, t)
        inside(M.DeformablePSROIPooling(False, 3, 3, 3, 2, 0.5))
        say(M.DeformablePSROIPooling(False, 3, 3, 2, 2, 0.5, name='a'), 'no_trans part_size pooled_h pooled_w sample_per_part spatial_scale trans_std name')
        say(M.DeformableConv2d(4, 6, 3, 2, 1, name='a'), 'kernel_size stride padding dilation groups conv_mode compute_mode name')
        M.DeformableConv2d(4, 6, 3, groups=4)
        M.DeformableConv2d(4, 6, 3, padding_mode='reflect')
        M.DeformableConv2d(4, 6, 3)(x, o, m)
        M.DeformableConv2d(4, 6, 3, padding=1)(x, o, o)
        M.DeformableConv2d(4, 6, 3, padding=1)(x)
        abs(float(np.std(M.DeformableConv2d(80, 40, 3, groups=2).weight.numpy())) * 720 ** 0.5 - 1) < 0.03
    """,
        grads="x o m t",
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "convolutions by place and region that learn",
        REGIONS,
        [f"learn(M.{layer}, x)" for layer in LOCALS],
        [f"inside(M.{layer})" for layer in LOCALS],
        [f"learn(M.{layer}, x, {regions})" for layer, regions in REGION_CONVS],
        [f"inside(M.{layer})" for layer, _ in REGION_CONVS],
        """
        say(M.LocalConv2d(4, 6, 7, 8, 3, name='a'), 'input_height input_width kernel_size stride padding dilation groups bias conv_mode name')
        say(M.RegionRestrictedConv(4, 6, 3, 2, name='a'), 'in_channels kernel_size stride padding dilation groups conv_mode padding_mode name')
        isinstance(M.LocalConv2d(4, 6, 4, 3, 2), M.Conv2d)
        M.LocalConv2d(4, 6, 4, 3, 5)
        M.LocalConv2d(4, 6, 4, 3, 2, groups=4)
        M.LocalConv2d(4, 6, 4, 3, 2)(x[:, :2])
        M.RegionRestrictedConv(4, 6, 3, 4)
        M.RegionRestrictedConv(4, 6, 3, 2, padding=1, padding_mode='foo')(x, r, r)
        M.RegionRestrictedConv(4, 6, 3, 2, padding=1)(x, r, s)
        M.RegionRestrictedConv(4, 6, 3, 2, padding=1)(x, r, u)
        M.RegionRestrictedConv(4, 6, 3, 2, padding=1)(x)
        abs(float(np.std(M.LocalConv2d(8, 4, 20, 20, 3, groups=2).weight.numpy())) * 72 ** 0.5 - 1) < 0.03
        abs(float(np.std(M.RegionRestrictedConv(80, 40, 3, 2).weight.numpy())) * 720 ** 0.5 - 1) < 0.03
        M.RegionRestrictedConv(4, 2, 1).bias
    """,
        differs("M.LocalConv2d(4, 6, 5, 3, 2)(x)", "images of another size are refused", raises=ValueError),
        differs(
            "fill(M.LocalConv2d(4, 2, 4, 3, 2, dilation=2))(x)",
            "dilation works",
            gives="m = fill(M.LocalConv2d(4, 2, 4, 3, 2, dilation=2)); F.local_conv2d(x, m.weight, dilation=2)",
        ),
        differs(
            "fill(M.RegionRestrictedConv(4, 2, (3, 2), 2, False, (2, 1), (1, 0)))(x, r, r[:, ::2, :2])",
            "strides work",
            gives="fill(M.RegionRestrictedConv(4, 2, (3, 2), 2, False, 1, (1, 0)))(x, r, r[:, :, :2])[:, :, ::2]",
        ),
        differs(
            "fill(M.RegionRestrictedConv(4, 2, 3, padding=1, padding_mode='replicate'))(x, r, r)",
            "padding_mode is not ignored",
            gives="""
m = fill(M.RegionRestrictedConv(4, 2, 3))
p = F.pad(r, ((0, 0), (1, 1), (1, 1)), mode='replicate')
m(F.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode='replicate'), p, r)
""",
        ),
        rtol=2e-4,
        atol=2e-5,
    ),
]
