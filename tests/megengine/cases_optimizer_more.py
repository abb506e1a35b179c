"""Adagrad, Adadelta and LAMB step by step, clipping of gradients, schedules of learning rates."""

from oracle import differs, group

STEPS = """
GRADIENTS = np.array([[1.0, -0.5, 0.25], [0.5, 0.5, -1.0], [-2.0, 0.0, 0.125], [1.0, 1.0, 1.0]], "float32")

def steps(make):
    ps = [Parameter([1.0, -2.0, 3.0]), Parameter([[0.5], [-1.5]])]
    o = make(ps)
    path = []
    for k, g in enumerate(GRADIENTS):
        ps[0].grad = Tensor(g)
        ps[1].grad = Tensor(g[:2].reshape(2, 1)) if k % 2 else None
        o.step()
        path.append([p.numpy() for p in ps])
    return [path, o.state_dict()]
"""

# MegEngine's LAMB passes `dtype` to `_add_state`, which does not take it
LAMB = (
    STEPS
    + """
class Lamb(optim.LAMB):
    def _add_state(self, param, name, initializer=None, dtype=None):
        super()._add_state(param, name, initializer)
"""
)

ADAPTED = """
def lamb(lr, betas=(0.9, 0.999), weight_decay=0.0, bias_correction=True):
    ps = [np.array([1.0, -2.0, 3.0]), np.array([[0.5], [-1.5]])]
    kept = [[0.0, 0.0, 0] for p in ps]
    path = []
    for k, g in enumerate(GRADIENTS.astype("float64")):
        for i, grad in enumerate([g, g[:2].reshape(2, 1) if k % 2 else None]):
            if grad is None:
                continue
            m, v, t = kept[i]
            m, v, t = kept[i] = [betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2, t + 1]
            if bias_correction:
                m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            u = m / (np.sqrt(v) + 1e-8) + weight_decay * ps[i]
            ps[i] = ps[i] - lr * np.linalg.norm(ps[i]) / np.linalg.norm(u) * u
        path.append([p.astype("float32") for p in ps])
    return path
"""

CLIP = """
def clipped(function, *gradients, **options):
    ps = [Parameter(np.zeros(np.shape(g), "float32")) for g in gradients]
    for p, g in zip(ps, gradients):
        p.grad = Tensor(np.array(g, "float32"))
    kept = [p.grad for p in ps]
    result = function(ps, **options)
    return [result, [p.grad for p in ps], [p.grad is g for p, g in zip(ps, kept)]]
"""

SCHEDULE = """
o = optim.SGD(Parameter([1.0]), lr=1.0)
two = optim.SGD([{"params": Parameter([1.0])}, {"params": Parameter([2.0]), "lr": 0.5}], lr=1.0)
STATE = {"milestones": [2], "gamma": 0.5, "current_epoch": 1}

class Halving(optim.LRScheduler):
    def get_lr(self):
        return [lr * 0.5 ** self.current_epoch for lr in self.base_lrs]

def rates(schedule, count):
    path = []
    for _ in range(count):
        path.append([g["lr"] for g in schedule.optimizer.param_groups])
        schedule.step()
    return path
"""

