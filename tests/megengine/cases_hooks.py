"""Module: calls and the hooks around them."""

from oracle import group

LINEAR = """
l = M.Linear(2, 2)
l.weight[...] = Tensor([[1.0, 2.0], [3.0, 4.0]])
x = Tensor([[1.0, 2.0]])
seen = []
"""

CASES = [
    group(
        "call",
        LINEAR,
        """
        # call
        l(x)

        # forward
        l.forward(x)

        # gradients
        gm = GradManager().attach(l.parameters())
        with gm:
            gm.backward(l(x).sum())
        [l.weight.grad, l.bias.grad]

        # in a loop
        gm = GradManager().attach(l.parameters())
        with gm:
            y = x
            for _ in range(3):
                y = F.tanh(l(y))
            gm.backward(y.sum())
        [l.weight.grad, l.bias.grad]

        # positional and keyword arguments
        class A(M.Module):
            def forward(self, a, b=1, *, c=10):
                return a * b + c
        [A()(2), A()(2, 3), A()(2, b=4, c=5)]

        # several outputs
        class A(M.Module):
            def forward(self, a):
                return a, (a, [a])
        A()(3)

        # wrong arguments
        l()

        # wrong shape
        l(Tensor([[1.0, 2.0, 3.0]]))
    """,
        grads=False,
    ),
    group(
        "hooks",
        LINEAR,
        """
        # forward hook sees
        l.register_forward_hook(lambda m, i, o: seen.append([m is l, type(i).__name__, i[0], o]))
        l(x)
        seen

        # pre hook sees
        l.register_forward_pre_hook(lambda m, i: seen.append([m is l, type(i).__name__, i[0]]))
        l(x)
        seen

        # forward hook changes
        l.register_forward_hook(lambda m, i, o: o + 100)
        l(x)

        # pre hook changes, tuple
        l.register_forward_pre_hook(lambda m, i: (i[0] * 2,))
        l(x)

        # pre hook changes, one
        l.register_forward_pre_hook(lambda m, i: i[0] * 2)
        l(x)

        # in order
        for k in range(3):
            l.register_forward_hook(lambda m, i, o, k=k: seen.append(k))
        l.register_forward_pre_hook(lambda m, i: seen.append('pre'))
        l(x)
        seen

        # each sees what the one before made
        l.register_forward_hook(lambda m, i, o: o + 100)
        l.register_forward_hook(lambda m, i, o: o * 2)
        l(x)

        # the hook sees changed inputs
        l.register_forward_pre_hook(lambda m, i: (i[0] * 0,))
        l.register_forward_hook(lambda m, i, o: seen.append(i[0]))
        l(x)
        seen

        # removed
        h = l.register_forward_hook(lambda m, i, o: o + 100)
        h.remove()
        l(x)

        # removed twice
        h = l.register_forward_hook(lambda m, i, o: o + 100)
        h.remove()
        h.remove()
        l(x)

        # one of two removed
        h = l.register_forward_hook(lambda m, i, o: o + 100)
        l.register_forward_hook(lambda m, i, o: o * 2)
        h.remove()
        l(x)

        # not for forward
        l.register_forward_hook(lambda m, i, o: seen.append(1))
        l.forward(x)
        seen

        # keywords are not seen
        class A(M.Module):
            def forward(self, a, b=1):
                return a * b
        a = A()
        a.register_forward_hook(lambda m, i, o: seen.append([i, o]))
        a(2, b=5)
        seen

        # of an inner module
        s = M.Sequential(l, M.ReLU())
        l.register_forward_hook(lambda m, i, o: seen.append(o))
        s(x)
        seen
    """,
        grads=False,
    ),
]
