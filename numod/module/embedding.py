"""Embedding: a table of vectors, looked up by index."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from . import init
from .module import Module


class Embedding(Module):
    """Rows of a learned table.

    Shape: integer indices of any shape (...) -> (..., embedding_dim).
    Parameters: weight (num_embeddings, embedding_dim), drawn from the standard normal distribution, or ``initial_weight``.
    freeze: do not learn the table. ``padding_idx``, ``max_norm`` and ``norm_type`` must be None.

    >>> import numod as nm, numod.module as M
    >>> M.Embedding(10, 4)(nm.Tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float | None = None,
        initial_weight: Parameter | None = None,
        freeze: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        for what, value in (("padding_idx", padding_idx), ("max_norm", max_norm), ("norm_type", norm_type)):
            if value is not None:
                raise ValueError(f"Embedding: {what} must be None, got {value}")
        shape = (num_embeddings, embedding_dim)
        if initial_weight is not None and initial_weight.shape != shape:
            raise ValueError(f"Embedding: initial_weight must have shape {shape}, got {initial_weight.shape}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.freeze = freeze
        if initial_weight is None:
            self.weight = Parameter(np.zeros(shape, np.float32))
            self.reset_parameters()
        else:
            self.weight = Parameter(initial_weight.detach())

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Parameter,
        freeze: bool | None = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float | None = None,
    ) -> Embedding:
        """An Embedding with the given table, frozen unless told otherwise."""
        if embeddings.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: the table must have 2 axes, got shape {embeddings.shape}")
        count, dim = embeddings.shape
        return cls(count, dim, padding_idx, max_norm, norm_type, initial_weight=embeddings, freeze=bool(freeze))

    def forward(self, inputs: Tensor) -> Tensor:
        """The rows at these indices."""
        return F.embedding(inputs, self.weight.detach() if self.freeze else self.weight)
