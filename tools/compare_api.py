"""Compare numod's public names and signatures with MegEngine's, as tests/megengine/api.json has them.

python tools/compare_api.py           # what differs and is not listed in tests/test_api.py
python tools/compare_api.py --all     # what differs
python tools/compare_api.py --record  # in a Python with megengine==1.13.0: ask it again for the signatures of all names in api.json
"""

import argparse
import inspect
import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "megengine")]

import signatures  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what differs on purpose or is not there yet")
    parser.add_argument("--record", action="store_true", help="write MegEngine's signatures instead of comparing")
    options = parser.parse_args()
    if options.record:
        return record()
    import test_api  # needs numod's test extra, which MegEngine's Python need not have

    found = list(signatures.compare()) if options.all else test_api.mistakes()
    for namespace, name, theirs, mine in found:
        print(f"{namespace or 'numod'} {name}\n    MegEngine: {theirs}\n    numod:     {mine}")
    names = sum(len(names) for namespace, names in signatures.load_api().items() if options.all or not test_api.awaited(namespace))
    print(f"{names} names, {len(found)} differ" + ("" if options.all else " and are not listed"))
    return bool(found)


def record():
    api = signatures.load_api()
    for namespace, names in api.items():
        home = signatures.resolve("megengine", namespace)
        known = {}
        for name in sorted({name.partition(".")[0] for name in names}):
            value = getattr(home, name)
            known[name] = signatures.VALUE if name.startswith("__") else signatures.signature(value)
            if inspect.isclass(value) and value.__name__ not in ("Tensor", "Parameter"):  # Tensor has a namespace of its own
                known.update((f"{name}.{method}", text) for method, text in methods(value, home, names))
        api[namespace] = known
    signatures.FILE.write_text(dump(api))
    print(f"{signatures.FILE.name}: {sum(map(len, api.values()))} names, {signatures.FILE.stat().st_size / 1000:.0f} kB")


def methods(kind, home, names):
    """The public methods and properties of a class; not those of a base class that is public beside it."""
    bases = [base for name in names if inspect.isclass(base := getattr(home, name, None)) and base is not kind and issubclass(kind, base)]
    for name in sorted(dir(kind)):
        owner = next((c for c in kind.__mro__ if name in vars(c)), object)
        inherited = any(getattr(base, name, None) is getattr(kind, name) for base in bases)
        value = inspect.getattr_static(kind, name)
        if name.startswith("_") or inherited or not owner.__module__.startswith("megengine"):
            continue
        if isinstance(value, property) or callable(getattr(kind, name)):
            yield name, signatures.signature(value if isinstance(value, property) else getattr(kind, name))


def dump(api):
    """JSON with a line for each name."""
    parts = []
    for namespace, names in api.items():
        lines = [f"{json.dumps(name)}: {json.dumps(text)}" for name, text in names.items()]
        parts.append(f"{json.dumps(namespace)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
