"""Draw calls of every public function, ask numod and MegEngine, and print where they differ in what is not listed.

    python tools/differential --python /path/to/python/with/megengine    # everything
    python tools/differential --python ... functional.conv2d ':Tensor.*' # some functions
    python tools/differential --python ... --all functional.relu         # what is listed as well

MegEngine 1.13 needs Python 3.10 or older, so it runs in a process of its own, which is started again when a call kills it. A difference is
either mended in numod, or in listed.py with a reason.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import drawing
from calls import Library
from comparing import differences
from listed import LISTED, covers, fits
from process import Process


def main():
    parser = argparse.ArgumentParser(prog="differential", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="functions, with * for any text; all of them if left out")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the other library")
    parser.add_argument("--library", default="megengine", help="the other library")
    parser.add_argument("--draws", type=int, default=200, help="calls of each function")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="print differences that are listed too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [name for name in drawing.NAMES if not options.names or fits(name, " ".join(options.names))]
    return Comparison(options).run(names)


class Comparison:
    """The two libraries, and what was found."""

    def __init__(self, options):
        self.options = options
        self.mine = Library("numod")
        self.theirs = Process(options.python, options.library)
        self.used = set()
        self.counts = Counter()

    def run(self, names):
        start, found = time.monotonic(), 0
        for name in names:
            found += self.function(name)
        counts = self.counts
        print(
            f"{counts['functions']} functions, {counts['calls']} calls, {counts['refused']} refused by both, {counts['listed']} different as listed, "
            f"{found} not listed; MegEngine was restarted {self.theirs.restarts} times; {time.monotonic() - start:.0f} s"
        )
        self.theirs.stop()
        return found > 0

    def function(self, name):
        """Compare all calls of a function; returns how many differ in what is not listed."""
        groups = {}
        self.counts["functions"] += 1
        for call in drawing.calls_of(name, self.options.draws, self.options.seed):
            mine, theirs = self.mine.answer(call), self.theirs.answer(call)
            self.counts["calls"] += 1
            self.counts["refused"] += "raises" in mine and "out" not in theirs
            for kind, text in differences(call, mine, theirs).items():
                entry = next((entry for entry in LISTED if covers(entry, call, kind)), None)
                self.counts["listed"] += entry is not None
                if entry is None or self.options.all:
                    groups.setdefault(kind, []).append((call, text))
        for kind, cases in groups.items():
            cases.sort(key=lambda case: len(str(case[0])))
            print(f"{name}: {kind}, {len(cases)} times")
            for call, text in cases[:3]:
                print(f"    {str(call)[:700]}\n        {text[:400]}")
        return sum(map(len, groups.values()))


if __name__ == "__main__":
    sys.exit(main())
