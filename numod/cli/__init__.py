"""The command line: ``numod VERB`` or ``python -m numod VERB``. Each verb is a file beside this one."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from .. import __version__
from . import bench, check, demo, info, ops, warmup


def _positive(text: str) -> int:
    """An argument that must be a positive integer."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """What the command line accepts."""
    root = argparse.ArgumentParser(prog="numod", description="Deep learning on kernels that numba compiles in your own process.")
    root.add_argument("--version", action="version", version=f"numod {__version__}")
    verbs = root.add_subparsers(metavar="VERB", required=True)

    def verb(run, name: str, summary: str, **options) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".", **options)
        added.set_defaults(run=run)
        return added

    trains = verb(demo.run, "demo", "train a small network on 4,000 real handwritten digits and show what came of it")
    trains.add_argument("--epochs", type=_positive, default=demo.EPOCHS, help="passes over the digits (default: %(default)s)")
    trains.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order of the digits (default: %(default)s)")
    trains.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("numod-demo"),
        help="folder for the checkpoint and the pictures (default: %(default)s)",
    )
    trains.add_argument(
        "--digits", type=_positive, default=demo.DIGITS, help="how many digits to use, held-out fifth included (default: all)"
    )

    verb(info.run, "info", "print versions, the processor, threads, the kernel cache and CUDA")

    warms = verb(warmup.run, "warmup", "compile kernels into the cache before they are needed")
    warms.add_argument("--all", action="store_true", help="every op of the table in float32, not only the common layers")

    lists = verb(ops.run, "ops", "list the op table, or say all about one op")
    lists.add_argument("name", nargs="?", metavar="NAME", help="the op to say all about")

    proves = verb(check.run, "check", "prove an op: forward, gradients, layouts, special values and errors")
    proves.add_argument("op", metavar="OP", help="a name from the table, or FILE.py:NAME for an op of your own")
    proves.add_argument("--examples", type=_positive, default=30, help="calls drawn for each property (default: %(default)s)")

    verb(bench.run, "bench", "measure numod against its peers, in a checkout", add_help=False)  # its options are those of benchmarks/run.py
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code: 0 good, 1 failed, 2 wrong usage."""
    root = parser()
    chosen, rest = root.parse_known_args(arguments)
    if rest and chosen.run is not bench.run:
        root.error(f"unrecognized arguments: {' '.join(rest)}")
    chosen.rest = rest
    try:
        return chosen.run(chosen)
    except (ImportError, LookupError, OSError, ValueError) as error:
        print(f"numod: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("numod: interrupted", file=sys.stderr)
        return 130
