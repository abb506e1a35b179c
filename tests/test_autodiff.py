"""GradManager and Function: what is recorded, what gradients come out, and that nothing is kept."""

import gc
import resource
import threading
import weakref

import numpy as np
import pytest

import numod.functional as F
from numod import Parameter, Tensor
from numod.autodiff import Function, GradManager
from numod.kernel import runtime


def grad_of(function, *values):
    """Gradients of sum(function(*tensors)) at ``values``."""
    tensors = [Tensor(value) for value in values]
    gm = GradManager().attach(tensors)
    with gm:
        gm.backward(function(*tensors).sum())
    return [None if t.grad is None else t.grad.numpy() for t in tensors]


def test_nothing_is_differentiated_until_attached():
    x = Tensor([1.0])
    gm = GradManager()
    with gm:
        gm.backward((x * x).sum())
    assert x.grad is None


def test_gradients_add_up_in_the_same_object():
    w = Parameter([3.0])
    gm = GradManager().attach(w)
    with gm:
        gm.backward(w * w)
    first = w.grad
    for times in (2, 3):
        with gm:
            gm.backward(w * w)
        assert first.item() == 6.0 * times
    assert w.grad is first


def test_two_tensors_with_the_same_gradient_do_not_share_it():
    a, b = Tensor([1.0]), Tensor([2.0])
    gm = GradManager().attach([a, b])
    with gm:
        gm.backward(a + b)
    with gm:
        gm.backward(a * 1.0)
    assert (a.grad.item(), b.grad.item()) == (2.0, 1.0)


def test_callbacks_run_in_order_and_may_drop_the_gradient():
    seen = []
    w, v = Tensor([1.0]), Tensor([1.0])
    gm = GradManager()
    gm.attach(w, [lambda t, g: seen.append(g.item()) or g * 2, lambda t, g: g + 1]).attach(v, lambda t, g: None)
    with gm:
        gm.backward(w * 5 + v)
    assert seen == [5.0]
    assert w.grad.item() == 11.0
    assert v.grad is None


def test_second_backward_needs_a_second_recording():
    w = Tensor([1.0])
    gm = GradManager().attach(w)
    with gm:
        y = w * w
        gm.backward(y)
        with pytest.raises(RuntimeError, match="no computation history"):
            gm.backward(y)
    with pytest.raises(RuntimeError, match="no computation history"):
        gm.backward(y)


def test_recording_twice_is_refused_and_release_may_be_repeated():
    gm = GradManager()
    gm.record()
    with pytest.raises(RuntimeError, match="already recording"):
        gm.record()
    gm.release()
    gm.release()


def test_an_exception_ends_the_recording():
    gm = GradManager()
    with pytest.raises(KeyError), gm:
        raise KeyError("x")
    with gm:
        pass


@pytest.mark.parametrize("what", [3, [1.0], Tensor([1, 2]), [Tensor([1.0]), "x"]])
def test_only_float_tensors_are_attached(what):
    with pytest.raises((TypeError, AssertionError)):
        GradManager().attach(what)


def test_attached_tensors_are_held_weakly():
    gm = GradManager()
    x = Tensor([1.0])
    gm.attach(x)
    assert gm.attached_tensors() == [x] or gm.attached_tensors()[0] is x
    del x
    gc.collect()
    assert gm.attached_tensors() == []


def test_mutation_while_recording_differentiates_the_value_that_was_used():
    w = Tensor([2.0, 3.0])
    gm = GradManager().attach(w)
    with gm:
        y = w * w
        w += 1
        z = w * w
        gm.backward((y + z).sum())
    np.testing.assert_allclose(w.grad.numpy(), [2 * 2 + 2 * 3, 2 * 3 + 2 * 4])


def test_overwritten_entries_get_no_gradient():
    w, v = Tensor([2.0, 3.0, 4.0]), Tensor([7.0])
    gm = GradManager().attach([w, v])
    with gm:
        x = w * 1
        x[1] = v
        gm.backward((x * x).sum())
    np.testing.assert_allclose(w.grad.numpy(), [4, 0, 8])
    np.testing.assert_allclose(v.grad.numpy(), [14])


