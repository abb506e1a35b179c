"""How Sphinx builds the documentation. Nothing is fetched: the build works without a network."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "extensions"))

from numod import __version__

project = "numod"
author = "the numod authors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.doctest", "docstrings", "tables"]
exclude_patterns = ["_build"]
default_role = "py:obj"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False

doctest_test_doctest_blocks = ""  # the docstrings' examples are run where they stand, in their own modules
doctest_path = [str(pathlib.Path(__file__).parent / "howto")]
doctest_global_setup = """
import numpy as np
import numod as nm
import numod.functional as F
import numod.module as M
"""

html_theme = "furo"
html_title = f"numod {release}"
