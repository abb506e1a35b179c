"""Transforms that draw: what they give is a part, a mixture or a move of the image, and all entries of an item go the same way."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from numod.data import transform as T
from numod.data.transform.vision import functional as VF
from numod.errors import MissingExtra


def picture(height=12, width=15):
    """Each pixel says where it is: rows, columns and 7."""
    return np.stack([*np.indices((height, width)), np.full((height, width), 7)], axis=2).astype(np.uint8)


ORDER = ("image", "mask", "coords", "boxes", "keypoints", "polygons", "boxes_category")


def item(height=12, width=15):
    image = picture(height, width)
    coords = np.array([[1.0, 2.0], [width - 1.0, height - 1.0]])
    boxes = np.array([[1.0, 2.0, 4.0, 8.0]])
    keypoints = np.array([[[1.0, 2.0, 2.0]]])
    return image, image[:, :, :1], coords, boxes, keypoints, [[coords]], "cat"


@settings(max_examples=40, deadline=None)
@given(
    make=st.sampled_from(
        [T.RandomHorizontalFlip, T.RandomVerticalFlip, lambda order: T.RandomCrop((7, 20), (1, 2, 0, 3), 9, 9, order=order)]
    ),
    seed=st.integers(0, 1000),
)
def test_all_entries_move_alike(make, seed):
    """The pixel at a coordinate moves with it. (A coordinate is an edge between pixels, so a mirrored pixel begins one before.)"""
    np.random.seed(seed)
    before = item()
    image, mask, coords, boxes, keypoints, polygons, category = make(order=ORDER).apply(before)
    np.testing.assert_array_equal(image[:, :, :1], mask)
    assert category == "cat"
    (x, y) = coords[0]
    mirrored = [image.shape[axis] != before[0].shape[axis] for axis in (0, 1)]
    for column in (int(x), int(x) - 1):
        for row in (int(y), int(y) - 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1] and tuple(image[row, column]) == (2, 1, 7):
                break
        else:
            continue
        break
    else:
        assert any(mirrored)  # the pixel was cropped away
        assert not (image == (2, 1, 7)).all(axis=2).any()
    np.testing.assert_array_equal(keypoints[0, 0], [x, y, 2])
    np.testing.assert_array_equal(polygons[0][0], coords)
    assert sorted([*boxes[0, [0, 2]]]) == [*boxes[0, [0, 2]]]
    assert boxes[0, 2] - boxes[0, 0] == 3
    assert boxes[0, 3] - boxes[0, 1] == 6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), size=st.tuples(st.integers(1, 12), st.integers(1, 15)))
def test_a_random_crop_is_a_part_of_the_image(seed, size):
    np.random.seed(seed)
    part = T.RandomCrop(size).apply(picture())
    assert part.shape[:2] == size
    top, left = part[0, 0, :2]
    np.testing.assert_array_equal(part, picture()[top : top + size[0], left : left + size[1]])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_random_resized_crop_has_the_area_and_ratio_asked_for(seed):
    np.random.seed(seed)
    crop = T.RandomResizedCrop(5, (0.2, 0.5), (0.5, 2.0), order=("image", "coords"))
    image, coords = crop.apply((picture(60, 80), np.array([[0.0, 0.0], [80.0, 60.0]])))
    assert image.shape == (5, 5, 3)
    width, height = 80 * 5 / (coords[1, 0] - coords[0, 0]), 60 * 5 / (coords[1, 1] - coords[0, 1])
    assert 0.18 <= width * height / 4800 <= 0.52
    assert 0.45 <= width / height <= 2.2


def test_a_random_resized_crop_that_does_not_fit_takes_the_middle():
    crop = T.RandomResizedCrop(4, (1.0, 1.0), (1.0, 1.0), interpolation=0)
    np.testing.assert_array_equal(crop.apply(picture(4, 8)), picture(4, 8)[:, 2:6])


def reached(transform, image):
    """What many draws give."""
    np.random.seed(0)
    return np.stack([transform.apply(image) for _ in range(300)]).astype(np.float64)


COLOUR = np.array([[[60, 100, 200]]], np.float32)
GRAY = COLOUR @ [0.114, 0.587, 0.299]


@pytest.mark.parametrize(
    ("transform", "other"),
    [(T.BrightnessTransform(0.2), 0.0), (T.SaturationTransform(0.2), GRAY), (T.ContrastTransform(0.2), GRAY)],
    ids=str,
)
def test_jitter_goes_as_far_as_its_value(transform, other):
    factors = (reached(transform, COLOUR) - other) / (COLOUR - other)
    np.testing.assert_allclose(factors.min(), 0.8, atol=0.01)
    np.testing.assert_allclose(factors.max(), 1.2, atol=0.01)
    assert np.ptp(factors, axis=(1, 2, 3)).max() < 1e-3  # one factor for the whole image


def test_hue_turns_around_the_circle():
    turned = reached(T.HueTransform(0.5), np.array([[[0, 0, 255]]], np.uint8)).reshape(-1, 3)
    assert (turned.max(axis=1) == 255).all()
    assert (turned.min(axis=1) == 0).all()
    for channel in range(3):
        assert 0 in turned[:, channel]
        assert 255 in turned[:, channel]


def test_a_third_of_the_circle_swaps_channels(monkeypatch):
    monkeypatch.setattr(np.random, "uniform", lambda low, high: 1 / 3)
    image = np.array([[[10, 20, 250]]], np.uint8)  # blue, green, red
    assert T.HueTransform(0.5).apply(image).tolist() == [[[20, 250, 10]]]  # red becomes green


def test_noise_and_lighting_have_the_deviation_asked_for():
    image = np.full((100, 100, 3), 128, np.float32)
    np.random.seed(0)
    noisy = T.GaussianNoise(0.1, 0.05).apply(image)
    assert noisy.mean() == pytest.approx(128 + 25.5, abs=0.5)
    assert noisy.std() == pytest.approx(12.75, abs=0.5)
    shifts = reached(T.Lighting(0.5), image[:1, :1]).reshape(-1, 3) - 128
    assert shifts.std(axis=0) == pytest.approx([0.5 * 255 * 0.13] * 3, rel=0.2)


def test_jitter_in_random_order():
    orders = set()
    for seed in range(40):
        np.random.seed(seed)
        orders.add(tuple(type(each).__name__ for each in T.ColorJitter(0.1, 0.1, 0.1).transforms._shuffled()))
    assert len(orders) == 6


def test_compose_shuffles_what_it_is_told():
    transforms = [T.Normalize(std=2.0), T.Normalize(mean=1.0), T.ToMode()]
    results = {float(T.Compose(transforms, shuffle_indices=[(0, 1)]).apply(np.full((1, 1, 1), 4)).ravel()[0]) for _ in range(50)}
    assert results == {1.0, 1.5}
    with pytest.raises(ValueError, match="shuffle_indices must name each of 3 transforms once at most"):
        T.Compose(transforms, shuffle_indices=[(0, 3)])


def test_shortest_edge_draws_from_a_range_or_chooses():
    sizes = {T.ShortestEdgeResize((3, 5), 100).apply(picture()).shape[0] for _ in range(60)}
    assert sizes == {3, 4, 5}
    sizes = {T.ShortestEdgeResize((3, 5), 100, "choice").apply(picture()).shape[0] for _ in range(60)}
    assert sizes == {3, 5}


@pytest.mark.parametrize("interpolation", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(12, 15), (5, 7), (31, 40), (1, 1)])
def test_a_plain_image_stays_plain_at_any_size(interpolation, size):
    resized = VF.resize(np.full((12, 15, 3), 77, np.uint8), size, interpolation)
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, np.full((*size, 3), 77))


def test_pillow_transforms_see_red_green_blue():
    seen = []
    image = np.array([[[1, 2, 3]]], np.uint8)
    same = T.TorchTransformCompose([lambda picture: seen.append(picture.getpixel((0, 0))) or picture]).apply(image)
    assert seen == [(3, 2, 1)]
    np.testing.assert_array_equal(same, image)
    assert T.TorchTransformCompose([lambda picture: picture.convert("L")]).apply(image).shape == (1, 1, 1)
    assert T.TorchTransformCompose([lambda picture: [1.0, 2.0]]).apply(image).tolist() == [1.0, 2.0]


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"TorchTransformCompose needs the extra: pip install 'numod\[image\]'"):
        T.TorchTransformCompose([]).apply(picture())


REFUSED = [
    (lambda: T.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: prob must be from 0 to 1, got 1.5"),
    (lambda: T.CenterCrop((1, 2, 3)), "CenterCrop: size must be a positive int or two of them"),
    (lambda: T.CenterCrop(20).apply(picture()), "CenterCrop: output_size (20, 20) is larger than the image, (12, 15)"),
    (lambda: T.Pad((1, 2, 3)), "pad: size must be 1, 2 or 4 numbers of at least 0, got (1, 2, 3)"),
    (lambda: T.Resize(4).apply(np.zeros((3, 4))), "Resize: an image must be an array (H, W, C), got (3, 4)"),
    (lambda: T.Resize(4, order=["mask"]).apply(picture()), "Resize: an item needs an image to go by, order has ('mask',)"),
    (lambda: T.ShortestEdgeResize(4, 5, "other"), "sample_style must be 'range' or 'choice', got 'other'"),
    (lambda: T.RandomResizedCrop(4, (0.0, 1.0)), "scale_range must be two positive numbers in order, got (0.0, 1.0)"),
    (lambda: T.HueTransform(0.6), "HueTransform: value must be from 0 to 0.5, got 0.6"),
    (lambda: T.HueTransform(0.1).apply(picture()[:, :, :1]), "HueTransform: image must have 3 channels"),
    (lambda: T.Lighting(-1), "Lighting: scale must be at least 0, got -1"),
    (lambda: VF.resize(picture(), (0, 4)), "resize: size must be (height, width), each at least 1, got (0, 4)"),
    (lambda: VF.resize(picture(), (3, 4), 7), "resize: interpolation must be one of [0, 1, 2, 3]"),
    (lambda: VF.to_gray(picture()[:, :, :2]), "to_gray: image must have 3 channels, got shape (12, 15, 2)"),
    (lambda: VF.to_bgr(picture()), "to_bgr: image must have 1 channel, got shape (12, 15, 3)"),
    (lambda: VF.flip(np.zeros((3, 4)), 1), "flip: image must have shape (H, W, C), got (3, 4)"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