def test_set_value_cuts_the_history():
    w = Tensor([2.0])
    gm = GradManager().attach(w)
    with gm:
        w.set_value([5.0])
        gm.backward(w * w)
    assert w.grad is None
    assert w.item() == 5.0


def test_an_intermediate_may_be_attached_and_the_gradient_goes_on():
    p = Tensor([3.0])
    gm = GradManager().attach(p)
    with gm:
        a = p * 2
        gm.attach(a)
        gm.backward(a * 3)
    assert (a.grad.item(), p.grad.item()) == (3.0, 6.0)


def test_dy_weighs_the_outputs():
    x = Tensor([1.0, 2.0])
    gm = GradManager().attach(x)
    with gm:
        gm.backward([x * x, x + 1], [Tensor([1.0, 10.0]), Tensor([100.0, 100.0])])
    np.testing.assert_allclose(x.grad.numpy(), [102, 140])


@pytest.mark.parametrize("dy", [Tensor([1.0]), Tensor(1.0), Tensor([1, 1]), [Tensor([1.0, 1.0])] * 2, np.ones(2)])
def test_a_dy_that_does_not_fit_is_refused(dy):
    x = Tensor([1.0, 2.0])
    gm = GradManager().attach(x)
    with gm, pytest.raises((RuntimeError, TypeError)):
        gm.backward(x * x, dy)


@pytest.mark.parametrize("y", [None, []])
def test_backward_of_nothing_does_nothing(y):
    gm = GradManager().attach(Tensor([1.0]))
    with gm:
        gm.backward(y)


def test_group_records_for_each():
    a, b = Tensor([2.0]), Tensor([3.0])
    gm1, gm2 = GradManager().attach(a), GradManager().attach(b)
    with gm1 | gm2:
        y = a * b
        gm1.backward(y)
        gm2.backward(y)
    assert (a.grad.item(), b.grad.item()) == (3.0, 2.0)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nested_managers_give_higher_derivatives(order):
    """d^n/dx^n of x^5, the inner managers finishing first."""
    x = Tensor([2.0])
    managers = [GradManager().attach(x) for _ in range(order)]
    for gm in managers:
        gm.record()
    y = x**5.0
    for gm in reversed(managers):
        x.grad = None
        gm.backward(y)
        y = x.grad
    expected = np.prod([5 - k for k in range(order)]) * 2.0 ** (5 - order)
    assert x.grad.item() == pytest.approx(expected, rel=1e-5)


def test_outer_manager_outlives_many_inner_ones():
    w = Tensor([1.0])
    outer, inner = GradManager().attach(w), GradManager().attach(w)
    with outer:
        for _ in range(3):
            with inner:
                w.grad = None
                inner.backward(w * w)
        total = w.grad * w
        w.grad = None
        outer.backward(total)
    assert w.grad.item() == pytest.approx(4.0)


def test_control_flow_and_reuse():
    w = Tensor([0.5])
    gm = GradManager().attach(w)
    with gm:
        y, steps = w, 0
        while y.item() < 10:
            y, steps = y * 3 if steps % 2 else y + w, steps + 1
        gm.backward(y)
    h = 1e-3
    values = []
    for v in (0.5 - h, 0.5 + h):
        y, k = v, 0
        while k < steps:
            y, k = y * 3 if k % 2 else y + v, k + 1
        values.append(y)
    assert w.grad.item() == pytest.approx((values[1] - values[0]) / (2 * h), rel=1e-3)


def test_a_long_chain_needs_no_recursion():
    x = Tensor([1.0])
    gm = GradManager().attach(x)
    with gm:
        y = x
        for _ in range(10_000):
            y = y + x
        gm.backward(y)
    assert x.grad.item() == 10_001
    del y


def test_detach_stops_the_gradient():
    (gradient,) = grad_of(lambda x: x * x.detach(), [3.0])
    assert gradient.item() == 3.0


def test_integer_steps_stop_the_gradient():
    (gradient,) = grad_of(lambda x: x.astype("int32").astype("float32") + x, [3.0])
    assert gradient.item() == 1.0


