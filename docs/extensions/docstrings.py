"""The house's docstrings as Sphinx reads them: lines ``name: what it is`` become lists, and a star is a star."""

import re

ARGUMENT = re.compile(r"(?P<names>[a-z_]\w*(?:, [a-z_]\w*)*): +(?P<text>\S.*)")
QUOTED = re.compile(r"(`+.*?`+)")


def rewrite(app, what, name, obj, options, lines):
    """Sphinx calls this with the lines of each docstring, to be changed in place."""
    result, inside, example = [], False, False
    for line in lines:
        example = bool(line) and (example or line.startswith(">>>"))
        if not example:
            parts = QUOTED.split(line)
            line = "".join(part if index % 2 else part.replace("*", r"\*") for index, part in enumerate(parts))
        found = None if example else ARGUMENT.fullmatch(line)
        if found:
            result += [] if inside else [""]
            result.append(f"- ``{found['names']}``: {found['text']}")
        elif inside and line:
            result.append(f"  {line.strip()}")  # goes on with the argument before it
        else:
            result.append(line)
        inside = bool(line) and (inside or found is not None)
    lines[:] = result


def setup(app):
    app.connect("autodoc-process-docstring", rewrite, priority=400)  # before numpydoc
    return {"parallel_read_safe": True}
