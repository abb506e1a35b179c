"""Whether two answers are the same, and if not in what."""

import numpy as np

RTOL, SHARE = 1e-4, 2e-5  # of each number, and of the largest in its array


RANK = "rank 0 instead of 1"


def differences(call, mine, theirs):
    """{kind: text} of what numod's answer has otherwise than MegEngine's; none if they agree."""
    if "dies" in theirs:
        return {} if "raises" in mine else {"MegEngine dies": f"{theirs['dies']}; numod gives {brief(mine['out'])}"}
    if "raises" in theirs or "raises" in mine:
        if "raises" in theirs and "raises" in mine:
            return {}
        if "raises" in mine:
            return {"numod raises": f"{mine['raises']}: {mine['says']}; MegEngine gives {brief(theirs['out'])}"}
        return {
            "MegEngine raises": f"{theirs['raises']}: {theirs['says'].strip().splitlines()[0] if theirs['says'] else ''}; numod gives {brief(mine['out'])}"
        }
    found = {}
    for kind, text in (
        ("result", unlike(mine["out"], theirs["out"], call.fixed)),
        ("arguments afterwards", unlike(mine["after"], theirs["after"], call.fixed)),
        ("gradient", unlike_gradients(mine["grads"], theirs["grads"]) if call.fixed else ""),
        ("state", unlike(mine.get("state"), theirs.get("state"))),
        ("keys", unlike(mine.get("keys"), theirs.get("keys"))),
        ("parameters", unlike(mine.get("parameters"), theirs.get("parameters"))),
        ("repr", unlike(mine.get("repr"), theirs.get("repr"))),
    ):
        if text:
            found["rank of a scalar" if text == RANK else kind] = text
    return found


def brief(value):
    return (f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value))[:200]


def unlike(mine, theirs, fixed=True, largest=0.0):
    """What differs, as text; '' if nothing does. `largest`: of the numbers that these were computed with, as gradients are."""
    if isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray):
        if mine.dtype != theirs.dtype:
            return f"{mine.dtype} instead of {theirs.dtype}"
        if mine.shape == () and theirs.shape == (1,):
            return RANK
        if mine.shape != theirs.shape:
            return f"shape {mine.shape} instead of {theirs.shape}"
        return unlike_numbers(mine, theirs, largest) if fixed else ""
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return next((text for pair in zip(mine, theirs, strict=True) if (text := unlike(*pair, fixed))), "")
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        return next((f"{key}: {text}" for key in mine if (text := unlike(mine[key], theirs[key], fixed))), "")
    if isinstance(mine, float) and isinstance(theirs, float):
        return unlike_numbers(np.float32(mine), np.float32(theirs))
    return "" if type(mine) is type(theirs) and mine == theirs else f"{brief(mine)} instead of {brief(theirs)}"


def unlike_numbers(mine, theirs, largest=0.0):
    mine, theirs = np.atleast_1d(mine), np.atleast_1d(theirs)
    if mine.dtype.kind not in "fc":
        wrong = mine != theirs
    else:
        rtol, share = (2e-3, 1e-3) if mine.dtype == np.float16 else (RTOL, SHARE)
        with np.errstate(all="ignore"):
            finite = np.abs(theirs[np.isfinite(theirs)], dtype=np.float64)
            allowed = rtol * np.abs(theirs) + share * min(max(finite.max(initial=0.0), largest), 1e6) + 5e-6
            wrong = ~((mine == theirs) | (np.isnan(mine) & np.isnan(theirs)) | (np.abs(mine - theirs) <= allowed))
    if not wrong.any():
        return ""
    at = tuple(map(int, np.argwhere(wrong)[0]))
    return f"{mine[at]!r} instead of {theirs[at]!r} at {at}, {wrong.sum()} of {wrong.size}"


def unlike_gradients(mine, theirs):
    """As `unlike`; None and zeros are one gradient, and MegEngine may lack or misplace axes of length 1."""
    if isinstance(mine, dict) or isinstance(theirs, dict):
        return "" if isinstance(mine, dict) and isinstance(theirs, dict) else f"{short(mine)} instead of {short(theirs)}"
    known = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in theirs if x is not None]
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a is None or b is None:
            if any(x is not None and np.any(x != 0) for x in (a, b)):
                return f"of input {i}: {short(a)} instead of {short(b)}"
            continue
        if [n for n in a.shape if n != 1] == [n for n in b.shape if n != 1]:
            b = b.reshape(a.shape)
        if text := unlike(a, b, largest=float(max(known))):
            return f"of input {i}: {text}"
    return ""


def short(value):
    return f"raises {value['raises']}: {value['says'][:80]}" if isinstance(value, dict) else brief(value)
