"""What is done to items between the data set and the batch."""

from .base import PseudoTransform, Transform
from .vision import Compose, Normalize, ToMode, VisionTransform

__all__ = ["Compose", "Normalize", "PseudoTransform", "ToMode", "Transform", "VisionTransform"]
