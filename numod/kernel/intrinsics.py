"""What compiled code may use besides plain arithmetic: memory by address, atomics, and calls by address.

Addresses are int64. Every name that kernels use has a plain Python twin of the same meaning in `interpreted`; the names
from `load` on are for the launcher (`native`), which is always compiled.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np import arrayobj

I32, I64 = ir.IntType(32), ir.IntType(64)
# For functions that kernels call; nobody calls them from Python.
inner = njit(error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)

KERNEL = ir.FunctionType(ir.VoidType(), [I64] * 4).as_pointer()


@intrinsic
def pointer(typing, address, dtype):
    """``pointer(address, float32)[i]`` reads and writes the i-th value."""
    element = dtype.dtype

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_data_type(element).as_pointer())

    return types.CPointer(element)(address, dtype), generate


@intrinsic
def view(typing, address, shape, dtype):
    """A C-contiguous array over memory that somebody else owns."""
    array_type = types.Array(dtype.dtype, len(shape), "C")

    def generate(context, builder, signature, args):
        array = arrayobj.make_array(array_type)(context, builder)
        extents = cgutils.unpack_tuple(builder, args[1])
        item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(dtype.dtype)))
        strides = [item]
        for extent in reversed(extents[1:]):
            strides.insert(0, builder.mul(strides[0], extent))
        data = builder.inttoptr(args[0], array.data.type)
        arrayobj.populate_array(array, data=data, shape=extents, strides=strides[: len(extents)], itemsize=item, meminfo=None)
        return array._getvalue()

    return array_type(address, shape, dtype), generate


F32 = ir.FloatType()


@intrinsic
def fma(typing, a, b, c):
    """float32 ``a * b + c``, rounded once."""

    def generate(context, builder, signature, args):
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(F32, [F32] * 3), "llvm.fma.f32"), args)

    return types.float32(types.float32, types.float32, types.float32), generate


def _power_of_two(builder, exponent):
    """2**exponent for an i32 in [-126, 127]."""
    return builder.bitcast(builder.shl(builder.add(exponent, ir.Constant(I32, 127)), ir.Constant(I32, 23)), F32)


@intrinsic
def times_power_of_two(typing, value, shifted):
    """float32 ``value * 2**n`` for a value in [0.5, 2) and ``shifted = n + 1.5 * 2**23`` with an integer n in [-150, 128].

    A subnormal result is a whole number of 2**-149, whose bits are that number: multiplications that have one take a hundred times as long.
    """

    def generate(context, builder, signature, args):
        value, shifted = args
        n = builder.sub(builder.bitcast(shifted, I32), ir.Constant(I32, 0x4B400000))
        twice = builder.fadd(value, value)  # because 2**128 is not a float32
        normal = builder.fmul(twice, _power_of_two(builder, builder.sub(n, ir.Constant(I32, 1))))
        lowest = ir.Constant(I32, -126)
        least = builder.select(builder.icmp_signed("<", n, lowest), n, lowest)
        units = builder.fmul(value, _power_of_two(builder, builder.add(least, ir.Constant(I32, 149))))
        nearest = builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(F32, [F32]), "llvm.rint.f32"), [units])
        tiny = builder.bitcast(builder.fptosi(nearest, I32), F32)
        is_tiny = builder.fcmp_ordered("<=", shifted, ir.Constant(F32, 12582912.0 - 126.0))  # not if NaN
        return builder.select(is_tiny, tiny, normal)

    return types.float32(types.float32, types.float32), generate


@intrinsic
def power_of_two(typing, shifted):
    """float32 ``2**n`` for ``shifted = n + 1.5 * 2**23`` with an integer n in [-126, 127]."""

    def generate(context, builder, signature, args):
        raised = builder.shl(builder.bitcast(args[0], I32), ir.Constant(I32, 23))  # of the bits only n is left
        return builder.bitcast(builder.add(raised, ir.Constant(I32, 0x3F800000)), F32)

    return types.float32(types.float32), generate


@intrinsic
def copysign(typing, value, sign):
    """float32 ``value`` with the sign of ``sign``."""

    def generate(context, builder, signature, args):
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(F32, [F32] * 2), "llvm.copysign.f32"), args)

    return types.float32(types.float32, types.float32), generate


@intrinsic
def raised(typing, value, shifted):
    """float32 ``value * 2**n`` for ``shifted = n + 1.5 * 2**23``, where value and result are positive and normal."""

    def generate(context, builder, signature, args):
        value, shifted = (builder.bitcast(arg, I32) for arg in args)
        return builder.bitcast(builder.add(value, builder.shl(shifted, ir.Constant(I32, 23))), F32)

    return types.float32(types.float32, types.float32), generate


@intrinsic
def mantissa_and_exponent(typing, value):
    """The m in [sqrt(0.5), sqrt(2)) and the e for which a positive normal float32 is ``m * 2**e``, as float32."""

    def generate(context, builder, signature, args):
        bits = builder.bitcast(args[0], I32)
        above = builder.sub(bits, ir.Constant(I32, 0x3F3504F3))
        mantissa = builder.bitcast(builder.sub(bits, builder.and_(above, ir.Constant(I32, -1 << 23))), F32)
        exponent = builder.sitofp(builder.ashr(above, ir.Constant(I32, 23)), F32)
        return context.make_tuple(builder, signature.return_type, [mantissa, exponent])

    return types.UniTuple(types.float32, 2)(types.float32), generate


@intrinsic
def reciprocal_root(typing, value):
    """``1 / sqrt(value)`` of a positive normal float32 with an error of a few ulp: from what the processor guesses (see `host.root_steps`)."""

    def generate(context, builder, signature, args):
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(F32, [F32]), "llvm.sqrt.f32")
        return builder.fdiv(ir.Constant(F32, 1.0), builder.call(function, args, fastmath=("fast",)), flags=("fast",))

    return types.float32(types.float32), generate


def _reinterpreting(source, target):
    """The value of one type with the same bits as one of another."""

    @intrinsic
    def function(typing, value):
        def generate(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), generate

    return function


float_of_bits = _reinterpreting(types.uint32, types.float32)
bits_of_float = _reinterpreting(types.float32, types.uint32)


F16 = ir.HalfType()


@intrinsic
def widen_float16(typing, bits):
    """The float32 that is the float16 with these bits; for processors that have an instruction for it."""

    def generate(context, builder, signature, args):
        return builder.fpext(builder.bitcast(args[0], F16), F32)

    return types.float32(types.uint16), generate


@intrinsic
def narrow_float16(typing, value):
    """The bits of the float16 that is nearest to a float32, ties to even; for processors that have an instruction for it."""

    def generate(context, builder, signature, args):
        return builder.bitcast(builder.fptrunc(args[0], F16), ir.IntType(16))

    return types.uint16(types.float32), generate


@intrinsic(prefer_literal=True)
def stack(typing, size):
    """The address of ``size`` (a literal) int64 words that live until the function returns."""
    words = size.literal_value

    def generate(context, builder, signature, args):
        memory = cgutils.alloca_once(builder, ir.ArrayType(I64, words))
        memory.align = 64
        return builder.ptrtoint(memory, I64)

    return types.int64(size), generate


def _at(builder, address):
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def load(typing, address):
    """The int64 at ``address``."""

    def generate(context, builder, signature, args):
        return builder.load(_at(builder, args[0]))

    return types.int64(types.int64), generate


@intrinsic
def store(typing, address, value):
    """Write an int64."""

    def generate(context, builder, signature, args):
        builder.store(args[1], _at(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def load_acquire(typing, address):
    """Atomic read; what was written before the matching `store_release` is visible after it."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_at(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def store_release(typing, address, value):
    """Atomic write, see `load_acquire`."""

    def generate(context, builder, signature, args):
        builder.store_atomic(args[1], _at(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _read_modify_write(operation):
    @intrinsic
    def atomic(typing, address, value):
        def generate(context, builder, signature, args):
            return builder.atomic_rmw(operation, _at(builder, args[0]), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return atomic


exchange = _read_modify_write("xchg")  # write, return what was there
fetch_add = _read_modify_write("add")  # add, return what was there


@intrinsic
def pause(typing):
    """Tell the core that this is a spin loop."""

    def generate(context, builder, signature, args):
        triple = builder.module.triple
        if triple.startswith(("x86_64", "i386", "i686")):
            hint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause")
            builder.call(hint, [])
        elif triple.startswith(("aarch64", "arm64")):
            hint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [I32]), "llvm.aarch64.hint")
            builder.call(hint, [ir.Constant(I32, 1)])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_kernel(typing, address, begin, end, args, scratch):
    """Call the kernel at ``address``."""

    def generate(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], KERNEL), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


