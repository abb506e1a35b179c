"""Mixed precision: which dtypes autocast gives, that it is on where it should be and nowhere else, and that a GradScaler finds its factor.

Dtypes are those that MegEngine 1.13 gives for the same calls.
"""

import threading

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod import amp, precision
from numod.autodiff import Function, GradManager
from numod.jit import TraceError, exclude_from_trace, trace
from numod.op import TABLE

LABEL = nm.Tensor(np.array([0, 1], np.int32))
BN = [(1, 3, 1, 1)] * 4


def tensor(*shape, dtype="float32"):
    return nm.Tensor(np.random.default_rng(sum(shape)).uniform(0.1, 0.9, shape).astype(np.float32)).astype(dtype)


# what a call gives of float32 / of the lower precision / of a first operand in the lower precision and float32 for the others
CALLS = {
    "matmul": (F.matmul, [(3, 4), (4, 5)], "LLL"),
    "matmul of batches": (F.matmul, [(2, 3, 4), (2, 4, 5)], "LLL"),
    "matmul by a vector": (F.matmul, [(3, 4), (4,)], "LLL"),
    "matmul of vectors": (F.matmul, [(4,), (4,)], "HLH"),
    "dot": (F.dot, [(4,), (4,)], "HLH"),
    "linear": (F.linear, [(3, 4), (5, 4), (5,)], "LLL"),
    "linear without bias": (F.linear, [(3, 4), (5, 4)], "LLL"),
    "conv1d": (F.conv1d, [(2, 3, 5), (4, 3, 3), (1, 4, 1)], "LLL"),
    "conv2d": (F.conv2d, [(2, 3, 5, 5), (4, 3, 3, 3), (1, 4, 1, 1)], "LLL"),
    "grouped conv2d": (lambda x, w: F.conv2d(x, w, groups=2), [(2, 4, 5, 5), (2, 1, 2, 3, 3)], "LLL"),
    "conv_transpose2d": (F.conv_transpose2d, [(2, 4, 5, 5), (4, 3, 3, 3), (1, 3, 1, 1)], "LLL"),
    "conv3d": (F.conv3d, [(2, 3, 5, 5, 5), (4, 3, 3, 3, 3), (1, 4, 1, 1, 1)], "HLH"),
    "conv_transpose3d": (F.conv_transpose3d, [(2, 4, 5, 5, 5), (4, 3, 3, 3, 3)], "HLH"),
    "local_conv2d": (F.local_conv2d, [(2, 3, 5, 5), (1, 3, 3, 3, 3, 3, 4)], "HLH"),
    "batch_norm": (lambda *x: F.batch_norm(*x, training=True), [(2, 3, 5, 5), *BN], "LLL"),
    "batch_norm that evaluates": (F.batch_norm, [(2, 3, 5, 5), *BN], "LLL"),
    "sync_batch_norm": (lambda x, m, v: F.sync_batch_norm(x, m, v, training=True), [(2, 3, 5, 5), *BN[:2]], "LLL"),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), True, w, b), [(3, 4), (4,), (4,)], "HHH"),
    "plain layer_norm": (lambda x: F.layer_norm(x, (4,), False), [(3, 4)], "HH"),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, True, w, b), [(2, 4, 5, 5), (4,), (4,)], "HHH"),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, True, w, b), [(2, 4, 5, 5), (4,), (4,)], "HLH"),
    "general_norm": (lambda x, w, b: F.general_norm(x, (1,), True, w, b), [(3, 4), (4,), (4,)], "HLH"),
    "div": (F.div, [(3, 4), (3, 4)], "HHH"),
    "div by a number": (lambda x: x / 2, [(3, 4)], "HH"),
    "pow": (F.pow, [(3, 4), (3, 4)], "HHH"),
    "power of 2": (lambda x: x**2, [(3, 4)], "HH"),
    "atan2": (F.atan2, [(3, 4), (3, 4)], "HHH"),
    "logaddexp": (F.logaddexp, [(3, 4), (3, 4)], "HHH"),
    **{name: (getattr(F, name), [(3, 4)], "HH") for name in "exp expm1 log log1p sqrt sin cos tan asin acos atan sinh cosh".split()},
    **{name: (getattr(F, name), [(3, 4)], "HH") for name in "asinh atanh hsigmoid softplus logsigmoid mean var std".split()},
    **{name: (getattr(F, name), [(3, 4)], "HL") for name in "square abs neg relu tanh sigmoid gelu silu relu6 hswish sum prod max".split()},
    "add": (F.add, [(3, 4), (3, 4)], "HLH"),
    "add a number": (lambda x: x + 1.5, [(3, 4)], "HL"),
    "maximum": (F.maximum, [(3, 4), (3, 4)], "HLH"),
    "concat": (lambda x, y: F.concat([x, y]), [(3, 4), (3, 4)], "HLH"),
    "where": (lambda x, y: F.where(x > 0.5, x, y), [(3, 4), (3, 4)], "HLH"),
    "softmax": (lambda x: F.softmax(x, axis=1), [(3, 4)], "HL"),
    "logsoftmax": (lambda x: F.logsoftmax(x, axis=1), [(3, 4)], "HH"),
    "logsumexp": (lambda x: F.logsumexp(x, axis=1), [(3, 4)], "HH"),
    "norm": (lambda x: F.norm(x, axis=1), [(3, 4)], "HH"),
    "normalize": (lambda x: F.normalize(x, axis=1), [(3, 4)], "HH"),
    "cross_entropy": (lambda x: F.loss.cross_entropy(x, LABEL, reduction="none"), [(2, 4)], "HH"),
    "binary_cross_entropy": (lambda x, y: F.loss.binary_cross_entropy(x, y, reduction="none"), [(3, 4), (3, 4)], "HHH"),
    "square_loss": (lambda x, y: F.loss.square_loss(x, y, reduction="none"), [(3, 4), (3, 4)], "HHH"),
    "l1_loss": (lambda x, y: F.loss.l1_loss(x, y, reduction="none"), [(3, 4), (3, 4)], "HLH"),
    "hinge_loss": (lambda x, y: F.loss.hinge_loss(x, y, reduction="none"), [(3, 4), (3, 4)], "HLH"),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), [(2, 3, 4, 4)], "HL"),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(2, 3, 4, 4)], "HL"),
    "warp_affine": (lambda x, m: F.vision.warp_affine(x, m, (4, 4)), [(2, 4, 4, 3), (2, 2, 3)], "HLL"),
    "multi_head_attention": (lambda x: M.MultiHeadAttention(4, 2)(x, x, x)[0], [(2, 3, 4)], "HH"),
    "RNNCell": (lambda x: M.RNNCell(4, 4)(x), [(2, 4)], "HH"),
    "LSTM": (lambda x: M.LSTM(4, 4)(x)[0], [(3, 2, 4)], "HH"),
    "Embedding": (lambda x: M.Embedding(4, 4)(x.astype("int32")), [(3,)], "HH"),
    "Linear": (lambda x: M.Linear(4, 4)(x), [(2, 4)], "LL"),
    "ConvBn2d": (lambda x: M.ConvBn2d(3, 4, 3)(x), [(2, 3, 5, 5)], "LL"),
}


