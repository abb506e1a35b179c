"""Parts of the reference that are made from the running library: the op table, and the functions by topic."""

import importlib
import pkgutil

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import numod.functional
from numod.cli import ops
from numod.op import TABLE


class Generated(SphinxDirective):
    """A directive whose content is text in the language of the file that it stands in."""

    def text(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.text()), allow_section_headings=True)


class OpTable(Generated):
    """``{op-table}``: a row for each op."""

    def text(self) -> list[str]:
        lines = ["| op | form | inputs | attributes | gradient | what it is |", "| --- | --- | --- | --- | --- | --- |"]
        for _, op in sorted(TABLE.items()):
            cells = [op.name, op.form, ops.inputs(op), ops.attributes(op), ops.gradient(op)]
            quoted = [f"`{cell}`" if cell else "" for cell in cells]
            summary = ops.summary(op).replace("``", "`").replace("|", "\\|")
            lines.append(f"| {' | '.join(quoted)} | {summary} |")
        return lines


class FunctionsByTopic(Generated):
    """``{functions-by-topic}``: a section for each file of `numod.functional` that has public functions."""

    def text(self) -> list[str]:
        lines = []
        for found in pkgutil.iter_modules(numod.functional.__path__, "numod.functional."):
            module = importlib.import_module(found.name)
            names = [name for name in numod.functional.__all__ if getattr(getattr(module, name, None), "__module__", "") == found.name]
            if names:
                title = (module.__doc__ or found.name).strip().partition("\n")[0].rstrip(".")
                lines += [f"## {title}", "", "```{eval-rst}"]
                lines += [f".. autofunction:: {found.name}.{name}" for name in sorted(names)]
                lines += ["```", ""]
        return lines


def setup(app):
    app.add_directive("op-table", OpTable)
    app.add_directive("functions-by-topic", FunctionsByTopic)
    return {"parallel_read_safe": True}