def test_the_graph_dies_with_the_recording():
    w = Tensor(np.ones(1000))
    gm = GradManager().attach(w)
    before = runtime.memory()["live"]
    with gm:
        y = w
        for _ in range(50):
            y = F.exp(y * 0.01)
        held = runtime.memory()["live"] - before
    gc.collect()
    assert held > 50 * 4000
    assert runtime.memory()["live"] - before <= 2 * 4096  # y itself


def test_a_branch_that_nobody_uses_is_freed_while_recording():
    w = Tensor(np.ones(1000))
    gm = GradManager().attach(w)
    before = runtime.memory()["live"]
    with gm:
        for _ in range(5000):
            F.exp(w)
        assert runtime.memory()["live"] - before < 1200 * 4096


def test_training_steps_leak_nothing():
    w = Parameter(np.ones((16, 16)))
    gm = GradManager().attach(w)

    def step():
        with gm:
            loss = F.exp(w * 0.1).sum()
            gm.backward(loss)
        w._reset(w - 0.001 * w.grad)
        w.grad = None
        return loss

    losses = [step() for _ in range(200)]
    gc.collect()
    live, rss = runtime.memory()["live"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10_000):
        step()
    gc.collect()
    assert runtime.memory()["live"] <= live
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss < 8_000  # kB
    assert len(losses) == 200


def test_kept_losses_do_not_keep_their_graphs():
    w = Parameter(np.ones(10_000))
    gm = GradManager().attach(w)
    kept = []
    for _ in range(20):
        with gm:
            loss = F.exp(w).sum()
            kept.append(loss + F.exp(w).mean())  # a branch that backward does not visit
            gm.backward(loss)
        w.grad = None
    gc.collect()
    before = runtime.memory()["live"]
    del kept
    gc.collect()
    assert before - runtime.memory()["live"] < 20 * 128


def test_threads_record_independently():
    w = Parameter([2.0])
    results = {}

    def run(name, factor):
        x = Tensor([factor])
        gm = GradManager().attach(x)
        for _ in range(300):
            with gm:
                gm.backward(w * x * x)
        results[name] = x.grad.item()

    threads = [threading.Thread(target=run, args=(i, float(i + 1))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: pytest.approx(300 * 4.0 * (i + 1)) for i in range(4)}


def test_one_parameter_in_managers_of_two_threads():
    w = Parameter([3.0])
    barrier = threading.Barrier(2)
    gradients = []

    def run(delay):
        gm = GradManager().attach(w, lambda t, g: gradients.append(g.item()))
        for _ in range(200):
            barrier.wait()
            with gm:
                y = w * w
                for _ in range(delay):
                    y = y + w * 0.0
                gm.backward(y)

    threads = [threading.Thread(target=run, args=(d,)) for d in (0, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gradients == [6.0] * 400


class Square(Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return dy * 2 * self.x


def test_function_uses_its_authors_backward():
    (gradient,) = grad_of(lambda x: Square()(x) * 3, [5.0])
    assert gradient.item() == 30.0


def test_one_function_object_may_be_called_twice():
    square = Square()
    a, b = grad_of(lambda a, b: square(a) + square(b), [2.0], [5.0])
    assert (a.item(), b.item()) == (4.0, 10.0)


def test_function_with_several_inputs_and_outputs():
    class Both(Function):
        def forward(self, x, y):
            return x + y, x - y

        def backward(self, plus, minus):
            assert minus is None
            return plus, plus * 10

    x, y = grad_of(lambda x, y: Both()(x, y)[0], [1.0], [2.0])
    assert (x.item(), y.item()) == (1.0, 10.0)


def test_function_without_backward_says_so():
    class Forward(Function):
        def forward(self, x):
            return x + 1

    x = Tensor([1.0])
    gm = GradManager().attach(x)
    with gm, pytest.raises(NotImplementedError, match="Forward"):
        gm.backward(Forward()(x))


def test_function_takes_only_tensors():
    with pytest.raises(TypeError, match="Square: takes tensors, got float"):
        Square()(1.0)


def test_weak_reference_to_an_output_dies_with_it():
    w = Tensor([1.0])
    gm = GradManager().attach(w)
    with gm:
        y = F.exp(w)
        ref = weakref.ref(y)
        del y
        assert ref() is None
