"""The host form: what a well-kept library computes better than a kernel of ours would, on whole NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kernel import memory
from ..op import Op, Plan
from ..spec import Spec
from .common import add_row


def host(
    *,
    infer: Callable,
    ref: Callable,
    sample: Callable,
    vjp: dict[str, Callable] | None = None,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    errors: tuple = (),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op by a function of NumPy arrays, which returns an array or a tuple of them.

    It runs on the host, whatever the device of the tensors is; those of a GPU are copied there and back.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            def run(*buffers):
                made = code(*[memory.to_numpy(buffer, spec) for buffer, spec in zip(buffers, specs, strict=True)], **named)
                arrays = made if isinstance(made, tuple) else (made,)
                kept = [memory.from_numpy(np.asarray(x, out.dtype), out.device)[0] for x, out in zip(arrays, outs, strict=True)]
                return kept[0] if len(kept) == 1 else tuple(kept)

            return Plan(outs, run)

        return add_row(
            "host",
            code,
            inputs,
            attrs,
            infer,
            plan,
            takes_complex=False,
            name=name,
            vjp=vjp,
            ref=ref,
            sample=sample,
            errors=errors,
        )

    return declare
