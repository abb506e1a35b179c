"""Vector code as LLVM IR: what the matrix and convolution kernels are made of. Addresses and byte counts are int64.

LLVM does not turn scalar register tiles into vector code, so the tiles are written with explicit vectors. `Vectors` writes
single instructions through an IRBuilder; `native` makes a function of them that compiled Python code can call. What the
functions compute is left to the files that use them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .intrinsics import call_kernel, inner, load

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
LINE = 64  # bytes of a cache line
REALS = {"float32": (ir.FloatType(), 4, "f32"), "float64": (ir.DoubleType(), 8, "f64")}

Value: TypeAlias = ir.Value


def word(value: int) -> ir.Constant:
    """An int64 constant."""
    return ir.Constant(I64, value)


class Vectors:
    """Writes instructions on vectors of ``lanes`` values of type ``real`` (1 lane is allowed and stays a vector)."""

    def __init__(self, builder: ir.IRBuilder, lanes: int, real: str = "float32"):
        self.builder, self.lanes = builder, lanes
        self.element, self.size, self._suffix = REALS[real]
        self.type = ir.VectorType(self.element, lanes)
        self.bytes = lanes * self.size
        self.zero = ir.Constant(self.type, [0.0] * lanes)

    def _intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def offset(self, address: Value, count: int) -> Value:
        """``count`` bytes after ``address``."""
        return self.builder.add(address, word(count)) if count else address

    def _pointer(self, address: Value, pointee: ir.Type) -> Value:
        return self.builder.inttoptr(address, pointee.as_pointer())

    def multiples(self, stride: Value, count: int) -> list[Value]:
        """0, 1, ... count - 1 times ``stride``, in a form that x86 adds to an address for free.

        LLVM would step from one to the next in the inner loop, and those additions take issue slots from the arithmetic
        (a third of a 14-row tile's speed). Odd multiples go through an empty asm, which hides that they are related.
        """
        opaque = ir.InlineAsm(ir.FunctionType(I64, [I64]), "", "=r,0")
        odd = {i: self.builder.call(opaque, [self.builder.mul(stride, word(i))]) for i in range(1, count, 2)}
        found = [word(0)]
        for i in range(1, count):
            shift = (i & -i).bit_length() - 1
            found.append(self.builder.shl(odd[i >> shift], word(shift)))
        return found

    # memory

    def load(self, address: Value, mask: Value | None = None) -> Value:
        """The vector at ``address``; lanes that the mask leaves out are zero and their memory is not touched."""
        pointer = self._pointer(address, self.type)
        if mask is None:
            return self.builder.load(pointer, align=self.size)
        name = f"llvm.masked.load.v{self.lanes}{self._suffix}.p0"
        function = self._intrinsic(name, self.type, [pointer.type, I32, mask.type, self.type])
        return self.builder.call(function, [pointer, ir.Constant(I32, self.size), mask, self.zero])

    def store(self, value: Value, address: Value, mask: Value | None = None) -> None:
        """Write a vector; the memory of lanes that the mask leaves out is not touched."""
        pointer = self._pointer(address, self.type)
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
            return
        name = f"llvm.masked.store.v{self.lanes}{self._suffix}.p0"
        function = self._intrinsic(name, ir.VoidType(), [self.type, pointer.type, I32, mask.type])
        self.builder.call(function, [value, pointer, ir.Constant(I32, self.size), mask])

    def store_first(self, value: Value, address: Value, count: Value | None) -> None:
        """Write the first ``count`` lanes of a vector (None: all; none if it is below 1); no other memory is touched.

        In halves, but for AVX-512: AMD's processors take 12 cycles and more for a store of AVX2 with a mask.
        """
        builder = self.builder
        if count is None or self.bytes == 64:
            self.store(value, address, None if count is None else self.first(count))
            return
        with builder.if_else(builder.icmp_signed(">=", count, word(self.lanes))) as (whole, part):
            with whole:
                self.store(value, address)
            with part:
                left = builder.select(builder.icmp_signed("<", count, word(0)), word(0), count)
                width = self.lanes // 2
                while width:
                    wanted = builder.icmp_signed("!=", builder.and_(left, word(width)), word(0))
                    with builder.if_then(wanted):
                        low = self.picked(value, range(width))
                        builder.store(low, self._pointer(address, low.type), align=self.size)
                    value = builder.select(wanted, self.picked(value, [(i + width) % self.lanes for i in range(self.lanes)]), value)
                    address = builder.select(wanted, self.offset(address, width * self.size), address)
                    width //= 2

    def picked(self, value: Value, order: Sequence[int]) -> Value:
        """The vector of some lanes of another one."""
        return self.builder.shuffle_vector(value, value, ir.Constant(ir.VectorType(I32, len(order)), list(order)))

    def load_valid(self, address: Value, mask: Value) -> Value:
        """The vector at ``address`` with zeros in lanes that the mask leaves out, whose memory must be readable.

        For lanes that do not count in the end: what is there may be denormal, and arithmetic on that a hundred times slower.
        """
        return self.builder.select(mask, self.load(address), self.zero)

    def load_rows(self, rows: int, columns: int, source: Value, row: Value, last: Value | None = None) -> list[Value]:
        """``rows`` rows of ``columns`` vectors, ``row`` bytes apart, with ``last`` valid lanes in the last vector of each (None: all)."""
        mask = None if last is None else self.first(last)
        vectors = []
        for i in range(rows):
            line = self.builder.add(source, self.builder.mul(row, word(i)))
            places = [self.offset(line, j * self.bytes) for j in range(columns)]
            vectors += [self.load(place) for place in places[:-1]]
            vectors.append(self.load(places[-1]) if mask is None else self.load_valid(places[-1], mask))
        return vectors

    def store_rows(self, values: Sequence[Value], columns: int, target: Value, row: Value, last: Value | None = None) -> None:
        """Store rows of ``columns`` vectors, ``row`` bytes apart, with ``last`` valid lanes in the last vector of each (None: all)."""

        def write(count: Value | None) -> None:
            for number, value in enumerate(values):
                i, j = divmod(number, columns)
                here = self.offset(self.builder.add(target, self.builder.mul(row, word(i))), j * self.bytes)
                self.store_first(value, here, count if j == columns - 1 else None)

        if last is None:
            write(None)
        else:
            self.write_valid(last, write)

    def write_valid(self, valid: Value, write: Callable[[Value | None], None]) -> None:
        """``write(count)`` for vectors with ``valid`` lanes that count, as `store_first` takes it; None where all do."""
        if self.bytes == 64:  # AVX-512 has masks in all its stores
            write(valid)
            return
        with self.builder.if_else(self.builder.icmp_signed("<", valid, word(self.lanes))) as (part, whole):
            with part:
                write(valid)
            with whole:
                write(None)

    def prefetch_to_write(self, address: Value) -> None:
        """Ask for the cache line of ``address``, which will be written. No address is wrong."""
        self._prefetch(address, 1)

    def prefetch(self, address: Value) -> None:
        """The same of one that will be read."""
        self._prefetch(address, 0)

    def _prefetch(self, address: Value, write: int) -> None:
        pointer = self._pointer(address, ir.IntType(8))
        function = self._intrinsic("llvm.prefetch.p0", ir.VoidType(), [pointer.type, I32, I32, I32])
        self.builder.call(function, [pointer, ir.Constant(I32, write), ir.Constant(I32, 3), ir.Constant(I32, 1)])

    def load_word(self, address: Value) -> Value:
        """The int64 at ``address``."""
        return self.builder.load(self._pointer(address, I64))

    def broadcast(self, address: Value) -> Value:
        """A vector of copies of the value at ``address``."""
        return self.splat(self.builder.load(self._pointer(address, self.element)))

    # values

    def splat(self, scalar: Value) -> Value:
        """A vector of copies of ``scalar``."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        vector = self.builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(vector, undefined, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes))

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """``a * b + c``, rounded once."""
        return self.builder.call(self._intrinsic(f"llvm.fma.v{self.lanes}{self._suffix}", self.type, [self.type] * 3), [a, b, c])

    def add_products(self, sums: Sequence[Value], factors: Sequence[Value], vectors: Sequence[Value]) -> list[Value]:
        """``sums[i, j]`` + the value at the address ``factors[i]`` times ``vectors[j]``, row by row."""
        new, old = [], iter(sums)
        for address in factors:
            factor = self.broadcast(address)
            new += [self.fma(factor, vector, next(old)) for vector in vectors]
        return new

    def split(self, count: Value) -> tuple[Value, Value, Value]:
        """``count`` values in vectors: how many are full, whether (0 or 1) there is one more, and the mask of that one's lanes."""
        full = self.builder.sdiv(count, word(self.lanes))
        tail = self.builder.sub(count, self.builder.mul(full, word(self.lanes)))
        return full, self.builder.zext(self.builder.icmp_signed(">", tail, word(0)), tail.type), self.first(tail)

    def first(self, count: Value) -> Value:
        """The mask of the lanes below ``count``."""
        lanes = ir.Constant(ir.VectorType(I32, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", lanes, self.splat(self.builder.trunc(count, I32)))

    def zip(self, a: Value, b: Value, half: int) -> Value:
        start = half * (self.lanes // 2)
        order = [index for i in range(start, start + self.lanes // 2) for index in (i, self.lanes + i)]
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, self.lanes), order))

    def every(self, vectors: Sequence[Value], first: int) -> Value:
        """Lane ``first`` of some vectors, one after the other, and every ``len(vectors)``-th lane from there on."""
        places = [divmod(first + len(vectors) * i, self.lanes) for i in range(self.lanes)]
        found = vectors[0]
        for number, vector in enumerate(vectors[1:], 1):
            order = [self.lanes + lane if at == number else lane if number == 1 else i for i, (at, lane) in enumerate(places)]
            found = self.builder.shuffle_vector(found, vector, ir.Constant(ir.VectorType(I32, self.lanes), order))
        return found

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """The columns of a square of ``lanes`` vectors: log2(lanes) rounds of interleaving row i with row i + lanes / 2."""
        rows = list(rows)
        for _ in range(self.lanes.bit_length() - 1):
            rows = [self.zip(a, b, half) for a, b in zip(rows[: self.lanes // 2], rows[self.lanes // 2 :], strict=True) for half in (0, 1)]
        return rows

    def sums(self, vectors: Sequence[Value]) -> Value:
        """The vector whose lane i is the sum over the lanes of ``vectors[i]`` (at most ``lanes`` of them, then zeros)."""
        parts = [*vectors, *[self.zero] * (self.lanes - len(vectors))]
        while len(parts) > 1:
            half = len(parts) // 2  # interleaving i with i + half leaves the sums in order
            parts = [self.builder.fadd(self.zip(a, b, 0), self.zip(a, b, 1)) for a, b in zip(parts[:half], parts[half:], strict=True)]
        return parts[0]

    # control

    def loop(self, count: Value, carried: Sequence[Value], body: Callable[[list[Value]], list[Value]]) -> list[Value]:
        """Run ``body`` ``count`` times (0 included) on the carried values; returns them as the last round left them."""
        builder, before = self.builder, self.builder.block
        inside, after = builder.append_basic_block("loop"), builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", count, word(0)), inside, after)
        builder.position_at_end(inside)
        index, state = builder.phi(I64), [builder.phi(value.type) for value in carried]
        new = body(state)
        following, last = builder.add(index, word(1)), builder.block
        builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
        builder.position_at_end(after)
        results = [builder.phi(value.type) for value in carried]
        index.add_incoming(word(0), before)
        index.add_incoming(following, last)
        for phi, result, start, end in zip(state, results, carried, new, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, last)
            result.add_incoming(start, before)
            result.add_incoming(end, last)
        return results

    def choose(self, selector: Value, cases: Sequence[Callable[[], list[Value]]]) -> list[Value]:
        """The values that ``cases[selector]`` makes; the last case also serves every other selector."""
        builder = self.builder
        blocks, after = [builder.append_basic_block("case") for _ in cases], builder.append_basic_block("chosen")
        switch = builder.switch(selector, blocks[-1])
        for number, block in enumerate(blocks[:-1]):
            switch.add_case(word(number), block)
        made = []
        for block, case in zip(blocks, cases, strict=True):
            builder.position_at_end(block)
            made.append((case(), builder.block))
            builder.branch(after)
        builder.position_at_end(after)
        results = [builder.phi(value.type) for value in made[0][0]]
        for values, block in made:
            for phi, value in zip(results, values, strict=True):
                phi.add_incoming(value, block)
        return results


Emit = Callable[[ir.IRBuilder, list[Value]], None]


def function(module: ir.Module, name: str, arity: int, emit: Emit) -> ir.Function:
    """The function ``name`` of ``arity`` int64 arguments in ``module``, written by ``emit`` the first time."""
    made = module.globals.get(name)
    if made is None:
        made = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * arity), name)
        made.linkage = "linkonce_odr"
        made.attributes.add("noinline")  # inlined, a tile would compete with its caller for registers
        made.attributes.add("nounwind")
        builder = ir.IRBuilder(made.append_basic_block("entry"))
        emit(builder, list(made.args))
        builder.ret_void()
    return made


def native(name: str, arity: int, emit: Emit):
    """What compiled Python calls as ``f((a, b, ...))`` with ``arity`` int64 values. Equal names must mean equal code."""

    @intrinsic
    def call(typing, arguments):
        if len(arguments) != arity:
            raise TypeError(f"{name} takes {arity} values, got {len(arguments)}")

        def generate(context, builder, signature, values):
            words = [
                context.cast(builder, value, given, types.int64)
                for value, given in zip(cgutils.unpack_tuple(builder, values[0]), signature.args[0], strict=True)
            ]
            builder.call(function(builder.module, name, arity, emit), words)
            return context.get_dummy_value()

        return types.void(arguments), generate

    return call


def family(name: str, arity: int, members: dict[int, Emit]):
    """Like `native`, with one function for each member; the first argument, taken off, picks the member."""

    def emit(builder: ir.IRBuilder, arguments: list[Value]) -> None:
        after = builder.append_basic_block("after")
        switch = builder.switch(arguments[0], after)
        for number, member in members.items():
            block = builder.append_basic_block(f"member{number}")
            switch.add_case(word(number), block)
            builder.position_at_end(block)
            builder.call(function(builder.module, f"{name}.{number}", arity - 1, member), arguments[1:])
            builder.branch(after)
        builder.position_at_end(after)

    return native(name, arity, emit)


@inner
def follow(loop, rows, first, row, begin, end, scratch):
    """Let a loop go over elements ``begin`` to ``end`` of some rows of ``row`` elements, the first of which begins at element ``first``.

    loop: the address of its own address and words, as in the words of a step that is `open`.
    """
    if load(loop):
        if end - begin == row:
            rows, end = 1, rows * row
        for i in range(rows):
            call_kernel(load(loop), first + i * row + begin, first + i * row + end, loop, scratch)


@intrinsic(prefer_literal=True)
def words(typing, args, first, count):
    """``count`` words of a step from number ``first`` on (both literals); the error slot is not counted."""
    result = types.UniTuple(types.int64, count.literal_value)

    def generate(context, builder, signature, values):
        block = builder.inttoptr(values[0], I64.as_pointer())
        loaded = [builder.load(builder.gep(block, [word(1 + first.literal_value + i)])) for i in range(result.count)]
        return context.make_tuple(builder, result, loaded)

    return result(types.int64, first, count), generate
