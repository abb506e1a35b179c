"""Functions on tensors, under MegEngine's names."""

from . import loss, methods, nn
from .elemwise import *
