"""Noise that varies: its variance as a function of the inputs.

The logarithm u(x) of the noise's variance is the output of a second, small network. It is trained
on the squared leave-one-out errors of the mean. With e_i the error at row i of weights that were
trained without it, and v_i the variance of their prediction there,

    e_i ~ N(0, m_i),    m_i = exp(u(x_i)) + v_i,    ℓ_i = ½ (log m_i + e_i² / m_i),

which is half the gamma deviance of e², and a constant. So the uncertainty of the mean does not
count as noise. With q = exp(u) / m, the slope is ∂ℓ/∂u = ½ q (1 - e²/m). Its expected curvature is
c = ½ q², because the dispersion of squared normal errors is known.

The evidence sets the penalty, as for the mean (see :mod:`~sklearn_mlp.posterior`), here with
nothing else to estimate. Trained anew without a fifth of the rows, it says what the noise is at
these. From this follows a log density of each row that knows nothing of the row, neither in the
mean nor in the noise. By it ``noise="auto"`` chooses.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from ._typing import FloatArray, IntArray
from .losses import Loss
from .network import Network
from .objective import Objective
from .posterior import LaplacePosterior, LeftOutErrors, Posterior
from .rows import Block, RowKernel, Rows, Work

LEAST_ROWS = 50
"""With fewer rows, counted by their weights, ``noise="auto"`` is "constant"."""

LEAST_WEIGHED = 0.01
"""Rows whose noise has a smaller variance, in units of its mean, weigh no more than with this one.

The noise is a tenth of its level there. Without it a few rows with almost no noise take the whole
network for themselves: on yacht the error rises by a third, and the log density is the lower.
"""

LOG_GRID = 2.0**-14
"""The step, 6e-5, to which the logarithms of the weights of the rows are rounded."""

LEAST_ERRORS = 2.0
"""What "auto" asks of the gain in log density: so many standard errors."""

LEAST_GAIN = 2.0
"""And that it is at least this, in units of log density. A few rows may have a tiny error."""


MOST_LEVERAGE = 0.95
"""Rows that determine a larger share of their own prediction say nothing about the noise.

There the error without the row is the present one times 20 or more, by a linearisation that does
not reach so far.
"""


class LogVariance(Loss):
    """The Gaussian likelihood of errors, as a function of the log variance of the noise.

    A row has two targets: its squared error, and the variance of the prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.noise import LogVariance
    >>> targets = np.array([[1.0, 4.0], [0.0, 0.0]])  # e² = 1 and 4, no uncertainty
    >>> LogVariance().value_and_slope(np.zeros((1, 2)), targets)
    (array([[0.5, 2. ]]), array([[ 0. , -1.5]]))
    """

    def value_and_slope(self, z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """½ (log m + e²/m), and ½ q (1 - e²/m)."""
        squares, m, q = _parts(z, y)
        return 0.5 * (np.log(m) + squares / m), 0.5 * q * (1 - squares / m)

    def curvature(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """c = ½ q²."""
        return np.maximum(0.5 * _parts(z, y)[2] ** 2, np.finfo(z.dtype).tiny)


def _parts(z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """e², m and q."""
    noise = np.exp(z)
    m = noise + y[1:]
    return y[:1], m, noise / m


@dataclass(frozen=True)
class LogVarianceNetwork:
    """The network of one output's log variance.

    Attributes
    ----------
    network : Network
    posterior : LaplacePosterior
        Of its weights, for errors in units of `scale`.
    scale : float
        The mean square of the errors, times what leaving out each row widens it by.
    least, most : float
        The range of the network's output over the rows. Elsewhere it is cut to that.
    constant : float
        The share of constant noise in the mean.
    """

    network: Network
    posterior: LaplacePosterior
    scale: float
    least: float
    most: float
    constant: float = 0.0

    def variance(self, block: Block, work: Work) -> FloatArray:
        """The noise's variance at each row, of shape (n_rows,)."""
        workspace = work.workspace(self.network, block)
        u = self.network.pass_over(self.posterior.w, block.inputs, workspace)[0]
        varying = np.exp(np.clip(u, self.least, self.most))
        variance: FloatArray = self.scale * mixed(varying, self.constant)
        return variance


