"""Complex numbers by their parts, which are what can be compared."""

from oracle import differs, group

CASES = [
    group(
        "complex",
        "x = f32(2, 3); y = f32(2, 3) + 0.5; z = F.complex(x, y); w = F.complex(y, x * x)",
        """
        F.real(z)
        F.imag(z)
        F.real(z + w)
        F.imag(z - w)
        F.real(z * w)
        F.imag(z * w)
        F.real(-z)
        F.imag(F.neg(z * z))
        F.real(z.reshape(3, 2)) * F.imag(w.reshape(3, 2))
        F.real(F.complex(x, y) * F.complex(y, x))
        F.imag(F.complex(x, y) * F.complex(x, x))
        F.imag(-F.complex(x, y) - F.complex(y, x))
        F.imag(F.complex(x, y).reshape(3, 2) + F.complex(y, x).reshape(3, 2))
        F.real(F.polar(x, y))
        F.imag(F.polar(x, y))
        z.shape
        str(z.dtype)
        str((z * w).dtype)
        str(F.imag(z).dtype)
        F.complex(x, y[0])
        F.complex(x, Tensor([1, 2]))
        F.complex(x, x.astype('int32'))
        F.real(x)
        F.exp(z)
        F.sum(z)
        F.matmul(z, z.reshape(3, 2))
        F.relu(z)
        z / w
    """,
        differs("F.imag(Tensor(np.array([1 + 2j, 3], 'complex64')))", "any complex tensor has parts", gives="Tensor([2.0, 0.0])"),
        differs("F.equal(z, z)", "complex numbers can be compared", gives="Tensor(np.ones((2, 3), bool))"),
        differs("F.real(z * 2 + x)", "real numbers become complex beside complex ones", gives="x * 2 + x"),
        differs("F.imag(z[1] + 1j)", "so do Python's", gives="y[1] + 1"),
        differs("F.real(z.transpose(1, 0))", "what moves values moves complex ones", gives="x.transpose(1, 0)"),
        differs("F.imag(Tensor(np.array([1 + 2j])))", "complex128 becomes complex64", gives="Tensor([2.0])"),
    ),
]
