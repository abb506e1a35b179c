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
]