CASES = [
    group(
        "steps of Adagrad and Adadelta",
        STEPS,
        """
        steps(lambda ps: optim.Adagrad(ps))
        steps(lambda ps: optim.Adagrad(ps, lr=0.1, lr_decay=0.5, eps=0.01, weight_decay=0.1))
        steps(lambda ps: optim.Adagrad([{"params": ps[0], "lr_decay": 0.5}, {"params": ps[1], "eps": 0.1}], lr=0.1))
        steps(lambda ps: optim.Adadelta(ps))
        steps(lambda ps: optim.Adadelta(ps, lr=0.5, rho=0.5, eps=0.1, weight_decay=0.1))
        steps(lambda ps: optim.Adadelta([{"params": ps[0], "rho": 0.5}, {"params": ps[1], "weight_decay": 0.1}], eps=0.01))
        optim.Adagrad(Parameter([1.0, 2.0])).state_dict()
        optim.Adadelta(Parameter([1.0, 2.0])).state_dict()
        optim.Adagrad(Parameter([1.0]), lr=-1)
        optim.Adagrad(Parameter([1.0]), lr_decay=-1)
        optim.Adagrad(Parameter([1.0]), eps=-1)
        optim.Adagrad(Parameter([1.0]), weight_decay=-1)
        optim.Adadelta(Parameter([1.0]), lr=-1)
        optim.Adadelta(Parameter([1.0]), rho=1.5)
        optim.Adadelta(Parameter([1.0]), rho=-0.1)
        optim.Adadelta(Parameter([1.0]), eps=-1)
        optim.Adadelta(Parameter([1.0]), weight_decay=-1)
    """,
        grads=False,
    ),
    group(
        "steps of LAMB",
        LAMB,
        """
        steps(lambda ps: Lamb(ps, lr=0.1))
        steps(lambda ps: Lamb(ps, lr=0.01, betas=(0.5, 0.5), eps=0.1))
        steps(lambda ps: Lamb(ps, lr=0.1, bias_correction=False))
        optim.LAMB(Parameter([1.0]), lr=-1)
        optim.LAMB(Parameter([1.0]), lr=1, betas=(2, 0.1))
        optim.LAMB(Parameter([1.0]), lr=1, weight_decay=-1)
    """,
        [  # the squares of whole numbers, and of zeros
            "p = Parameter([1.0, -2.0, 3.0]); o = Lamb(p, lr=0.1, weight_decay=0.1); p.grad = Tensor(GRADIENTS[0]); o.step(); p",
            "p = Parameter([0.0, 0.0]); o = Lamb(p, lr=0.1, always_adapt=True); p.grad = Tensor([1.0, -2.0]); o.step(); p",
        ],
        grads=False,
        rtol=1e-4,
    ),
    group(
        "adapted steps of LAMB",
        LAMB + ADAPTED,
        *(
            differs(f"steps(lambda ps: Lamb(ps, {how}))[0]", "MegEngine's sum of squares is cut to whole numbers", gives=f"lamb({what})")
            for how, what in (
                ("lr=0.1, weight_decay=0.1", "lr=0.1, weight_decay=0.1"),
                ("lr=0.1, always_adapt=True", "lr=0.1"),
                ("lr=0.1, always_adapt=True, bias_correction=False", "lr=0.1, bias_correction=False"),
            )
        ),
        grads=False,
        rtol=1e-4,
    ),
    group(
        "clipping",
        CLIP,
        """
        clipped(optim.clip_grad_norm, [3.0, 4.0], max_norm=1)
        clipped(optim.clip_grad_norm, [[3.0], [4.0]], [12.0], max_norm=1.0)
        clipped(optim.clip_grad_norm, [3.0, 4.0], [-12.0], max_norm=1.0, ord=1)
        clipped(optim.clip_grad_norm, [3.0, 4.0], [-12.0], max_norm=1.0, ord=3)
        clipped(optim.clip_grad_norm, [3.0, 4.0], [-12.0], max_norm=1.0, ord=float('inf'))
        clipped(optim.clip_grad_norm, [0.0, 0.0], max_norm=1.0)
        clipped(optim.clip_grad_norm, [3.0, 4.0], max_norm=100.0)
        clipped(optim.clip_grad_norm, max_norm=1.0)
        optim.clip_grad_norm([Parameter([1.0])], 1.0)
        optim.clip_grad_norm(3, 1.0)
        clipped(optim.clip_grad_value, [3.0, 4.0], [-12.0], lower=-1, upper=3.5)
        optim.clip_grad_value([Parameter([1.0])], -1, 1)
        t = Tensor([1.0]); t.grad = Tensor([9.0]); r = optim.clip_grad_norm((x for x in [t]), 1.0); [r, t.grad]
    """,
        grads=False,
    ),
    group(
        "schedules",
        SCHEDULE,
        """
        rates(optim.MultiStepLR(o, [1, 3], 0.1), 5)
        rates(optim.MultiStepLR(two, [1, 3, 3], 0.5), 5)
        rates(optim.MultiStepLR(o, (2,)), 4)
        rates(Halving(two), 4)
        optim.MultiStepLR(two, [1]); [g["initial_lr"] for g in two.param_groups]
        m = optim.MultiStepLR(o, [1, 3]); m.step(3); [m.current_epoch, m.get_lr(), o.param_groups[0]["lr"], m.base_lrs]
        m = optim.MultiStepLR(o, [1, 3]); m.load_state_dict(STATE); r = o.param_groups[0]["lr"]; m.step(); [r, m.get_lr(), m.state_dict()]
        m = optim.MultiStepLR(o, [1, 3]); m.load_state_dict({'gamma': 0.5, 'current_epoch': 1})
        optim.MultiStepLR(o, [1, 3], current_epoch=2)
        optim.MultiStepLR(o, [1, 3]); optim.MultiStepLR(o, [1, 3], current_epoch=2).get_lr()
        optim.MultiStepLR(3, [1])
        optim.LRScheduler(o)
        optim.LRScheduler(3)
    """,
        grads=False,
    ),
]
