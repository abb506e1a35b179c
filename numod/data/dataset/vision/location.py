"""Where data sets are looked for if nobody says where."""

from __future__ import annotations

import os

import platformdirs


def default_root(name: str) -> str:
    """The folder for a data set in the user's folder for numod's data."""
    return os.path.join(platformdirs.user_data_dir("numod"), "datasets", name)
