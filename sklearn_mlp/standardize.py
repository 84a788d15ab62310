"""z-scores, z = (x - mean) / scale, and how to fold them into a network's first and last layer.

Training sees only z-scores. The first layer is linear in its inputs, and the last layer in its
outputs. So changing the weights of these two layers gives the same function of the *raw* data:

    first layer    W z + b   =  (W / scale) x  +  b - (W / scale) mean
    last layer     y         =  scale (V h + c)  +  mean
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._typing import FloatArray


@dataclass(frozen=True)
class Moments:
    """The mean and the standard deviation of some columns, over rows of total weight `weight`.

    Moments of parts of the data add up to the moments of the whole (Chan, Golub & LeVeque,
    1983). Here the sum uses standard deviations, and squares no value. So data of the scale of
    1e300 or 1e-300 neither overflow nor underflow.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.standardize import Moments
    >>> x = np.array([[1.0, 2.0, 3.0, 6.0]])
    >>> whole = Moments.of(x[:, :3]) + Moments.of(x[:, 3:])
    >>> bool(np.isclose(whole.mean[0], x.mean()) and np.isclose(whole.std[0], x.std()))
    True
    """

    weight: float
    mean: FloatArray
    std: FloatArray

    @classmethod
    def of(cls, columns: FloatArray, weights: FloatArray | None = None) -> Self:
        """The moments of ``columns`` (n_columns, n_rows), with rows weighted by ``weights``.

        The first row is subtracted from all rows, so that a constant column has a standard
        deviation of exactly 0. The differences are divided by their range before they are squared.
        """
        total = float(columns.shape[1] if weights is None else weights.sum())
        first = columns[:, :1]
        d = columns - first
        mean = np.average(d, axis=1, weights=weights, keepdims=True)
        d -= mean
        span = np.abs(d).max(axis=1)
        d /= np.where(span > 0, span, 1)[:, np.newaxis]
        std = span * np.sqrt(np.average(d**2, axis=1, weights=weights))
        return cls(total, (first + mean)[:, 0], std)

    @classmethod
    def robust(cls, columns: FloatArray, weights: FloatArray | None, center: float) -> Self:
        """A quantile as the mean, and the scaled median distance from the median as the std.

        Outliers hardly change either. The median distance is divided by 0.6745, which is its
        value for a standard normal distribution. So for normal columns it is the standard
        deviation. If more than half of the values are equal it is 0, and the scaled mean distance
        takes its place.

        Parameters
        ----------
        columns : array of shape (n_columns, n_rows)
        weights : array of shape (n_rows,), optional
        center : float
            The quantile that takes the place of the mean.
        """
        s = np.ones(columns.shape[1]) if weights is None else weights.astype(np.float64)
        distances = np.abs(columns - _quantile(columns, s, 0.5)[:, np.newaxis])
        std = _quantile(distances, s, 0.5) / 0.6744897501960817
        mean = np.average(distances, axis=1, weights=s) * np.sqrt(np.pi / 2)
        return cls(float(s.sum()), _quantile(columns, s, center), np.where(std > 0, std, mean))

    def __add__(self, other: Self) -> Self:
        total = self.weight + other.weight
        a, b = self.weight / total, other.weight / total
        difference = other.mean - self.mean
        within = np.hypot(np.sqrt(a) * self.std, np.sqrt(b) * other.std)
        std = np.hypot(within, np.sqrt(a * b) * difference)
        return type(self)(total, self.mean + b * difference, std)


def _quantile(columns: FloatArray, weights: FloatArray, q: float) -> FloatArray:
    """The smallest value of each column up to which the weights sum to at least q of the total."""
    return np.quantile(columns, q, axis=1, weights=weights, method="inverted_cdf")


@dataclass(frozen=True)
class Scaling:
    """The units of some columns: the z-score of a value x is (x - mean) / scale.

    A column that does not vary has z-scores of 0. When weights are converted to other units, a
    constant input is ignored, and a constant target is predicted. Training sees z-scores that are
    further from 0 than `limit` as ± `limit`.
    """

    mean: FloatArray
    scale: FloatArray
    varies: NDArray[np.bool_]
    limit: float = np.inf

    @classmethod
    def identity(cls, n_columns: int) -> Self:
        """Raw data."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.ones(n_columns, bool))

    @classmethod
    def of(cls, moments: Moments, dtype: DTypeLike) -> Self:
        """z-scores with these moments, rounded to `dtype`, so that training and weights agree."""
        varies = moments.std > 1 / np.finfo(dtype).max  # else the z-scores would overflow
        scale = np.where(varies, moments.std, 1)
        return cls(
            moments.mean.astype(dtype).astype(np.float64),
            scale.astype(dtype).astype(np.float64),
            varies,
        )


@dataclass(frozen=True)
class Units:
    """The scaling of a network's inputs and the scaling of its outputs."""

    inputs: Scaling
    outputs: Scaling
    are_raw: bool = False

    @classmethod
    def raw(cls, n_inputs: int, n_outputs: int) -> Self:
        """The units of the raw data."""
        return cls(Scaling.identity(n_inputs), Scaling.identity(n_outputs), are_raw=True)


def change_units(weights: list[FloatArray], old: Units, new: Units) -> list[FloatArray]:
    """The weights that compute, in `new` units, the same function as `weights` in `old` units.

    Parameters
    ----------
    weights : list of arrays of shape (n_in + 1, n_out)
        Bias row first.
    old, new : Units

    Returns
    -------
    list of arrays of shape (n_in + 1, n_out)
        float64 copies. If the units are equal, they are equal to `weights` to the last bit.
    """
    changed: list[FloatArray] = [W.astype(np.float64) for W in weights]

    # z_old = (z_new s_new + m_new - m_old) / s_old
    first, was, now = changed[0], old.inputs, new.inputs
    first[1:] *= was.varies[:, np.newaxis]
    first[0] += ((now.mean - was.mean) / was.scale) @ first[1:]
    first[1:] *= (now.scale / was.scale)[:, np.newaxis]

    # y_new = (y_old s_old + m_old - m_new) / s_new
    last, was, now = changed[-1], old.outputs, new.outputs
    last *= was.varies * (was.scale / now.scale)
    last[0] += (was.mean - now.mean) / now.scale
    return changed
