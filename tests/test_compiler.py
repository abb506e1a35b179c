"""What is asked of LLVM: whole vectors in every function."""

import llvmlite.binding as llvm
import pytest

from numod import config
from numod.kernel import host, loader

pytestmark = pytest.mark.skipif(config.interpret, reason="nothing is compiled")


def test_every_function_is_marked_and_still_parses():
    from numod.kernel import compiler

    text = """
    declare double @outside(double)
    define double @plain(double %x) local_unnamed_addr #0 {
      ret double %x
    }
    define internal { i32, i32 } @pair() {
      ret { i32, i32 } zeroinitializer
    }
    attributes #0 = { nounwind }
    """.replace("\n    ", "\n")
    marked = str(llvm.parse_assembly(compiler._wide(text)))
    assert marked.count('"prefer-vector-width"="512"') >= 2
    assert "declare double @outside(double)\n" in marked


@pytest.mark.skipif(host.vector_bytes() < 64, reason="no registers of 512 bits")
def test_a_loop_uses_whole_registers(monkeypatch):
    from numod.kernel import compiler, loader

    seen = []
    monkeypatch.setattr(compiler, "_hide_all", lambda text, hide=compiler._hide_all: seen.append(text) or hide(text))

    def build():
        from numba.core import types

        from numod.kernel.intrinsics import pointer

        def kernel(begin, end, args, scratch):
            values = pointer(args, types.float32)
            for i in range(begin, end):
                values[i] = values[i] * types.float32(2) + types.float32(1)

        return kernel

    compiler.emit("twice", build, "void(int64,int64,int64,int64)", "twice", loader.target_machine(jit=False))
    assert "<16 x float>" in seen[0]


@pytest.mark.parametrize("wanted", [None, 4, 8, 16, 3, 32])
def test_the_width_of_vectors_can_be_set(wanted, monkeypatch):
    monkeypatch.setattr(config, "vector_width", wanted)
    widest = host._widest()
    if wanted is None:
        assert host.vector_bytes.__wrapped__() == widest
    elif wanted in (4, 8, 16) and 4 * wanted <= widest:
        assert host.vector_bytes.__wrapped__() == 4 * wanted
    else:
        with pytest.raises(ValueError, match=f"NUMOD_VECTOR_WIDTH: .* got {wanted}"):
            host.vector_bytes.__wrapped__()


@pytest.mark.skipif(host._widest() < 64, reason="the processor has no wider vectors than AVX2's")
@pytest.mark.parametrize("wanted", [None, 8])
def test_narrower_vectors_make_code_for_an_older_processor(wanted, monkeypatch):
    monkeypatch.setattr(host, "vector_bytes", host.vector_bytes.__wrapped__)
    monkeypatch.setattr(config, "vector_width", wanted)
    attributes = 'attributes #0 = { "prefer-vector-width"="512" }'
    add = f"define <16 x float> @add(<16 x float> %x) #0 {{\n  %y = fadd <16 x float> %x, %x\n  ret <16 x float> %y\n}}\n{attributes}"
    assembly = loader.target_machine(jit=False).emit_assembly(llvm.parse_assembly(add))
    assert ("zmm" in assembly) == (wanted is None)
