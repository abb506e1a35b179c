"""Let MegEngine write the files of tests/megengine/checkpoints, which `numod.load` is tested with.

python tools/record_checkpoints.py      # where MegEngine 1.13 is installed
"""

import pickle
from pathlib import Path

import megengine
import megengine.module as M
import megengine.optimizer as optim
import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "megengine" / "checkpoints"


HALFWAY, STEPS = 3, 6


class LAMB(optim.LAMB):
    """MegEngine's own passes a dtype to `_add_state`, which does not take one. (LAMBFp16 does not run on a CPU at all.)"""

    def _add_state(self, param, name, initializer=None, dtype=None):
        super()._add_state(param, name, initializer)


OPTIMIZERS = {
    "plain": (optim.SGD, {"lr": 0.1, "weight_decay": 0.01}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "Adagrad": (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01}),
    "Adadelta": (optim.Adadelta, {"lr": 1.5, "rho": 0.8, "weight_decay": 0.01}),
    "Adam": (optim.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.01}),
    "AdamW": (optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    "LAMB": (LAMB, {"lr": 0.1, "betas": (0.8, 0.95)}),
}


def training(make, settings, keep_var):
    """A training of six steps: where it stood in the middle, with the optimizer's state, and where it ended."""
    first, second = megengine.Parameter([1.0, -2.0, 3.0]), megengine.Parameter([[0.5, 0.25], [-1.5, 4.0]])
    optimizer = make([{"params": [first]}, {"params": [second], "lr": settings["lr"] / 2}], **settings)
    schedule = optim.MultiStepLR(optimizer, [2, 4], gamma=0.5)
    random = np.random.RandomState(0)
    gradients = [[random.standard_normal(param.shape).astype("float32") for param in (first, second)] for _ in range(STEPS)]
    for number, pair in enumerate(gradients):
        if number == HALFWAY:
            middle = {
                "params": [first.numpy(), second.numpy()],
                "optimizer": optimizer.state_dict(keep_var),
                "schedule": schedule.state_dict(),
            }
            middle = pickle.loads(pickle.dumps(middle))  # keep_var gives the tensors themselves
        first.grad, second.grad = (megengine.Tensor(gradient) for gradient in pair)
        optimizer.step()
        schedule.step()
    return {
        **middle,
        "gradients": gradients[HALFWAY:],
        "end": [first.numpy(), second.numpy()],
        "rates": [each["lr"] for each in optimizer.param_groups],
    }


def main():
    net = M.Sequential(M.Conv2d(1, 2, 2), M.BatchNorm2d(2))
    for position, (_, tensor) in enumerate(net.named_tensors()):
        tensor[...] = megengine.Tensor(np.arange(tensor.numpy().size, dtype="float32").reshape(tensor.shape) + 10 * position)
    optimizer = optim.Adam(net.parameters(), lr=0.5)
    for parameter in net.parameters():
        parameter.grad = megengine.functional.ones_like(parameter)
    optimizer.step()
    tensor = megengine.Tensor([1.0, 2.0])
    plain = {
        "numbers": [1, -(2**40), 2.5, float("inf"), True, None, "text", b"bytes"],
        "tuple": (np.float32(0.5), np.int64(3)),
        "arrays": [np.arange(6, dtype="int64").reshape(2, 3).T, np.zeros((0, 2)), np.array(7, ">i4"), np.array([True, False])],
        "tensors": [tensor, tensor, megengine.Parameter([[1, 2]]), megengine.Tensor([1, 2], dtype="uint8", device="cpux")],
    }
    for name, obj, options in [
        *[(f"protocol{protocol}", plain, {"pickle_protocol": protocol}) for protocol in (2, 3, 4, 5)],
        ("state", net.state_dict(), {}),
        ("variables", net.state_dict(keep_var=True), {}),
        ("training", {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, {}),
        ("half", {"x": megengine.Tensor([1.0], dtype="float16")}, {}),
        ("module", net, {}),
        ("optimizers", {name: training(*each, keep_var=name in ("Adam", "nesterov")) for name, each in OPTIMIZERS.items()}, {}),
    ]:
        megengine.save(obj, str(FOLDER / f"{name}.pkl"), **options)


if __name__ == "__main__":
    main()
