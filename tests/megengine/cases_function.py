"""autodiff.Function: forward and backward of one's own."""

from oracle import group

FUNCTIONS = """
class Square(Function):
    def forward(self, x):
        self.x = x
        return x * x
    def backward(self, dy):
        return 10 * self.x * dy

class Pair(Function):
    def forward(self, x, y):
        self.kept = x, y
        return x * y, x + y
    def backward(self, a, b):
        x, y = self.kept
        a, b = a if a is not None else F.zeros_like(x), b if b is not None else F.zeros_like(x)
        return a * y + b, None

class Through(Function):
    def forward(self, x):
        return F.round(x)
    def backward(self, dy):
        return dy

def grads(f, *xs):
    gm = GradManager().attach(list(xs))
    with gm:
        y = f(*xs)
        gm.backward(y)
    return [y] + [x.grad for x in xs]

x = Parameter([1.2, 2.7])
y = Parameter([3.0, 4.0])
"""

CASES = [
    group(
        "Function",
        FUNCTIONS,
        """
        # forward and backward
        grads(lambda x: Square()(x).sum(), x)

        # without recording
        Square()(x)

        # several inputs and outputs
        grads(lambda x, y: Pair()(x, y)[0].sum() + Pair()(x, y)[1].sum(), x, y)

        # an output not used
        grads(lambda x, y: Pair()(x, y)[1].sum(), x, y)

        # gives a tuple
        type(Pair()(x, y))

        # an instance used twice
        f = Square()
        grads(lambda x: (f(x) + x).sum(), x)

        # in a chain
        grads(lambda x: Square()(Square()(x) * 2).sum(), x)

        # straight through
        grads(lambda x: (Through()(x) * x).sum(), x)

        # of a number
        Square()(3.0)

        # of a keyword
        Square()(x=x)

        # without a backward
        class Half(Function):
            def forward(self, x):
                return x / 2
        grads(lambda x: Half()(x).sum(), x)

        # without a backward, forward alone
        class Half(Function):
            def forward(self, x):
                return x / 2
        Half()(x)

        # the input itself
        class Same(Function):
            def forward(self, x):
                return x
            def backward(self, dy):
                return dy * 7
        grads(lambda x: Same()(x).sum(), x)

        # nothing recorded in forward
        grads(lambda x: (Square()(x) * 0 + x).sum(), x)

        # an error in backward
        class Bad(Function):
            def forward(self, x):
                return x * 1
            def backward(self, dy):
                raise KeyError
        grads(lambda x: Bad()(x).sum(), x)
    """,
        grads=False,
    ),
]
