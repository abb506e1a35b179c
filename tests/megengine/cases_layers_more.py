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
]
