"""Noise that varies: its variance as a function of the inputs.

The logarithm u(x) of the noise's variance is the output of a second, small network. It is trained
on the squared leave-one-out errors of the mean. With e_i the error at row i of weights that were
trained without it, and v_i the variance of their prediction there,

    e_i ~ N(0, m_i),    m_i = exp(u(x_i)) + v_i,    ℓ_i = ½ (log m_i + e_i² / m_i),

which is half the gamma deviance of e², and a constant. So the uncertainty of the mean does not
count as noise. With q = exp(u) / m, the slope is ∂ℓ/∂u = ½ q (1 - e²/m). Its expected curvature is
c = ½ q², because the dispersion of squared normal errors is known.

The evidence sets the penalty, as for the mean (see :mod:`~sklearn_mlp.posterior`), here with
nothing else to estimate. Without row i, the network has there, by its own linearisation,

    u_i + h_i ∂ℓ/∂u / (1 - c h_i),    h_i = j_i A⁻¹ j_iᵀ.

From this follows a log density of each row that knows nothing of the row, neither in the mean nor
in the noise. By it ``noise="auto"`` chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState

from ._typing import FloatArray
from .curvature import step_cost
from .losses import Loss
from .network import Network
from .objective import NetworkKernel, Objective, Point, Precisions
from .posterior import LaplacePosterior, LeftOutErrors, Posterior, WeightGroups, laplace
from .rows import Block, Kernel, RowKernel, Rows, Work
from .solvers.evidence import PRECISION_RANGE, SMALL_WEIGHTS
from .solvers.levenberg_marquardt import Damping, step

LEAST_ROWS = 50
"""With fewer rows ``noise="auto"`` is "constant": their errors say too little."""

MOST_ROWS = 10_000
"""The most rows that the noise is estimated from, drawn at random."""

WIDTHS = (0, 3, 6)
"""Hidden units of the networks that are tried, until the evidence no longer rises."""

ACTIVATION = "sigmoid"
"""The activation of their hidden units. Far from the data it levels off."""

FIRST_PRECISION = 1.0
"""The precision of the prior to start from: logarithms of variances that vary by some units."""

START_OF_OUTPUT = 0.1
"""The first output weights, relative to those of a fresh network: the noise begins as constant."""

MOST_ESTIMATES = 40
"""The most re-estimations of the precisions."""

STEPS_PER_ESTIMATE = 2
"""Steps of Levenberg-Marquardt from one re-estimation to the next."""

LEAST_RISE, PATIENCE = 0.1, 4
"""An ascent is over if so many re-estimations have raised the log evidence by less than this."""

LEAST_EVIDENCE = 1.0
"""What the log evidence must rise by for a larger network to be taken."""

FEWEST_ROWS = 3.0
"""Rows for each parameter of a network that is tried. The linear one always is."""

STEP_COST = 1e9
"""A network is tried if a step costs at most this: see :func:`step_cost`."""

LEAST_VARIANCE = 1e-6
"""The least variance of the noise anywhere, in units of its mean."""

NOISE_FREE = 1e-10
"""Errors whose mean square is a smaller part of the target's are rounding, and no noise."""

LEAST_ERRORS = 1.0
"""What "auto" asks of the gain in log density: so many standard errors."""

LEAST_GAIN = 2.0
"""And that it is at least this, in units of log density. A few rows may have a tiny error."""


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
    """

    network: Network
    posterior: LaplacePosterior
    scale: float
    least: float
    most: float

    def variance(self, block: Block, work: Work) -> FloatArray:
        """The noise's variance at each row, of shape (n_rows,)."""
        workspace = work.workspace(self.network, block)
        u = self.network.pass_over(self.posterior.w, block.inputs, workspace)[0]
        variance: FloatArray = self.scale * np.exp(np.clip(u, self.least, self.most))
        return variance


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
    """

    of_outputs: tuple[LogVarianceNetwork, ...]
    level: FloatArray
    mean_weight: float = 1.0

    def variance(self, block: Block, work: Work) -> FloatArray:
        """The variance of each output and row, of shape (n_outputs, n_rows)."""
        return np.array([network.variance(block, work) for network in self.of_outputs])

    def weights(self, variance: FloatArray) -> FloatArray:
        """What the weights of the rows are multiplied by in training: 1 in the mean.

        It is the precision of the noise. With several outputs, which have the rows in common, it
        is the mean of their precisions, each relative to its level.
        """
        precision: FloatArray = (self.level[:, np.newaxis] / variance).mean(axis=0)
        return precision / self.mean_weight


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
class LeftOutLogVariances(NetworkKernel, RowKernel):
    """u at each row, of weights that were trained with it and without it."""

    posterior: LaplacePosterior

    @property
    def shape(self) -> tuple[int, ...]:
        """With, and without."""
        return (2,)

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and a row of the Jacobian."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows, 2)."""
        u = self.predict(block, work).copy()
        workspace = work.workspace(self.network, block)
        J = self.network.jacobian(self.layers, block.inputs, workspace)
        h, loss = self.posterior.variance(J[0]), LogVariance()
        s = 1.0 if block.weights is None else np.minimum(block.weights, 1)
        left = np.maximum(1 - s * loss.curvature(u, block.targets) * h, 1e-6)
        return np.vstack([u, u + s * h * loss.slope(u, block.targets) / left]).T


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
        Those with their own weights.
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
        errors, variances, widened = np.moveaxis(objective.rows.gather(kernel), 2, 0)
        calibration = sum(share * part.posterior.calibration for share, part in parts)
        constant = sum(
            share * part.posterior.calibration / part.posterior.beta for share, part in parts
        )
        return cls(counted, errors, variances, widened, np.asarray(calibration), constant)

    def log_density(self, noise: FloatArray | None) -> FloatArray:
        """The log density of each row, with the noise's variance, or with constant noise."""
        widened = self.constant if noise is None else self.calibration * noise
        variance = self.calibrated + widened
        terms = np.log(2 * np.pi * variance) + self.errors**2 / variance
        density: FloatArray = -0.5 * terms.sum(axis=1)
        return density


