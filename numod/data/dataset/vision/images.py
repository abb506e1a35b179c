"""Reading image files, which needs the extra ``image``."""

from __future__ import annotations

import numpy as np

from ....errors import MissingExtra

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def is_image(path: str) -> bool:
    """Whether the name is that of an image file."""
    return path.lower().endswith(EXTENSIONS)


def read_image(path: str) -> np.ndarray:
    """The image in a file, (H, W, 3), colours in the order blue, green, red, turned as its camera was."""
    return np.ascontiguousarray(_read(path, "RGB")[:, :, ::-1])


def read_gray(path: str) -> np.ndarray:
    """The values in a file of one channel, (H, W, 1); of a palette image the numbers of the colours."""
    return _read(path, None)[:, :, np.newaxis]


def _read(path: str, mode: str | None) -> np.ndarray:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra("reading images", "image") from None
    with Image.open(path) as image:
        if mode is None:
            return np.array(image if image.mode in ("L", "P") else image.convert("L"))
        return np.asarray((ImageOps.exif_transpose(image) or image).convert(mode))
