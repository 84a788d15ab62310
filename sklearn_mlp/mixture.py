"""The distribution of a new observation: a mixture of Gaussians, and its quantiles.

With shares p, means μ and standard deviations σ, the distribution function is

    F(y) = Σ_m p_m Φ((y - μ_m) / σ_m).

Its q-quantile lies between the smallest and the largest q-quantile of the parts, and F is monotone.
So Newton's method in that bracket finds it, with occasional bisections.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from scipy.special import ndtr, ndtri

from ._typing import FloatArray

MOST_STEPS = 180
"""The most steps."""

BISECTED = 3
"""Each step of so many bisects, so that MOST_STEPS halve the bracket down to rounding."""


class Mixture(NamedTuple):
    """A mixture of Gaussians for each row and output.

    Attributes
    ----------
    shares : array of shape (n_parts,)
        The weights of the parts, which sum to one.
    mean, std : array of shape (n_rows, n_outputs, n_parts)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.mixture import Mixture
    >>> two = Mixture(np.array([0.5, 0.5]), np.array([[[-3.0, 3.0]]]), np.array([[[1.0, 1.0]]]))
    >>> two.quantiles(np.array([0.25, 0.5, 0.75])).round(2)  # the median is between the two
    array([[[-3.],
            [ 0.],
            [ 3.]]])
    """

    shares: FloatArray
    mean: FloatArray
    std: FloatArray

    @classmethod
    def of_equals(cls, mixtures: Sequence[Self]) -> Self:
        """The mixture of several with equal shares."""
        shares = np.concatenate([m.shares for m in mixtures]) / len(mixtures)
        mean = np.concatenate([m.mean for m in mixtures], axis=2)
        return cls(shares, mean, np.concatenate([m.std for m in mixtures], axis=2))

    def quantiles(self, q: FloatArray) -> FloatArray:
        """The quantiles of each row and output, of shape (n_rows, len(q), n_outputs)."""
        order = np.argsort(q, kind="stable")
        found = np.empty((len(self.mean), len(q), self.mean.shape[1]))
        below = np.full((len(self.mean), self.mean.shape[1]), -np.inf)
        for i in order:
            below = np.maximum(self._quantile(float(q[i])), below)
            found[:, i] = below
        return found

    def _quantile(self, q: float) -> FloatArray:
        """One quantile of each row and output, of shape (n_rows, n_outputs)."""
        of_parts = self.mean + self.std * ndtri(q)
        low, high = of_parts.min(axis=2), of_parts.max(axis=2)
        y = np.clip(of_parts @ self.shares, low, high)
        for step in range(MOST_STEPS):
            F, density = self._distribution(y)
            low, high = np.where(q > F, y, low), np.where(q < F, y, high)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = y - (F - q) / density
            inside = (newton > low) & (newton < high) & (step % BISECTED != BISECTED - 1)
            new = np.where(inside, newton, 0.5 * (low + high))
            new = np.where(q == F, y, new)
            settled = np.abs(new - y) <= 4 * np.finfo(float).eps * np.maximum(np.abs(new), 1e-300)
            y = new
            if settled.all():
                break
        return y

    def _distribution(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """F and its derivative."""
        std = np.maximum(self.std, np.finfo(float).tiny)
        z = (y[..., np.newaxis] - self.mean) / std
        with np.errstate(over="ignore", under="ignore"):
            density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * std)
        F: FloatArray = ndtr(z) @ self.shares
        return F, density @ self.shares
