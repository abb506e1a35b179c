"""The launcher, Buffers and the worker threads, as functions that numba compiles to plain C functions.

Read by the compiler only; `runtime` loads the machine code and gives it to Python. All values are int64: addresses, counts, and
``PyObject*``. Everything but `worker` runs with the GIL held on entry, so the pool needs no lock.

A Buffer object:  [object header] address, bytes, owner (PyObject* or 0), block class, state
The state block:  see the constants below and in `blocks`, the memory pool; one cache line (8 words) for each word that threads share.
"""

from __future__ import annotations

from numba import types

from .blocks import CLASSES, FREE_LISTS, give_block, release_cached, size_class, take_block
from .intrinsics import (
    call_kernel,
    exchange,
    fetch_add,
    inner,
    load,
    load_acquire,
    pause,
    stack,
    store,
    store_release,
)

i64 = types.int64
os_yield = types.ExternalFunction("numod_yield", types.int32())
object_malloc = types.ExternalFunction("PyObject_Malloc", i64(i64))
object_free = types.ExternalFunction("PyObject_Free", types.void(i64))
object_init = types.ExternalFunction("PyObject_Init", i64(i64, i64))
incref = types.ExternalFunction("Py_IncRef", types.void(i64))
decref = types.ExternalFunction("Py_DecRef", types.void(i64))
as_int = types.ExternalFunction("PyLong_AsLongLong", i64(i64))
error_occurred = types.ExternalFunction("PyErr_Occurred", i64())
no_memory = types.ExternalFunction("PyErr_NoMemory", i64())
set_none_error = types.ExternalFunction("PyErr_SetNone", types.void(i64))
fill_info = types.ExternalFunction("PyBuffer_FillInfo", types.int32(i64, i64, i64, i64, types.int32, types.int32))
tuple_new = types.ExternalFunction("PyTuple_New", i64(i64))
tuple_set = types.ExternalFunction("PyTuple_SetItem", types.int32(i64, i64, i64))
tuple_get = types.ExternalFunction("PyTuple_GetItem", i64(i64, i64))
tuple_size = types.ExternalFunction("PyTuple_Size", i64(i64))
list_get = types.ExternalFunction("PyList_GetItem", i64(i64, i64))
list_size = types.ExternalFunction("PyList_Size", i64(i64))
dict_next = types.ExternalFunction("PyDict_Next", types.int32(i64, i64, i64, i64))
dict_get = types.ExternalFunction("PyDict_GetItem", i64(i64, i64))
cell_get = types.ExternalFunction("PyCell_Get", i64(i64))
as_bool = types.ExternalFunction("PyBool_FromLong", i64(i64))
save_thread = types.ExternalFunction("PyEval_SaveThread", i64())
restore_thread = types.ExternalFunction("PyEval_RestoreThread", types.void(i64))
lock_acquire = types.ExternalFunction("PyThread_acquire_lock", types.int32(i64, types.int32))
lock_release = types.ExternalFunction("PyThread_release_lock", types.void(i64))

ADDRESS, BYTES, OWNER, CLASS, STATE = 16, 24, 32, 40, 48
BUFFER_SIZE = 56

# Words of the state block, in bytes from its start.
BUFFER_TYPE, TYPE_ERROR, NONE = 0, 8, 16
THREADS, PAUSES = 48, 56  # how many threads may work, the launching one included; pauses before a worker parks
BUSY, JOINED, DONE = 64, 72, 192  # shared words of the running parallel step
CLOSED = 1 << 32  # added to JOINED when no piece is left
JOB_KERNEL, JOB_GRAIN, JOB_ARGS, JOB_SCRATCH, JOB_STRIDE, JOB_SHARES = 256, 264, 272, 280, 288, 296
SHARES = 344  # every 64 bytes, of each thread that works: where the next piece of its share begins, where the share ends
WORKERS = 384  # 64 bytes for each worker: generation, parked, lock, and its share, as above
MAX_WORKERS = 255
STATE_BYTES = FREE_LISTS + 8 * CLASSES