@pytest.mark.parametrize("low", ["float16", "bfloat16"])
@pytest.mark.parametrize("call", CALLS)
def test_dtypes_of_results_and_gradients(call, low):
    function, shapes, wanted = CALLS[call]
    mixes = [["float32"] * len(shapes), [low] * len(shapes), [low] + ["float32"] * (len(shapes) - 1)]
    for kind, dtypes in zip(wanted, mixes, strict=False):
        inputs = [tensor(*shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        with GradManager().attach(inputs) as gm:
            with amp.autocast(low_prec_dtype=low):
                out = function(*inputs)
            assert out.dtype.name == {"L": low, "H": "float32"}[kind], (call, dtypes)
            gm.backward(out)
        for each in inputs:
            assert each.grad is None or each.grad.dtype == each.dtype


def test_results_are_those_of_what_was_cast():
    x, w, b = tensor(2, 3, 5, 5), tensor(4, 3, 3, 3), tensor(1, 4, 1, 1)
    with amp.autocast():
        out, power = F.conv2d(x, w, b), x.astype("float16") ** 2
    half = [each.astype("float16") for each in (x, w, b)]
    np.testing.assert_array_equal(out.numpy(), F.conv2d(*half).numpy())
    np.testing.assert_array_equal(power.numpy(), half[0].numpy().astype(np.float32) ** 2)


@pytest.mark.parametrize("high", ["float16", "bfloat16"])
def test_high_precision_may_be_lower(high):
    x = tensor(3, 4)
    with amp.autocast(high_prec_dtype=high):
        assert {F.exp(x).dtype.name, (x / x).dtype.name, F.layer_norm(x, (4,), False).dtype.name} == {high}
        assert F.exp(nm.Tensor([1])).dtype.name == high
        assert F.softmax(x, axis=1).dtype.name == F.mean(x).dtype.name == "float32"


def test_what_someone_asked_for_stays():
    double, whole = tensor(2, 2, dtype="float64"), nm.Tensor([[3000]])
    with amp.autocast():
        assert F.matmul(double, double).dtype == F.exp(double).dtype == np.float64
        assert F.matmul(whole, whole).item() == 9_000_000
        assert F.matmul(nm.Tensor(np.ones((2, 2), np.uint8)), tensor(2, 2)).dtype == np.float16
        places = F.vision.warp_affine(tensor(1, 1, 3000, 1), nm.Tensor([[[1.0, 0.0, 2049.0], [0.0, 1.0, 0.0]]]), (1, 2))
    np.testing.assert_array_equal(places.numpy().ravel(), tensor(1, 1, 3000, 1).numpy().ravel()[2049:2051])


def test_quantized_layers_stay_exact():
    model, x = M.Sequential(M.QuantStub(), M.Linear(64, 8), M.DequantStub()), tensor(4, 64)
    nm.quantization.quantize_qat(model, qconfig=nm.quantization.min_max_fakequant_qconfig)
    model(x)
    nm.quantization.quantize(model)
    model.eval()
    before = model(x).numpy()
    with amp.autocast(low_prec_dtype="bfloat16"):
        np.testing.assert_array_equal(model(x).numpy(), before)


def test_running_statistics_stay_float32_and_see_what_was_cast():
    x, layer = 1 + 0.001 * tensor(64, 1, 4, 4), M.BatchNorm2d(1)
    with amp.autocast():
        layer(x)
    seen = x.numpy().astype(np.float16).astype(np.float64)
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32
    assert layer.running_mean.item() == pytest.approx(0.1 * seen.mean(), rel=1e-6)
    assert layer.running_var.item() - 0.9 == pytest.approx(0.1 * seen.var(ddof=1), abs=1e-7)


def test_gradients_of_weights_of_batch_norm_do_not_overflow():
    x, weight, bias = (nm.Parameter(each) for each in (np.ones((1, 1, 300, 300), np.float32), [[[[1.0]]]], [[[[0.0]]]]))
    with GradManager().attach([x, weight, bias]) as gm, amp.autocast():
        gm.backward(F.batch_norm(x, weight=weight, bias=bias, training=True))
    assert bias.grad.item() == 90_000  # float16 ends at 65 504


def product():
    one = nm.Tensor([[1.0]])
    return F.matmul(one, one).dtype.name


def test_blocks_nest_and_end():
    with amp.autocast(low_prec_dtype="bfloat16"):
        assert (amp.enabled, amp.low_prec_dtype, amp.high_prec_dtype) == (True, "bfloat16", "float32")
        with amp.autocast():
            assert product() == "float16"
        with amp.autocast(enabled=False, low_prec_dtype="float16"):  # nothing happens, as in MegEngine
            assert product() == "bfloat16"
        assert product() == "bfloat16"
    assert (amp.enabled, product()) == (False, "float32")
    with pytest.raises(KeyError), amp.autocast():
        raise KeyError
    assert product() == "float32"


def test_one_object_may_be_entered_again():
    block = amp.autocast()
    with block, block:
        assert product() == "float16"
    assert product() == "float32"
    assert (block.enabled, block.low_prec_dtype, block.high_prec_dtype) == (True, "float16", "float32")


def test_decorator():
    @amp.autocast(low_prec_dtype="bfloat16")
    def named(x, y=2):
        """Said."""
        return product(), x + y

    assert named(1) == ("bfloat16", 3)
    assert (named.__name__, named.__doc__, product()) == ("named", "Said.", "float32")


def test_settings_of_the_module():
    try:
        amp.enabled = True
        assert product() == "float16"
        amp.low_prec_dtype = "bfloat16"
        assert product() == "bfloat16"
        amp.high_prec_dtype = "float16"
        assert F.exp(nm.Tensor([1.0])).dtype == np.float16
    finally:
        amp.enabled, amp.low_prec_dtype, amp.high_prec_dtype = False, "float16", "float32"
    assert product() == "float32"
    with pytest.raises(ValueError, match="low_prec_dtype must be one of float16, bfloat16, float32, got 'int8'"):
        amp.low_prec_dtype = "int8"


@pytest.mark.parametrize("given", [{"low_prec_dtype": "int8"}, {"high_prec_dtype": "float64"}, {"low_prec_dtype": "half a float"}])
def test_dtypes_that_are_refused(given):
    with pytest.raises(ValueError, match="must be one of float16, bfloat16, float32"):
        amp.autocast(**given)


def test_enabled_that_is_refused():
    with pytest.raises(TypeError, match="enabled must be a bool, got 'no'"):
        amp.autocast(enabled="no")


def test_a_block_holds_for_one_thread():
    seen, inside, done = [], threading.Event(), threading.Event()

    def other():
        with amp.autocast(low_prec_dtype="bfloat16"):
            seen.append(product())
            inside.set()
            done.wait(10)
            seen.append(product())
        seen.append(product())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert product() == "float32"
    with amp.autocast():
        assert product() == "float16"
        done.set()
        thread.join()
        assert product() == "float16"
    assert seen == ["bfloat16", "bfloat16", "float32"]
    assert precision.active == 0


def test_nothing_is_in_the_way_when_it_is_off():
    plans = {name: op.plans for name, op in TABLE.items()}
    with amp.autocast():
        product()
    assert precision.active == 0
    assert all(op.plans is plans[name] and type(op.plans) is dict for name, op in TABLE.items())


class Doubled(Function):
    def forward(self, x):
        self.x = x
        return F.matmul(x, x).astype("float32")

    def backward(self, g):
        return g * F.matmul(self.x, self.x)  # of the dtype of x, also within a block


def test_backward_is_not_cast():
    x = nm.Parameter(tensor(2, 2))
    grads = []
    for inside in (True, False):
        x.grad = None
        with GradManager().attach(x) as gm:
            with amp.autocast():
                y = Doubled()(x) + F.conv3d(x.reshape(1, 1, 1, 2, 2), x.reshape(1, 1, 1, 2, 2)).reshape(1, 1)
                if inside:
                    gm.backward(y)
            if not inside:
                gm.backward(y)
        grads.append(x.grad.numpy())
    np.testing.assert_array_equal(*grads)


def test_custom_ops_of_the_table_know_nothing_of_it():
    with amp.autocast():
        assert TABLE["erf"](tensor(2, dtype="float16")).dtype == np.float16


# Traced functions


def test_traced_programs_belong_to_a_setting():
    @trace
    def f(x):
        return F.matmul(x, x)

    x = tensor(2, 2)
    for _ in range(2):
        assert f(x).dtype == np.float32
        with amp.autocast():
            assert f(x).dtype == np.float16
        with amp.autocast(low_prec_dtype="bfloat16"):
            assert f(x).dtype.name == "bfloat16"
    assert f(x).dtype == np.float32


def test_blocks_within_traced_functions():
    @trace
    def f(x):
        with amp.autocast():
            y = F.matmul(x, x)
        return y, F.matmul(x, x), F.exp(y)

    x = tensor(2, 2)
    first, again = f(x), f(x)
    assert [each.dtype.name for each in again] == ["float16", "float32", "float16"]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_decorated_function_can_be_traced():
    layer = M.Linear(3, 2)

    @trace
    @amp.autocast()
    def f(x):
        return layer(x)

    for _ in range(3):
        x = tensor(4, 3)
        assert f(x).dtype == np.float16
        layer.weight._reset(layer.weight + 1)
        np.testing.assert_array_equal(f(x).numpy(), amp.autocast()(layer)(x).numpy())


def test_a_traced_function_cannot_leave_autocast_on():
    @trace
    def f(x):
        amp.enabled = True
        return x + 1

    try:
        with pytest.raises(TraceError, match=r"changes numod\.amp\.enabled"):
            f(tensor(2))
        assert product() == "float16"
    finally:
        amp.enabled = False


def test_the_way_back_of_a_traced_function_is_not_cast():
    def dot(x):
        return F.dot(x, x * 3)

    x, traced, grads = nm.Parameter(tensor(5)), trace(dot), []
    gm = GradManager().attach(x)
    for function in (dot, traced, traced, traced):
        x.grad = None
        with gm, amp.autocast():
            gm.backward(function(x))
        grads.append(x.grad.numpy())
    np.testing.assert_array_equal(grads, [grads[0]] * 4)


def net():
    nm.random.seed(3)
    return M.Sequential(M.Conv2d(1, 4, 3), M.BatchNorm2d(4), M.ReLU(), M.AvgPool2d(4), M.Conv2d(4, 3, 1))


def trained(steps, traced, **options):
    """Losses, parameters and dtypes after some steps of mixed precision."""
    model = net()
    gm, opt = GradManager().attach(model.parameters()), optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = amp.GradScaler(init_scale=1024.0, **options)
    images, labels = tensor(8, 1, 6, 6), nm.Tensor(np.arange(8, dtype=np.int32) % 3)

    def differentiate(x, y):
        with gm:
            with amp.autocast():
                loss = F.loss.cross_entropy(model(x).reshape(8, 3), y)
            scaler.backward(gm, loss, unscale_grad=False)
        return loss

    run, losses = trace(differentiate) if traced else differentiate, []
    for _ in range(steps):
        losses.append(run(images, labels).item())
        scaler.unscale(model.parameters()).update()
        opt.step().clear_grad()
    return losses, [each.numpy() for each in model.parameters()], scaler


def test_training_traced_and_not():
    losses, values, scaler = trained(12, False, growth_interval=5)
    assert losses[-1] < 0.9 * losses[0]
    assert all(value.dtype == np.float32 for value in values)
    assert scaler.scale_factor == 4096.0  # twice doubled; traced anew each time
    again, traced_values, _ = trained(12, True, growth_interval=5)
    assert losses == again
    for a, b in zip(values, traced_values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_agrees_with_float32():
    def losses(enabled):
        model = net()
        gm, opt = GradManager().attach(model.parameters()), optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            with gm, amp.autocast(enabled):
                loss = F.loss.cross_entropy(model(tensor(8, 1, 6, 6)).reshape(8, 3), nm.Tensor(np.arange(8, dtype=np.int32) % 3))
                gm.backward(loss)
            opt.step().clear_grad()
            yield loss.item()

    np.testing.assert_allclose([*losses(True)], [*losses(False)], rtol=0.01)


# GradScaler


def scaled(scaler, value, **options):
    """One backward of ``w * value``; the gradient of w, or None."""
    w = nm.Parameter([3.0])
    gm = GradManager().attach([w])
    with gm:
        scaler.backward(gm, (w * value).sum(), **options)
    return None if w.grad is None else w.grad.item()


def test_gradients_are_those_without_a_scaler():
    assert scaled(amp.GradScaler(), 2.0) == 2.0
    assert scaled(amp.GradScaler(), 2.0, unscale_grad=False) == 32.0


def test_small_gradients_of_float16_survive():
    w = nm.Parameter(np.float32([3.0]))
    for scaler, wanted in ((amp.GradScaler(init_scale=1.0), 0.0), (amp.GradScaler(init_scale=2.0**14), 2.0**-30)):
        with GradManager().attach([w]) as gm:
            with amp.autocast():
                y = F.matmul(w.reshape(1, 1), nm.Tensor([[2.0**-15]])).sum().astype("float32") * 2.0**-15
            scaler.backward(gm, y)
        assert w.grad.item() == wanted
        w.grad = None


def test_growth():
    scaler, factors = amp.GradScaler(growth_interval=2), []
    for _ in range(5):
        assert scaled(scaler, 2.0) == 2.0
        factors.append((scaler.scale_factor, scaler._growth_tracker))
    assert factors == [(16.0, 1), (32.0, 0), (32.0, 1), (64.0, 0), (64.0, 1)]


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), float("nan")])
def test_backoff(bad):
    scaler = amp.GradScaler()
    scaled(scaler, 1.0)
    assert scaled(scaler, bad) is None
    assert (scaler.scale_factor, scaler._growth_tracker) == (8.0, 0)


