"""Samplers make the batches they should, with MegEngine's for a seed; data sets, collator, transforms and loader bring them."""

import itertools
import re
import sys
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, strategies as st

from numod.data import (
    Collator,
    DataLoader,
    Infinite,
    MapSampler,
    RandomSampler,
    ReplacementSampler,
    Sampler,
    SequentialSampler,
    StreamSampler,
    transform as T,
)
from numod.data.dataset import ArrayDataset, ConcatDataset, Dataset, StreamDataset


def numbers(count):
    return ArrayDataset(np.arange(count), np.arange(count) * 2.0)


class Stream(StreamDataset):
    def __iter__(self):
        return iter([(i, np.ones(2) * i) for i in range(5)])


# Data sets


def test_array_dataset_gives_tuples():
    dataset = numbers(10)
    assert (dataset[-1], len(dataset), ArrayDataset([1, 2])[0]) == ((9, 18.0), 10, (1,))
    with pytest.raises(IndexError):
        dataset[10]
    for arrays, lengths in (([], "[]"), ([[1], [1, 2]], "[1, 2]")):
        with pytest.raises(ValueError, match=re.escape(f"ArrayDataset: expected arrays of one length, got lengths {lengths}")):
            ArrayDataset(*arrays)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_concat_dataset_is_its_parts_in_a_row(lengths):
    items = np.arange(sum(lengths))
    parts = np.split(items, np.cumsum(lengths)[:-1])
    dataset = ConcatDataset(ArrayDataset(part) for part in parts)
    assert [dataset[i][0] for i in range(len(dataset))] == items.tolist()
    assert [dataset[i][0] for i in range(-len(dataset), 0)] == items.tolist()
    for outside in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match=f"ConcatDataset: index {outside} is out of range for {len(dataset)} items"):
            dataset[outside]


def test_concat_dataset_refuses_nothing_and_streams():
    with pytest.raises(ValueError, match="at least one data set, got none"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="StreamDataset has no items by index"):
        ConcatDataset([Stream()])


def test_base_classes_are_abstract():
    for base in (Dataset, StreamDataset, Sampler, T.Transform):
        with pytest.raises(TypeError):
            base()
    with pytest.raises(TypeError):
        MapSampler(numbers(3))
    for use in (len, lambda stream: stream[0]):
        with pytest.raises(TypeError, match="Stream: a StreamDataset has no"):
            use(Stream())


# Samplers

settings = st.fixed_dictionaries({"batch_size": st.integers(1, 5), "drop_last": st.booleans()})


