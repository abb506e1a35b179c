"""Pictures as SVG files, which every browser shows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from xml.sax.saxutils import escape

from .files import replacing

LETTER = 7.2  # pixels: the width of a character in the font


def write(path: str | os.PathLike, width: float, height: float, parts: Iterable[str]) -> None:
    """Write a picture of this size, in pixels, with its parts on white."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="monospace" font-size="12" fill="#222">'
    with replacing(path) as file:
        file.write("\n".join([head, f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>', *parts, "</svg>\n"]).encode())


def text(x: float, y: float, content: str, weight: str = "normal", colour: str = "#222") -> str:
    """A line of text that begins at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="{colour}" xml:space="preserve">{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, note: str = "") -> str:
    """A filled rectangle; ``note`` is shown while the pointer is on it."""
    title = f"<title>{escape(note)}</title>" if note else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" fill="{colour}">{title}</rect>'