def test_one_gradient_that_is_not_finite_drops_all():
    a, b, unused = (nm.Parameter([1.0]) for _ in range(3))
    scaler = amp.GradScaler()
    a.grad, b.grad = nm.Tensor([2.0]), nm.Tensor([float("inf")])
    assert scaler.unscale([a, unused, b]) is scaler
    assert a.grad is None
    assert b.grad is None
    a.grad = nm.Tensor([2.0])
    scaler.unscale([a])  # what was found before is remembered until the update
    scaler.update()
    assert (a.grad.item(), scaler.scale_factor) == (0.125, 8.0)


def test_large_gradients_are_finite():
    x = nm.Parameter([1.0])
    x.grad = nm.Tensor([3e38])  # the square of which is not
    amp.GradScaler().unscale(x)
    assert x.grad.item() == pytest.approx(3e38 / 16)


def test_unscale_works_in_place_and_keeps_dtypes():
    a, b = nm.Parameter([1.0]), nm.Parameter(np.array([1.0], np.float16))
    a.grad, b.grad = nm.Tensor([2.0]), nm.Tensor([2.0], dtype="float16")
    kept = a.grad
    amp.GradScaler().unscale(each for each in (a, b))
    assert (a.grad is kept, a.grad.item(), b.grad.item(), b.grad.dtype.name) == (True, 0.125, 0.125, "float16")


