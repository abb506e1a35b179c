"""Data sets of images read the files of their published layouts, and say what is missing. (Values as MegEngine 1.13 gives them for the same files.)"""

import gzip
import json
import pickle
import re
import struct
import sys

import numpy as np
import pytest

from numod.data import DataLoader, RandomSampler
from numod.data.dataset import CIFAR10, CIFAR100, COCO, MNIST, Cityscapes, ImageFolder, ImageNet, Objects365, PascalVOC, VisionDataset
from numod.errors import MissingExtra

Image = pytest.importorskip("PIL.Image")


def picture(seed, *shape):
    return np.random.RandomState(seed).randint(0, 256, (*shape, 3)).astype(np.uint8)


def write(path, bgr):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]) if bgr.ndim == 3 else bgr).save(path)


# Digits


def write_digits(folder, part, images, labels, pack):
    for name, magic, array in ((f"{part}-images-idx3-ubyte", 2051, images), (f"{part}-labels-idx1-ubyte", 2049, labels)):
        content = struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.tobytes()
        (folder / (name + ".gz" if pack else name)).write_bytes(gzip.compress(content) if pack else content)


@pytest.mark.parametrize("pack", [True, False])
def test_mnist(tmp_path, pack):
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)
    write_digits(tmp_path, "train", images, np.array([7, 1], np.uint8), pack)
    write_digits(tmp_path, "t10k", images[:1], np.array([3], np.uint8), pack)
    digits = MNIST(tmp_path)
    assert (len(digits), len(MNIST(tmp_path, train=False))) == (2, 1)
    image, label = digits[1]
    np.testing.assert_array_equal(image, images[1][:, :, None])
    assert (label, label.dtype) == (1, np.int32)
    (batch,) = DataLoader(digits, RandomSampler(digits, 2, seed=0))
    assert batch[0].shape == (2, 28, 28, 1)


def test_damaged_digits_are_an_error(tmp_path):
    write_digits(tmp_path, "train", np.zeros((2, 28, 28), np.uint8), np.zeros(3, np.uint8), False)
    with pytest.raises(ValueError, match="has 2 images and 3 labels"):
        MNIST(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    for content in (path.read_bytes()[:-1], b"", b"\0\0\0\0" + path.read_bytes()[4:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="train-images-idx3-ubyte' is damaged"):
            MNIST(tmp_path)


# Small pictures, in pickles that Python 2 wrote


def old(value):
    """A pickle as Python 2 made it, with its strings of bytes."""
    if isinstance(value, bytes):
        return b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(old, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(old(key) + old(item) for key, item in value.items()) + b"u"
    dtype = b"cnumpy\ndtype\n(" + old(b"u1") + b"K\x00K\x01tR(K\x03" + old(b"|") + b"NNN" + old(-1) + old(-1) + b"K\x00tb"
    state = b"(K\x01(" + b"".join(map(old, value.shape)) + b"t" + dtype + b"I00\n" + old(value.tobytes()) + b"t"
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + old(b"b") + b"tR" + state + b"b"


def python2(value):
    return b"\x80\x02" + old(value) + b"."


def python3(value):
    return pickle.dumps(value, 2)


@pytest.mark.parametrize("dump", [python2, python3])
def test_cifar(tmp_path, dump):
    rows = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    ten, hundred = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-100-python"
    ten.mkdir()
    hundred.mkdir()
    for name in (*CIFAR10.train_batch, *CIFAR10.test_batch):
        (ten / name).write_bytes(dump({b"data": rows, b"labels": [3, 4], b"batch_label": b"one"}))
    (ten / "batches.meta").write_bytes(dump({b"label_names": [b"plane", b"cat"]}))
    for name in ("train", "test"):
        (hundred / name).write_bytes(dump({b"data": rows, b"fine_labels": [3, 4], b"coarse_labels": [1, 0]}))
    (hundred / "meta").write_bytes(dump({b"fine_label_names": [b"apple"], b"coarse_label_names": [b"fruit"]}))
    pictures = CIFAR10(tmp_path)
    assert (len(pictures), len(CIFAR10(tmp_path, train=False)), pictures.class_names) == (10, 2, ["plane", "cat"])
    image, label = pictures[1]
    np.testing.assert_array_equal(image[:, :, 2], rows[1, :1024].reshape(32, 32))  # red is first in the file, last here
    np.testing.assert_array_equal(image[:, :, 0], rows[1, 2048:].reshape(32, 32))
    assert (label, label.dtype) == (4, np.int32)
    assert CIFAR100(tmp_path)[0][1:] == (3, 1)
    assert CIFAR100(tmp_path).class_names == ["apple"]


def test_a_hostile_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "trapped").mkdir, ()

    (tmp_path / "cifar-100-python").mkdir()
    for content in (pickle.dumps({b"data": Trap()}, 2), b"\x80\x02cos\nmkdir\n(X\x07\0\0\0trappedtR.", python3({b"data": [1]})[:-4]):
        (tmp_path / "cifar-100-python" / "train").write_bytes(content)
        with pytest.raises(ValueError, match="train' is damaged, or of another format"):
            CIFAR100(tmp_path)
    assert not (tmp_path / "trapped").exists()


# Folders


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("dog/x/y.png", "cat/b.png", "cat/a.png")):
        write(tmp_path / name, picture(number, 4, 5))
    (tmp_path / "dog" / "z.jpg.txt").write_text("no image")
    return tmp_path


def test_image_folder(folder):
    images = ImageFolder(folder)
    assert images.class_dict == {"cat": 0, "dog": 1}
    assert [(path[len(str(folder)) + 1 :], number) for path, number in images.samples] == [
        ("cat/a.png", 0),
        ("cat/b.png", 0),
        ("dog/x/y.png", 1),
    ]
    image, label = images[2]
    np.testing.assert_array_equal(image, picture(0, 4, 5))
    assert label == 1
    assert ImageFolder(folder, class_name=True)[2][1] == "dog"
    assert len(ImageFolder(folder, check_valid_func=lambda path: path.endswith(".txt"))) == 1
    for _, labels in DataLoader(images, num_workers=1):
        assert labels.shape == (1,)


def test_all_kinds_of_files_become_three_channels(tmp_path):
    for mode in ("L", "P", "RGBA", "1", "CMYK"):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new(mode, (5, 4)).save(tmp_path / "a" / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}")
    assert {ImageFolder(tmp_path)[position][0].shape for position in range(5)} == {(4, 5, 3)}


def test_imagenet(tmp_path):
    for part in ("train", "val"):
        write(tmp_path / part / "n01440764" / "1.JPEG", picture(1, 4, 4))
    assert len(ImageNet(tmp_path)) == len(ImageNet(tmp_path, train=False)) == 1
    assert ImageNet(tmp_path, class_name=True)[0][1] == "n01440764"


# Boxes


def annotation(number, image, category, box, crowd=0, visible=0):
    points = [1, 2, 2] * visible + [0, 0, 0] * (17 - visible)
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd, "keypoints": points}


