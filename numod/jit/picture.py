"""The picture of a program: a box for each call in the row below those that it waits for, and lines for what goes from one to the other.

The rows are those of Sugiyama, Tagawa & Toda (1981): lines that pass a row get a place in it, and places are moved under the middle of what they hang on.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import svg

if TYPE_CHECKING:
    from .graph import Call, Graph, Operand, Value

LINE, EDGE, BETWEEN, PASSING = 16, 8, 14, 10  # pixels: a line of text, around it, between boxes, a line that passes a row
ROW_GAP = 30
SWEEPS = 12
COLOURS = {
    "elementwise": "#cfe8cf",
    "rowwise": "#fbe3c4",
    "gather": "#cfdff5",
    "scatter": "#e5d5f0",
    "host": "#f5cfcf",
    "together": "#f5cfcf",
    "": "#e8e8e8",
}
MORE = 52  # characters of a line in a box


@dataclass(eq=False)
class _Node:
    """A box with lines of text, or without them a place that a line passes through."""

    lines: list[str] = field(default_factory=list)
    note: str = ""
    colour: str = COLOURS[""]
    argument: bool = False
    above: list[_Node] = field(default_factory=list)
    below: list[_Node] = field(default_factory=list)
    row: int = 0
    x: float = 0.0  # of its middle
    y: float = 0.0  # of its top
    bottom: float = 0.0

    @property
    def width(self) -> float:
        """In pixels."""
        return svg.LETTER * 1.05 * max(map(len, self.lines)) + 2 * EDGE if self.lines else PASSING

    @property
    def height(self) -> float:
        """In pixels."""
        return LINE * len(self.lines) + EDGE if self.lines else 0


def draw(graph: Graph, path: str | os.PathLike) -> None:
    """Write the picture of a graph to an SVG file."""
    rows = _rows(_nodes(graph))
    _arrange(rows)
    width = max((node.x + node.width / 2 for row in rows for node in row), default=0) + BETWEEN
    y: float = BETWEEN
    for row in rows:
        height = max(node.height for node in row)
        for node in row:
            node.y = y + (height - node.height) / 2 if node.lines else y
            node.bottom = node.y + node.height if node.lines else y + height
        y += height + ROW_GAP
    nodes = [node for row in rows for node in row]
    parts = [_line(upper, lower) for lower in nodes for upper in lower.above]
    parts += [f'<path d="M{node.x:.1f} {node.y:.1f} V{node.bottom:.1f}" stroke="#888"/>' for node in nodes if not node.lines]
    for node in nodes:
        if node.lines:
            left = node.x - node.width / 2
            parts.append(svg.box(left, node.y, node.width, node.height, node.colour, node.note))
            for number, line in enumerate(node.lines):
                weight, colour = ("normal", "#666") if number else ("bold", "#222")
                parts.append(svg.text(left + EDGE, node.y + LINE * (number + 1) - 2, line, weight, colour))
    svg.write(path, width, y, parts)


def _nodes(graph: Graph) -> list[_Node]:
    """Boxes for arguments, calls and results, each after what it waits for."""
    names = graph.names()
    makers: dict[Value, _Node] = {}
    nodes = []
    for value in graph.inputs:
        if value.argument:
            makers[value] = _Node([names[value]], f"{value.nbytes} bytes", argument=True)
            nodes.append(makers[value])
    for call in graph.calls:
        node = _box(call, names)
        node.above = _distinct(makers[operand.value] for operand in call.inputs if operand.value in makers)
        makers |= dict.fromkeys(call.outputs, node)
        nodes.append(node)
    for number, operand in enumerate(graph.results):
        if operand.value in makers:
            lines = [f"result {number}", f"{operand.spec.dtype} {operand.spec.shape}"]
            nodes.append(_Node(lines, above=[makers[operand.value]]))
    for node in nodes:
        for upper in node.above:
            upper.below.append(node)
    return nodes


def _distinct(nodes: Iterable[_Node]) -> list[_Node]:
    return list(dict.fromkeys(nodes))


def _box(call: Call, names: dict[Value, str]) -> _Node:
    made = [f"{spec.dtype} {spec.shape}" for spec in call.specs]
    beside = [_beside(o, names) for o in call.inputs if o.value.call is None and not o.value.argument]
    settings = ", ".join(f"{name}={value}" for name, value in call.arguments().items() if value is not None)
    lines = [call.name, *made, *beside, *([settings] if settings else [])]
    form = "elementwise" if call.op is None else call.op.form
    note = "\n".join([*lines, *([call.where] if call.where else [])])
    return _Node([_shortened(line) for line in lines], note, COLOURS.get(form, COLOURS[""]))


def _beside(operand: Operand, names: dict[Value, str]) -> str:
    """A weight or a constant."""
    return " ".join([names[operand.value], *([str(operand.spec.shape)] if operand.spec.size != 1 or operand.value.name else [])])


def _shortened(line: str) -> str:
    return line if len(line) <= MORE else line[: MORE - 3] + "..."


def _rows(nodes: list[_Node]) -> list[list[_Node]]:
    """The nodes by rows, with a node of its own wherever a line passes a row."""
    for node in nodes:
        node.row = max((upper.row + 1 for upper in node.above), default=0)
    early: set[_Node] = set()  # arguments, and what depends on none
    for node in nodes:
        if not node.above or all(upper in early and not upper.argument for upper in node.above):
            early.add(node)
    for node in reversed(nodes):  # is shown just above what needs it
        if node in early and node.below:
            node.row = min(lower.row for lower in node.below) - 1
    rows: list[list[_Node]] = [[] for _ in range(max((node.row for node in nodes), default=-1) + 1)]
    for node in nodes:
        rows[node.row].append(node)
    for node in nodes:
        far = [lower for lower in node.below if lower.row > node.row + 1]
        if far:
            node.below = [lower for lower in node.below if lower not in far]
            _pass_rows(node, far, rows)
    return rows


def _pass_rows(node: _Node, far: list[_Node], rows: list[list[_Node]]) -> None:
    """Lead one line from a node down past the rows to all of its far readers."""
    last = node
    for row in range(node.row + 1, max(lower.row for lower in far)):
        passing = _Node(above=[last], row=row)
        last.below.append(passing)
        rows[row].append(passing)
        last = passing
        for lower in far:
            if lower.row == row + 1:
                lower.above[lower.above.index(node)] = passing
                passing.below.append(lower)


def _arrange(rows: list[list[_Node]]) -> None:
    """Give each node its x: near the middle of its neighbours, and not on another one."""
    for row in rows:
        _pack(row)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            for node in row:
                near = node.above if down else node.below
                if near:
                    node.x = sum(each.x for each in near) / len(near)
            row.sort(key=lambda node: node.x)
            _pack(row)
    left = min((node.x - node.width / 2 for row in rows for node in row), default=0)
    for row in rows:
        for node in row:
            node.x += BETWEEN - left


def _pack(row: list[_Node]) -> None:
    """Push nodes apart that overlap, without moving the row as a whole."""
    wanted = [node.x for node in row]
    for before, node in itertools.pairwise(row):
        node.x = max(node.x, before.x + (before.width + node.width) / 2 + BETWEEN)
    shift = sum(node.x - x for node, x in zip(row, wanted, strict=True)) / max(len(row), 1)
    for node in row:
        node.x -= shift


def _line(upper: _Node, lower: _Node) -> str:
    top, bottom = upper.bottom, lower.y
    middle = (top + bottom) / 2
    path = f"M{upper.x:.1f} {top:.1f} C{upper.x:.1f} {middle:.1f} {lower.x:.1f} {middle:.1f} {lower.x:.1f} {bottom:.1f}"
    return f'<path d="{path}" fill="none" stroke="#888"/>'