@pytest.mark.parametrize(
    ("update_scale", "unscale_grad", "factor"),
    [(True, True, 32.0), (False, True, 16.0), ("if_unscale_grad", True, 32.0), (True, False, 16.0), ("if_unscale_grad", False, 16.0)],
)
def test_when_the_scale_is_updated(update_scale, unscale_grad, factor):
    scaler = amp.GradScaler(growth_interval=1)
    scaled(scaler, 2.0, update_scale=update_scale, unscale_grad=unscale_grad)
    assert scaler.scale_factor == factor


def test_update_by_hand():
    scaler = amp.GradScaler()
    for given in (100.0, nm.Tensor(50.0)):
        scaler.update(given)
        assert scaler.scale_factor == float(given)


def test_a_scale_that_stays():
    scaler = amp.GradScaler(growth_interval=0)
    assert scaled(scaler, 2.0) == 2.0
    assert scaled(scaler, float("inf")) == float("inf")
    assert scaler.scale_factor == 16.0


def test_several_outputs():
    w, scaler = nm.Parameter([3.0]), amp.GradScaler()
    gm = GradManager().attach([w])
    for dy, wanted in ((None, 5.0), ([nm.Tensor([1.0]), nm.Tensor([10.0])], 32.0)):
        w.grad = None
        with gm:
            scaler.backward(gm, [w * 2, w * 3], dy)
        assert w.grad.item() == wanted
    with gm:
        scaler.backward(gm)
    with gm, pytest.raises(RuntimeError, match="2 outputs but 1 gradients"):
        scaler.backward(gm, [w, w], [w])


