"""trace: a function that is run once in Python, and as one program after that."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from .. import precision, tape as tapes
from ..constants import constant
from ..tensor import Tensor
from .arguments import signature, structure_of, tensors_in
from .capture import Capture, capturing
from .config import DTRConfig, GraphOptimizationConfig, Options, SublinearMemoryConfig
from .differentiation import Backward, Differentiable, Recorded, leaves_of, split, tracked
from .dumping import OTHER_OPTIONS, DumpResult, check_options, dump
from .errors import TraceError
from .footprint import Memory, eager_footprint, footprint
from .graph import Graph
from .passes import optimize
from .profiling import Profiled
from .replay import Argument, Draw, Effects, Gradient, Place, Rate, Replay, grads
from .state import State, line_of_change

_logger = logging.getLogger(__name__)
_KEPT = 16  # programs of one function
_CHURN = 8  # programs made one after the other, with no use of one, before a warning


class trace:
    """Run a function as one program, from the second call on.

    The first call of a kind runs the function in Python and writes down what it does with tensors: forward, `GradManager.backward`, optimizer
    steps, statistics, random numbers. Later calls run that program. What a call has to have in common with the first one: shapes, dtypes and devices of
    the tensors, all other arguments, autocast, and the Python objects that the function reaches (modules and their training flags, settings of
    optimizers); else it is traced anew. The values of all tensors may change, learning rates too.

    symbolic, without_host, symbolic_shape: taken as MegEngine takes them; a program never runs the Python code of the function.
    opt_level: 0 for no passes over the program, else all that ``graph_opt_config`` does not switch off.
    capture_as_const: tensors that are no arguments keep the values that they have now.
    record_only: a call changes nothing but only makes the program, for `dump`.
    profiling: time every op of the program; see `get_profile`.
    graph_opt_config: which passes, see `GraphOptimizationConfig`. sublinear_memory_config, dtr_config: memory for time, see `SublinearMemoryConfig` and
        `DTRConfig`; for functions that go forward and back. ``memory`` says what it brought.

    >>> import numod as nm, numod.functional as F
    >>> @trace
    ... def poly(x):
    ...     return F.exp(x) * 2 + 1
    >>> [poly(nm.Tensor([0.0, float(i)])).shape for i in range(3)]
    [(2,), (2,), (2,)]
    """

    def __new__(cls, *args: Any, **kwargs: Any):
        """``trace(**options)`` is a decorator that waits for its function."""
        if not args:
            return functools.partial(cls, **kwargs)
        return super().__new__(cls)

    def __init__(
        self,
        function: Callable,
        symbolic: bool = False,
        capture_as_const: bool = False,
        record_only: bool = False,
        sublinear_memory_config: SublinearMemoryConfig | None = None,
        dtr_config: DTRConfig | None = None,
        profiling: bool = False,
        opt_level: int = 2,
        graph_opt_config: GraphOptimizationConfig | None = None,
        symbolic_shape: bool = True,
        without_host: bool = False,
    ):
        if not callable(function):
            raise TypeError(f"trace: takes a function, got {type(function).__name__}")
        self.__wrapped__ = function
        functools.update_wrapper(self, function)
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.symbolic, self.without_host = symbolic, without_host
        self.capture_as_const, self.record_only = capture_as_const or record_only, record_only
        self.profiling = profiling
        kinds = {"graph_opt_config": GraphOptimizationConfig, "sublinear_memory_config": SublinearMemoryConfig, "dtr_config": DTRConfig}
        for (name, kind), value in zip(kinds.items(), (graph_opt_config, sublinear_memory_config, dtr_config), strict=True):
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"trace: {name} must be a {kind.__name__}, got {type(value).__name__}")
        saving = [config for config in (sublinear_memory_config, dtr_config) if config is not None]
        self._options = Options(graph_opt_config or GraphOptimizationConfig(), opt_level, saving)
        self._programs: dict[tuple, list[Any]] = {}  # of Replay or Recorded
        self._last: Replay | None = None
        self._unused = 0
        self._excluded = False

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns: by a program that was made for such a call, or by running it, which makes one."""
        if self._excluded or capturing():
            return self.__wrapped__(*args, **kwargs)
        arguments, key = signature(args, kwargs)
        recording = tapes.active and tapes.current().recording
        casts = precision.current() if precision.active else None
        for replay in self._programs.get((key, recording, casts), ()):
            if replay.fits(arguments):
                self._unused = 0
                return replay(arguments)
        return self._trace(args, kwargs, arguments, (key, recording, casts))

    def _trace(self, args: tuple, kwargs: dict[str, Any], arguments: Sequence[Tensor], key: tuple) -> Any:
        """Run the function, and make a program of what it does."""
        known = self._programs.setdefault(key, [])
        self._warn_of_churn(known, arguments)
        state = State({self.__name__: self.__wrapped__, **{f"argument {i}": each for i, each in enumerate(args)}, **kwargs})
        graded = grads(state, arguments)
        tensors = [*arguments, *state.tensors.values()]
        pattern = tracked(tensors)
        wanted = [tensor for tensor, each in zip(tensors, pattern, strict=True) if each]
        stand_ins = [(group, group["lr"], _stand_in(group)) for _, group in state.rates]
        for group, _, stand_in in stand_ins:
            group["lr"] = stand_in
        capture, backward = Capture(), None
        capture.begin()
        try:
            with leaves_of(wanted) as leaves:
                result = self.__wrapped__(*args, **kwargs)
                if leaves:
                    before = capture.there_before()
                    backward = Backward(capture, [leaf for leaf in tensors_in(result) if id(leaf) not in before], leaves)
            rates = {id(x): Rate(name, group, "lr", x._spec) for (name, group), (_, _, x) in zip(state.rates, stand_ins, strict=True)}
            sources, effects = _ends(capture, result, arguments, rates)
            reshaped = capture.reshaped()
            kept = all(group["lr"] is stand_in for group, _, stand_in in stand_ins)
        finally:
            capture.end(undo=self.record_only and not capture.excluded)
            for group, rate, stand_in in stand_ins:
                if group["lr"] is stand_in:
                    group["lr"] = rate
        if backward is not None:
            backward.attach([tapes.source(tensor) for tensor in wanted])
        if capture.excluded:
            self._excluded = True
            return result
        self._refuse_side_effects(state, kept, precision.current() == key[2])
        _name(capture.graph, sources, state)
        if self.capture_as_const:
            sources = _fixed(capture.graph, sources)
        made: Any
        if backward is not None:
            sources, values, graph = split(capture.graph, sources, backward)
        made = self._last = (Profiled if self.profiling else Replay)(
            capture.graph,
            sources,
            state,
            graded,
            effects,
            [reshaped.get(id(tensor), tensor._spec) for tensor in arguments],
            self._options,
            reshaped,
            distinct=len({*map(id, arguments)}) == len(arguments),
        )
        if backward is not None:
            made = Differentiable(made, pattern, values, graph, backward)
        elif key[1]:
            made = Recorded(made, pattern)
        known.insert(0, made)
        del known[_KEPT:]
        return result

    def _refuse_side_effects(self, state: State, rates_kept: bool, casts_kept: bool) -> None:
        changed = state.difference() or state.updated()
        if changed is None and rates_kept and casts_kept:
            return
        name, owner = changed or ("numod.amp.enabled" if rates_kept else "the learning rate", None)
        line = line_of_change(name, owner, self.__wrapped__)
        raise TraceError(
            f"trace: {self.__name__} changes {name}{f' ({line})' if line else ''}, which is not a tensor; a program would not do it. "
            "Do it outside of what is traced, keep it in a Tensor that is changed in place, or return it"
        )

    def _warn_of_churn(self, known: Sequence[Any], arguments: Sequence[Tensor]) -> None:
        self._unused += 1
        if self._unused == _CHURN:
            reason = known[0].mismatch(arguments) if known else "the shapes or dtypes of tensors, or other arguments"
            _logger.warning(
                "trace: %s was traced %d times in a row and no program was used again; what differs from call to call: %s",
                self.__name__,
                _CHURN,
                reason,
            )

    def dump(
        self,
        file: str | os.PathLike | BinaryIO,
        *,
        arg_names: Sequence[str] | str | None = None,
        output_names: Sequence[str] | str | None = None,
        append: bool = False,
        keep_var_name: int = 1,
        keep_opr_name: bool = False,
        keep_param_name: bool = False,
        keep_opr_priority: bool = False,
        no_change_graph: bool = False,
        strip_info_file: Any = None,
        append_json: bool = False,
        optimize_for_inference: bool = True,
        user_info: Any = None,
        enable_metadata: bool = True,
        input_data: Any = None,
        repeat: int = 1,
        silent: bool = False,
        no_assert: bool = False,
        maxerr: float = 1e-4,
        resize_input: bool = False,
        input_transform: Any = None,
        dump_format: str | None = None,
        model_version: int = 2,
        **kwargs: Any,
    ) -> DumpResult:
        """Write the program that was made last, with the values that all tensors have now, to a file that `numod.jit.load` runs without the code.

        A program that changes tensors, such as a training step, takes them with it: those, what optimizers keep and learning rates are in the file as they
        are now, and the loaded program goes on from there. It must do the same at each call, so that grads are cleared in the function, or were there
        before the call too; it must not change its arguments, and not be traced with ``capture_as_const``, which keeps all tensors as they are.
        Random numbers are drawn from the functions of `numod.random`, as here. Arguments that are no tensors are part of the program.

        file: a path, or an object with ``write``.
        arg_names, output_names: of the tensors among the arguments and in the result, in order; ``arg_0`` and ``output_0`` and so on if None.
        keep_opr_name: keep the lines of your code that the calls come from, for messages. keep_param_name: keep the names of weights that no call
            changes; of others the names are always kept.
        optimize_for_inference: let the passes work on the program when it is loaded.
        user_info: what the loaded program has as ``user_info``: anything that `numod.save` takes. Not kept without ``enable_metadata``.
        keep_var_name, no_change_graph: nothing to choose, the graph and these names are kept as they are. All other options are those of MegEngine's
        own files and must keep their defaults, but for the ``enable_...`` about layouts and fusion, which the computer that loads the file chooses.
        """
        others = {name: value for name, value in locals().items() if name in OTHER_OPTIONS}
        check_options(others, kwargs)
        info = user_info if enable_metadata else None
        replay = self._program("trace.dump")
        if self.capture_as_const and replay.effects.changed:
            raise TraceError(
                f"trace.dump: {self.__name__} was traced with capture_as_const or record_only, by which {replay.name_of(replay.effects.changed[0])} "
                "keeps the value that it has, and changes it; leave that option out, or do not change tensors (is a module in training?)"
            )
        return dump(replay, file, arg_names, output_names, optimize_for_inference, keep_opr_name, keep_param_name, info)

    def _program(self, what: str) -> Replay:
        if self._last is None:
            raise TraceError(f"{what}: {self.__name__} has not been traced yet; call it once")
        return self._last

    def get_profile(self) -> dict[str, Any]:
        """How long each call of the program takes that was made last, on what it read last: of some rounds the least, each call by itself.

        The function must be traced with ``profiling=True`` and have been called twice. The result can be written as JSON:
        ``calls``, each with ``name``, shapes of ``inputs`` and ``outputs``, ``seconds`` and ``where``, the line of your code; and their sum ``seconds``.
        """
        replay = self._program("trace.get_profile")
        if not isinstance(replay, Profiled):
            raise TraceError(f"trace.get_profile: {self.__name__} must be traced with profiling=True")
        timings = replay.profile()
        if timings is None:
            raise TraceError(f"trace.get_profile: the program of {self.__name__} was not run yet; call it once more")
        return {"seconds": sum(each.seconds for each in timings), "calls": [each._asdict() for each in timings]}

    @property
    def memory(self) -> Memory:
        """How much memory the values of the program take that was made last, and would take without configurations that save it, and without tracing."""
        replay = self._program("trace.memory")
        plain = replay.captured.copy()
        optimize(plain, self._options._replace(saving=()))
        return Memory(footprint(replay.graph), footprint(plain), eager_footprint(replay.captured))

    @property
    def graph(self) -> Graph:
        """The program that was made last; its text is that of ``print``."""
        return self._program("trace.graph").graph


