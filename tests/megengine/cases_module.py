"""Module: names and their order, modes, sharing, changes of structure."""

from oracle import group

NET = """
class Sub(M.Module):
    def __init__(self):
        super().__init__()
        self.w = Parameter([1.0, 2.0])
        self.buf = Tensor([0.0])
        self.lin = M.Linear(2, 3)
    def forward(self, x):
        return self.lin(x * self.w)

class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.zeta = M.Conv2d(1, 2, 3)
        self.alpha = Sub()
        self.lst = [M.ReLU(), M.Linear(1, 1, bias=False)]
        self.dct = {"b": M.Linear(1, 1), "a": Parameter([1.0])}
        self.tup = (M.Sigmoid(), 3, "x")
        self.plain = 5
        self.shared = self.alpha.lin
        self.p = Parameter([3.0])
        self.none = None
        self.nested = [[M.ReLU(), {"k": M.Linear(1, 1)}]]
    def forward(self, x):
        return x

def names(pairs):
    return [k for k, _ in pairs]

n = Net()
"""

CASES = [
    group(
        "names",
        NET,
        """
        names(n.named_parameters())
        names(n.named_parameters(prefix='pre'))
        names(n.named_parameters(recursive=False))
        names(n.named_buffers())
        names(n.named_buffers(recursive=False))
        names(n.named_tensors())
        names(n.named_tensors(recursive=False))
        names(n.named_modules())
        names(n.named_modules(prefix='pre'))
        names(n.named_children())
        names(n.alpha.named_parameters())
        [len(list(f())) for f in (n.parameters, n.buffers, n.tensors, n.modules, n.children)]
        len(list(n.parameters(recursive=False)))
        type(n.named_parameters()) is list
        [type(p).__name__ for p in n.parameters()] == ['Parameter'] * 12
        list(n.state_dict())
        n.name
        n.zeta.name
        n.zeta.weight.name
        M.Linear(2, 3, name='foo').name
        M.Linear(2, 3, name='foo').weight.name
        n.plain
        n.missing
        list(n.modules())[0] is n
        list(n.children())[0] is n.alpha
        dict(n.named_modules())['alpha.lin'] is n.shared
        dict(n.named_children())['shared'] is n.shared
        names(M.Sequential(*[M.Linear(1, 1) for _ in range(12)]).named_children())
        list(M.Linear(2, 2).state_dict())
        list(M.Sequential(M.Linear(1, 1), M.ReLU(), M.Linear(1, 1)).state_dict())
    """,
        """
        # apply visits self, then children in order
        seen = []; r = n.apply(lambda m: seen.append(type(m).__name__)); [r, seen]

        # modules in order
        [type(m).__name__ for m in n.modules()]

        # a new attribute is found
        n.extra = M.Linear(1, 1); names(n.named_children())

        # a deleted one is not
        del n.zeta; names(n.named_children())

        # a replaced one
        n.zeta = M.ReLU(); names(n.named_parameters())

        # a parameter set to None
        n.p = None; names(n.named_parameters())

        # appended to a list
        n.lst.append(M.Linear(1, 1)); names(n.named_parameters())

        # a parameter becomes a tensor
        n.p = Tensor([1.0]); names(n.named_buffers())

        # overwritten with a value
        n.alpha = 3; names(n.named_children())

        # before super().__init__
        class Early(M.Module):
            def __init__(self):
                self.a = M.ReLU()
            def forward(self, x):
                return x
        Early()
    """,
        grads=False,
    ),
    group(
        "mode",
        NET,
        """
        # training at first
        [n.training, n.zeta.training]

        # eval
        r = n.eval(); [r, n.training, n.alpha.lin.training, n.lst[0].training]

        # train
        n.eval(); r = n.train(); [r, n.training, n.alpha.lin.training]

        # train(False)
        n.train(False); [n.training, n.alpha.training]

        # train(mode=True)
        n.eval(); n.train(mode=True); n.training

        # a child alone
        n.alpha.eval(); [n.training, n.alpha.training, n.alpha.lin.training, n.zeta.training]

        # zero_grad
        n.p.grad = Tensor([1.0]); n.zero_grad(); n.p.grad is None or float(n.p.grad) == 0.0

        # abstract
        M.Module()

        # without a forward
        class Empty(M.Module):
            pass
        Empty()
    """,
        grads=False,
    ),
    group(
        "sharing",
        NET,
        """
        # one parameter, two modules
        a, b = M.Linear(1, 1), M.Linear(1, 1)
        b.weight = a.weight
        s = M.Sequential(a, b)
        [names(s.named_parameters()), list(s.state_dict())]

        # one module twice
        a = M.Linear(1, 1)
        s = M.Sequential(a, M.ReLU(), a)
        [names(s.named_parameters()), list(s.state_dict()), names(s.named_modules())]

        # gradients add up
        a = M.Linear(1, 1, bias=False)
        a.weight[...] = Tensor([[3.0]])
        gm = GradManager().attach(a.parameters())
        with gm:
            gm.backward(M.Sequential(a, a)(Tensor([[2.0]])))
        a.weight.grad

        # deepcopy keeps it
        import copy
        c = copy.deepcopy(n)
        [c.shared is c.alpha.lin, c.shared is n.shared]

        # deepcopy copies
        import copy
        c = copy.deepcopy(n)
        c.p[0] = 9.0
        [c.p, n.p]

        # pickle
        import pickle
        l = M.Linear(2, 1)
        d = pickle.loads(pickle.dumps(l))
        [repr(d), names(d.named_parameters()), bool((d.weight.numpy() == l.weight.numpy()).all())]

        # pickle of a Sequential
        import pickle
        repr(pickle.loads(pickle.dumps(M.Sequential(M.ReLU(), M.Linear(1, 2)))))
    """,
        grads=False,
    ),
    group(
        "replace_param",
        """
        class Pair(M.Module):
            def __init__(self):
                super().__init__()
                self.b, self.a, self.c = Parameter([2.0]), Parameter([1.0]), M.Linear(1, 1)
            def forward(self, x):
                return x
        n = Pair()
        new = [Parameter(np.full(p.shape, k, "float32")) for k, p in enumerate(n.parameters())]
        """,
        """
        # by position in the order of the names
        r = n.replace_param(dict(enumerate(new)), 0)
        [r, [(k, p) for k, p in n.named_parameters()]]

        # the objects themselves
        n.replace_param(dict(enumerate(new)), 0)
        n.a is new[0]

        # from a position on
        r = n.replace_param({k + 2: p for k, p in enumerate(new)}, 2)
        [r, [(k, p) for k, p in n.named_parameters()]]

        # a part of them
        r = n.replace_param({1: Parameter([7.0])}, 0)
        [r, n.a, n.b]

        # another shape
        n.replace_param({0: Parameter([1.0, 2.0])}, 0)
    """,
        grads=False,
    ),
]
