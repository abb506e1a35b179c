"""GradManager.backward: what it gives, what it adds to, and when it refuses."""

from oracle import group

PAIR = "p = Parameter([1.0, 2.0]); q = Parameter([3.0, 4.0]); gm = GradManager(); gm.attach([p, q])"

CASES = [
    group(
        "backward",
        PAIR,
        """
        # gives gradients
        with gm:
            gm.backward((p * q).sum())
        [p.grad, q.grad]

        # returns None
        with gm:
            r = gm.backward(p.sum())
        r

        # attach returns the manager
        gm.attach(p) is gm

        # enter gives the manager
        with gm as g:
            pass
        g is gm

        # accumulates
        for _ in range(3):
            with gm:
                gm.backward((p * q).sum())
        p.grad

        # accumulates into the same tensor
        with gm:
            gm.backward(p.sum())
        g = p.grad
        with gm:
            gm.backward(p.sum())
        [g is p.grad, g]

        # adds to a grad that was set
        p.grad = Tensor([10.0, 20.0])
        with gm:
            gm.backward(p.sum())
        p.grad

        # the unused stay None
        with gm:
            gm.backward(p.sum())
        q.grad

        # a tensor that is not scalar
        with gm:
            gm.backward(p * q)
        p.grad

        # with dy
        with gm:
            gm.backward(p * q, Tensor([1.0, 10.0]))
        p.grad

        # with dy by name
        with gm:
            gm.backward(y=p * q, dy=Tensor([1.0, 10.0]))
        p.grad

        # of several
        with gm:
            gm.backward([p * q, p * 2])
        p.grad

        # of several with dy
        with gm:
            gm.backward([p * q, p * 2], [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])
        p.grad

        # of two that share
        with gm:
            a = p * 2
            gm.backward([a, a * q])
        [p.grad, q.grad]

        # of None
        with gm:
            gm.backward(None)
        p.grad

        # of nothing
        with gm:
            gm.backward()
        p.grad

        # of an empty list
        with gm:
            gm.backward([])
        p.grad

        # of something unrelated
        with gm:
            gm.backward(Tensor([1.0]) * 2)
        p.grad

        # of ints
        with gm:
            gm.backward(F.argmax(p))
        p.grad

        # of a number
        with gm:
            gm.backward(3.0)

        # outside
        gm.backward(p.sum())

        # after the block
        with gm:
            y = p.sum()
        gm.backward(y)

        # twice
        with gm:
            y = p.sum()
            gm.backward(y)
            gm.backward(y)

        # twice, the gradient
        with gm:
            y = p.sum()
            gm.backward(y)
            e = outcome(lambda: gm.backward(y))
        [e, p.grad]

        # after release
        with gm:
            y = p.sum()
            gm.release()
            gm.backward(y)

        # dy of another shape
        with gm:
            gm.backward(p * q, Tensor([1.0, 2.0, 3.0]))

        # too few dys
        with gm:
            gm.backward([p, q], [Tensor([1.0, 2.0])])

        # record and release
        gm.record()
        gm.backward((p * q).sum())
        gm.release()
        p.grad

        # recording twice
        gm.record()
        gm.record()

        # entering twice
        with gm:
            with gm:
                pass

        # release without record
        gm.release()

        # record again in the block
        with gm:
            gm.backward(p.sum())
            gm.record()
            gm.backward((p * 5).sum())
        p.grad

        # after an error in the block
        try:
            with gm:
                p * 2
                raise KeyError
        except KeyError:
            pass
        with gm:
            gm.backward(p.sum())
        p.grad

        # message of no history
        try:
            gm.backward(p.sum())
        except RuntimeError as error:
            text = str(error)
        'no computation history' in text

        # a shared factor
        with gm:
            gm.backward((p * p * p).sum())
        p.grad

        # a leaf twice in one op
        with gm:
            gm.backward((p + p).sum())
        p.grad

        # a loop
        with gm:
            y = p
            for _ in range(5):
                y = y * 1.5 + q
            gm.backward(y.sum())
        [p.grad, q.grad]

        # Python branches
        with gm:
            y = p * 2 if float(p.sum()) > 0 else p * 3
            gm.backward(y.sum())
        p.grad

        # reads of values
        with gm:
            y = p * float(q[0].item())
            gm.backward(y.sum())
        [p.grad, q.grad]
    """,
        grads=False,
    ),
]
