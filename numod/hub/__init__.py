"""Models that others publish: code from a folder, a git repository or an archive with a ``hubconf.py``, and weights from a URL.

`load`, `list`, `help` and `import_module` run ``hubconf.py``: it is a program, so name only places whose authors you would let run one. Weights are data, and
loading them runs nothing. What is fetched is kept in ``NUMOD_HUB_DIR``, or in the user's cache folder.
"""

from .hub import help, import_module, list, load, load_serialized_obj_from_url, pretrained

__all__ = ["help", "import_module", "list", "load", "load_serialized_obj_from_url", "pretrained"]
