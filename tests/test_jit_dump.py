"""Programs in files: loaded anywhere, they give bit for bit what the function gave, and a file that is not right says so."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, note, settings, strategies
from programs import Program
from test_jit_programs import agree, outcome

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.jit import TraceError, load, trace
from numod.serialization import FileFormatError

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((2, 3, 8, 8)).astype(np.float32)


def reloaded(traced, **options):
    file = io.BytesIO()
    traced.dump(file, **options)
    return load(io.BytesIO(file.getvalue()))


@settings(max_examples=max(25, settings.default.max_examples * 2))
@given(strategies.data())
def test_a_loaded_program_is_the_program(data):
    program = Program(data, most=15)
    note(repr(program))
    random = program.draw.random()
    traced = trace(program.run)
    outcome(traced, program.leaves)
    copy = reloaded(traced, optimize_for_inference=program.draw.boolean())
    other = [x + random.standard_normal(x.shape).astype(x.dtype) for x in program.leaves]
    for leaves in (program.leaves, other):
        assert agree(outcome(copy, leaves), outcome(program.run, leaves))
        assert agree(outcome(copy, leaves), outcome(traced, leaves))


class Block(M.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = M.ConvBnRelu2d(channels, channels, 3, padding=1)
        self.conv2 = M.ConvBn2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return F.relu(x + self.conv2(self.conv1(x)))


class Attention(M.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.attention = M.LayerNorm(width), M.MultiHeadAttention(width, 2)
        self.up, self.down = M.Linear(width, 2 * width), M.Linear(2 * width, width)

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y, y)[0]
        return x + self.down(F.gelu(self.up(x)))


MODELS = {
    "convolutions": (
        lambda: M.Sequential(M.Conv2d(3, 4, 3), M.ReLU(), M.MaxPool2d(2), M.Dropout(0.5), M.Conv2d(4, 5, 3), M.BatchNorm2d(5)),
        X,
    ),
    "residuals": (lambda: M.Sequential(M.Conv2d(3, 8, 3, stride=2, padding=1), Block(8), Block(8), M.AvgPool2d(4)), X),
    "attention": (lambda: M.Sequential(Attention(8), Attention(8)), RANDOM.standard_normal((2, 5, 8)).astype(np.float32)),
    "recurrence": (lambda: M.LSTM(4, 6, num_layers=2), RANDOM.standard_normal((7, 2, 4)).astype(np.float32)),
}
ELSEWHERE = """
import sys, numpy as np, numod as nm, numod.jit
program, data = numod.jit.load(sys.argv[1]), nm.load(sys.argv[2])
found = program(nm.Tensor(data["x"]))
def leaves(value):
    return [value.numpy()] if isinstance(value, nm.Tensor) else [leaf for each in value for leaf in leaves(each)]
