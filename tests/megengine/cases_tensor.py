"""Tensor and Parameter: conversions, methods, changes in place, copies."""

from oracle import differs, group

X = "x = f32(2, 3, seed=1)"

CASES = [
    group(
        "to Python and NumPy",
        "x = f32(2, 3, seed=1); s = Tensor(2.5); i = Tensor(3); m = Tensor(True); o = Tensor([[4.5]])",
        """
        x.numpy()
        s.numpy()
        i.numpy()
        x.numpy().flags.writeable
        x[:0].numpy()
        x.T.numpy()
        x.tolist()
        s.tolist()
        m.tolist()
        Tensor([1, 2]).tolist()
        s.item()
        i.item()
        m.item()
        o.item()
        x.item()
        float(s)
        float(i)
        float(o)
        float(x)
        int(s)
        int(i)
        int(x)
        bool(m)
        bool(Tensor(0.0))
        bool(Tensor([2]))
        bool(x)
        not Tensor(False)
        len(x)
        len(s)
        list(x)
        list(Tensor([1, 2]))
        list(s)
        [float(v) for v in x[0]]
        [1, 2, 3][Tensor(1)]
        list(range(Tensor(3)))
        np.asarray(x)
        np.array(i)
        np.asarray(x, dtype='float64')
        np.sum(x.numpy())
        np.isclose(s, 2.5)
        a, b = x; b
        max(Tensor(1.0), Tensor(2.0))
        sum([Tensor(1.0), Tensor(2.0)])
        sorted([Tensor(2.0), Tensor(1.0)])
        x.numpy()[0] = 1
    """,
        grads=False,
    ),
    group(
        "astype",
        "x = Tensor([1.7, -1.7, 0.0, 2.5]); i = Tensor([300, -1, 0, 7]); m = Tensor([True, False]); p = Parameter([1.5])",
        """
        x.astype('int32')
        x.astype('int8')
        x.astype('uint8')
        x.astype('bool')
        x.astype(bool)
        x.astype(np.int32)
        x.astype(np.dtype('int8'))
        x.astype('float32')
        x.astype('float32') is x
        i.astype('float32')
        i.astype('int8')
        i.astype('uint8')
        i.astype('bool')
        m.astype('float32')
        m.astype('int32')
        p.astype('float32')
        Tensor([float('nan'), -0.0]).astype('bool')
        x.astype('nonsense')
        x.astype('int32').astype('float32')
    """,
        differs("x.astype('float64').dtype", "float64 is honoured", gives="np.dtype('float64')"),
        differs("x.astype('int64').dtype", "int64 is honoured", gives="np.dtype('int64')"),
        differs("x.astype(int).dtype", "int64 is honoured", gives="np.dtype('int64')"),
        grads=False,
    ),
    group(
        "in place",
        "x = f32(2, 3, seed=1); v = f32(3, seed=2); i = Tensor([7, -8]); p = Parameter([1.0, 2.0])",
        """
        # add
        y = x; x += 1; [y is x, y]

        # subtract
        x -= v; x

        # multiply
        x *= x; x

        # divide
        x /= 2; x

        # power
        x **= 2; x

        # floor divide
        x //= 0.5; x

        # modulo
        x %= 0.5; x

        # matmul
        v @= F.eye(3); v

        # and
        m = Tensor([True, False]); m &= Tensor([True, True]); m

        # shift
        i <<= 1; i

        # integers divide
        y = i; i /= 2; [y is i, y]

        # integers add a float
        i += 0.5; i

        # integers floor divide
        i //= 2; i

        # a parameter
        q = p; p += 1; [q is p, q]

        # a parameter and a tensor
        p *= Tensor([2.0, 3.0]); p

        # the shape grows
        v += x; v

        # a value taken before stays
        y = x + 0; x += 1; y

        # set_value
        y = x; r = x.set_value(np.arange(6.0).reshape(2, 3)); [r, y is x, x]

        # set_value of another shape
        x.set_value([1.0, 2.0]); x

        # set_value of ints
        x.set_value([1, 2]); x

        # set_value of a tensor
        x.set_value(Tensor([1.0, 2.0])); x

        # reset_zero
        r = x.reset_zero(); [r, x]

        # reset_zero of ints
        i.reset_zero(); i
    """,
        grads=False,
    ),
    group(
        "methods",
        X + "; y = f32(2, 2, 3, seed=2)",
        """
        x.detach()
        x.to('cpu0')
        x.to('xpux')
        x.to('nonsense')
        x.flatten()
        y.flatten()
        x.transpose(1, 0)
        x.mean()
        x.max(axis=0)
        x.sum(axis=[0, 1])
        x.sum(keepdims=True)
        x.nonsense()
    """,
    ),
    group(
        "copies",
        "import copy, pickle\nx = f32(2, seed=1)\np = Parameter([1.0, 2.0], name='w')\np.grad = Tensor([3.0, 4.0])",
        """
        # deepcopy
        c = copy.deepcopy(x); c[0] = 9.0; [c, x]

        # copy
        c = copy.copy(x); c[0] = 9.0; [c, x]

        # deepcopy of a parameter
        c = copy.deepcopy(p); [c, c.grad, c is p]

        # pickle
        pickle.loads(pickle.dumps(x))

        # pickle of a parameter
        c = pickle.loads(pickle.dumps(p)); [c, c.grad]

        # pickle of an int tensor
        pickle.loads(pickle.dumps(Tensor([[1], [2]])))

        # pickle of a bool scalar
        pickle.loads(pickle.dumps(Tensor(True)))

        # deepcopy of shared ones
        a, b = copy.deepcopy([x, x]); a is b

        # F.copy
        c = F.copy(x); c[0] = 9.0; [c, x]
    """,
        grads=False,
    ),
    group(
        "grad",
        "p = Parameter([1.0, 2.0])",
        """
        # can be set
        p.grad = Tensor([3.0, 4.0]); p.grad

        # can be cleared
        p.grad = Tensor([3.0, 4.0]); p.grad = None; p.grad

        # can be deleted
        p.grad = Tensor([3.0, 4.0]); del p.grad; p.grad

        # can be changed in place
        p.grad = Tensor([3.0, 4.0]); g = p.grad; p.grad *= 2; [g is p.grad, g]
    """,
        grads=False,
    ),
]
