"""How tensors are made, shown and described."""

from oracle import differs, group

CASES = [
    group(
        "construct",
        "",
        """
        Tensor(1)
        Tensor(1.5)
        Tensor(True)
        Tensor([1, 2])
        Tensor([1, 2.5])
        Tensor([True, False])
        Tensor([True, 2])
        Tensor([True, 2.5])
        Tensor([[1, 2], [3, 4]])
        Tensor((1.0, 2.0))
        Tensor(range(3))
        Tensor([])
        Tensor(np.zeros((0, 3)))
        Tensor(np.zeros((2, 0)))
        Tensor(np.float32(1))
        Tensor(np.float64(1))
        Tensor(np.int64(1))
        Tensor(np.array([1, 2], 'float64'))
        Tensor(np.array([1, 2], 'int64'))
        Tensor(np.array([1, 2], 'int16'))
        Tensor(np.array([1, 2], 'int8'))
        Tensor(np.array([1, 2], 'uint8'))
        Tensor(np.array([1, 2], 'float32'))
        Tensor(np.array([True, False]))
        Tensor(np.arange(6).reshape(2, 3).T)
        Tensor(np.arange(6.0)[::-2])
        Tensor([1, 2], dtype='float32')
        Tensor([1, 2], dtype=np.float32)
        Tensor([1, 2], dtype=np.dtype('float32'))
        Tensor([1, 2], dtype='uint8')
        Tensor([0, 2], dtype=bool)
        Tensor([1.7, -1.7], dtype='int32')
        Tensor([300], dtype='uint8')
        Tensor(np.array([1.5, 2.5]), dtype='int8')
        Tensor(Tensor([1.0, 2.0]))
        Tensor([Tensor(1.0), Tensor(2.0)])
        Tensor([Tensor([1.0]), Tensor([2.0])])
        Parameter([1, 2])
        Parameter([1.0])
        Parameter(3.0)
        Parameter(np.ones((2, 1)))
        Parameter(Parameter([1.0]))
        Parameter(Tensor([1.0]))
        Tensor(Parameter([1.0]))
        mge.tensor([1, 2])
        Tensor([1.0], name='w').name
        Tensor([1.0]).name
        Parameter([1.0], name='w').name
        isinstance(Parameter([1.0]), Tensor)
        Tensor('a')
        Tensor([[1, 2], [3]])
        Tensor({1, 2})
        Tensor([1, 2], dtype='nonsense')
        Tensor([1.0], device='nonsense')
        Tensor()
    """,
        differs("Tensor([1, 2], dtype='float64').dtype", "an explicit float64 is honoured", gives="np.dtype('float64')"),
        differs("Tensor([1, 2], dtype='int64').dtype", "an explicit int64 is honoured", gives="np.dtype('int64')"),
        differs("Tensor(np.broadcast_to(np.float32(1), (2, 2)))", "a zero-stride array is an array", gives="F.ones((2, 2))"),
        grads=False,
    ),
    group(
        "repr",
        "",
        """
        repr(Tensor([1.0, 2.0, 3.0]))
        repr(Tensor(1.0))
        repr(Tensor(1))
        repr(Tensor(True))
        repr(Tensor([1, 2]))
        repr(Tensor([True, False]))
        repr(Tensor([1, 2], dtype='int8'))
        repr(Tensor([1, 2], dtype='uint8'))
        repr(Tensor([[1.0, 2.0], [3.0, 4.0]]))
        repr(Tensor(np.arange(24.0).reshape(2, 3, 4)))
        repr(Tensor(np.arange(12).reshape(3, 4) * 100))
        repr(Tensor([]))
        repr(Tensor([], dtype='int32'))
        repr(F.zeros((2, 0)))
        repr(F.zeros(2000))
        repr(F.zeros((100, 100)))
        repr(Tensor([1 / 3] * 30))
        repr(Tensor([0.1, 0.123456789]))
        repr(Tensor([1e-10, 1e10]))
        repr(Tensor([100.5, -0.001]))
        repr(Tensor([float('nan'), float('inf'), -0.0]))
        repr(Tensor(0.123456789))
        repr(Tensor(1e-10))
        repr(Tensor(123456.789))
        repr(Tensor(float('nan')))
        repr(Tensor(-0.0))
        repr(Parameter([1.0, 2.0]))
        repr(Parameter(1.5))
        repr(Parameter([1, 2]))
        repr(Parameter([[1.0]], name='w'))
        str(Tensor([1.0]))
        f'{Tensor(1.5)}'
        '%.2f' % Tensor(1.5)
        '%d' % Tensor(3)
        '{:.2f}'.format(Tensor(1.5))
        repr([Tensor(1.0)])
        repr({'a': Tensor([1])})
        repr(Tensor([1.0]) * 2)
        repr(Tensor([1.0], device='cpu0'))
    """,
    ),
    group(
        "attributes",
        "x = f32(2, 3, seed=1); s = Tensor(2.5); e = F.zeros((0, 3)); p = Parameter([1.0])",
        """
        [x.shape, x.ndim, x.size, x.dtype]
        [e.shape, e.ndim, e.size]
        type(x.shape)
        type(x.size)
        isinstance(x.dtype, np.dtype)
        x.dtype == 'float32'
        x.dtype == np.float32
        [str(x.device), x.device == 'xpux', x.device == s.device]
        x.grad
        p.grad
        x.name
        x.name = 'a'; x.name
        x.shape = (3, 2)
        x.dtype = 'int32'
        x.requires_grad
        x.nonsense
        x.note = 3; x.note
        x.T.shape
        type(p)
        type(p + 1)
        type(p * p)
        type(p[0])
        type(p.reshape(1, 1))
        type(p.detach())
        type(p.astype('int32'))
        type(-p)
        hash(x) == hash(x)
        x in [x]
        bool(Parameter.__mro__[1] is Tensor)
        Tensor([1, 2]) == Tensor([1, 3])
        [x is y for y in (x, x + 0, x.detach())]
    """,
        differs("[s.shape, s.ndim, s.size]", "a size is an int", gives="[(), 0, 1]"),
        grads=False,
    ),
    group(
        "devices",
        "",
        """
        mge.get_default_device()
        mge.get_device_count('cpu') >= 1
        mge.get_device_count('nonsense')
        mge.is_cuda_available() in (True, False)
        [str(Tensor(1.0, device=d).device) for d in ('cpu0', 'cpux', 'xpux', 'xpu0')]
        Tensor(1.0, device='cpu0').to('xpux').device == 'xpux'
        F.zeros(2, device='cpu0').device == 'cpu0'
        F.copy(Tensor(1.0), device='cpu0').device == 'cpu0'
    """,
    ),
]
