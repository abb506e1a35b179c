"""How numbers are quantized: the integer dtypes that there are for it, and scale and zero point beside them.

``number = (integer - zero_point) * scale``. Only what such a pair means is here; what makes and uses them is in `numod.quantization`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import numpy as np


class QuantDtypeMeta(NamedTuple):
    """An integer dtype to quantize to: its names, the NumPy dtype that stores it, and the least and greatest integer used."""

    name: str
    cname: str | None
    np_dtype_str: str
    qmin: int
    qmax: int
    is_unsigned: bool = False


QUANTIZED = {
    meta.name: meta
    for meta in (
        QuantDtypeMeta("quint8", "Quantized8Asymm", "uint8", 0, 255, True),
        QuantDtypeMeta("qint8", "QuantizedS8", "int8", -128, 127),
        QuantDtypeMeta("qint8_narrow", "QuantizedS8", "int8", -127, 127),
        QuantDtypeMeta("quint4", "Quantized4Asymm", "uint8", 0, 15, True),
        QuantDtypeMeta("qint4", "QuantizedS4", "int8", -8, 7),
        QuantDtypeMeta("qint1", "QuantizedS1", "int8", 0, 1),
        QuantDtypeMeta("qint32", "QuantizedS32", "int32", -(2**31), 2**31 - 1),
        QuantDtypeMeta("quint2", None, "uint8", 0, 3, True),
        QuantDtypeMeta("qint2", None, "int8", -2, 1),
    )
}


class QuantMode(Enum):
    """Whether 0 is in the middle of the range (MegEngine's spelling), or wherever a zero point puts it."""

    SYMMERTIC = 1
    ASYMMERTIC = 2


class QParams:
    """The parameters of a quantized tensor: mode, dtype, scale and zero point (None where it is 0).

    `create_qparams` makes one from a dtype's name.
    """

    __slots__ = ("mode", "dtype_meta", "scale", "zero_point")  # noqa: RUF023 - the order in which they are shown
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, mode: QuantMode | None, dtype_meta: QuantDtypeMeta | None, scale: Any, zero_point: Any):
        self.mode = mode
        self.dtype_meta = dtype_meta
        self.scale = scale
        self.zero_point = zero_point

    @property
    def fields(self) -> list[str]:
        """The names of all that is in them."""
        return [name for kind in reversed(type(self).__mro__) for name in vars(kind).get("__slots__", ())]

    def update(self, qparams: QParams) -> None:
        """Take over the parameters of another."""
        for name in self.__slots__:
            setattr(self, name, getattr(qparams, name))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in self.fields)

    def __deepcopy__(self, memo: dict) -> QParams:
        copy = object.__new__(type(self))
        for name in self.fields:
            setattr(copy, name, getattr(self, name))  # tensors never change in place, so they can be shared
        return copy

    def __repr__(self) -> str:
        return f"QParams({', '.join(f'{name}={getattr(self, name)}' for name in self.fields)})"


class LSQParams(QParams):
    """The parameters that `numod.quantization.LSQ` learns with: the gradient of the scale is multiplied by ``grad_scale``."""

    __slots__ = ("grad_scale",)

    def __init__(
        self,
        mode: QuantMode | None,
        dtype_meta: QuantDtypeMeta | None,
        scale: Any,
        zero_point: Any,
        grad_scale: Any,
    ):
        super().__init__(mode, dtype_meta, scale, zero_point)
        self.grad_scale = grad_scale


def create_qparams(
    mode: QuantMode = QuantMode.SYMMERTIC,
    dtype_meta: str | QuantDtypeMeta | None = None,
    scale: Any = None,
    zero_point: Any = None,
) -> QParams:
    """`QParams` from what is known.

    dtype_meta: ``"qint8"``, ``"qint8_narrow"``, ``"quint8"``, ``"qint4"``, ``"quint4"`` and so on; KeyError for another name.
    """
    return QParams(mode, QUANTIZED[dtype_meta] if isinstance(dtype_meta, str) else dtype_meta, scale, zero_point)


def quantized_meta(dtype: str | QuantDtypeMeta) -> QuantDtypeMeta:
    """The quantized dtype of that name; ValueError if there is none."""
    if isinstance(dtype, QuantDtypeMeta):
        return dtype
    if dtype not in QUANTIZED:
        raise ValueError(f"quantized dtype: got {dtype!r}, known are {', '.join(QUANTIZED)}")
    return QUANTIZED[dtype]


def quantized_dtype(qparams: QParams) -> np.dtype:
    """The NumPy dtype that stores such numbers; its ``metadata`` has MegEngine's name for it, the scale and the zero point.

    Signed dtypes have no zero point and unsigned ones must have one, or it is a ValueError.
    """
    meta = qparams.dtype_meta
    if meta is None or meta.cname is None or qparams.scale is None:
        raise ValueError(f"quantized dtype: a dtype that tensors can have and a scale are needed, got {qparams}")
    described: dict[str, Any] = {"name": meta.cname, "scale": float(qparams.scale)}
    if meta.is_unsigned:
        if qparams.zero_point is None:
            raise ValueError(f"quantized dtype: {meta.name} needs a zero point; QuantMode.ASYMMERTIC gives one")
        described["zero_point"] = int(qparams.zero_point)
    elif qparams.zero_point is not None:
        raise ValueError(f"quantized dtype: {meta.name} takes no zero point, got {qparams.zero_point}; use QuantMode.SYMMERTIC")
    return np.dtype(meta.np_dtype_str, metadata={"mgb_dtype": described})


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None or isinstance(one, (Enum, tuple)):
        return one is other or (one is not None and one == other)
    return np.array_equal(np.asarray(one), np.asarray(other))