def test_state_dict():
    scaler = amp.GradScaler(init_scale=8, growth_interval=3)
    scaled(scaler, 1.0)
    state = scaler.state_dict()
    assert state == {"scale_factor": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3, "_growth_tracker": 1}
    other = amp.GradScaler(growth_factor=7)
    other.load_state_dict({**state, "more": 1})
    assert other.state_dict() == state
    with pytest.raises(KeyError, match="scale_factor, _growth_tracker missing"):
        other.load_state_dict({name: state[name] for name in ("growth_factor", "backoff_factor", "growth_interval")})


@pytest.mark.parametrize(
    "given", [{"init_scale": 0}, {"init_scale": float("nan")}, {"growth_factor": 0.5}, {"backoff_factor": 0}, {"growth_interval": -1}]
)
def test_settings_that_are_refused(given):
    with pytest.raises(ValueError, match=f"GradScaler: .*{next(iter(given))}"):
        amp.GradScaler(**given)


def test_unscale_and_update_cannot_be_traced():
    w = nm.Parameter([3.0])
    gm, scaler = GradManager().attach([w]), amp.GradScaler()

    @trace
    def whole(x):
        with gm:
            scaler.backward(gm, (w * x).sum())

    @trace
    def counted(x):
        scaler.update()
        return x + 1

    with pytest.raises(TraceError, match="elements of a tensor are read"):
        whole(tensor(1))
    w.grad = None
    with pytest.raises(TraceError, match="changes scaler"):
        counted(tensor(1))


