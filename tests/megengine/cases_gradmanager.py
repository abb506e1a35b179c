"""GradManager: attaching, callbacks, several at once and inside one another."""

from oracle import group

PAIR = "p = Parameter([1.0, 2.0]); q = Parameter([3.0, 4.0]); gm = GradManager(); gm.attach([p, q])"
TWICE = "x = Parameter([1.0, 2.0, 3.0]); gm = GradManager().attach(x); gm2 = GradManager().attach(x)"

CASES = [
    group(
        "attach",
        PAIR,
        """
        # one
        t = Tensor([1.0])
        gm.attach(t)
        with gm:
            gm.backward(t * 3)
        t.grad

        # a generator
        gm3 = GradManager().attach(t for t in (p, q))
        len(gm3.attached_tensors())

        # a tuple
        len(GradManager().attach((p, q)).attached_tensors())

        # twice
        gm.attach(p)
        with gm:
            gm.backward(p.sum())
        [p.grad, len(gm.attached_tensors())]

        # ints
        gm.attach(Tensor([1]))

        # bools
        gm.attach(Tensor([True]))

        # a number
        gm.attach(3)

        # a list of numbers
        gm.attach([3])

        # a string
        gm.attach('ab')

        # after use
        w = Parameter([1.0])
        with gm:
            y = w * 2
            gm.attach(w)
            gm.backward(y)
        w.grad

        # while recording, before use
        w = Parameter([1.0])
        with gm:
            gm.attach(w)
            gm.backward(w * 2)
        w.grad

        # an intermediate
        with gm:
            a = p * 2
            gm.attach(a)
            gm.backward((a * 3).sum())
        [a.grad, p.grad]

        # weakly
        import gc
        w = Parameter([1.0])
        m = GradManager().attach(w)
        del w
        gc.collect()
        len(m.attached_tensors())

        # the parameters of a module
        m = M.Linear(2, 1)
        len(GradManager().attach(m.parameters()).attached_tensors())
    """,
        grads=False,
    ),
    group(
        "callbacks",
        "p = Parameter([1.0, 2.0]); q = Parameter([3.0, 4.0]); seen = []",
        """
        # change the gradient
        gm = GradManager().attach(p, callbacks=lambda t, g: g * 2)
        with gm:
            gm.backward(p.sum())
        p.grad

        # of a list
        gm = GradManager().attach([p, q], callbacks=[lambda t, g: g * 2])
        with gm:
            gm.backward((p * q).sum())
        [p.grad, q.grad]

        # one after another
        gm = GradManager().attach(p, callbacks=[lambda t, g: g * 2, lambda t, g: g + 1])
        with gm:
            gm.backward(p.sum())
        p.grad

        # from two attaches
        gm = GradManager().attach(p, lambda t, g: g * 2)
        gm.attach(p, lambda t, g: g + 1)
        with gm:
            gm.backward(p.sum())
        p.grad

        # get the tensor
        gm = GradManager().attach(p, lambda t, g: (seen.append(t is p), g)[1])
        with gm:
            gm.backward(p.sum())
        seen

        # get the new gradient, not the sum
        p.grad = Tensor([100.0, 100.0])
        gm = GradManager().attach(p, lambda t, g: (seen.append(g), g)[1])
        with gm:
            gm.backward(p.sum())
        [seen, p.grad]

        # that give None
        gm = GradManager().attach(p, lambda t, g: None)
        with gm:
            gm.backward(p.sum())
        p.grad

        # that raise
        def fail(t, g):
            raise KeyError
        gm = GradManager().attach(p, fail)
        with gm:
            gm.backward(p.sum())

        # not for the unused
        gm = GradManager().attach([p, q], lambda t, g: (seen.append(t is p), g)[1])
        with gm:
            gm.backward(p.sum())
        seen
    """,
        grads=False,
    ),
    group(
        "several managers",
        TWICE,
        """
        # or
        w = Parameter([1.0]); v = Parameter([3.0])
        a = GradManager().attach(w); b = GradManager().attach(v)
        with a | b:
            y = w * v
            a.backward(y)
            b.backward(y)
        [w.grad, v.grad]

        # or, one backward
        w = Parameter([1.0]); v = Parameter([3.0])
        a = GradManager().attach(w); b = GradManager().attach(v)
        with a | b:
            a.backward(w * v)
        [w.grad, v.grad]

        # or, the other order
        w = Parameter([1.0]); v = Parameter([3.0])
        a = GradManager().attach(w); b = GradManager().attach(v)
        with a | b:
            y = w * v
            b.backward(y)
            a.backward(y)
        [w.grad, v.grad]

        # or of three
        ws = [Parameter([float(k)]) for k in (1, 2, 3)]
        a, b, c = [GradManager().attach(w) for w in ws]
        with a | b | c:
            y = ws[0] * ws[1] * ws[2]
            a.backward(y); b.backward(y); c.backward(y)
        [w.grad for w in ws]

        # or of the same tensor accumulates
        with gm | gm2:
            y = (x * x).sum()
            gm.backward(y)
            gm2.backward(y)
        x.grad

        # or with a number
        gm | 3

        # the second derivative
        with gm:
            with gm2:
                gm2.backward((x * x * x).sum())
            g, x.grad = x.grad, None
            gm.backward(g)
        [g, x.grad]

        # the second derivative inside
        with gm:
            with gm2:
                gm2.backward((x * x * x).sum())
                g, x.grad = x.grad, None
                gm.backward(g)
        [g, x.grad]

        # a gradient penalty
        w = Parameter([2.0, 3.0, 4.0])
        gm.attach(w)
        with gm:
            with gm2:
                y = (w * x * x).sum()
                gm2.backward(y)
            g, x.grad = x.grad, None
            gm.backward(y + (g * g).sum())
        [x.grad, w.grad]

        # the third derivative
        gm3 = GradManager().attach(x)
        out = []
        with gm:
            with gm2:
                with gm3:
                    gm3.backward((x ** 4).sum())
                    a, x.grad = x.grad, None
                gm2.backward(a)
                b, x.grad = x.grad, None
            gm.backward(b)
        [a, b, x.grad]

        # through functions
        with gm:
            with gm2:
                gm2.backward((F.exp(x) * F.sin(x) + F.log(x) / x).sum())
            g, x.grad = x.grad, None
            gm.backward(g)
        [g, x.grad]

        # through a matmul
        w = f32(3, 2, seed=1)
        with gm:
            with gm2:
                gm2.backward((F.tanh(F.matmul(x, w)) ** 2).sum())
            g, x.grad = x.grad, None
            gm.backward(g)
        [g, x.grad]

        # a manager of another block
        with gm:
            y = (x * 2).sum()
            with gm2:
                gm2.backward((x * 3).sum())
            gm.backward(y)
        x.grad
    """,
        grads=False,
        atol=1e-5,
    ),
]
