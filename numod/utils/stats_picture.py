"""The picture of what the layers of a network cost: three columns of bars, as an SVG file, which every browser shows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from ..files import replacing

ROW, TOP, BAR, GAP, NUMBER, LETTER = 20, 56, 180, 24, 70, 7.2  # pixels; LETTER is a character's width in the font
COLOURS = ("#4c72b0", "#dd8452", "#55a868")


def write(path: str | os.PathLike, layers: Sequence[tuple[str, str]], columns: Mapping[str, tuple[Sequence[int], int]]) -> None:
    """Write the picture.

    layers: name and class of each. columns: by title, a value for each layer and the total.
    """
    labels = [f"{name or '(the network)'}  {kind}" for name, kind in layers]
    left = 16 + LETTER * max(map(len, labels), default=0)
    width = left + len(columns) * (GAP + BAR + NUMBER)
    height = TOP + ROW * len(layers) + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-family="monospace" font-size="12" fill="#222">',
        f'<rect width="{width:.0f}" height="{height}" fill="#fff"/>',
    ]
    for row, label in enumerate(labels):
        lines.append(_text(16, TOP + ROW * row + 14, label))
    for number, (title, (values, total)) in enumerate(columns.items()):
        x = left + GAP + number * (GAP + BAR + NUMBER)
        lines += [_text(x, 24, title, "bold"), _text(x, 42, short(total))]
        most = max(values, default=0) or 1
        for row, value in enumerate(values):
            length, y = BAR * value / most, TOP + ROW * row
            lines.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" fill="{COLOURS[number % len(COLOURS)]}"/>')
            lines.append(_text(x + length + 6, y + 14, short(value)))
    with replacing(path) as file:
        file.write("\n".join([*lines, "</svg>\n"]).encode())


def short(value: int) -> str:
    """A count with three digits: 1.28 M."""
    size, units = float(value), ["", " k", " M", " G", " T"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units = units[1:]
    return f"{size:.3g}{units[0]}"


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y}" font-weight="{weight}" xml:space="preserve">{escape(text)}</text>'
