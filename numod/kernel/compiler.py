"""numba's part: a Python function in, an object file out. Imported only when something must be compiled.

numba does the typing and the optimisation; the object file is emitted from its IR through llvmlite, so that the code
depends on nothing of numba when it is loaded: no runtime allocation (``nrt`` off), no exceptions, no numba symbols.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable

import llvmlite.binding as llvm
from numba.core import compiler, config, errors, registry, sigutils
from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

from ..errors import CompileError
from .host import root_steps

# Loops take as many elements at a time as fit into a register of their narrowest numbers, so that float32 whose sums are float64 fill whole ones.
llvm.set_option("numod", "-vectorizer-maximize-bandwidth")


def _flags() -> compiler.Flags:
    flags = compiler.Flags()
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.no_compile = True  # numba would also generate machine code of its own, which costs a fifth of the time
    flags.enable_pyobject = False
    flags.nrt = False
    flags.error_model = "numpy"  # 1 / 0 is inf, not an exception
    return flags


@global_compiler_lock
def emit(name: str, build: Callable[[], Callable], signature: str, symbol: str, machine: llvm.TargetMachine) -> bytes:
    """Compile the function that ``build()`` returns to an object file that exports ``symbol``; ``name`` is for messages.

    Raises CompileError with numba's own explanation if the function is not in the compilable subset of Python.
    """
    args, result = sigutils.normalize_signature(signature)
    target = registry.cpu_target
    disabled, config.DISABLE_JIT = config.DISABLE_JIT, 0  # the launcher itself is compiled even when kernels are interpreted
    collected = gc.isenabled()
    gc.disable()  # numba makes and keeps so many objects that looking for dead ones takes a twelfth of the time
    try:
        function = build()
        unit = compiler.compile_extra(target.typing_context, target.target_context, function, args, result, _flags(), {})
    except errors.NumbaError as error:
        raise CompileError(f"{name}: numba cannot compile this: {error}") from error
    finally:
        config.DISABLE_JIT = disabled
        if collected:
            gc.enable()
    library = unit.library
    optimize = library._optimize_final_module

    def optimize_wide():
        _widen(library)
        optimize()

    library._optimize_final_module = optimize_wide
    library._finalize_final_module = lambda: None  # link and optimise, and leave the machine code to us
    library.finalize()
    text = library.get_llvm_str()
    if "picklebuf" in text:  # the constant an exception is made from
        raise CompileError(f"{name}: a kernel may not raise an exception")
    module = llvm.parse_assembly(_hide_all(text) + _entry(symbol, unit.fndesc.llvm_func_name, len(args), str(result)))
    module.verify()
    return machine.emit_object(module)


def _entry(symbol: str, function: str, arguments: int, result: str) -> str:
    """IR of the exported C function. (numba's own wrapper would report exceptions, and so need numba when it is linked.)"""
    parameters = ", ".join(f"i64 %a{i}" for i in range(arguments))
    typed = llvm.llvm_version_info < (17,)  # up to numba 0.61 pointers name what they point to
    llvm_type = {"int64": "i64", "int32": "i32", "none": "i8*" if typed else "ptr"}[result]
    error_type = "{ i8*, i32, i8*, i8*, i32 }*" if typed else "ptr"
    passed = [f"{llvm_type}* %result" if typed else "ptr %result", f"{error_type}* %error" if typed else "ptr %error"]
    passed += [f"i64 %a{i}" for i in range(arguments)]
    lines = [
        f"define {'void' if result == 'none' else llvm_type} @{symbol}({parameters}) {{",
        f"  %result = alloca {llvm_type}",
        f"  %error = alloca {error_type}",
        f'  call i32 @"{function}"({", ".join(passed)})',
        *(["  ret void"] if result == "none" else [f"  %value = load {llvm_type}, {passed[0]}", f"  ret {llvm_type} %value"]),
        "}",
    ]
    return "\n".join(lines)


def _widen(library: CPUCodeLibrary) -> None:
    """Have whole registers used: LLVM's cost tables still fear the slow clock of the first processors with 512-bit vectors."""
    module = llvm.parse_assembly(_wide(str(library._final_module)))
    module.name = library._final_module.name
    library._final_module = module


def _wide(text: str) -> str:
    """Ask for the widest vectors in every function, and for guesses of square roots where they may be inexact."""
    attributes = f'"prefer-vector-width"="512" "reciprocal-estimates"="vec-sqrtf:{root_steps()}"'
    return re.sub(r"^(define .*) \{$", rf"\1 {attributes} {{", text, flags=re.MULTILINE)


def _hide_all(text: str) -> str:
    """Make every definition local: numba's names repeat from process to process, and objects must not clash."""
    text = re.sub(r"^(@\S+) = common ", r"\1 = internal ", text, flags=re.MULTILINE)
    return re.sub(r"^define (?:linkonce_odr |weak_odr )?", "define internal ", text, flags=re.MULTILINE)
