"""What the processes of a group do together with tensors: `numod.distributed.functional`."""

from ..distributed.functional import *  # noqa: F403
from ..distributed.functional import __all__ as __all__