assert [x.tobytes() for x in leaves(found)] == [x.tobytes() for x in data["leaves"]]
assert "numba" not in sys.modules
"""


@pytest.mark.parametrize("name", MODELS)
def test_models_run_in_another_process_without_their_code(name, tmp_path):
    make, x = MODELS[name]
    model = make()
    model.eval()
    traced = trace(model)
    expected = traced(nm.Tensor(x))
    traced.dump(tmp_path / "program")
    again = load(tmp_path / "program")(nm.Tensor(x))  # compiles what the other one will find
    leaves = [leaf.numpy() for leaf in _leaves(expected)]
    assert [leaf.numpy().tobytes() for leaf in _leaves(again)] == [leaf.tobytes() for leaf in leaves]
    nm.save({"x": x, "leaves": leaves}, tmp_path / "data")
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "program", tmp_path / "data"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def _leaves(value):
    return [value] if isinstance(value, nm.Tensor) else [leaf for each in value for leaf in _leaves(each)]


def test_arguments_by_position_or_name_and_results_as_they_were():
    @trace(capture_as_const=True)
    def parts(first, rest, scale):
        return {"sum": first + rest[0], "same": first, "plain": (None, 2.5, [rest[0][1:] * scale])}

    first, second = nm.Tensor([1.0, 2.0]), nm.Tensor([[3.0, 4.0], [5.0, 6.0]])
    parts(first, [second], scale=10)
    program = reloaded(parts, arg_names=["a", "b"], output_names=["sum", "same", "part"], user_info={"version": 3})
    assert [name for name, _ in program.arguments] == ["a", "b"]
    assert program.outputs == ["sum", "same", "part"]
    assert program.user_info == {"version": 3}
    for found in (program(first, second), program(first, b=second), program(b=second.numpy(), a=[1.0, 2.0])):
        assert found["sum"].tolist() == [[4, 6], [6, 8]]
        assert found["same"].tolist() == [1, 2]
        assert found["plain"][:2] == (None, 2.5)
        assert found["plain"][2][0].tolist() == [[50, 60]]
    assert program(first, second)["same"] is first
    strided = F.transpose(second, (1, 0))
    assert program(first, strided)["sum"].tolist() == [[4, 7], [5, 8]]
    for args, named in (((first,), {}), ((first, second, first), {}), ((first,), {"a": first}), ((first,), {"c": second})):
        with pytest.raises(TypeError, match="takes a, b, each once"):
            program(*args, **named)
    with pytest.raises(ValueError, match=r"b must be float32 of shape \(2, 2\) on .*, got float32 of shape \(2,\)"):
        program(first, first)
    with pytest.raises(ValueError, match=r"a must be float32 of shape .* got int32"):
        program(nm.Tensor([1, 2]), second)
    assert repr(program).startswith("Program(a: float32 of shape (2,)")


def test_weights_are_those_of_the_dump():
    net = M.Linear(3, 2)
    x = nm.Tensor(np.ones((1, 3), np.float32))
    traced = trace(lambda x: (net(x), net.bias))
    traced(x)
    net.weight[...] = 2.0
    net.bias[...] = 1.0
    file = io.BytesIO()
    info = traced.dump(file, keep_param_name=True)
    assert sorted(info.params) == ["net.bias", "net.weight"]
    assert traced.dump(io.BytesIO()).params == []
    assert info.tot_bytes == len(file.getvalue())
    assert info.tensor_value_bytes == 4 * (6 + 2)
    net.weight[...] = 0.0
    out, bias = load(io.BytesIO(file.getvalue()))(x)
    assert out.tolist() == [[7, 7]]
    assert bias.tolist() == [1, 1]


OLD = (
    b'\x88\x02\x00\x00\x00\x00\x00\x00{"__metadata__":{"numod":"{\\"dict\\":[[\\"numod.jit program\\",1],[\\"arguments\\",[[\\"arg_0\\",0]]],'
    b'[\\"outputs\\",[\\"output_0\\",\\"output_1\\"]],[\\"inputs\\",[[\\"argument\\",0]]],[\\"constants\\",{\\"dict\\":[[\\"0\\",{\\"Tensor\\":'
    b'\\"constants.0\\",\\"device\\":\\"xpux:0\\"}]]}],[\\"calls\\",[[\\"mul\\",{\\"dict\\":[]},[[0,0,0],[1,0,0]],[0],\\"\\"]]],[\\"leaves\\",[[2,0,0],0]],'
    b'[\\"specs\\",[[{\\"tuple\\":[2]},\\"float32\\",\\"xpux:0\\",null]]],[\\"structure\\",[\\"tuple\\",[\\"tensor\\"],[\\"tensor\\"]]],[\\"optimize\\",true],'
    b'[\\"user_info\\",null]]}","sha256":"6adc5e9265a3b9c06c4381f8a41989b88c02bb5d101ca64f0fb44ef4e1275489"},"constants.0":{"dtype":"F32",'
    b'"shape":[2],"data_offsets":[0,8]}}   \x00\x00\x80?\x00\x00\x00@'
)


def test_files_of_the_first_version_are_read():
    product, x = load(io.BytesIO(OLD))(nm.Tensor([3.0, 4.0]))
    assert (product.tolist(), x.tolist()) == ([3, 8], [3, 4])


def test_random_numbers_come_from_numods_stream():
    noisy = trace(lambda x: F.dropout(x, 0.5) + nm.random.normal(size=(4,)))
    x = nm.Tensor(np.ones(4, np.float32))
    noisy(x)
    program = reloaded(noisy)
    nm.random.seed(2)
    expected = [noisy(x).tolist() for _ in range(3)]
    nm.random.seed(2)
    assert [program(x).tolist() for _ in range(3)] == expected
    own = nm.random.RNG(1)
    other = trace(lambda x: x + own.normal(size=(4,)))
    other(x)
    with pytest.raises(TraceError, match="RNG of its own"):
        reloaded(other)


def test_what_a_file_cannot_hold_is_refused_by_name():
    net = M.BatchNorm2d(3)
    x = nm.Tensor(X)
    weight = nm.Parameter([1.0])
    solver = optim.SGD([weight], lr=0.5)
    manager = GradManager().attach(weight)

    def backward(x):
        with manager:
            manager.backward((weight * x).sum())

    history = nm.Tensor([0.0])
    stale = nm.Parameter([1.0])
    stale.grad = nm.Tensor([2.0])

    def grow(x):
        history._reset(F.concat([history, history]))

    turned = nm.Tensor(X)

    def turn(x):
        turned._reset(F.transpose(x, (1, 0, 2, 3)))

    def of_an_argument(x):
        with GradManager().attach(x) as inner:
            inner.backward(x.sum())

    for function, what, options in (
        (lambda x: x.__iadd__(1.0), "changes argument 0", {}),
        (of_an_argument, "changes argument 0 or its grad", {}),
        (backward, "weight has a grad before or after a call", {}),
        (lambda x: solver.step().clear_grad(), "has a grad before or after", {}),
        (lambda x: x + stale.grad, "reads stale.grad, which is nobody's argument", {}),
        (lambda x: stale.grad, "returns stale.grad, which is not in a file", {}),
        (turn, r"a call makes turned Spec\(\(3, 2, 8, 8\).* now it is .* in C order", {}),
        (grow, r"history has become Spec\(\(2,\).* after Spec\(\(1,\)", {}),
        (lambda x: net(x), "capture_as_const or record_only, by which net.running_mean keeps", {"capture_as_const": True}),
        (lambda x: net(x), "capture_as_const or record_only, by which net.running_mean keeps", {"record_only": True}),
    ):
        traced = trace(function, **options)
        traced(nm.Tensor(X))
        with pytest.raises(TraceError, match=f"trace.dump: .*{what}"):
            reloaded(traced)
    both = trace(lambda a, b: a * b)
    both(x, x)
    with pytest.raises(TraceError, match="one tensor for several arguments"):
        reloaded(both)
    turned = trace(lambda x: x + 1)
    turned(F.transpose(x, (0, 1, 3, 2)))
    with pytest.raises(TraceError, match="argument 0 was a view"):
        reloaded(turned)
    with GradManager().attach(weight):
        scaled = trace(lambda x: x * F.exp(weight))
        scaled(x)
    with pytest.raises(TraceError, match="call it once outside"):
        reloaded(scaled)
    weight[...] = 3.0
    scaled(x)
    weight.__init__(np.ones((2, 1), np.float32))
    with pytest.raises(TraceError, match="weight has become"):
        reloaded(scaled)
    with pytest.raises(TraceError, match="has not been traced yet"):
        reloaded(trace(lambda x: x))


def test_gradients_through_a_loaded_program_are_refused():
    program = reloaded(_called(trace(lambda x: x * 2), nm.Tensor([1.0])))
    x = nm.Tensor([1.0])
    with GradManager().attach(x), pytest.raises(TraceError, match=r"give it arg_0.detach\(\)"):
        program(x)


def _called(traced, *args):
    traced(*args)
    return traced


def test_options_of_megengines_files_are_refused_where_they_ask_for_something():
    traced = _called(trace(lambda x: x * 2, capture_as_const=True), nm.Tensor([1.0]))
    reloaded(traced, keep_var_name=2, enable_nchw88=True, enable_ioc16=False, keep_opr_name=True, no_change_graph=True)
    for options, message in (
        ({"append": True}, "append must be False"),
        ({"input_data": ["x"]}, "input_data must be None"),
        ({"enable_io16xc32": True}, "would change the results"),
        ({"foo": 1}, r"unknown options: \['foo'\]"),
        ({"arg_names": ["a", "b"]}, "wrong number of arg_names, should be 1 values"),
        ({"output_names": []}, "wrong number of output_names, should be 1 values"),
    ):
        with pytest.raises(ValueError, match=message):
            reloaded(traced, **options)


# Files that are not right


@pytest.fixture(scope="module")
def content():
    net = M.Linear(3, 2)
    traced = _called(trace(lambda x: F.relu(net(x)[1:])), nm.Tensor(np.ones((2, 3), np.float32)))
    file = io.BytesIO()
    traced.dump(file)
    return file.getvalue()


@settings(max_examples=30)
@given(strategies.data())
def test_a_damaged_file_is_an_error(content, data):
    place = data.draw(strategies.integers(0, len(content) - 1))
    cut = data.draw(strategies.booleans())
    flipped = bytes([content[place] ^ data.draw(strategies.integers(1, 255))])
    broken = content[:place] if cut else content[:place] + flipped + content[place + 1 :]
    with pytest.raises(FileFormatError):
        load(io.BytesIO(broken))


def test_other_files_are_an_error(content, tmp_path):
    nm.save({"weight": X}, tmp_path / "weights")
    with pytest.raises(FileFormatError, match=r"numod.jit.load: '.*weights' is no program of trace.dump"):
        load(tmp_path / "weights")
    (tmp_path / "text").write_text("no program at all")
    with pytest.raises(FileFormatError):
        load(tmp_path / "text")


def changed(content, change):
    """The file after ``change(its plain data)``, hash and all."""
    found = nm.load(io.BytesIO(content))
    change(found)
    file = io.BytesIO()
    nm.save(found, file)
    return io.BytesIO(file.getvalue())


def setting(*path_and_value):
    *path, last, value = path_and_value

    def change(found):
        for each in path:
            found = found[each]
        found[last] = value

    return change


def repeat_far(found):
    """A call repeats one number, which takes no memory, and the next one reads a tensor of that shape in C order."""
    found["specs"] += [[(), "float32", "xpux:0", None], [(1000,), "float32", "xpux:0", (0,)], [(1000,), "float32", "xpux:0", None]]
    number, repeated, whole = range(len(found["specs"]) - 3, len(found["specs"]))
    last = found["leaves"][0][0]
    found["calls"].append(["broadcast_to", {"shape": (1000,)}, [[0, 0, number]], [repeated], ""])
    found["calls"].append(["relu", {}, [[last + 1, 0, whole]], [whole], ""])
    found["leaves"][0] = [last + 2, 0, whole]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("numod.jit program", 3), "is a program of version 3, this numod reads versions up to 2"),
        (setting("calls", 0, 0, "swish9"), "op 'swish9' is not registered; import the module that declares it"),
        (setting("calls", 0, 0, "exp"), "takes"),
        (setting("calls", 0, 1, {"slope": 1}), r"takes no \['slope'\]"),
        (setting("calls", -1, 2, 0, 1, 10**6), "lies outside of its value"),
        (setting("calls", -1, 2, 0, 1, -4), "lies outside of its value"),
        (setting("calls", -1, 2, 0, 0, -1), "index -1 is out of range"),
        (setting("leaves", 0, 0, 99), "out of range"),
        (setting("inputs", 0, 1, 5), "out of range"),
        (setting("specs", 0, 0, (-1, 3)), "a tensor of shape"),
        (setting("constants", {}), "out of range"),
        (lambda found: found.pop("calls"), "calls"),
        (setting("calls", -1, 2, 0, 1, 2), "lies outside of its value"),
        (setting("calls", -1, 3, 0, 0), "and not .*; this is not the op that the program was made with"),
        (repeat_far, "lies outside of its value"),
    ],
)
def test_a_file_that_somebody_wrote_wrong_reads_no_other_memory(content, change, message):
    with pytest.raises(FileFormatError, match=message):
        load(changed(content, change))


USER_OP = """
import sys, numod as nm
from numod.forms import elementwise
from numod.testing import Draw

@elementwise(ref=lambda x: x * x * x, sample=lambda draw: ([draw.floats(())], {}))
def cubed_for_a_dump(x):
    return x * x * x

if __name__ == "__main__":
    traced = nm.jit.trace(lambda x: cubed_for_a_dump(x) + 1)
    traced(nm.Tensor([2.0]))
    traced.dump(sys.argv[1])
"""


def test_ops_of_users_are_found_by_name(tmp_path):
    (tmp_path / "users_op.py").write_text(USER_OP)
    subprocess.run([sys.executable, tmp_path / "users_op.py", tmp_path / "program"], check=True)
    with pytest.raises(FileFormatError, match="op 'cubed_for_a_dump' is not registered"):
        load(tmp_path / "program")
    code = f"import users_op, numod as nm; print(nm.jit.load({str(tmp_path / 'program')!r})(nm.Tensor([3.0])).tolist())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(run.stdout) == [28]