def test_what_can_be_traced_follows_the_scale():
    w = nm.Parameter([3.0])
    gm, scaler = GradManager().attach([w]), amp.GradScaler()

    @trace
    def scaled_only(x):
        with gm:
            scaler.backward(gm, (w * x).sum(), unscale_grad=False)

    for factor in (16.0, 16.0, 4.0, 16.0):
        scaler.update(factor)
        w.grad = None
        scaled_only(nm.Tensor([2.0]))
        assert w.grad.item() == 2 * factor
    assert [len(programs) for programs in scaled_only._programs.values()] == [2]

    @trace
    def excluded(x):
        with gm:
            scaler.backward(gm, (w * x).sum(), unscale_grad=False)
        with exclude_from_trace():
            scaler.unscale([w]).update()

    for value, wanted in ((2.0, 2.0), (float("inf"), None), (2.0, 2.0)):
        w.grad = None
        excluded(nm.Tensor([value]))
        assert (None if w.grad is None else w.grad.item()) == wanted
    assert scaler.scale_factor == 8.0


def test_whole_steps_with_a_scale_that_stays_can_be_traced():
    def weights(wrap):
        w = nm.Parameter([3.0])
        gm, opt, scaler = GradManager().attach([w]), optim.SGD([w], lr=0.1), amp.GradScaler(growth_interval=0)

        @wrap
        def step(x):
            with gm:
                scaler.backward(gm, (w * w * x).sum())
            opt.step().clear_grad()

        for value in (1.0, 2.0, 0.5):
            step(nm.Tensor([value]))
            yield w.item()

    assert [*weights(trace)] == [*weights(lambda f: f)]


# Formats


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
def test_formats_of_tensors(shape):
    x = nm.Parameter(tensor(*shape))
    assert amp.convert_tensor_format(x) is x
    other = amp.convert_tensor_format(x, inplace=False)
    assert (type(other), other is x, other.shape, other.format) == (nm.Tensor, False, shape, "default")
    np.testing.assert_array_equal(other.numpy(), x.numpy())


def test_formats_of_modules():
    model, x = net(), tensor(2, 1, 6, 6)
    model.eval()
    before = model(x).numpy()
    assert amp.convert_module_format(model) is model
    other = amp.convert_module_format(model, inplace=False)
    assert other is not model
    assert [name for name, _ in other.named_tensors()] == [name for name, _ in model.named_tensors()]
    model[0].weight._reset(model[0].weight * 2)
    np.testing.assert_array_equal(other(amp.convert_tensor_format(x)).numpy(), before)


def test_formats_of_other_things_are_refused():
    with pytest.raises(TypeError, match="convert_tensor_format: takes a Tensor, got int"):
        amp.convert_tensor_format(3)
    with pytest.raises(TypeError, match="convert_module_format: takes a Module, got Tensor"):
        amp.convert_module_format(tensor(2))
