"""What goes wrong between processes."""

from __future__ import annotations


class DistributedError(RuntimeError):
    """Another process of the group has failed, has gone, does something else, or does not answer. The message names its rank."""


class PeerLost(DistributedError):
    """The other process has failed or gone, so that the cause is to be looked for there."""


class NotInitialized(RuntimeError, AssertionError):
    """Something needs a process group, and there is none. (MegEngine: AssertionError.)"""


class WorkerError(RuntimeError, AssertionError):
    """A process of a launcher raised, or died. The message has its rank and the traceback; ``__cause__`` is the exception, if it can be sent.

    (MegEngine: AssertionError.)
    """