def _reduction(float_intrinsic, int_predicate, flags=()):
    """A binary operation that LLVM recognises as a reduction it may vectorise. ``flags``: what a maximum or minimum may take for granted."""

    @intrinsic
    def combine(typing, left, right):
        def generate(context, builder, signature, args):
            left, right = (context.cast(builder, a, t, signature.return_type) for a, t in zip(args, signature.args, strict=True))
            kind = signature.return_type
            if isinstance(kind, types.Float):
                if float_intrinsic is None:
                    return builder.fadd(left, right, flags=("reassoc", "contract"))
                if float_intrinsic == "fmul":
                    return builder.fmul(left, right, flags=("reassoc", "contract"))
                if llvm.llvm_version_info < (17,):  # numba 0.61: LLVM cannot make machine code of llvm.maximum on x86 yet
                    wins = builder.or_(builder.fcmp_ordered(int_predicate, left, right), builder.fcmp_unordered("uno", left, left))
                    return builder.select(wins, left, right)
                name = f"llvm.{float_intrinsic}.f{kind.bitwidth}"
                function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(left.type, [left.type] * 2), name)
                return builder.call(function, [left, right], fastmath=flags)
            if float_intrinsic is None:
                return builder.add(left, right)
            if float_intrinsic == "fmul":
                return builder.mul(left, right)
            compare = builder.icmp_signed if getattr(kind, "signed", False) else builder.icmp_unsigned
            return builder.select(compare(int_predicate, left, right), left, right)

        kind = types.unliteral(left)
        return kind(left, right), generate

    return combine


