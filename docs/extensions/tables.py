"""Parts of the reference that are made from the running library: the op table, and the functions by topic."""

import importlib
import pkgutil

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from numod import functional
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
        for found in pkgutil.iter_modules(functional.__path__, "numod.functional."):
            module = importlib.import_module(found.name)
            functions = [function for function in vars(module).values() if getattr(function, "__module__", "") == found.name]
            places = sorted(filter(None, map(public_place, functions)))
            if places:
                title = module.__doc__.strip().partition("\n")[0].rstrip(".")
                lines += [f"## {title}", "", "```{eval-rst}", *(f".. autofunction:: {place}" for place in places), "```", ""]
        return lines


def public_place(function) -> str:
    """Where users find a function: `numod.functional`, or its ``loss``, ``vision`` or ``nn``; empty if nowhere."""
    name = getattr(function, "__name__", "_")
    if not name.startswith("_"):
        for place in (functional, functional.loss, functional.vision, functional.nn):
            if getattr(place, name, None) is function:
                return f"{place.__name__}.{name}"
    return ""


def setup(app):
    app.add_directive("op-table", OpTable)
    app.add_directive("functions-by-topic", FunctionsByTopic)
    return {"parallel_read_safe": True}
