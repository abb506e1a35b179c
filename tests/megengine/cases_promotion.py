"""The dtype and the value of every operator over pairs of dtypes and Python scalars, on both sides."""

from oracle import differs, group

DTYPES = "fibum"  # float32, int32, int8, uint8, bool: the names of the tensors below
SOME = [
    x.split(",")
    for x in [
        "f,f",
        "i,i",
        "u,u",
        "b,b",
        "m,m",
        "f,i",
        "i,b",
        "i,u",
        "u,b",
        "m,i",
        "m,f",
        "i,2",
        "2,i",
        "i,1.5",
        "u,2",
        "2,u",
        "u,1.5",
        "m,2",
        "m,True",
        "f,2",
    ]
]
BITS = {
    ("&", "i"): [3, -2, 7],
    ("|", "i"): [3, -2, 7],
    ("^", "i"): [0, 0, 0],
    ("&", "1"): [1, 0, 1],
    ("|", "1"): [3, -1, 7],
    ("^", "1"): [2, -1, 6],
}
SCALARS = ("2", "1.5", "True")
TENSORS = """
    f = Tensor([1.5, -2.0, 3.0])
    i = Tensor([3, -2, 7])
    b = Tensor([1, -5, 2], dtype="int8")
    u = Tensor([4, 1, 9], dtype="uint8")
    m = Tensor([True, False, True])
"""
HALF = (
    TENSORS
    + """
    h = Tensor([0.5, 2.0, -3.0], dtype="float16")
"""
)


def pairs(*forms):
    """Each form over all ordered pairs with at least one tensor."""
    both = (*DTYPES, *SCALARS)
    return [form.format(x, y) for form in forms for x in both for y in both if x in DTYPES or y in DTYPES]


def over(dtypes, *forms):
    return [form.format(x) for form in forms for x in dtypes]


