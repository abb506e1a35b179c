"""The picture of what the layers of a network cost: three columns of bars."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from .. import svg

ROW, TOP, BAR, GAP, NUMBER = 20, 56, 180, 24, 70  # pixels
COLOURS = ("#4c72b0", "#dd8452", "#55a868")


def write(path: str | os.PathLike, layers: Sequence[tuple[str, str]], columns: Mapping[str, tuple[Sequence[int], int]]) -> None:
    """Write the picture.

    layers: name and class of each. columns: by title, a value for each layer and the total.
    """
    labels = [f"{name or '(the network)'}  {kind}" for name, kind in layers]
    left = 16 + svg.LETTER * max(map(len, labels), default=0)
    width = left + len(columns) * (GAP + BAR + NUMBER)
    parts = [svg.text(16, TOP + ROW * row + 14, label) for row, label in enumerate(labels)]
    for number, (title, (values, total)) in enumerate(columns.items()):
        x = left + GAP + number * (GAP + BAR + NUMBER)
        parts += [svg.text(x, 24, title, "bold"), svg.text(x, 42, short(total))]
        most = max(values, default=0) or 1
        for row, value in enumerate(values):
            length, y = BAR * value / most, TOP + ROW * row
            parts.append(svg.box(x, y + 3, length, ROW - 6, COLOURS[number % len(COLOURS)]))
            parts.append(svg.text(x + length + 6, y + 14, short(value)))
    svg.write(path, width, TOP + ROW * len(layers) + 16, parts)


def short(value: int) -> str:
    """A count with three digits: 1.28 M."""
    size, units = float(value), ["", " k", " M", " G", " T"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units = units[1:]
    return f"{size:.3g}{units[0]}"
