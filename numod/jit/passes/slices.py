"""The sum of tensors that are zero but for slices of them, side by side, is these slices side by side: so the gradients of the parts of a tensor meet."""

from __future__ import annotations

from ...constants import constant
from ...dtype import is_half
from ...op import TABLE, plan_for
from ...spec import Spec
from ..graph import Call, Graph, Operand, Value


def join_slices(graph: Graph) -> None:
    """Put slices next to each other in place of adding up tensors with zeros around them."""
    reads: dict[Value, int] = {}
    for operand in graph.operands():
        reads[operand.value] = reads.get(operand.value, 0) + 1
    terms: dict[Value, list[Call]] = {}  # by what nobody reads but a sum: the calls that go if it becomes something else
    kept: dict[Call, list[Call]] = {}
    for call in graph.calls:
        kept[call] = [call]
        if call.program is None or not _real(call.specs[0]):
            continue
        if call.name == "unslice_axis":
            terms[call.outputs[0]] = [call]
        elif call.name == "add" and all(o.value in terms and o.whole and reads[o.value] == 1 for o in call.inputs):
            terms[call.outputs[0]] = [each for operand in call.inputs for each in terms.pop(operand.value)] + [call]
            joined = _joined(terms[call.outputs[0]])
            if joined:
                kept |= {each: [] for each in terms.pop(call.outputs[0])} | {call: joined}
    graph.calls = [each for calls in kept.values() for each in calls]


def _real(spec: Spec) -> bool:
    return spec.dtype.kind == "f" and not spec.device.is_cuda


def _joined(terms: list[Call]) -> list[Call]:
    """The calls in place of these, the last of which is the sum; none if the slices leave a gap, or one of them is not what it seems."""
    slices = [call for call in terms if call.name == "unslice_axis"]
    slices.sort(key=lambda call: call.arguments()["start"])
    first, end = slices[0].arguments(), 0
    for call in slices:
        how = call.arguments()
        if how["axis"] != first["axis"] or how["step"] != 1 or how["start"] != end:
            return []
        end += call.inputs[0].spec.shape[how["axis"]]
    total = terms[-1]
    if end != first["size"] or any(call.specs[0].shape != total.specs[0].shape for call in terms):
        return []
    zero = constant(0.0, total.specs[0].dtype, total.specs[0].device)
    nothing = Operand(Value(zero._spec.nbytes, buffer=zero._buffer), 0, zero._spec)
    made: list[Call] = []
    parts: list[Operand] = []
    for call in slices:
        (part,) = call.inputs
        if not _product(part):  # what is added to zeros is no -0.0 any more
            made.append(_call("add", (), (part, nothing), total))
            part = made[-1].made()
        parts.append(part)
    whole = _call("concat", (first["axis"],), tuple(parts), total)
    whole.outputs = total.outputs
    whole.outputs[0].call = whole
    return [*made, whole]


def _product(part: Operand) -> bool:
    """Whether it is made of sums that 0.0 was added to, so that none is -0.0. (Floats of 16 bits are rounded after that.)"""
    return part.value.call is not None and part.value.call.name == "matmul" and not is_half(part.spec.dtype)


def _call(name: str, attrs: tuple, inputs: tuple[Operand, ...], instead: Call) -> Call:
    op = TABLE[name]
    plan = plan_for(op, tuple(operand.spec for operand in inputs), attrs)
    program = getattr(plan.run, "program", None)
    return Call(name, op, attrs, inputs, plan.outputs, program, None if program else plan.run, instead.where)
