"""What happens while a GradManager records: tensors that change, and what cuts the gradient."""

from oracle import differs, group

PAIR = "p = Parameter([1.0, 2.0]); q = Parameter([3.0, 4.0]); gm = GradManager(); gm.attach([p, q])"

CASES = [
    group(
        "what cuts the gradient",
        PAIR,
        """
        # detach
        with gm:
            gm.backward((p.detach() * q).sum())
        [p.grad, q.grad]

        # detach in a product
        with gm:
            gm.backward((p.detach() * p).sum())
        p.grad

        # through ints
        with gm:
            gm.backward((p.astype('int32').astype('float32') + p).sum())
        p.grad

        # a Tensor of it does not
        with gm:
            gm.backward((Tensor(p) * 3).sum())
        p.grad

        # numpy
        with gm:
            gm.backward((Tensor(p.numpy()) * q).sum())
        [p.grad, q.grad]

        # deepcopy
        import copy
        with gm:
            gm.backward((copy.deepcopy(p) * q).sum())
        [p.grad, q.grad]

        # comparisons
        with gm:
            gm.backward(((p > 1.5).astype('float32') * q).sum())
        [p.grad, q.grad]

        # set_value
        with gm:
            a = (p * p).sum()
            p.set_value([7.0, 7.0])
            gm.backward(a + (p * p).sum())
        [p, p.grad]

        # reset_zero
        with gm:
            a = (p * p).sum()
            p.reset_zero()
            gm.backward(a + (p * 5).sum())
        [p, p.grad]

        # before the block
        y = p * 2
        with gm:
            gm.backward((y * q).sum())
        [p.grad, q.grad]
    """,
        grads=False,
    ),
    group(
        "changes while recording",
        PAIR,
        """
        # add then use
        with gm:
            p += 1
            gm.backward((p * p).sum())
        [p, p.grad]

        # use then add
        with gm:
            y = (p * p).sum()
            p += 1
            gm.backward(y)
        [p, p.grad]

        # use, multiply, use
        with gm:
            y = p * q
            p *= 10
            gm.backward((y + p).sum())
        [p.grad, q.grad]

        # an intermediate
        with gm:
            y = p * 2
            z = y
            y *= p
            gm.backward(z.sum())
        p.grad

        # an intermediate that was read
        with gm:
            y = p * 2
            z = y * 1
            y += 100
            gm.backward((z * y).sum())
        p.grad

        # an output that its rule needs
        with gm:
            y = F.exp(p)
            z = y * 1
            y += 100
            gm.backward(z.sum())
        p.grad

        # set an element of a leaf
        with gm:
            p[0] = 5.0
            gm.backward((p * p).sum())
        [p, p.grad]

        # set an element of an intermediate
        with gm:
            y = p * p
            y[0] = 5.0
            gm.backward(y.sum())
        p.grad

        # set an element to a recorded value
        with gm:
            y = p * p
            y[0] = p[1] * 3
            gm.backward(y.sum())
        p.grad

        # set a new tensor's elements
        with gm:
            y = F.zeros(2)
            y[0] = p[1] * 3
            y[1] = q[0]
            gm.backward((y * y).sum())
        [p.grad, q.grad]

        # add into a slice
        with gm:
            y = p * 1
            y[0] += q[1]
            gm.backward((y * y).sum())
        [p.grad, q.grad]

        # a running buffer
        b = Tensor([0.0, 0.0])
        with gm:
            b += p
            b *= 0.5
            gm.backward((b * q).sum())
        [b, p.grad, q.grad]

        # the other operand
        with gm:
            y = p * q
            q += 100
            gm.backward(y.sum())
        [p.grad, q.grad]

        # a constant operand
        c = Tensor([2.0, 3.0])
        with gm:
            y = p * c
            c += 100
            gm.backward(y.sum())
        p.grad

        # an optimizer's step
        o = optim.SGD([p], lr=0.1)
        with gm:
            gm.backward((p * p).sum())
            o.step()
        p
    """,
        differs(
            """
        with gm:
            y = p * q
            y[y > 5] = 0.0
            gm.backward(y.sum())
        [p.grad, q.grad]
    """,
            "it works",
            gives="[Tensor([3.0, 0.0]), Tensor([1.0, 0.0])]",
            name="set by a mask",
        ),
        grads=False,
    ),
]
