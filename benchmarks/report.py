"""Tables, a plot and `docs/performance.md` from the measurements.

python benchmarks/report.py benchmark.json --docs docs/performance.md --plot docs/performance.png
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path

import accuracy
import starting

PEERS = ("torch", "jax", "megengine", "numpy")


def floor(row: dict, floors: dict[str, float]) -> float:
    """The least time that the operations and the bytes of a row can take; 0 if they are not counted."""
    return max(row["flops"] / floors["flops"], row["nbytes"] / floors["bytes"])


def ratio(row: dict, peer: str) -> float | None:
    """The peer's time over numod's: above 1 numod is ahead."""
    times = row["times"]
    return times[peer]["median"] / times["numod"]["median"] if peer in times and "numod" in times else None


def duration(seconds: float) -> str:
    """With a unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.3g} {unit}"
    return ""


def cells(row: dict, floors: dict[str, float]) -> list[str]:
    """Of a row: name, threads, numod's time and spread, fraction of the floor reached, and the peers' ratios."""
    own = row["times"].get("numod")
    if own is None:
        return [row["name"], str(row["threads"]), "-", "-", *["-"] * len(PEERS)]
    least = floor(row, floors)
    ratios = [ratio(row, peer) for peer in PEERS]
    spread = f" ±{50 * (own['most'] - own['least']) / own['median']:.0f}%"
    reached = f"{least / own['median']:.2f}" if least else ""
    return [row["name"], str(row["threads"]), duration(own["median"]) + spread, reached, *("" if r is None else f"{r:.2f}" for r in ratios)]


def line(row: dict, floors: dict[str, float]) -> str:
    """A row as it is printed while the benchmark runs."""
    name, threads, own, reached, *ratios = cells(row, floors)
    peers = "  ".join(f"{peer} {value or '-':>5}" for peer, value in zip(PEERS, ratios, strict=True))
    return f"{row['group'] + '/' + name:<70} {threads}  {own:>16}  floor {reached or '-':>5}  {peers}"


def geometric_mean(values: list[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(map(math.log, values)))


def summary(found: dict) -> list[str]:
    """For each group, number of threads and peer: how often numod is at or ahead, the mean ratio and the worst one."""
    lines = ["| group | threads | peer | rows | at or ahead | geometric mean | worst |", "| --- | --- | --- | --- | --- | --- | --- |"]
    groups = dict.fromkeys((row["group"], row["threads"]) for row in found["rows"])
    for group, threads in groups:
        for peer in PEERS:
            values = [
                (r, row["name"])
                for row in found["rows"]
                if (row["group"], row["threads"]) == (group, threads) and (r := ratio(row, peer)) is not None
            ]
            if values:
                ahead = sum(r >= 1 for r, _ in values) / len(values)
                worst, where = min(values)
                mean = geometric_mean([r for r, _ in values])
                lines.append(f"| {group} | {threads} | {peer} | {len(values)} | {ahead:.0%} | {mean:.2f} | {worst:.2f}: {where} |")
    return lines


def programs(found: dict) -> list[str]:
    """Each model as it is and as a program, beside PyTorch eager, and its program beside the peers' programs."""
    lines = [
        "| what | threads | numod | as a program | torch | torch, to the program | compiled torch | jax | megengine, traced | floor |",
        "| --- " * 10 + "|",
    ]
    traced = {(row["name"], row["threads"]): row for row in found["rows"] if row["group"] == "traced model"}
    for row in found["rows"]:
        program = traced.get((row["name"], row["threads"]))
        if row["group"] != "model" or program is None or "numod" not in row["times"] or "numod" not in program["times"]:
            continue
        own, fast = row["times"]["numod"]["median"], program["times"]["numod"]["median"]
        eager = row["times"].get("torch", {}).get("median")
        values = [eager and eager / own, eager and eager / fast, *(ratio(program, peer) for peer in ("torch", "jax", "megengine"))]
        reached = floor(row, found["floors"][str(row["threads"])]) / fast
        numbers = ["" if value is None else f"{value:.2f}" for value in (*values, reached or None)]
        lines.append(f"| {row['name']} | {row['threads']} | {duration(own)} | {duration(fast)} | {' | '.join(numbers)} |")
    return lines


def document(found: dict, title: str) -> str:
    """The page of the documentation."""
    machine, libraries = found["machine"], found["libraries"]
    versions = ", ".join(f"{name} {about.get('version', '')}" for name, about in libraries.items())
    lines = [
        f"# {title}",
        "",
        "Made by `python benchmarks/report.py` from what `numod bench` measured; not edited by hand.",
        "",
        f"{machine['processor']}, vectors of {machine['vectors']} bits, {machine['system']}, {machine['date']}. {versions}.",
        "",
        "Each library runs in a process of its own; for each row they take turns, a turn's time is the least of its calls, and the table has the",
        "median of the turns and half the distance between the fastest and the slowest one. A ratio is the other library's time over numod's: above 1",
        "numod is ahead. *Floor* is the fraction of the machine's limit that numod reaches: operations over the measured rate of fused",
        "multiply-adds, or bytes over the measured memory bandwidth, whichever takes longer (arrays that fit into a cache can be faster than memory).",
        "",
    ]
    for threads, limits in found["floors"].items():
        lines.append(f"- {threads} thread(s): {limits['flops'] / 1e9:.0f} GFLOP/s, {limits['bytes'] / 1e9:.1f} GB/s")
    lines += ["", "## Summary", "", *summary(found)]
    if any(row["group"] == "traced model" for row in found["rows"]):
        about = "As programs of `jit.trace`; the other library's time over numod's, and the fraction of the floor that the program reaches."
        lines += ["", "## Models", "", about, "", *programs(found)]
    if found["start"]:
        lines += ["", "## To begin", "", *starting.table(found["start"])]
    if found["accuracy"]:
        about = "The largest error against float64, as a part of the largest value; in the last column rounding twice is no error."
        lines += ["", "## Accuracy", "", about, "", *accuracy.table(found["accuracy"])]
    for group in dict.fromkeys(row["group"] for row in found["rows"]):
        lines += [
            "",
            f"## {group.capitalize()}",
            "",
            "| what | threads | numod | floor | " + " | ".join(PEERS) + " |",
            "| --- " * (4 + len(PEERS)) + "|",
        ]
        for row in found["rows"]:
            if row["group"] == group:
                lines.append("| " + " | ".join(cells(row, found["floors"][str(row["threads"])])) + " |")
    return "\n".join(lines) + "\n"


def plot(found: dict, path: Path) -> None:
    """Ratios to PyTorch, a dot for each row."""
    import matplotlib.pyplot as plt

    groups = list(dict.fromkeys(row["group"] for row in found["rows"]))
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(groups) + 1.5))
    for threads, shift, colour in ((1, -0.12, "tab:blue"), (2, 0.12, "tab:orange")):
        points = [
            (r, groups.index(row["group"]) + shift) for row in found["rows"] if row["threads"] == threads and (r := ratio(row, "torch"))
        ]
        if points:
            axes.scatter(*zip(*points, strict=True), s=12, color=colour, alpha=0.6, label=f"{threads} thread{'s' if threads > 1 else ''}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", yticks=range(len(groups)), yticklabels=groups, xlabel="PyTorch's time over numod's")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measurements", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--title", default="Performance", help="of the page (default: %(default)s)")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    found = json.loads(options.measurements.read_text())
    if options.docs:
        options.docs.write_text(document(found, options.title))
    if options.plot:
        plot(found, options.plot)
    if not options.docs:
        print("\n".join(summary(found)))


if __name__ == "__main__":
    main()