def _stand_in(group: dict[str, Any]) -> Tensor:
    """A tensor in the place of the learning rate of a group of parameters, while a function is traced."""
    first = group["params"][0]
    return constant(group["lr"], first.dtype, first.device).detach()


def _ends(capture: Capture, result: Any, arguments: Sequence[Tensor], rates: dict[int, Rate]) -> tuple[list[Any], Effects]:
    """Where the inputs of what was captured come from, and where its results go; the results are put into the graph.

    rates: by the ids of the tensors that stood in for them.
    """
    places = {id(tensor): index for index, tensor in enumerate(arguments)}
    before = capture.there_before()

    def place(tensor: Tensor) -> Place:
        if id(tensor) in places:
            return Argument(places[id(tensor)])
        of = capture.gradient_of.get(id(tensor))
        return tensor if of is None else Gradient(place(of))  # type: ignore[arg-type]

    leaves = list(tensors_in(result))
    changed, graded = capture.changed(), capture.graded()
    new = [*changed, *(tensor._grad for tensor in graded if tensor._grad is not None), *(leaf for leaf in leaves if id(leaf) not in before)]
    capture.graph.results = [capture.operand(tensor) for tensor in new]
    inputs = {id(source): value for source, value in zip(capture.sources, capture.graph.inputs, strict=True)}
    capture.graph.updates = {n: inputs[id(t)] for n, t in enumerate(changed) if place(t) is t and id(t) in inputs}
    effects = Effects(
        changed=[place(tensor) for tensor in changed],
        graded=[place(tensor) for tensor in graded if tensor._grad is not None],
        leaves=[place(leaf) if id(leaf) in before else None for leaf in leaves],
        cleared=[place(tensor) for tensor in graded if tensor._grad is None],
        specs=[tensor._spec for tensor in new],
        structure=structure_of(result),
    )
    sources = [Draw(*s) if isinstance(s, tuple) else rates.get(id(s)) or place(s) for s in capture.sources]
    return sources, effects


