"""Why something could not be fetched."""

from __future__ import annotations


class FetcherError(RuntimeError):
    """What was asked for could not be fetched."""


class InvalidRepo(FetcherError, ValueError):
    """Text that names no repository, or a repository without a ``hubconf.py``."""


class InvalidGitHost(FetcherError, ValueError):
    """Text that is no name of a host."""


class InvalidProtocol(FetcherError, ValueError):
    """A protocol other than HTTPS and SSH."""


class GitPullError(FetcherError):
    """git could not clone a repository."""


class GitCheckoutError(FetcherError):
    """A repository has no such branch, tag or commit."""


class DownloadError(FetcherError):
    """A URL could not be read to its end."""


class HashMismatch(FetcherError):
    """A file is not the one that its name or URL says."""
