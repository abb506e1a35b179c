"""How exact results are: the largest error of each library against float64, as a part of the largest value."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import peers
import workloads

GROUPS = ("matmul", "convolution", "elementwise", "broadcast", "reduction", "rows", "pooling")
STEPS = ("training", "model_step", "optimizer")  # operations whose results are not what is measured


def chosen(candidates: list[workloads.Workload]) -> list[workloads.Workload]:
    """The workloads that give a result which can be compared."""
    return [w for w in candidates if w.group in GROUPS and w.operation not in STEPS and w.arguments.get("function") != "argmax"]


def measure(workers: dict[str, peers.Worker], workload: workloads.Workload) -> dict | None:
    """{"numod": error, "torch": error}; None without PyTorch, which computes the truth."""
    if "torch" not in workers:
        return None
    request = {"operation": workload.operation, "arguments": workload.arguments}
    with tempfile.TemporaryDirectory() as folder:

        def result(library: str, wide: bool) -> np.ndarray | None:
            path = Path(folder, f"{library}{wide}.npy")
            answer = workers[library].ask(**request, save=str(path), wide=wide)
            return None if "missing" in answer else np.load(path)

        truth, found = result("torch", True), {name: result(name, False) for name in ("numod", "torch")}
    if truth is None or any(each is None for each in found.values()):
        return None
    largest = float(np.abs(truth).max()) or 1.0
    errors = {name: float(np.abs(each.reshape(truth.shape) - truth).max()) / largest for name, each in found.items() if each is not None}
    return {"group": workload.group, "name": workload.name, "errors": errors}


def table(rows: list[dict]) -> list[str]:
    """For each group: the worst errors, and how often numod's is at most PyTorch's, or both are within two roundings."""
    lines = ["| group | rows | numod, worst | torch, worst | not above torch's |", "| --- | --- | --- | --- | --- |"]
    for group in dict.fromkeys(row["group"] for row in rows):
        errors = [row["errors"] for row in rows if row["group"] == group]
        fine = sum(each["numod"] <= max(each["torch"], 2.0**-23) for each in errors) / len(errors)
        worst = [max(each[name] for each in errors) for name in ("numod", "torch")]
        lines.append(f"| {group} | {len(errors)} | {worst[0]:.1e} | {worst[1]:.1e} | {fine:.0%} |")
    return lines
