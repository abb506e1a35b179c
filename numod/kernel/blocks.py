"""The memory pool, as functions that numba compiles into those of `native`: blocks in classes of sizes, a list of free ones for each class.

The GIL is held wherever it is used, so it needs no lock.
"""

from __future__ import annotations

from numba import types

from .intrinsics import inner, load, store

i64 = types.int64
malloc = types.ExternalFunction("malloc", i64(i64))
free = types.ExternalFunction("free", types.void(i64))
advise = types.ExternalFunction("numod_advise", types.int32(i64, i64, types.int32))

# Words of the state block (see `native`), in bytes from its start.
LIVE, CACHED, PEAK = 24, 32, 40  # bytes: handed out, kept for reuse, most ever handed out
FREE_LISTS = 16704  # behind the workers' words
CLASSES = 256

SMALL = 4096  # up to here a class for each multiple of 64 bytes
SLACK = 64  # readable bytes behind every block, so that vector code may load past the end
HUGE = 1 << 21  # bytes of a huge page; blocks of twice that and more ask for such
HUGE_PAGES = 14  # MADV_HUGEPAGE of Linux


@inner
def size_class(size):
    """The class of blocks that hold ``size`` bytes: multiples of 64, then four to each doubling."""
    if size <= SMALL:
        return max((size + 63) // 64, 1)
    low, index = SMALL, 64
    while low * 2 < size:
        low *= 2
        index += 4
    return index + (size - low + low // 4 - 1) // (low // 4)


@inner
def class_bytes(index):
    """The size of the blocks in a class."""
    if index <= 64:
        return 64 * index
    low = SMALL << ((index - 65) // 4)
    return low + ((index - 65) % 4 + 1) * (low // 4)


@inner
def release_cached(state):
    """Give every block that nobody uses back to the system."""
    for index in range(CLASSES):
        head = state + FREE_LISTS + 8 * index
        block = load(head)
        while block:
            following = load(block)
            free(load(block - 8))
            block = following
        store(head, 0)
    store(state + CACHED, 0)


@inner
def system_block(size):
    """A fresh block, aligned to 64 bytes or a huge page, its malloc address in the word before it; 0 if there is none."""
    alignment = HUGE if size >= 2 * HUGE else 64
    raw = malloc(size + 2 * alignment + SLACK)
    if raw == 0:
        return 0
    block = (raw + 2 * alignment - 1) // alignment * alignment
    if alignment == HUGE:
        advise(block, size, HUGE_PAGES)  # walks with long strides miss the page table less, and there are fewer faults
    store(block - 8, raw)
    return block


@inner
def take_block(state, index):
    """A block of a class from the free list or the system; 0 when memory is out."""
    size = class_bytes(index)
    head = state + FREE_LISTS + 8 * index
    block = load(head)
    if block:
        store(head, load(block))
        store(state + CACHED, load(state + CACHED) - size)
    else:
        # Blocks of other classes must not pile up without end when shapes keep changing.
        if size > 1 << 20 and load(state + CACHED) > load(state + LIVE) + (64 << 20):
            release_cached(state)
        block = system_block(size)
        if block == 0:
            release_cached(state)
            block = system_block(size)
            if block == 0:
                return 0
    live = load(state + LIVE) + size
    store(state + LIVE, live)
    if live > load(state + PEAK):
        store(state + PEAK, live)
    return block


@inner
def give_block(state, block, index):
    """Put a block on its free list."""
    head = state + FREE_LISTS + 8 * index
    store(block, load(head))
    store(head, block)
    size = class_bytes(index)
    store(state + LIVE, load(state + LIVE) - size)
    store(state + CACHED, load(state + CACHED) + size)