@pytest.fixture
def coco(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / f"{number}.png", picture(number, 10, 12))
    content = {
        "images": [{"id": number, "file_name": f"{number}.png", "height": 10, "width": 12} for number in (3, 1, 2)],
        "categories": [{"id": 7, "name": "person"}, {"id": 2, "name": "cat"}],
        "annotations": [
            annotation(10, 1, 7, [1, 2, 3, 4], visible=9),
            annotation(11, 1, 2, [0, 0, 5, 5]),
            annotation(12, 2, 2, [0, 0, 5, 0], visible=17),
            annotation(13, 1, 2, [0, 0, 5, 5], crowd=1),
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    return tmp_path, tmp_path / "annotations.json"


def test_coco(coco):
    order = ("image", "boxes", "boxes_category", "keypoints", "info")
    things = COCO(*coco, order=order)
    assert len(things) == 3
    image, boxes, categories, keypoints, info = things[0]
    np.testing.assert_array_equal(image, picture(1, 10, 12))
    assert boxes.tolist() == [[1, 2, 4, 6], [0, 0, 5, 5]]
    assert categories.tolist() == [2, 1]
    assert keypoints.shape == (2, 17, 3)
    assert info == [10, 12, "1.png"]
    assert (boxes.dtype, categories.dtype, keypoints.dtype) == (np.float32, np.int32, np.float32)
    assert [entry.shape for entry in things[2][1:4]] == [(0, 4), (0,), (0, 17, 3)]
    assert [len(COCO(*coco)), len(COCO.class_names), len(COCO.keypoint_names)] == [3, 80, 17]
    assert COCO.keypoint_names[:3] == ("nose", "left_eye", "right_eye")
    assert COCO(*coco, True).ids == [1]  # 2 has a box without height, 3 has none
    assert COCO(*coco, True, order=order).ids == []  # 1 has fewer than 10 visible keypoints


def test_objects365(coco):
    things = Objects365(*coco, order=("boxes_category", "info"))
    assert things[0][0].tolist() == [2, 1]
    assert things.class_names == ("cat", "person")
    with pytest.raises(ValueError, match="Objects365: order may have image, boxes, boxes_category, info, got 'keypoints'"):
        Objects365(*coco, order=("keypoints",))


VOC = """<annotation><filename>one.jpg</filename><size><width>12</width><height>10</height></size>
<object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>8</ymax></bndbox></object>
<object><name>cat</name><difficult>1</difficult><bndbox><ymin>2</ymin><xmin>2.5</xmin><ymax>7</ymax><xmax>6</xmax></bndbox></object></annotation>"""


def test_pascal_voc(tmp_path):
    for name in ("Annotations", "ImageSets/Main", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    write(tmp_path / "JPEGImages" / "one.jpg", np.full((10, 12, 3), 100, np.uint8))
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5], mask[6:8], mask[9] = 1, 20, 255
    paletted = Image.fromarray(mask)
    paletted.putpalette(b"".join(bytes(PascalVOC.class_colors[min(n, 20)][::-1] if n < 21 else (224, 224, 192)) for n in range(256)))
    (tmp_path / "SegmentationClass").mkdir()
    paletted.save(tmp_path / "SegmentationClass" / "one.png")
    (tmp_path / "Annotations" / "one.xml").write_text(VOC)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("one  1\n\n")
    (tmp_path / "ImageSets" / "Segmentation" / "train.txt").write_text("one\n")
    image, boxes, categories, info = PascalVOC(tmp_path, "train", order=("image", "boxes", "boxes_category", "info"))[0]
    assert (image == 100).all()
    assert boxes.tolist() == [[1, 2, 5, 8], [2.5, 2, 6, 7]]
    assert categories.tolist() == [12, 8]
    assert info == [10, 12, "one"]
    assert PascalVOC(tmp_path, "train").get_img_info(0)["objects"][1]["difficult"] is True
    (found,) = PascalVOC(tmp_path, "train", order=("mask",))[0]
    np.testing.assert_array_equal(found[:, :, 0], mask)
    assert PascalVOC.class_colors[:4] == [[0, 0, 0], [0, 0, 128], [0, 128, 0], [0, 128, 128]]
    assert PascalVOC.class_colors[20] == [128, 64, 0]


def test_cityscapes(tmp_path):
    for number, city in enumerate(("bonn", "aachen")):
        write(tmp_path / "leftImg8bit" / "train" / city / f"{city}_0_leftImg8bit.png", picture(number, 6, 8))
        labels = (np.arange(48) % 36).reshape(6, 8).astype(np.uint8)
        write(tmp_path / "gtFine" / "train" / city / f"{city}_0_gtFine_labelIds.png", labels)
    streets = Cityscapes(tmp_path, "train", "gtFine", order=("image", "mask", "info"))
    assert len(streets) == 2
    image, mask, info = streets[0]
    np.testing.assert_array_equal(image, picture(1, 6, 8))
    assert mask.shape == (6, 8, 1)
    assert mask.ravel()[[0, 7, 8, 9, 11, 33, 34]].tolist() == [255, 0, 1, 255, 2, 18, 255]
    assert info[:2] == [6, 8]
    assert info[2].endswith("aachen_0_leftImg8bit.png")
    assert len(Cityscapes.class_names) == 19
    with pytest.raises(ValueError, match="mode must be 'gtFine' or 'gtCoarse', got 'fine'"):
        Cityscapes(tmp_path, "train", "fine")


MISSING = {
    "MNIST": lambda root: MNIST(root),
    "CIFAR10": lambda root: CIFAR10(root),
    "ImageFolder": lambda root: ImageFolder(root / "none"),
    "ImageNet": lambda root: ImageNet(root),
    "COCO": lambda root: COCO(root, root / "none.json"),
    "PascalVOC": lambda root: PascalVOC(root, "train"),
    "Cityscapes": lambda root: Cityscapes(root, "train", "gtFine"),
}


@pytest.mark.parametrize(("name", "make"), MISSING.items(), ids=MISSING)
def test_files_that_are_not_there_are_named_with_where_to_get_them(name, make, tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"{name}: '{tmp_path}") + ".*' is not there; nothing is downloaded, get it from"):
        make(tmp_path)


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"reading images needs the extra: pip install 'numod\[image\]'"):
        ImageFolder(folder)[0]


def test_a_data_set_of_ones_own():
    class Own(VisionDataset):
        def __getitem__(self, index):
            return (index,)

        def __len__(self):
            return 3

    assert Own("~").root != "~"
    assert Own("/x").order == ("image",)
    with pytest.raises(ValueError, match="Own: order may have image, mask, got 'boxes'"):
        Own("/x", order=("boxes",), supported_order=("image", "mask"))