def _name(graph: Graph, sources: Sequence[Any], state: State) -> None:
    """Give the inputs names for texts and pictures."""
    for value, source in zip(graph.inputs, sources, strict=True):
        if isinstance(source, Argument):
            value.name, value.argument = f"arg_{source.place}", True
        elif isinstance(source, Tensor):
            value.name = state.names.get(id(source), source.name)
        elif isinstance(source, Rate):
            value.name = "lr"


def _fixed(graph: Graph, sources: Sequence[Any]) -> list[Any]:
    """The sources but for tensors that are no arguments, which become constants of the graph."""
    kept: list[Any] = []
    inputs, graph.inputs = graph.inputs, []
    for value, source in zip(inputs, sources, strict=True):
        if isinstance(source, (Tensor, Gradient)):
            value.buffer, value.given = (source if isinstance(source, Tensor) else source.of.grad)._buffer, -1  # type: ignore[union-attr]
        else:
            graph.inputs.append(value)
            kept.append(source)
    return kept


@contextlib.contextmanager
def exclude_from_trace() -> Iterator[None]:
    """Leave a block out of what is traced, because it needs Python at each call: it prints, reads values, counts.

    A function that enters such a block is run in Python, all of it, at every call.

    >>> import numod as nm
    >>> @trace
    ... def halved(x):
    ...     with exclude_from_trace():
    ...         total = x.sum().item()
    ...     return x / 2 if total > 0 else x
    >>> halved(nm.Tensor([2.0])).item(), halved(nm.Tensor([-2.0])).item()
    (1.0, -2.0)
    """
    capture = capturing()
    if capture is not None:
        capture.excluded = True
    yield


def partial_trace(func: Callable | None = None, *, backend: str = "default", without_host: bool = True, **trace_options: Any) -> Any:
    """Decorator: trace a function that is a part of what a GradManager records; gradients flow through it. See `trace` for the options.

    >>> import numod as nm
    >>> @partial_trace
    ... def square(x):
    ...     return x * x
    >>> w = nm.Parameter([3.0])
    >>> for _ in range(2):
    ...     with nm.autodiff.GradManager().attach(w) as gm:
    ...         gm.backward(square(w) * 2)
    >>> w.grad.item()
    24.0
    """
    if backend != "default":
        raise ValueError(f"partial_trace: backend must be 'default', got {backend!r}")
    made = trace(without_host=without_host, **trace_options)
    return made if func is None else made(func)