def estimate(residuals: Residuals, rng: RandomState) -> Estimate | None:
    """The noise that the residuals show; None if there is none.

    Parameters
    ----------
    residuals : Residuals
    rng : RandomState
        Draws the first weights, and the rows if they are very many.
    """
    rows = residuals.rows
    s = rows.weights_of_rows()
    squares = residuals.errors**2
    mean_square = (s @ squares) / s.sum()
    targets = Objective(Network([1, rows.y.shape[1]], "identity"), rows, 0.0).squared_targets()
    if (mean_square <= NOISE_FREE * np.where(targets > 0, targets / s.sum(), 1)).any():
        return None
    few = None
    if rows.n_rows > MOST_ROWS:
        few = np.sort(rng.choice(rows.n_rows, MOST_ROWS, replace=False))
    networks, left_out = [], []
    for k, scale in enumerate(mean_square):
        targets = np.column_stack([squares[:, k], residuals.variances[:, k]]) / scale
        targets[:, 1] += LEAST_VARIANCE
        own = rows.with_targets(targets)
        network, posterior = _by_evidence(own if few is None else own.take(few), rng)
        u, without = own.gather(LeftOutLogVariances(network, posterior.w, posterior)).T
        without = np.clip(without, u.min(), u.max())
        widened = float(s @ (targets[:, 0] / (np.exp(without) + targets[:, 1])) / s.sum())
        widened = max(widened, 1.0)
        one = LogVarianceNetwork(network, posterior, scale * widened, u.min(), u.max())
        networks.append(one)
        left_out.append(scale * widened * np.exp(without))
    noise = VaryingNoise(tuple(networks), np.ones(len(networks)))
    variance = rows.in_dtype(np.float64).gather(NoiseVariances(noise))
    level = (s @ variance) / s.sum()
    noise = VaryingNoise(tuple(networks), level)
    mean_weight = float(s @ noise.weights(variance.T) / s.sum())
    return Estimate(VaryingNoise(tuple(networks), level, mean_weight), variance, np.transpose(left_out))


def _by_evidence(rows: Rows, rng: RandomState) -> tuple[Network, LaplacePosterior]:
    """The network that the evidence favours, and its posterior."""
    n_inputs, best = rows.X.shape[1], None
    for width in WIDTHS:
        network = Network([n_inputs, *([width] if width else []), 1], ACTIVATION)
        too_large = rows.n_rows < FEWEST_ROWS * network.n_parameters
        if best and (too_large or step_cost(rows.n_rows, network.n_parameters, 1) > STEP_COST):
            break
        posterior = _ascent(Objective(network, rows, 0.0, LogVariance()), rng)
        if best and posterior.log_evidence < best[1].log_evidence + LEAST_EVIDENCE:
            if width > WIDTHS[1]:
                break
            continue  # what a few units cannot do better than none, more may
        best = network, posterior
    assert best is not None
    return best


def _ascent(objective: Objective, rng: RandomState) -> LaplacePosterior:
    """Steps and re-estimations in turn; the posterior of the highest evidence."""
    network, n = objective.network, objective.rows.total_weight
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha: FloatArray = np.full(len(groups.names), FIRST_PRECISION)
    w, beta, damping = network.initial_weights(rng, SMALL_WEIGHTS), np.ones(1), Damping()
    network.layers(w)[-1][...] *= START_OF_OUTPUT
    point, best, n_level = Point(w, objective.gauss_newton(w)), None, 0
    for _ in range(MOST_ESTIMATES):
        precisions = Precisions(beta, groups.per_parameter(alpha))
        for _ in range(STEPS_PER_ESTIMATE):
            curvature = precisions.curvature(point.sums)
            new = step(objective, point, precisions, damping, curvature)
            damping = Damping() if new is None else damping
            point = new or point
        posterior = laplace(point, groups, alpha, beta, n)
        before = -np.inf if best is None else best.log_evidence
        n_level = n_level + 1 if posterior.log_evidence < before + LEAST_RISE else 0
        if posterior.log_evidence > before:
            best = posterior
        if n_level >= PATIENCE:
            break
        squares = np.maximum(groups.sum(point.w**2), 1e-300)
        alpha = np.clip(posterior.gamma / squares, *PRECISION_RANGE)
    assert best is not None
    return best


# The choice -------------------------------------------------------------------------------------


def is_better(new: FloatArray, old: FloatArray, s: FloatArray) -> bool:
    """Whether log densities of rows have gained more than their own uncertainty.

    Parameters
    ----------
    new, old : array of shape (n_rows,)
    s : array of shape (n_rows,)
        The weights of the rows.
    """
    d, n = new - old, s.sum()
    gain = float(s @ d)
    error = np.sqrt(max(float(s @ d**2) - gain**2 / n, 0.0))
    return gain > max(LEAST_ERRORS * error, LEAST_GAIN)


def differ(one: FloatArray, other: FloatArray) -> float:
    """The root mean square of the log ratio of two variances."""
    return float(np.sqrt(np.mean(np.log(one / other) ** 2)))