@pytest.mark.parametrize("kind", [SequentialSampler, RandomSampler])
@given(count=st.integers(1, 30), world_size=st.integers(1, 4), settings=settings, data=st.data())
def test_a_pass_is_a_partition(kind, count, world_size, settings, data):
    """All processes together visit every index, evenly; lengths and batch sizes are as announced."""
    indices = data.draw(st.none() | st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    seed = {"seed": 3} if kind is RandomSampler else {}
    shares = []
    for rank in range(world_size):
        sampler = kind(numbers(count), indices=indices, world_size=world_size, rank=rank, **settings, **seed)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        sizes = [len(batch) for batch in batches]
        assert all(size == settings["batch_size"] for size in (sizes if settings["drop_last"] else sizes[:-1]))
        shares.append(list(itertools.chain(*batches)))
    wanted = range(count) if indices is None else indices
    if not settings["drop_last"]:
        assert {len(share) for share in shares} == {-(-len(wanted) // world_size)}
        assert set(itertools.chain(*shares)) == set(wanted)
    if world_size == 1:
        assert len(set(shares[0])) == len(shares[0])
    if world_size == 1 and kind is SequentialSampler:
        assert shares[0] == list(wanted)[: len(shares[0])]


def test_seeded_samplers_draw_what_megengine_draws():
    dataset = numbers(10)
    random = RandomSampler(dataset, 4, seed=1)
    assert list(random) == [[2, 9, 6, 4], [0, 3, 1, 7], [8, 5]]
    assert list(random) == [[9, 5, 3, 0], [8, 4, 2, 1], [6, 7]]
    assert list(RandomSampler(dataset, 2, indices=[1, 5, 7], seed=0)) == [[7, 5], [1]]
    assert list(RandomSampler(dataset, 2, world_size=2, rank=0, seed=3)) == [[5, 1], [9, 7], [3]]
    assert list(RandomSampler(dataset, 2, world_size=2, rank=1, seed=3)) == [[4, 2], [6, 0], [8]]
    assert list(SequentialSampler(dataset, 2, world_size=3, rank=2)) == [[2, 5], [8, 1]]
    assert list(ReplacementSampler(dataset, 4, seed=1)) == [[5, 8, 9, 5], [0, 0, 1, 7], [6, 9]]
    assert list(ReplacementSampler(dataset, 10, weights=range(10), seed=1)) == [[6, 8, 1, 5, 4, 3, 4, 6, 6, 7]]


def test_without_a_seed_each_sampler_has_its_own_order():
    orders = {tuple(next(iter(RandomSampler(numbers(50), 50)))) for _ in range(3)}
    assert len(orders) == 3


@given(count=st.integers(1, 20), num_samples=st.none() | st.integers(1, 40), settings=settings)
def test_replacement_sampler_draws_as_many_as_asked(count, num_samples, settings):
    sampler = ReplacementSampler(numbers(count), num_samples=num_samples, **settings)
    batches = list(sampler)
    drawn = list(itertools.chain(*batches))
    assert len(batches) == len(sampler)
    assert set(drawn) <= set(range(count))
    if not settings["drop_last"]:
        assert len(drawn) == (count if num_samples is None else num_samples)


def test_replacement_sampler_follows_weights():
    (drawn,) = ReplacementSampler(numbers(3), 30_000, num_samples=30_000, weights=[1, 0, 3], seed=0)
    assert np.bincount(drawn, minlength=3) / 30_000 == pytest.approx([0.25, 0, 0.75], abs=0.01)


def test_infinite_repeats_and_draws_anew():
    batches = iter(Infinite(SequentialSampler(numbers(5), 2)))
    assert [next(batches) for _ in range(5)] == [[0, 1], [2, 3], [4], [0, 1], [2, 3]]
    random = iter(Infinite(RandomSampler(numbers(50), 50, seed=0)))
    assert next(random) != next(random)
    assert len(Infinite(SequentialSampler(numbers(5)))) == sys.maxsize
    with pytest.raises(ValueError, match="the SequentialSampler gives no batches"):
        next(iter(Infinite(SequentialSampler(numbers(3), 4, drop_last=True))))


def test_a_sampler_of_ones_own_needs_one_method():
    class Backwards(MapSampler):
        def sample(self):
            return range(self.num_samples)[::-1]

    assert list(Backwards(numbers(9), 2, num_samples=3)) == [[2, 1], [0]]


dataset = numbers(10)
REFUSED = [
    (lambda: SequentialSampler(dataset, 0), "SequentialSampler: batch_size must be a positive int, got 0"),
    (lambda: SequentialSampler(dataset, True), "batch_size must be a positive int, got True"),
    (lambda: RandomSampler(dataset, 1.5), "RandomSampler: batch_size must be a positive int, got 1.5"),
    (lambda: RandomSampler(dataset, 2, drop_last=3), "RandomSampler: drop_last must be a bool, got 3"),
    (lambda: RandomSampler(dataset, indices=3), "RandomSampler: indices must be a sequence or None, got 3"),
    (lambda: RandomSampler(dataset, world_size=2, rank=2), "rank must be from 0 to world_size - 1 = 1, got 2"),
    (lambda: ReplacementSampler(dataset, num_samples=0), "num_samples must be a positive int, got 0"),
    (lambda: ReplacementSampler(dataset, weights=[1]), "weights must be 10 numbers, one for each item"),
    (lambda: ReplacementSampler(dataset, weights=[0] * 10), "not negative and not all 0"),
    (lambda: ReplacementSampler(dataset, weights=[-1] * 10), "not negative and not all 0"),
    (lambda: StreamSampler(0), "StreamSampler: batch_size must be a positive int, got 0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


# Collator

Pair = namedtuple("Pair", "a b")


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        same(list(a.values()), list(b.values()))
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


COLLATED = [
    ([1, 2], np.array([1, 2])),
    ([True, False], np.array([True, False])),
    ([np.float32(1), np.float32(2)], np.array([1, 2], np.float32)),
    ([(1, 2.0), (3, 4.0)], [np.array([1, 3]), np.array([2.0, 4.0])]),
    ([[1, 2], [3, 4]], [np.array([1, 3]), np.array([2, 4])]),
    ([np.zeros(2), np.ones(2)], np.array([[0.0, 0.0], [1.0, 1.0]])),
    (["a", "b"], ["a", "b"]),
    ([b"a", b"b"], [b"a", b"b"]),
    ([{"x": 1, "y": "s"}, {"x": 2, "y": "t"}], {"x": np.array([1, 2]), "y": ["s", "t"]}),
    ([Pair(1, "s"), Pair(2, "t")], Pair(np.array([1, 2]), ["s", "t"])),
]


@pytest.mark.parametrize(("items", "batch"), COLLATED, ids=lambda value: str(value)[:30])
def test_collator(items, batch):
    same(Collator().apply(items), batch)


UNCOLLATABLE = [
    ([], ValueError, "Collator: expected at least one item, got none"),
    ([np.zeros(2), np.zeros(3)], ValueError, "Collator: arrays of one batch must have one shape, got [(2,), (3,)]"),
    ([[1, 2], [3]], ValueError, "Collator: tuples and lists of one batch must have one length, got [1, 2]"),
    ([None], TypeError, "dicts, tuples or lists of them, got NoneType"),
]


@pytest.mark.parametrize(("items", "error", "message"), UNCOLLATABLE, ids=[message for *_, message in UNCOLLATABLE])
def test_what_cannot_be_collated_is_refused(items, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Collator().apply(items)


# Transforms

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_to_mode_puts_channels_first():
    image = T.ToMode().apply(IMAGE)
    np.testing.assert_array_equal(image, IMAGE.transpose(2, 0, 1))
    assert (image.dtype, image.flags.c_contiguous) == (np.uint8, True)
    image, mask, boxes, category, rest = T.ToMode(order=("image", "mask", "boxes", "image_category")).apply(
        (IMAGE, IMAGE, np.ones((5, 4)), 3, "x")
    )
    assert (image.shape, mask.shape, boxes.shape, category, rest) == ((3, 2, 4), (3, 2, 4), (5, 4), 3, "x")
    with pytest.raises(ValueError, match=r"image must have shape \(H, W, C\), got \(2, 4\)"):
        T.ToMode().apply(IMAGE[:, :, 0])


def test_normalize():
    image = T.Normalize([1, 2, 3], [2, 4, 8]).apply(IMAGE)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, (IMAGE - np.array([1, 2, 3])) / [2, 4, 8])
    assert T.Normalize(1, 2, order=("image", "mask")).apply((IMAGE, IMAGE))[1] is IMAGE


def test_compose_applies_in_order_and_sets_the_order_of_entries():
    class Double(T.Transform):
        def apply(self, input):
            return input * 2

    chain = T.Compose([Double(), T.Normalize(2.0), T.ToMode()])
    np.testing.assert_array_equal(chain.apply(IMAGE), IMAGE.transpose(2, 0, 1) * 2.0 - 2)
    first, second = chain.apply_batch([IMAGE, IMAGE])
    np.testing.assert_array_equal(first, second)
    assert T.Compose([T.ToMode()], order=("mask", "info")).apply((IMAGE, "i"))[1] == "i"
    assert T.Compose().apply(IMAGE) is IMAGE
    assert [repr(t) for t in (chain, Double(), T.PseudoTransform())] == ["Compose", "Double", "PseudoTransform"]


def test_a_vision_transform_of_ones_own_needs_one_method():
    class Invert(T.VisionTransform):
        def _apply_image(self, image):
            return 255 - image

    assert Invert(order=("image_category", "image")).apply((1, 5)) == (1, 250)
    with pytest.raises(ValueError, match="Invert: an item must have the 2 entries"):
        Invert(order=("image", "info")).apply((1,))
    with pytest.raises(ValueError, match="Invert: 'mask' in order is not a kind that it can change"):
        Invert(order=("image", "mask"))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.ToMode("HWC"), ValueError, "ToMode: mode must be 'CHW', got 'HWC'"),
        (lambda: T.Normalize(0, [1, 0]), ValueError, "Normalize: std must not be 0, got [1, 0]"),
        (lambda: T.Compose([len]), TypeError, "Compose: expected Transforms, got builtin_function_or_method"),
    ],
)
def test_wrong_transforms_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


# Loader


def test_loader_brings_batches_of_all_items_in_every_pass():
    loader = DataLoader(numbers(10), SequentialSampler(numbers(10), 4))
    assert len(loader) == 3
    for _ in range(2):
        batches = list(loader)
        same(batches[0], [np.arange(4), np.arange(4) * 2.0])
        assert [len(x) for x, _ in batches] == [4, 4, 2]
    assert len(DataLoader(numbers(10))) == 10


def test_loader_applies_transform_and_collator():
    class First(T.Transform):
        def apply(self, input):
            return input[0] + 100

    class Total(Collator):
        def apply(self, inputs):
            return sum(inputs)

    sampler = SequentialSampler(numbers(4), 2)
    same(list(DataLoader(numbers(4), sampler, First())), [np.array([100, 101]), np.array([102, 103])])
    assert list(DataLoader(numbers(4), sampler, First(), Total())) == [201, 205]


def test_loader_takes_any_sampler_of_indices():
    class Twice(Sampler):
        def __iter__(self):
            return iter([[0, 0], [1]])

    assert [x.tolist() for x, _ in DataLoader(numbers(2), Twice())] == [[0, 0], [1]]
    infinite = DataLoader(numbers(3), Infinite(SequentialSampler(numbers(3), 2)))
    assert [x.tolist() for x, _ in itertools.islice(infinite, 3)] == [[0, 1], [2], [0, 1]]


def test_loader_of_a_stream():
    loader = DataLoader(Stream(), StreamSampler(2))
    for _ in range(2):
        assert [x.tolist() for x, _ in loader] == [[0, 1], [2, 3], [4]]
    assert len(list(DataLoader(Stream()))) == 5
    with pytest.raises(TypeError, match="a stream has no length"):
        len(loader)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataLoader([1, 2]), "DataLoader: expected a Dataset, got list"),
        (lambda: DataLoader(dataset, 3), "DataLoader: ArrayDataset needs a Sampler of indices, got int"),
        (lambda: DataLoader(dataset, StreamSampler()), "DataLoader: ArrayDataset needs a Sampler of indices, got StreamSampler"),
        (lambda: DataLoader(Stream(), SequentialSampler(dataset)), "DataLoader: Stream needs a StreamSampler, got SequentialSampler"),
    ],
)
def test_loader_refuses_what_does_not_fit(make, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        make()
