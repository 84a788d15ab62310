"""The losses: the value for each row, and its derivative and curvature with respect to the output.

Let z be the output of the network for a row, and y the row's target. Training minimises the mean
of ℓ(z, y). The prediction is ŷ = z, or ŷ = exp(z) if it has to be positive. The derivative ∂ℓ/∂z
is the seed of the backward pass. Gauss-Newton steps weight the Jacobian by the curvature c,

    g = Σᵢ sᵢ (∂ℓ/∂z)ᵢ J_iᵀ,    H = Σᵢ sᵢ cᵢ J_iᵀ J_i.

If ∂²ℓ/∂z² is positive, it is c. Otherwise c is the curvature of a parabola that touches ℓ and is
nowhere below it (iteratively reweighted least squares: Huber, 1981, section 7.8).

    squared error    ½ (z - y)²
    Huber            ½ (z - y)² up to |z - y| = δ, and δ (|z - y| - δ/2) from there
    Poisson          exp(z) - y z + y log y - y: half the deviance, with ŷ = exp(z)
    gamma            y exp(-z) + z - log y - 1: half the deviance, with ŷ = exp(z)
    pinball          max((1 - q)(z - y), q (y - z)), smallest at the quantile q of y

Three of them are the deviance of a distribution of y, an exponential dispersion model with the
dispersion φ, mean ŷ and variance φ ŷᵖ (Jørgensen, 1987): the normal with p = 0, Poisson's with
p = 1 and φ = 1, the gamma with p = 2. Its logarithm is -ℓ/φ and something that does not depend on
z. Only with such a loss there is an evidence.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import gammaln, xlogy

from ._typing import FloatArray

WIDTHS = (0.1, 1e-2, 1e-3, 1e-4)
"""The widths by which a pinball loss is rounded, in turn, to have a continuous gradient."""


@dataclass(frozen=True)
class Loss(ABC):
    """A loss. Its methods take arrays of one shape, and return arrays of that shape.

    Attributes
    ----------
    out_activation : {"identity", "exp"}
        The function that turns z into the prediction, a key of ``OUTPUT_ACTIVATIONS``.
    is_robust : bool
        Whether it is meant for targets with outliers, whose mean and standard deviation are
        not meaningful.
    is_quadratic : bool
        Whether it is the squared error. Only then is the best output layer a linear problem
        and the noise Gaussian.
    power : int or None
        p of the distribution whose deviance it is; None if it is that of none.
    dispersion : float or None
        φ; None if it has to be estimated.
    """

    out_activation: ClassVar[str] = "identity"
    is_robust: ClassVar[bool] = False
    is_quadratic: ClassVar[bool] = False
    power: ClassVar[int | None] = None
    dispersion: ClassVar[float | None] = None

    @property
    def center(self) -> float:
        """The quantile of the targets that a robust loss takes as their center."""
        return 0.5

    def constant(self, mean: FloatArray) -> FloatArray:
        """z for which the prediction is this mean of the targets, or 1 if that is 0."""
        if self.out_activation == "identity":
            return mean
        return np.log(np.where(mean > 0, mean, 1))

    @abstractmethod
    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ℓ(z, y) and ∂ℓ/∂z."""

    @abstractmethod
    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """c, which is positive."""

    def value(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """ℓ(z, y)."""
        return self.value_and_slope(z, y)[0]

    def slope(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """∂ℓ/∂z."""
        return self.value_and_slope(z, y)[1]

    def log_normalizer(self, y: FloatArray, beta: float) -> FloatArray:
        """What the log density of y has beside -βℓ, with β = 1/φ."""
        raise NotImplementedError  # of the losses that are no deviance, nobody asks

    # Over the rows of a block, one column for each ------------------------------------------

    def sum_and_seed(
        self, z: FloatArray, y: FloatArray, s: FloatArray | None, seed: FloatArray
    ) -> float:
        """Σ s ℓ over outputs and rows. Writes s ∂ℓ/∂z, the seed of the backward pass, to `seed`."""
        loss, slope = self.value_and_slope(z, y)
        if s is not None:
            loss *= s
            slope *= s
        seed[...] = slope
        return float(loss.sum())

    def error_sums(self, z: FloatArray, y: FloatArray, s: FloatArray | None) -> FloatArray:
        """2 Σ s ℓ for each output. For the squared error this is Σ s e²."""
        loss = 2 * self.value(z, y)
        sums: FloatArray = loss.sum(axis=1) if s is None else loss @ s
        return sums

    def residual(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """r = ∂ℓ/∂z / √c, and √c, or None if √c is 1.

        A Gauss-Newton step of the loss is a least-squares step with the Jacobian √c J and the
        residuals r.
        """
        root = np.sqrt(self.curvature(z, y))
        return self.slope(z, y) / root, root

    def stages(self) -> "Sequence[Loss]":
        """The losses that a method with a continuous gradient minimises in turn."""
        return (self,)


@dataclass(frozen=True)
class SquaredError(Loss):
    """Half the squared error, ℓ = ½ e² with e = z - y.

    Its methods are written out for speed, because it is the loss that is used most.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import SquaredError
    >>> SquaredError().value_and_slope(np.array([3.0]), np.array([1.0]))
    (array([2.]), array([2.]))
    """

    is_quadratic: ClassVar[bool] = True
    power: ClassVar[int | None] = 0

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """½ e² and e."""
        e = z - y
        return 0.5 * e**2, e

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """∂²ℓ/∂z² = 1."""
        return np.ones_like(z)

    def log_normalizer(self, y: FloatArray, beta: float) -> FloatArray:
        """½ log(β / 2π)."""
        return np.full_like(y, 0.5 * np.log(beta / (2 * np.pi)))

    def sum_and_seed(
        self, z: FloatArray, y: FloatArray, s: FloatArray | None, seed: FloatArray
    ) -> float:
        """½ Σ s e². Writes s e to `seed`."""
        e = np.subtract(z, y, out=seed)
        if s is None:
            return 0.5 * float(np.vdot(e, e))
        total = 0.5 * float(np.vdot(e * s, e))
        e *= s
        return total

    def error_sums(self, z: FloatArray, y: FloatArray, s: FloatArray | None) -> FloatArray:
        """Σ s e² for each output."""
        e = z - y
        if s is not None:
            e *= np.sqrt(s)
        sums: FloatArray = np.einsum("kn,kn->k", e, e)
        return sums

    def residual(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """e, and None, because c is 1."""
        return z - y, None


@dataclass(frozen=True)
class Huber(Loss):
    """The squared error for small errors, the absolute error for large errors (Huber, 1964).

    With e = z - y, and e_δ the value of e clipped to between -δ and δ,

        ℓ = e_δ (e - e_δ / 2),    ∂ℓ/∂z = e_δ,    c = e_δ / e.

    Parameters
    ----------
    delta : float
        δ.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import Huber
    >>> e = np.array([0.5, 1.0, 3.0])
    >>> Huber(1.0).value(e, np.zeros(3)), Huber(1.0).slope(e, np.zeros(3))
    (array([0.125, 0.5  , 2.5  ]), array([0.5, 1. , 1. ]))
    """

    delta: float
    is_robust: ClassVar[bool] = True

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """e_δ (e - e_δ / 2) and e_δ."""
        e = z - y
        clipped = np.clip(e, -self.delta, self.delta)
        return clipped * (e - 0.5 * clipped), clipped

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """c = e_δ / e = δ / max(|e|, δ)."""
        return self.delta / np.maximum(np.abs(z - y), self.delta)


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the deviance of the Poisson distribution with the mean ŷ = exp(z).

    ℓ = ŷ - y z + y log y - y,    ∂ℓ/∂z = ŷ - y,    ∂²ℓ/∂z² = ŷ.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import Poisson
    >>> z, y = np.log([1.0, 2.0]), np.array([0.0, 2.0])
    >>> Poisson().value(z, y), Poisson().slope(z, y)
    (array([1., 0.]), array([1., 0.]))
    """

    out_activation: ClassVar[str] = "exp"
    power: ClassVar[int | None] = 1
    dispersion: ClassVar[float | None] = 1.0

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """exp(z) - y z + y log y - y, and exp(z) - y."""
        prediction, some = np.exp(z), y > 0
        u = np.where(some, z - np.log(np.where(some, y, 1)), z)  # log(ŷ / y) where y > 0
        return np.where(some, y * (np.expm1(u) - u), prediction), prediction - y

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """∂²ℓ/∂z² = exp(z)."""
        return np.maximum(np.exp(z), np.finfo(z.dtype).tiny)

    def log_normalizer(self, y: FloatArray, beta: float) -> FloatArray:
        """The logarithm of yʸ exp(-y) / y!, where y need not be a whole number."""
        log_probability: FloatArray = xlogy(y, y) - y - gammaln(y + 1)
        return log_probability


@dataclass(frozen=True)
class Gamma(Loss):
    """Half the deviance of the gamma distribution with the mean ŷ = exp(z).

    With t = y / ŷ,

        ℓ = t - 1 - log t,    ∂ℓ/∂z = 1 - t,    ∂²ℓ/∂z² = t.

    The units of y do not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import Gamma
    >>> z, y = np.log([1.0, 2.0]), np.array([2.0, 2.0])
    >>> Gamma().value(z, y).round(3), Gamma().slope(z, y)
    (array([0.307, 0.   ]), array([-1.,  0.]))
    """

    out_activation: ClassVar[str] = "exp"
    power: ClassVar[int | None] = 2

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """y exp(-z) + z - log y - 1, and 1 - y exp(-z)."""
        u = np.log(y) - z
        excess = np.expm1(u)
        return excess - u, 0.0 - excess

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """∂²ℓ/∂z² = y exp(-z)."""
        return np.maximum(np.exp(np.log(y) - z), np.finfo(z.dtype).tiny)

    def log_normalizer(self, y: FloatArray, beta: float) -> FloatArray:
        """β log β - β - log Γ(β) - log y."""
        return beta * np.log(beta) - beta - float(gammaln(beta)) - np.log(y)


@dataclass(frozen=True)
class Pinball(Loss):
    """The pinball loss, whose minimum is a quantile (Koenker & Bassett, 1978).

    With e = z - y, and |e|_h the absolute value, rounded where |e| < h to the parabola
    e²/2h + h/2, which has the same value and slope at |e| = h,

        ℓ = ½ (|e|_h + (1 - 2q) e),    ∂ℓ/∂z = ½ (e/h clipped to between -1 and 1, + 1 - 2q),
        c = ½ / max(|e|, h).

    Parameters
    ----------
    quantile : float
        q.
    width : float, default=0
        h. With 0 the loss is not rounded.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import Pinball
    >>> z, y = np.array([1.0, -1.0]), np.zeros(2)
    >>> Pinball(0.9).value(z, y).round(3), Pinball(0.9).slope(z, y).round(3)
    (array([0.1, 0.9]), array([ 0.1, -0.9]))
    """

    quantile: float
    width: float = 0.0
    is_robust: ClassVar[bool] = True

    @property
    def center(self) -> float:
        """q."""
        return self.quantile

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """½ (|e|_h + (1 - 2q) e) and ∂ℓ/∂z. At the kink, the mean of the slopes of both sides."""
        e = z - y
        size, tilt = np.abs(e), 1 - 2 * self.quantile
        if self.width:
            size += 0.5 * np.maximum(self.width - size, 0) ** 2 / self.width
        side = np.clip(e / self.width, -1, 1) if self.width else np.sign(e)
        return 0.5 * (size + tilt * e), 0.5 * (side + tilt)

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """c = ½ / max(|e|, h)."""
        least = self.width or float(np.finfo(z.dtype).tiny)
        return 0.5 / np.maximum(np.abs(z - y), least)

    def stages(self) -> Sequence[Loss]:
        """The same loss, rounded less and less."""
        return [replace(self, width=width) for width in WIDTHS]


LOSSES = ("squared_error", "huber", "poisson", "gamma", "pinball")
"""The names of the losses."""

DEVIANCES = ("squared_error", "poisson", "gamma")
"""Those that are the deviance of a distribution of y, so that there is an evidence."""


def make_loss(name: str, *, huber_delta: float, quantile: float) -> Loss:
    """The loss with the given name.

    Parameters
    ----------
    name : str
        One of LOSSES.
    huber_delta, quantile : float
        The parameters of "huber" and of "pinball". The other losses ignore them.

    Returns
    -------
    Loss
    """
    if name == "huber":
        return Huber(float(huber_delta))
    if name == "pinball":
        return Pinball(float(quantile))
    losses: dict[str, Loss] = {"poisson": Poisson(), "gamma": Gamma()}
    return losses.get(name, SquaredError())


def refuse_targets(loss: str, least: float, name: str) -> None:
    """Raise a ValueError if the loss has no value for the least of the targets."""
    if loss == "poisson" and least < 0:
        raise ValueError(f"loss='poisson' requires non-negative {name}.")
    if loss == "gamma" and least <= 0:
        raise ValueError(f"loss='gamma' requires positive {name}, and it has {least:.3g}.")
