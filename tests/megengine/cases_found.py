"""What drawn calls found to be different, and is mended."""

from oracle import group

CASES = [
    group(
        "found: bools and broadcasting",
        "r = pos(3, 1)\nb = flags(3)",
        """
        F.diag(b)
        F.diag(F.reshape(flags(12), (3, 4)), 1)
        F.meshgrid(f32(2, 3), f32(2))
        F.isnan(b)
        F.isinf(b)
        F.real(F.polar(r, f32(1, 3)))
        F.imag(F.polar(r, f32(3)))
        """,
        grads=False,
    ),
    group(
        "found: scalars and one axis more",
        "x = f32(3)\ny = f32(2, 3)\ns = Tensor(1.5)\nh = Tensor([0.5, 2.0, -3.0], dtype='float16')",
        """
        F.flatten(x, 1)
        F.flatten(y, 2)
        F.flatten(y, 1, 1)
        F.diag(s)
        F.diag(s, -1)
        F.dot(s, s)
        F.real(F.polar(x, h))
        F.imag(F.polar(h, x))
        random.permutation(s)
        F.vision.warp_perspective(f32(1, 1, 5, 5), Tensor([[[0.9, 0.1, 0.3], [-0.2, 1.1, 0.5], [-0.01, -0.004, 1.02]]], dtype="float16"), (3, 4))
        """,
        grads=False,
        rtol=1e-4,
    ),
]
