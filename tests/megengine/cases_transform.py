"""Transforms of images: those that draw nothing, or whose draw cannot matter."""

from oracle import group

IMAGES = """
image = np.random.RandomState(0).randint(0, 256, (6, 8, 3)).astype("uint8")
gray = np.random.RandomState(1).randint(0, 256, (6, 8, 1)).astype("uint8")
real = np.random.RandomState(2).uniform(0, 255, (5, 7, 3)).astype("float32")
coords = np.array([[1.0, 2.0], [5.0, 0.5]])
boxes = np.array([[1.0, 2.0, 3.0, 5.0]])
keypoints = np.array([[[1.0, 2.0, 2.0], [4.0, 0.0, 0.0]]])
mask = (gray > 128).astype("uint8")
everything = (image, mask, coords, boxes, 3)
ORDER = ["image", "mask", "coords", "boxes", "category"]
"""

CASES = [
    group(
        "functions on images",
        IMAGES,
        """
        VF.flip(image, 1)
        VF.flip(image, 0)
        VF.flip(gray, -1)
        VF.pad(image, 1, (7, 7, 7))
        VF.pad(gray, (1, 2), 5)
        VF.pad(image, (1, 2, 3, 4), (1, 2, 3))
        VF.to_gray(real)
        VF.to_bgr(gray)
        VF.resize(real, (3, 4))
        VF.resize(real, (9, 5))
        VF.resize(real, (9, 5), 0)
        VF.resize(real, (9, 5), 2)
        VF.resize(real, (2, 3), 3)
        VF.resize(real, (9, 3), 3)
        VF.resize(gray, (12, 4), 0)
        VF.wrap_keepdims(lambda x: x[:, :, 0])(gray)
        VF.flip(image[:, :, 0], 1)
    """,
        grads=False,
        atol=2e-3,
    ),
    group(
        "transforms within rounding",
        IMAGES,
        """
        VF.resize(image, (3, 4))
        VF.resize(gray, (13, 17), 2)
        VF.to_gray(image)
        T.Resize(4).apply(image)
        T.Resize((3, 5)).apply(image)
        T.Resize((3, 4), order=ORDER).apply(everything)
        T.ShortestEdgeResize(4, 100).apply(image)
        T.ShortestEdgeResize(4, 5).apply(image)
        T.ShortestEdgeResize(5, 100).apply(image).shape
        T.RandomResize((0.5, 0.5), order=ORDER).apply(everything)
        T.RandomResizedCrop((6, 8), (1.0, 1.0), (4 / 3, 4 / 3), order=ORDER).apply(everything)
    """,
        grads=False,
        atol=1.0,
    ),
    group(
        "transforms",
        IMAGES,
        """
        T.CenterCrop(4, order=ORDER).apply(everything)
        T.CenterCrop((3, 5)).apply(image)
        T.CenterCrop(2).apply(real)
        T.CenterCrop(9).apply(image)
        T.Pad(1).apply(image)
        T.Pad((1, 2, 3, 4), (1, 2, 3), 9, order=ORDER).apply(everything)
        T.RandomHorizontalFlip(1, order=ORDER).apply(everything)
        T.RandomHorizontalFlip(0, order=ORDER).apply(everything)
        T.RandomVerticalFlip(1, order=ORDER).apply(everything)
        T.RandomHorizontalFlip(1, order=['image', 'keypoints']).apply((image, keypoints))
        T.CenterCrop(4, order=['image', 'keypoints']).apply((image, keypoints))
        T.RandomCrop((6, 8), order=ORDER).apply(everything)
        T.RandomCrop(10, order=ORDER).apply(everything)
        T.BrightnessTransform(0).apply(image)
        T.ContrastTransform(0).apply(image)
        T.SaturationTransform(0).apply(image)
        T.HueTransform(0).apply(image)
        T.Lighting(0).apply(image)
        T.ColorJitter().apply(image)
        T.GaussianNoise(0, 0).apply(image)
        T.BrightnessTransform(-1)
        T.ContrastTransform(-1)
        T.SaturationTransform(-1)
        T.HueTransform(0.9)
        T.Compose([T.RandomVerticalFlip(1), T.ToMode()], order=['image']).apply(image)
        T.Compose([T.RandomVerticalFlip(1), T.ToMode()], batch_compose=True).apply_batch([image, image + 1])
        [type(t).__name__ for t in T.ColorJitter(0.1, 0.1, 0, 0.1).transforms.transforms]
        repr(T.Resize(4))
        T.CenterCrop(4).output_size
    """,
        grads=False,
    ),
]
