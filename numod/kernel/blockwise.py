"""Several steps as one, block by block: what one of them writes the next finds in the first-level cache, and it need not go to memory at all.

The steps must walk the same items, each as many of its own for an item of the whole (a row of softmax is as many items of the loop that scales it),
and read of each other's results only what they are at.

Argument words: the number of members, the items of a block, then for each member its kernel, its items for an item of the whole, the number of its
words, and for each of them (word, bytes): for bytes above 0 the word is an offset in scratch memory, where the item that the block begins with is,
so many bytes for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from . import source
from .executor import MAX_WORDS
from .joined import room
from .program import Kernel, Ref, Step, Word, aligned, divide

BLOCK = 1 << 15  # bytes that the steps of a block read and write, about
ITEMS = 16  # of the whole: of fewer, threads have too few to share what they could share of a member
MEMBER_WORDS = 100  # of a member at most


def step(members: Sequence[Step], inside: Collection[Ref]) -> Step | None:
    """One step that does all of ``members``, in order; None if they do not walk the same items, are too much for one, or threads would share less.

    inside: addresses of what only members read, which gets no place but in scratch memory.
    """
    n = min(each.n for each in members)
    scales = [each.n // n for each in members] if n else []
    if not n or any(each.n != n * scale for each, scale in zip(members, scales, strict=True)):
        return None
    if n < min(ITEMS, max(each.n // each.grain if each.grain else 1 for each in members)):
        return None
    spans = {ref: size * scale for each, scale in zip(members, scales, strict=True) for ref, size in each.spans}
    block = max(1, BLOCK // sum(spans.values()))
    offsets: dict[Ref, int] = {}
    scratch = 0
    for ref in inside:
        offsets[ref] = scratch
        scratch += room(block * spans[ref])
    words: list[Word] = [len(members), block, scratch]
    for each, scale in zip(members, scales, strict=True):
        words += [each.kernel, scale, len(each.words)]
        for word in each.words:
            local = isinstance(word, Ref) and word in offsets
            words += [offsets[word], spans[word]] if local else [word, 0]  # type: ignore[index]
        if len(each.words) > MEMBER_WORDS:
            return None
    if len(words) > MAX_WORDS:
        return None
    # A piece is as long as the one of the member that is cut most finely.
    grains = [divide(each.grain, scale) for each, scale in zip(members, scales, strict=True) if each.grain]
    kernel = Kernel(("blockwise", "walk"), "numod.kernel.blockwise:build")
    own = max(aligned(each.scratch) for each in members)
    return Step(kernel, n, tuple(words), min(grains, default=0), scratch + own)


def build(*_) -> Callable:
    """The kernel; it is the same for all steps."""
    backend = source.backend()
    load, store, stack, call_kernel = backend.load, backend.store, backend.stack, backend.call_kernel

    def kernel(begin, end, args, scratch):
        members, block, local = load(args + 8), load(args + 16), load(args + 24)
        words = stack(101)  # `MEMBER_WORDS` and the error slot
        store(words, load(args))
        first = begin
        while first < end:
            last = end if end < first + block else first + block
            member = args + 32
            for _ in range(members):
                scale, count = load(member + 8), load(member + 16)
                for i in range(count):
                    at = member + 24 + 16 * i
                    value, span = load(at), load(at + 8)
                    store(words + 8 + 8 * i, scratch + value - first * span if span else value)
                call_kernel(load(member), first * scale, last * scale, words, scratch + local)
                member += 24 + 16 * count
            first = last

    return kernel