def mixed(varying: FloatArray, constant: float) -> FloatArray:
    """A variance that varies, of which a share is constant, in units of the mean."""
    return (1 - constant) * varying + constant


@dataclass(frozen=True)
class VaryingNoise:
    """The variance of the noise as a function of the inputs, in the units of training.

    Attributes
    ----------
    of_outputs : tuple of LogVarianceNetwork
        One for each output.
    level : array of shape (n_outputs,)
        The mean of the variance over the rows.
    mean_weight : float
        The mean over the rows of what :meth:`weights` divides by it.
    log_weight : float
        ½ log w, with the weights w of :meth:`weights`, as a mean over the rows and summed over the
        outputs: what weighting the rows adds to the log evidence of the mean, per row.
    """

    of_outputs: tuple[LogVarianceNetwork, ...]
    level: FloatArray
    mean_weight: float = 1.0
    log_weight: float = 0.0

    def variance(self, block: Block, work: Work) -> FloatArray:
        """The variance of each output and row, of shape (n_outputs, n_rows)."""
        return np.array([network.variance(block, work) for network in self.of_outputs])

    def times(self, factors: FloatArray, level: FloatArray) -> Self:
        """The noise of this level with the variance of each output multiplied by a factor."""
        networks = zip(self.of_outputs, factors, strict=True)
        of_outputs = tuple(replace(one, scale=one.scale * float(f)) for one, f in networks)
        return replace(self, of_outputs=of_outputs, level=factors * level)

    def without_weights(self) -> Self:
        """The same noise, by which no rows were weighted."""
        return replace(self, log_weight=0.0)

    def weighted_as(self, other: Self) -> Self:
        """The same noise, where the rows were weighted by another."""
        return replace(self, log_weight=other.log_weight)

    def weights(self, variance: FloatArray) -> FloatArray:
        """What the weights of the rows are multiplied by in training: 1 in the mean.

        It is the precision of the noise. With several outputs, which have the rows in common, it
        is the mean of their precisions, each relative to its level. It is rounded, because a long
        second-order descent magnifies even the smallest difference (see :meth:`Rows.coarse`).
        """
        relative = np.maximum(variance / self.level[:, np.newaxis], LEAST_WEIGHED)
        precision = (1 / relative).mean(axis=0) / self.mean_weight
        rounded: FloatArray = np.exp(LOG_GRID * np.rint(np.log(precision) / LOG_GRID))
        return rounded


# Kernels ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NoiseVariances(RowKernel):
    """The variance of the noise at each row."""

    noise: VaryingNoise

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each output."""
        return (len(self.noise.of_outputs),)

    @property
    def floats_per_row(self) -> int:
        """A pass through each network."""
        return sum(one.network.floats_per_row for one in self.noise.of_outputs)

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows, n_outputs)."""
        return self.noise.variance(block, work).T