CASES = [
    group("promotion add", TENSORS, pairs("{} + {}"), grads=False),
    group("promotion subtract and multiply", TENSORS, [f"{x} {op} {y}" for op in "-*" for x, y in SOME], grads=False),
    group("promotion divide", TENSORS, pairs("{} / {}"), grads=False),
    group("promotion floor divide", TENSORS, pairs("{} // {}"), grads=False),
    group("promotion modulo", TENSORS, [f"{x} % {y}" for x, y in SOME], grads=False),
    group("promotion power", TENSORS, pairs("{} ** {}"), grads=False),
    group("promotion compare", TENSORS, pairs("{} < {}"), [f"{x} == {y}" for x, y in SOME], grads=False),
    group("promotion maximum", TENSORS, pairs("F.maximum({}, {})"), grads=False),
    group(
        "promotion bitwise",
        TENSORS,
        [f"m {op} m" for op in "&|^"],
        [f"{x} {op} {y}" for op in "&|^" for x, y in ("ff", "im")],
        [differs(f"i {op} {y}", "integers have the operators of bits", gives=f"Tensor({bits})") for (op, y), bits in BITS.items()],
        [f"{x} {op} {y}" for op in ("<<", ">>") for x, y in ("i2", "u1", "uu", "b1", "ff", "f2", "mm")],
        grads=False,
    ),
    group(
        "promotion logical",
        TENSORS,
        [f"F.logical_{op}({x}, {y})" for op in ("and", "or", "xor") for x, y in ("mm", "ii", "mi")],
        grads=False,
    ),
    group("promotion where", TENSORS, [f"F.where(m, {x}, {y})" for x, y in ("ff", "ii", "uu", "fi", "if", "fu")], grads=False),
    group(
        "promotion concat",
        TENSORS,
        [
            f"F.{op}([{x}, {y}])"
            for op in ("concat", "stack")
            for x, y in ("ff", "ii", "fi", "if", "fu", "fm", "ib", "iu", "im", "bu", "mm")
        ],
        grads=False,
    ),
    group(
        "promotion unary",
        TENSORS,
        over(
            DTYPES,
            "-{}",
            "+{}",
            "abs({})",
            "round({})",
            "F.exp({})",
            "F.relu({})",
            "F.tanh({})",
            "F.floor({})",
            "F.round({})",
            "F.sign({})",
            "F.square({})",
            "F.clip({}, 0, 2)",
            "F.clip({}, 0.5, 2.5)",
        ),
        over("fibu", "F.sqrt(abs({}))", "F.ceil({})"),
        over("fim", "F.logical_not({})"),
        over("fm", "~{}"),
        [differs(f"~{x}", "integers have the operators of bits", gives=f"-1 - {x}") for x in "bi"],
        differs("~u", "integers have the operators of bits", gives="255 - u"),
        over("fibu", "F.isnan({})"),
        over("fm", "F.sigmoid({})"),
        grads=False,
    ),
    group(
        "promotion reductions",
        TENSORS,
        over(
            DTYPES,
            "F.sum({})",
            "F.mean({})",
            "F.prod({})",
            "F.max({})",
            "F.min({})",
            "F.sum({}, axis=0)",
            "F.mean({}, axis=0)",
            "F.prod({}, axis=0)",
            "F.max({}, axis=0)",
            "F.min({}, axis=0)",
            "F.var({}, axis=0)",
            "F.std({}, axis=0)",
        ),
        over("fibu", "F.argmax({})", "F.argmin({}, axis=0)", "F.cumsum({}, axis=0)"),
        grads=False,
    ),
    group(
        "promotion matmul",
        TENSORS,
        over("fi", "F.matmul({0}, {0})"),
        differs("F.matmul(b, b)", "vectors are multiplied as matrices are", gives="Tensor(30)"),
        differs("F.matmul(u, u)", "vectors are multiplied as matrices are", gives="Tensor(98)"),
        differs("F.matmul(f, i)", "vectors are multiplied as matrices are", gives="Tensor(29.5)"),
        "F.matmul(m, m)",
        grads=False,
    ),
    group(
        "promotion of other operands",
        "x = Tensor([1.5, -2.0, 3.0]); i = Tensor([1, 2, 3])",
        """
        x * [1, 2, 3]
        [1, 2, 3] + x
        i + [1, 2, 3]
        np.ones(3, 'float32') + x
        x * np.arange(3)
        np.int64(2) * x
        x * np.int32(2)
        np.float32(2) * i
        i + np.arange(3, dtype='int8')
        x + None
        None + x
        x == None
        x + 'a'
        divmod(x, 2)
        F.exp([1.0, 2.0])
        F.exp(np.ones(2, 'float32'))
        F.exp(1.0)
        F.relu(-2)
        F.maximum(1, 2)
        F.add(1.0, 2)
    """,
        differs("np.float64(2) * x", "a NumPy float64 scalar counts as a Python float", gives="2.0 * x"),
        differs("x * np.float64(2)", "a NumPy float64 scalar counts as a Python float", gives="x * 2.0"),
        differs("i * np.float64(2)", "a NumPy float64 scalar counts as a Python float", gives="i * 2.0"),
        differs("i * np.int64(3)", "a NumPy integer scalar counts as a Python int", gives="i * 3"),
        differs("x + (1.0, 2.0, 3.0)", "a tuple is as good as a list; MegEngine takes its first number", gives="x + [1.0, 2.0, 3.0]"),
        differs("np.add(np.ones(3, 'float32'), x)", "NumPy's functions are refused", raises=TypeError),
        differs("x * np.array([1.0, 2.0, 3.0])", "a float64 array is converted to the tensor's dtype", gives="x * Tensor([1.0, 2.0, 3.0])"),
        grads=False,
    ),
    group(
        "float16 promotion",
        HALF,
        [f"{x} {op} {y}" for op in ("+", "*", "/", "<") for x in ("h", "f", "i", "u", "m", "2", "1.5") for y in "hfim" if "h" in (x, y)],
        over(
            "h",
            "-{}",
            "abs({})",
            "F.exp({})",
            "F.sqrt(abs({}))",
            "F.relu({})",
            "F.sigmoid({})",
            "F.sum({})",
            "F.mean({})",
            "F.max({})",
            "F.prod({})",
            "F.var({}, axis=0)",
            "F.cumsum({}, axis=0)",
            "F.argmax({})",
            "F.matmul({0}, {0})",
            "F.concat([{}, f])",
            "F.where(m, {}, f)",
            "F.clip({}, 0, 2)",
            "{}.astype('float32')",
        ),
        grads=False,
        rtol=2e-3,
    ),
]
