"""Overflow: arithmetic goes on without warnings, and what it has led to is refused at the end."""

import numpy as np
from numpy.typing import DTypeLike

from ._typing import FloatArray


def unwarned() -> np.errstate:
    """A context in which NumPy does not warn of overflow, NaN, or division by zero."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


class OverflowedError(ValueError):
    """Values are too large for their dtype."""


def overflow(what: str, dtype: DTypeLike) -> OverflowedError:
    """The error that some values overflow."""
    return OverflowedError(
        f"The {what} overflow {np.dtype(dtype)}: rescale the columns of X and y to values around 1."
    )


def finite(what: str, values: FloatArray) -> FloatArray:
    """The values, which must be finite.

    Raises
    ------
    OverflowedError
        If a value is infinite or NaN. A sum of infinite values is one or the other, whatever it
        should be: a processor that rounds products only once they are added makes it infinite.
    """
    if not np.isfinite(values.sum()) and not np.isfinite(values).all():
        raise overflow(what, values.dtype)
    return values


def without_nan(what: str, values: FloatArray) -> FloatArray:
    """The values. Infinite ones are right where the true ones are too large; NaN is refused.

    Raises
    ------
    OverflowedError
        If a value is NaN, as the difference of two infinite ones is.
    """
    total = values.sum()  # one pass, if all is well
    if np.isnan(total) and np.isnan(values).any():
        raise overflow(what, values.dtype)
    return values
