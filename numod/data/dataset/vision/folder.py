"""ImageFolder, and ImageNet, which is one."""

from __future__ import annotations

import os
from collections.abc import Callable

from .base import VisionDataset, existing
from .images import is_image, read_image
from .location import default_root


class ImageFolder(VisionDataset):
    """Images in folders named for their classes: items (image (H, W, 3) of bytes, blue first, number of the class in alphabetical order).

    root: the folder that holds those of the classes, which may hold folders in turn.
    check_valid_func: called with the path of each file, says whether it is part of the data set; by default files of images are.
    class_name: give the class's name instead of its number.

    ``class_dict`` has the number of each class, ``samples`` the path and number of each item. Needs the extra ``image``.
    """

    def __init__(self, root: str, check_valid_func: Callable[[str], bool] | None = None, class_name: bool = False):
        super().__init__(root, order=("image", "image_category"))
        existing(type(self).__name__, self.root, "wherever your images are")
        self.check_valid = is_image if check_valid_func is None else check_valid_func
        self.class_name = class_name
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        self.class_dict = {name: number for number, name in enumerate(names)}
        self.samples: list[tuple[str, int]] = []
        for name, number in self.class_dict.items():
            for folder, folders, files in os.walk(os.path.join(self.root, name), followlinks=True):
                folders.sort()
                paths = (os.path.join(folder, file) for file in sorted(files))
                self.samples += [(path, number) for path in paths if self.check_valid(path)]
        self._names = names

    def __getitem__(self, index):
        path, number = self.samples[index]
        return read_image(path), self._names[number] if self.class_name else number

    def __len__(self) -> int:
        return len(self.samples)


class ImageNet(ImageFolder):
    """ImageNet's thousand classes (Russakovsky et al., 2015), unpacked: ``train`` and ``val`` in ``root``, each with a folder for each class.

    root: ``imagenet`` in numod's folder for data if None. train: which of the two. Other arguments are those of `ImageFolder`.
    """

    def __init__(self, root: str | None = None, train: bool = True, **kwargs):
        folder = os.path.join(default_root("imagenet") if root is None else os.path.expanduser(root), "train" if train else "val")
        existing("ImageNet", folder, "https://image-net.org/download.php, a folder for each class")
        super().__init__(folder, **kwargs)
