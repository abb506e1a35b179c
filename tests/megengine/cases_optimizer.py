"""Optimizers: trajectories of several steps, parameter groups, state, errors."""

from oracle import group

SETUP = """
def params():
    return [Parameter([1.0, -2.0, 3.0]), Parameter([[0.5], [-1.5]])]

def steps(make, count=4):
    ps = params()
    o = make(ps)
    path = []
    for k in range(count):
        for j, p in enumerate(ps):
            p.grad = Tensor(np.array([1.0, -2.0, 0.5], "float32")[: p.size].reshape(p.shape) * (k + 1 - j))
        o.step()
        path.append([p.numpy() for p in ps])
    return path

def state(o):
    return o.state_dict()

ps = params()
p, q = ps
for each in ps:
    each.grad = F.ones(each.shape)
"""

CASES = [
    group(
        "trajectories",
        SETUP,
        """
        steps(lambda ps: optim.SGD(ps, lr=0.1))
        steps(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9))
        steps(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True))
        steps(lambda ps: optim.SGD(ps, lr=0.1, weight_decay=0.1))
        steps(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1))
        steps(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.5, nesterov=True, weight_decay=0.1))
        steps(lambda ps: optim.Adam(ps, lr=0.1))
        steps(lambda ps: optim.Adam(ps, lr=0.1, weight_decay=0.1))
        steps(lambda ps: optim.Adam(ps, lr=0.01, betas=(0.5, 0.9), eps=1e-3))
        steps(lambda ps: optim.AdamW(ps, lr=0.1))
        steps(lambda ps: optim.AdamW(ps, lr=0.1, weight_decay=0.1))
        steps(lambda ps: optim.AdamW(ps, lr=0.01, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.0))
        steps(lambda ps: optim.Adagrad(ps, lr=0.1))
        steps(lambda ps: optim.Adadelta(ps))
        steps(lambda ps: optim.SGD([{"params": ps[0], "lr": 1.0}, {"params": ps[1]}], lr=0.1))
        steps(lambda ps: optim.Adam([{"params": [ps[0]], "weight_decay": 0.1}, {"params": [ps[1]], "betas": (0.5, 0.5)}], lr=0.1))
    """,
        grads=False,
    ),
    group(
        "step",
        SETUP,
        """
        # gives the optimizer
        o = optim.SGD(ps, lr=0.1); o.step() is o

        # clear_grad
        o = optim.SGD(ps, lr=0.1); r = o.clear_grad(); [r, p.grad]

        # step().clear_grad()
        optim.SGD(ps, lr=0.1).step().clear_grad(); [p, p.grad]

        # keeps the object
        a = p; optim.SGD(ps, lr=0.1).step(); [a is p, type(a).__name__, a]

        # skips those without a gradient
        q.grad = None; optim.SGD(ps, lr=0.1, momentum=0.9).step(); ps

        # skips them with weight decay
        q.grad = None; optim.SGD(ps, lr=0.1, weight_decay=0.5).step(); ps

        # skips them in Adam
        q.grad = None; optim.Adam(ps, lr=0.1).step(); ps

        # keeps the gradient
        optim.SGD(ps, lr=0.1, weight_decay=0.5).step(); p.grad

        # a learning rate that changes
        o = optim.SGD(ps, lr=0.1); o.step(); o.param_groups[0]['lr'] = 1.0; o.step(); p

        # a learning rate of a tensor
        optim.SGD(ps, lr=Tensor(0.1)).step(); p

        # trains
        m = M.Linear(2, 1)
        m.weight[...] = Tensor([[0.5, -0.5]])
        o = optim.SGD(m.parameters(), lr=0.1)
        gm = GradManager().attach(m.parameters())
        losses = []
        for _ in range(4):
            with gm:
                loss = ((m(Tensor([[1.0, 2.0], [3.0, 4.0]])) - 1) ** 2).mean()
                gm.backward(loss)
            o.step().clear_grad()
            losses.append(loss.item())
        [losses, m.weight, m.bias]

        # trains with Adam
        w = Parameter([1.0, 2.0])
        o = optim.Adam([w], lr=0.1)
        gm = GradManager().attach(w)
        for _ in range(5):
            with gm:
                gm.backward((w * w).sum())
                o.step().clear_grad()
        w
    """,
        grads=False,
    ),
    group(
        "parameter groups",
        SETUP,
        """
        [(sorted(k for k in g if k != 'params'), len(g['params'])) for g in optim.SGD(ps, lr=0.1).param_groups]
        [g['lr'] for g in optim.SGD([{'params': p, 'lr': 1.0}, {'params': [q]}], lr=0.1).param_groups]
        len(optim.SGD(p, lr=0.1).param_groups[0]['params'])
        len(optim.SGD((x for x in ps), lr=0.1).param_groups[0]['params'])
        len(optim.SGD({'params': ps}, lr=0.1).param_groups[0]['params'])
        optim.SGD(ps, lr=0.1).param_groups[0]['params'][0] is p
        optim.SGD(ps)
        optim.SGD([], lr=0.1)
        optim.SGD([1], lr=0.1)
        optim.SGD([Tensor([1.0])], lr=0.1)
        optim.SGD(M.Linear(1, 1), lr=0.1)
        optim.SGD('ab', lr=0.1)
        optim.SGD([{'params': p}, {'params': p}], lr=0.1)
        optim.SGD(ps, lr=-1)
        optim.SGD(ps, lr=0.1, momentum=-1)
        optim.SGD(ps, lr=0.1, weight_decay=-1)
        optim.SGD(ps, lr=0.1, nesterov=True)
        optim.Adam(ps)
        optim.Adam(ps, lr=-1)
        optim.Adam(ps, lr=0.1, betas=(1.5, 0.9))
        optim.Adam(ps, lr=0.1, betas=(0.9, -0.1))
        optim.Adam(ps, lr=0.1, weight_decay=-1)
        optim.AdamW(ps, lr=-1)
        o = optim.SGD([p], lr=0.1); o.add_param_group({'params': [q], 'lr': 0.5}); [g['lr'] for g in o.param_groups]
        o = optim.SGD([p], lr=0.1); o.add_param_group({'params': [p]})
        o = optim.SGD([p], lr=0.1); o.add_param_group([q])
    """,
        grads=False,
    ),
    group(
        "state of optimizers",
        SETUP,
        """
        # SGD
        state(optim.SGD(ps, lr=0.1))

        # SGD with momentum
        state(optim.SGD(ps, lr=0.1, momentum=0.9))

        # SGD after a step
        state(optim.SGD(ps, lr=0.1, momentum=0.9).step())

        # Adam
        state(optim.Adam(ps, lr=0.1))

        # Adam after two steps
        state(optim.Adam(ps, lr=0.1).step().step())

        # AdamW
        state(optim.AdamW([p], lr=0.1).step())

        # two groups
        state(optim.SGD([{'params': p}, {'params': q, 'lr': 0.5}], lr=0.1, momentum=0.5))

        # variables
        type(optim.SGD(ps, lr=0.1, momentum=0.9).state_dict(keep_var=True)['state'][0]['momentum_buffer'])

        # load
        s = optim.SGD(ps, lr=0.1, momentum=0.9).step().state_dict()
        n = optim.SGD(params(), lr=0.5, momentum=0.9)
        r = n.load_state_dict(s)
        [r, state(n)]

        # load and go on
        o = optim.Adam(ps, lr=0.1).step(); s = o.state_dict(); n = optim.Adam(ps, lr=0.1); n.load_state_dict(s); n.step(); ps

        # load into fewer
        optim.SGD([p], lr=0.1).load_state_dict(state(optim.SGD(ps, lr=0.1)))

        # load into other groups
        optim.SGD([p], lr=0.1).load_state_dict(state(optim.SGD([{'params': p}, {'params': q}], lr=0.1)))

        # load nothing
        optim.SGD([p], lr=0.1).load_state_dict({})
    """,
        grads=False,
    ),
    group(
        "own optimizer",
        SETUP
        + """
class Own(optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, dict(lr=lr))
    def _create_state(self, group):
        for p in group["params"]:
            self._add_state(p, "m")
            self._add_state(p, "s", initializer=2.0)
    def _updates(self, group):
        for p in group["params"]:
            if p.grad is not None:
                own = self._state[p]
                own["m"] += p.grad
                p -= group["lr"] * own["m"] * own["s"]
""",
        """
        # steps
        o = Own(ps, 0.1); o.step(); o.step(); ps

        # state
        state(Own([p], 0.1).step())
    """,
        grads=False,
    ),
    group(
        "clipping and schedules",
        SETUP,
        """
        # clip_grad_norm
        p.grad = Tensor([3.0, 4.0, 0.0]); r = optim.clip_grad_norm([p], 1.0); [r, p.grad]

        # clip_grad_norm of several
        r = optim.clip_grad_norm(ps, 1.0); [r, p.grad, q.grad]

        # clip_grad_norm that need not
        p.grad = Tensor([3.0, 4.0, 0.0]); r = optim.clip_grad_norm(p, 10.0); [r, p.grad]

        # clip_grad_norm of order 1
        p.grad = Tensor([3.0, 4.0, 0.0]); r = optim.clip_grad_norm([p], 1.0, ord=1.0); [r, p.grad]

        # clip_grad_value
        p.grad = Tensor([3.0, -4.0, 0.0]); r = optim.clip_grad_value([p], -1, 2); [r, p.grad]

        # MultiStepLR
        o = optim.SGD(ps, lr=1.0); m = optim.MultiStepLR(o, [1, 3], 0.1); path = []
        for _ in range(5):
            path.append(o.param_groups[0]['lr']); m.step()
        path

        # MultiStepLR's state
        o = optim.SGD(ps, lr=1.0); m = optim.MultiStepLR(o, [1, 3], 0.1); m.step(); m.state_dict()

        # MultiStepLR that falls
        optim.MultiStepLR(optim.SGD(ps, lr=1.0), [3, 1])
    """,
        grads=False,
    ),
]