fold_add = _reduction(None, None)  # left + right, in any order of summation
fold_mul = _reduction("fmul", None)
fold_max = _reduction("maximum", ">")  # NaN if either is NaN
fold_min = _reduction("minimum", "<")
# Of floats that are not NaN: one instruction, where keeping NaN and the sign of 0 takes several. Which zero comes out is left open.
quick_max = _reduction("maximum", ">", ("nnan", "nsz"))
quick_min = _reduction("minimum", "<", ("nnan", "nsz"))


@inner
def checked(index, size, error):
    """``index`` if it is in [0, size), else 0, with the index left in the error slot for the launcher to see."""
    if types.uint64(index) >= types.uint64(size):  # one comparison for both ends
        store(error + 8, index)
        store(error + 16, size)
        store(error, 1)
        return 0
    return index


def _rounding(name):
    """A function of LLVM's that keeps its argument's dtype and is vectorised; integers are left as they are."""

    @intrinsic
    def function(typing, value):
        def generate(context, builder, signature, args):
            if not isinstance(value, types.Float):
                return args[0]
            kind = args[0].type
            target = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), f"llvm.{name}.f{value.bitwidth}")
            return builder.call(target, args)

        return value(value), generate

    return function


floor, ceil, trunc, sqrt = (_rounding(name) for name in ("floor", "ceil", "trunc", "sqrt"))


@intrinsic
def fmod(typing, left, right):
    """The remainder with the sign of ``left``, as C's fmod."""

    def generate(context, builder, signature, args):
        return builder.frem(*args)

    return left(left, left), generate