@dataclass(frozen=True, eq=False)
class NoiseWeights(RowKernel):
    """What the weight of each row is multiplied by: see :meth:`VaryingNoise.weights`."""

    noise: VaryingNoise

    @property
    def shape(self) -> tuple[int, ...]:
        """A number."""
        return ()

    @property
    def floats_per_row(self) -> int:
        """Those of the variances."""
        return NoiseVariances(self.noise).floats_per_row

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows,)."""
        return self.noise.weights(self.noise.variance(block, work))


# The estimate -----------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """The noise, and what it was estimated from.

    Attributes
    ----------
    noise : VaryingNoise
    variance : array of shape (n_rows, n_outputs)
        Of the noise at each row.
    left_out : array of shape (n_rows, n_outputs)
        The same by what is known without the row.
    """

    noise: VaryingNoise
    variance: FloatArray
    left_out: FloatArray


class Residuals(NamedTuple):
    """What the mean leaves at each row, by what is known without the row.

    Attributes
    ----------
    rows : Rows
        Those with their own weights. If all are more than memory may have, a random sample;
        without rows of more than MOST_LEVERAGE.
    positions : array of shape (n_rows,)
        Theirs in that sample.
    errors : array of shape (n_rows, n_outputs)
    variances : array of shape (n_rows, n_outputs)
        Of the predictions.
    calibrated : array of shape (n_rows, n_outputs)
        The same, widened as the error bars are.
    calibration : array of shape (n_outputs,)
        What the variance of the noise is widened by.
    constant : array of shape (n_outputs,)
        The variance of the noise, widened, if it is constant.
    """

    rows: Rows
    positions: IntArray
    errors: FloatArray
    variances: FloatArray
    calibrated: FloatArray
    calibration: FloatArray
    constant: FloatArray

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        objective: Objective,
        counted: Rows,
        *,
        trained_on: bool = True,
    ) -> "Residuals":
        """Those of a posterior, over the rows of an objective.

        Parameters
        ----------
        posterior : Posterior
        objective : Objective
            Over rows with the weights of the training.
        counted : Rows
            The same rows with their own weights.
        trained_on : bool, default=True
            Whether the posterior was trained on these rows.
        """
        parts = posterior.parts(objective.network, trained_on, objective.noise)
        kernel = LeftOutErrors(tuple(parts))
        found = objective.rows.at_hand().gather(kernel)
        believed = np.flatnonzero((found[..., 3] <= MOST_LEVERAGE).all(axis=1))
        errors, variances, widened, _ = np.moveaxis(found[believed], 2, 0)
        each = [share * part.posterior.calibration for share, part in parts]
        constant = [c / part.posterior.beta for c, (_, part) in zip(each, parts, strict=True)]
        rows = counted.at_hand()  # the same sample
        if len(believed) < rows.n_rows:
            rows = rows.take(believed)
        return cls(
            rows, believed, errors, variances, widened,
            np.sum(each, axis=0), np.sum(constant, axis=0),
        )  # fmt: skip

    def log_density(self, noise: FloatArray | None) -> FloatArray:
        """The log density of each row, with the noise's variance, or with constant noise."""
        widened = self.constant if noise is None else self.calibration * noise
        variance = self.calibrated + widened
        terms = np.log(2 * np.pi * variance) + self.errors**2 / variance
        density: FloatArray = -0.5 * terms.sum(axis=1)
        return density


def in_both(one: Residuals, other: Residuals) -> tuple[IntArray, IntArray]:
    """The numbers of the rows that both have, in each of them."""
    _, i, j = np.intersect1d(one.positions, other.positions, True, return_indices=True)
    return i, j


def weighted(rows: Rows, noise: VaryingNoise) -> Rows:
    """The rows, with their weights multiplied by the precision of their noise."""
    return rows.reweighted(NoiseWeights(noise))


# The choice -------------------------------------------------------------------------------------


def is_better(new: FloatArray, old: FloatArray, s: FloatArray) -> bool:
    """Whether log densities of rows have gained more than their own uncertainty.

    Parameters
    ----------
    new, old : array of shape (n_rows,)
    s : array of shape (n_rows,)
        The weights of the rows.
    """
    gain, error = gain_and_error(new, old, s)
    return gain > max(LEAST_ERRORS * error, LEAST_GAIN)


def gain_and_error(new: FloatArray, old: FloatArray, s: FloatArray) -> tuple[float, float]:
    """By how much log densities of rows are higher in all, and the standard error of that.

    Parameters
    ----------
    new, old : array of shape (n_rows,)
    s : array of shape (n_rows,)
        The weights of the rows.
    """
    d = new - old
    gain = float(s @ d)
    with np.errstate(over="ignore", invalid="ignore"):  # then it is no gain
        squares = float(s @ d**2) - gain * (gain / float(s.sum()))
    return gain, float(np.sqrt(np.maximum(squares, 0.0)))


def mean_square(errors: FloatArray, s: FloatArray) -> FloatArray:
    """The mean square of the errors (n_rows, n_outputs) of each output."""
    squares: FloatArray = s @ errors**2 / s.sum()
    return squares


def differ(one: FloatArray, other: FloatArray, s: FloatArray) -> float:
    """The root mean square of the log ratio of two variances, over rows of the weights s."""
    squares = (np.log(one / other) ** 2).mean(axis=1)
    return float(np.sqrt(s @ squares / s.sum()))
