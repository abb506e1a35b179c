"""Ask MegEngine the cases of tests/megengine and write down its answers there.

    pip install megengine==1.13.0           # in an environment of its own, Python 3.10 or older
    python tools/record_megengine.py          # all cases: expected.json
    python tools/record_megengine.py norm     # those of cases_norm.py: expected_norm.json, which then holds them and not expected.json
    python tools/record_megengine.py --check  # write nothing: does MegEngine still say what is recorded?

A file is sorted and has one line for each case, so that its diff shows what changed.
"""

import argparse
import dataclasses
import json
import sys
import warnings
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests" / "megengine"
LIBRARY = "megengine"

sys.path.insert(0, str(TESTS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="only this file of cases, cases_NAME.py")
    parser.add_argument("--check", action="store_true", help="compare with what is recorded instead of recording")
    parser.add_argument("--topic", default="", help="only the topics that begin so (with --check)")
    options = parser.parse_args()

    import megengine
    import oracle

    megengine.config.async_level = 0  # its asynchronous mode gave wrong numbers
    megengine.set_log_level("ERROR")
    warnings.simplefilter("ignore")
    if options.check:
        cases = oracle.load_cases(options.name or "*")
        sys.exit(check(oracle, [case for case in cases if case.asked and case.topic.startswith(options.topic)]))
    names = [options.name] if options.name else [path.stem.removeprefix("cases_") for path in sorted(TESTS.glob("cases_*.py"))]
    files = {}
    for name in names:
        own = TESTS / f"expected_{name}.json"
        answers = files.setdefault(own if options.name or own.exists() else TESTS / "expected.json", {})
        for case in oracle.load_cases(name):
            if case.asked:
                if case.name in answers.setdefault(case.topic, {}):
                    sys.exit(f"two cases are called {case}")
                answers[case.topic][case.name] = ask(oracle, case)
    for path, answers in files.items():
        path.write_text(dump(answers))
        print(f"{path.name}: {sum(map(len, answers.values()))} cases, {path.stat().st_size / 1000:.0f} kB")


def ask(oracle, case):
    """MegEngine's answer. Its worker threads may report an error late, at whatever comes next: that is still this case's."""
    try:
        answer = oracle.answer(LIBRARY, case)
    except Exception as error:
        settle(oracle)
        answer = oracle.answer(LIBRARY, dataclasses.replace(case, grads=False))
        if not settle(oracle):
            print(f"no gradient: {case} ({type(error).__name__}: {str(error).splitlines()[0][:100]})")
    answer.pop("error", None)
    for name, gradient in (answer.get("grad") or {}).items():
        if gradient:  # MegEngine's may lack or misplace axes of length 1
            gradient["shape"] = list(oracle.scope_for(LIBRARY, case)[name].shape)
    return {"raises": "RuntimeError"} if settle(oracle) else answer


def settle(oracle):
    """Let pending work end; whether there was an error in it."""
    late = False
    for _ in range(3):
        try:
            (oracle.lookup(LIBRARY, "Tensor")([1.0]) * 2).numpy()
        except RuntimeError:
            late = True
    return late


def check(oracle, cases):
    """Ask again and compare: what is recorded must be what MegEngine says, and the comparison must find that it is."""
    recorded = oracle.merged(oracle.recorded())
    failures = 0
    for case in cases:
        lines = oracle.complaints(ask(oracle, case), recorded[case.topic][case.name], case)
        failures += bool(lines)
        for line in lines:
            print(f"{case}\n    {line[:300]}")
    print(f"{len(cases)} cases, {failures} failed")
    return bool(failures)


def dump(answers):
    """JSON with a line for each case."""
    topics = []
    for topic in sorted(answers):
        lines = [
            f"{json.dumps(name)}: {json.dumps(answers[topic][name], separators=(',', ':'), sort_keys=True)}"
            for name in sorted(answers[topic])
        ]
        topics.append(f"{json.dumps(topic)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(topics) + "\n}\n"


if __name__ == "__main__":
    main()