HEAD = 80  # bytes of a program before what it says of its outputs
FEW = 120  # inputs and outputs of a program whose addresses fit on the stack of `launch`, which must be given as literals there
SPIN = 2000  # pauses, some 30 us, before a thread that waits for others lets the system run something else


@inner
def make_buffer(state, address, size, owner, index):
    """A new Buffer object (owner: whose memory it shows, or 0 if its own)."""
    kind = load(state + BUFFER_TYPE)
    buffer = object_init(object_malloc(BUFFER_SIZE), kind)
    store(buffer + ADDRESS, address)
    store(buffer + BYTES, size)
    store(buffer + OWNER, owner)
    store(buffer + CLASS, index)
    store(buffer + STATE, state)
    return buffer


@inner
def new_buffer(state, size):
    """A Buffer with memory of its own; 0 with MemoryError set if there is none."""
    index = size_class(size)
    if index >= CLASSES:
        return no_memory()
    block = take_block(state, index)
    if block == 0:
        return no_memory()
    return make_buffer(state, block, size, 0, index)


def buffer_dealloc(self):
    """tp_dealloc of Buffer."""
    kind = load(self + 8)
    owner = load(self + OWNER)
    if owner:
        decref(owner)
    else:
        give_block(load(self + STATE), load(self + ADDRESS), load(self + CLASS))
    object_free(self)
    decref(kind)


def buffer_get(self, info, flags):
    """bf_getbuffer of Buffer: its bytes, writable."""
    return fill_info(info, self, load(self + ADDRESS), load(self + BYTES), 0, flags)


def alloc(self, args, count):
    """Python: ``alloc(bytes) -> Buffer``."""
    size = as_int(load(args))
    if size < 0:
        return no_memory() if error_occurred() == 0 else 0
    return new_buffer(as_int(self), size)


def shift(self, args, count):
    """Python: ``shift(offset, buffer) -> Buffer``, the same memory from ``offset`` bytes on."""
    state = as_int(self)
    offset, base = as_int(load(args)), load(args + 8)
    if load(base + 8) != load(state + BUFFER_TYPE):
        set_none_error(load(state + TYPE_ERROR))
        return 0
    owner = load(base + OWNER)
    if owner == 0:
        owner = base
    incref(owner)
    return make_buffer(state, load(base + ADDRESS) + offset, load(base + BYTES) - offset, owner, 0)


def coalesce(self, args, count):
    """Python: ``coalesce()``, give unused memory back to the system."""
    state = as_int(self)
    release_cached(state)
    none = load(state + NONE)
    incref(none)
    return none


def unchanged(self, args, count):
    """Python: ``unchanged(values, dicts, lists, picked) -> bool``: whether these are the objects in the dicts and lists, in order, and in the places that
    ``picked`` tells: a dict and a key, or a cell and None, one after the other. All are tuples; no Python code is run.
    """
    state = as_int(self)
    sizes = stack(4)
    same = count == 4
    for index in range(4):
        store(sizes + 8 * index, tuple_size(load(args + 8 * index)) if same else -1)
        same = load(sizes + 8 * index) >= 0
    if not same:
        set_none_error(load(state + TYPE_ERROR))
        return 0
    values, dicts, lists, picked = load(args), load(args + 8), load(args + 16), load(args + 24)
    none, size = load(state + NONE), load(sizes)
    entry = stack(3)  # where in a dict, key, value
    seen = 0
    for index in range(load(sizes + 8)):
        found = tuple_get(dicts, index)
        store(entry, 0)
        while same and dict_next(found, entry, entry + 8, entry + 16) != 0:
            same = seen < size and tuple_get(values, seen) == load(entry + 16)
            seen += 1
    for index in range(load(sizes + 16)):
        found = tuple_get(lists, index)
        items = list_size(found)
        same = same and seen + items <= size
        if same:
            for item in range(items):
                same = same and tuple_get(values, seen) == list_get(found, item)
                seen += 1
    for index in range(0, load(sizes + 24), 2):
        found, key = tuple_get(picked, index), tuple_get(picked, index + 1)
        if key != none:
            item = dict_get(found, key)
        else:
            item = cell_get(found)
            if item != 0:
                decref(item)
        same = same and seen < size and tuple_get(values, seen) == item
        seen += 1
    return as_bool(1 if same and seen == size else 0)


