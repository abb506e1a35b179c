"""Let MegEngine write the files of tests/megengine/checkpoints, which `numod.load` is tested with.

python tools/record_checkpoints.py      # where MegEngine 1.13 is installed
"""

from pathlib import Path

import megengine
import megengine.module as M
import megengine.optimizer as optim
import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "megengine" / "checkpoints"


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
    ]:
        megengine.save(obj, str(FOLDER / f"{name}.pkl"), **options)


if __name__ == "__main__":
    main()
