"""Module: names and their order, modes, calls, hooks, sharing, changes of structure."""

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
LINEAR = """
l = M.Linear(2, 2)
l.weight[...] = Tensor([[1.0, 2.0], [3.0, 4.0]])
x = Tensor([[1.0, 2.0]])
seen = []
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
]