@inner
def wait_done(state, workers):
    """Until all workers that joined the step have finished it: spin a little, then let others run."""
    spins = 0
    while load_acquire(state + DONE) < workers:
        spins += 1
        if spins < SPIN:
            pause()
        else:
            os_yield()


@inner
def take_pieces(state, me, shares, kernel, grain, args, scratch):
    """Run pieces of the range until none is left: those of thread ``me``, then what others have not begun."""
    for turn in range(shares):
        share = state + SHARES + 64 * ((me + turn) % shares)
        end = load(share + 8)
        while load_acquire(share) < end:
            begin = fetch_add(share, grain)
            if begin < end:
                call_kernel(kernel, begin, min(end, begin + grain), args, scratch)


@inner
def run_parallel(state, threads, kernel, n, grain, args, scratch, stride):
    """One step on several threads. False, with nothing done, when another Python thread is in a parallel step."""
    if exchange(state + BUSY, 1) != 0:
        return False
    pieces = (n + grain - 1) // grain
    shares = min(threads, pieces)
    store(state + JOB_KERNEL, kernel)
    store(state + JOB_GRAIN, grain)
    store(state + JOB_ARGS, args)
    store(state + JOB_SCRATCH, scratch)
    store(state + JOB_STRIDE, stride)
    store(state + JOB_SHARES, shares)
    for index in range(shares):
        store(state + SHARES + 64 * index, pieces * index // shares * grain)
        store(state + SHARES + 64 * index + 8, min(n, pieces * (index + 1) // shares * grain))
    store(state + DONE, 0)
    store_release(state + JOINED, 0)
    for index in range(shares - 1):
        mine = state + WORKERS + 64 * index
        exchange(mine, load(mine) + 1)  # a full fence: the parked flag must be read after this
        if exchange(mine + 8, 0) == 1:
            lock_release(load(mine + 16))
    take_pieces(state, 0, shares, kernel, grain, args, scratch)
    wait_done(state, fetch_add(state + JOINED, CLOSED))
    store_release(state + BUSY, 0)
    return True


def worker(state, index):
    """Body of a worker thread, which holds no GIL and never returns: wait for the next generation, take pieces, report."""
    mine = state + WORKERS + 64 * index
    generation = 0
    while True:
        spins, most = 0, load(state + PAUSES)
        while load_acquire(mine) == generation:
            pause()
            spins += 1
            if spins > most:
                exchange(mine + 8, 1)  # announce parking, then look once more
                if load_acquire(mine) == generation or exchange(mine + 8, 0) == 0:
                    lock_acquire(load(mine + 16), 1)  # the launcher took the flag back and posts
                spins = 0
        generation = load(mine)
        # A worker that comes late, when every piece is done, must not be waited for: the system may let it sleep for milliseconds.
        if fetch_add(state + JOINED, 1) < CLOSED:
            me, shares = index + 1, load(state + JOB_SHARES)
            if me < shares:  # else it was woken for an earlier step, and there is no scratch memory for it here
                scratch = load(state + JOB_SCRATCH) + me * load(state + JOB_STRIDE)
                take_pieces(state, me, shares, load(state + JOB_KERNEL), load(state + JOB_GRAIN), load(state + JOB_ARGS), scratch)
            fetch_add(state + DONE, 1)


@inner
def run_steps(state, threads, steps, count, bases, args):
    """Run a program's steps, up to one that reports an error; ``bases`` are the addresses that its words refer to."""
    step, error = steps, load(args)
    for number in range(count):
        words = load(step + 32)
        for word in range(words):
            at = step + 40 + 16 * word
            store(args + 8 + 8 * word, load(bases + load(at)) + load(at + 8))
        kernel, n, grain, stride = load(step), load(step + 8), load(step + 16), load(step + 24)
        scratch = load(bases + 8)
        parallel = grain > 0 and n > grain and threads > 1
        if n > 0 and not (parallel and run_parallel(state, threads, kernel, n, grain, args, scratch, stride)):
            call_kernel(kernel, 0, n, args, scratch)
        if load(error):
            store(error + 24, number)
            break
        step += 40 + 16 * words


@inner
def drop(buffers, count):
    """Let go of the first ``count`` Buffers of an array."""
    for index in range(count):
        decref(load(buffers + 8 * index))


def launch(self, args, count):
    """Python: ``launch(program, *inputs) -> Buffer, tuple of Buffers``, or None when a kernel reported an error.

    ``program`` is a Buffer that `executor.pack` filled; its first words:
    inputs, outputs, workspace bytes, scratch bytes a thread, steps, release the GIL, error code, error value, error limit, number of the step with
    the error, output bytes...
    """
    state = as_int(self)
    kind = load(state + BUFFER_TYPE)
    for index in range(count):
        if load(load(args + 8 * index) + 8) != kind:
            set_none_error(load(state + TYPE_ERROR))
            return 0
    program = load(load(args) + ADDRESS)
    inputs, outputs = load(program), load(program + 8)
    if inputs != count - 1:
        set_none_error(load(state + TYPE_ERROR))
        return 0
    bases = stack(123)  # 0: literals, 1: scratch, 2: workspace, then outputs, then inputs
    buffers = stack(120)  # of outputs, `FEW`
    words = stack(256)
    error = stack(4)
    table, table_class = 0, 0  # where these are of programs with many buffers
    if outputs + inputs > FEW:
        table_class = size_class(8 * (3 + inputs + 2 * outputs))
        table = take_block(state, table_class) if table_class < CLASSES else 0
        if table == 0:
            return no_memory()
        bases, buffers = table, table + 8 * (3 + inputs + outputs)
    store(bases, 0)
    for index in range(outputs):
        buffer = new_buffer(state, load(program + HEAD + 8 * index))
        if buffer == 0:
            drop(buffers, index)
            if table:
                give_block(state, table, table_class)
            return 0
        store(buffers + 8 * index, buffer)
        store(bases + 24 + 8 * index, load(buffer + ADDRESS))
    for index in range(inputs):
        store(bases + 24 + 8 * (outputs + index), load(load(args + 8 + 8 * index) + ADDRESS))
    workspace, scratch = load(program + 16), load(program + 24)
    threads = load(state + THREADS)
    extra = workspace + scratch * threads
    block, index = 0, 0
    if extra:
        index = size_class(extra)
        block = take_block(state, index) if index < CLASSES else 0
        if block == 0:
            drop(buffers, outputs)
            if table:
                give_block(state, table, table_class)
            return no_memory()
    store(bases + 8, block + workspace)
    store(bases + 16, block)
    store(error, 0)
    store(words, error)
    steps = program + HEAD + 8 * outputs
    if load(program + 40):
        thread = save_thread()
        run_steps(state, threads, steps, load(program + 32), bases, words)
        restore_thread(thread)
    else:
        run_steps(state, threads, steps, load(program + 32), bases, words)
    if extra:
        give_block(state, block, index)
    result = load(buffers)
    if load(error):
        for word in range(4):
            store(program + 48 + 8 * word, load(error + 8 * word))
        drop(buffers, outputs)
        result = load(state + NONE)
        incref(result)
    elif outputs != 1:
        result = tuple_new(outputs)
        for index in range(outputs):
            tuple_set(result, index, load(buffers + 8 * index))
    if table:
        give_block(state, table, table_class)
    return result
