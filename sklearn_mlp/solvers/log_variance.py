"""The noise by its own evidence: train the network of the log variance on leave-one-out errors.

Training alternates steps of Levenberg-Marquardt on the likelihood of
:class:`~sklearn_mlp.noise.LogVariance` and re-estimations of the precisions of the prior. With γ_g
of the weights of group g determined,

    α_g = γ_g / ‖w_g‖².

There is no precision of the noise to estimate, because the likelihood contains the noise. Networks
with no or few hidden units are tried, and the evidence chooses. If the noise is constant, all
precisions grow to their limit, and the network becomes a constant.
"""

from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray, IntArray
from ..curvature import step_cost
from ..network import Network, in_use
from ..noise import (
    Estimate,
    LogVariance,
    LogVarianceNetwork,
    NoiseVariances,
    Residuals,
    VaryingNoise,
    gain_and_error,
    mixed,
)
from ..objective import Objective, Point, Precisions, Predictions
from ..overflow import OverflowedError, unwarned
from ..posterior import LaplacePosterior, WeightGroups, laplace
from ..rows import Rows
from .ascent import PRECISION_RANGE
from .evidence import SMALL_WEIGHTS
from .levenberg_marquardt import Damping, step

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

STEPS_PER_ESTIMATE = 4
"""The most steps of Levenberg-Marquardt from one re-estimation to the next."""

LEAST_FALL = 1e-3
"""Fewer are made if a step lowers F by less than this, in units of log probability."""

LEAST_RISE, PATIENCE = 0.1, 4
"""An ascent is over if so many re-estimations have raised the log evidence by less than this."""

LEAST_EVIDENCE = 1.0
"""By how much the log evidence must rise for a larger network to be taken."""

FEWEST_ROWS = 3.0
"""Rows for each parameter of a network that is tried. The linear one always is."""

STEP_COST = 1e9
"""A network is tried if a step costs at most this: see :func:`step_cost`."""

FOLDS = 5
"""The share of the rows that is left out at a time."""

CONSTANTS = (0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""The shares of constant noise in it that are tried, in units of the mean square of the errors."""

LEAST_VARIANCE = 1e-6
"""The least variance of the noise anywhere, in units of its mean."""

NOISE_FREE = 1e-10
"""Errors with a smaller mean square, relative to the target's, are rounding and not noise."""


def estimate(residuals: Residuals) -> Estimate | None:
    """The noise that the residuals show; None if there is none, or if its network overflows.

    On average over the rows it is at least the constant noise. If the mean follows the rows
    closely, the linearised leave-one-out errors are too small, and the evidence of the mean gives
    the better number of degrees of freedom for the noise.

    First weights, and rows if they are very many, are drawn from a generator of its own, so that
    the mean is trained as it would be with constant noise.
    """
    rows, rng = residuals.rows, RandomState(0)
    if not rows.n_rows:
        return None
    s, squares = rows.weights_of_rows(), residuals.errors**2
    mean_square = s @ squares / s.sum()
    of_targets = s @ rows.whole_targets() ** 2 / s.sum()
    if (mean_square <= NOISE_FREE * np.where(of_targets > 0, of_targets, 1)).any():
        return None
    few = None
    if rows.n_rows > MOST_ROWS:
        few = np.sort(rng.choice(rows.n_rows, MOST_ROWS, replace=False))
    networks, left_out = [], []
    for scale, e2, v in zip(mean_square, squares.T, residuals.variances.T, strict=True):
        own = rows.with_targets(np.column_stack([e2, v + LEAST_VARIANCE * scale]) / scale)
        try:
            with unwarned():
                one, without = _of_an_output(own, few, rng, scale)
        except OverflowedError:
            return None
        networks.append(one)
        left_out.append(without)
    noise = VaryingNoise(tuple(networks), np.ones(len(networks)))
    variance = rows.gather(NoiseVariances(noise))
    level = s @ variance / s.sum()
    raised = np.maximum(residuals.constant / (residuals.calibration * level), 1)
    noise, variance = noise.times(raised, level), raised * variance
    noise = replace(noise, mean_weight=float(s @ noise.weights(variance.T) / s.sum()))
    log_weight = float(s @ np.log(noise.weights(variance.T)) / s.sum())
    noise = replace(noise, log_weight=0.5 * len(networks) * log_weight)
    return Estimate(noise, variance, raised * np.transpose(left_out))


def _of_an_output(
    rows: Rows, few: IntArray | None, rng: RandomState, scale: float
) -> tuple[LogVarianceNetwork, FloatArray]:
    """The network for targets in units of `scale`, and its variance at each row without it."""
    network, posterior = _by_evidence(rows if few is None else rows.take(few), rng)
    u, without = without_own_fold(network, posterior, rows, few, rng)
    least, most = np.maximum([u.min(), u.max()], np.log(LEAST_VARIANCE))
    varying = np.exp(np.clip(without, least, most))
    constant, variance, widened, _ = with_constant(varying, rows)
    one = LogVarianceNetwork(
        network, posterior, scale * widened, float(least), float(most), constant
    )
    return one, scale * variance


def without_own_fold(
    network: Network,
    posterior: LaplacePosterior,
    rows: Rows,
    few: IntArray | None,
    rng: RandomState,
) -> tuple[FloatArray, FloatArray]:
    """u at each row, of weights that were trained with it and without it.

    Rows are left out by folds, and the network is trained again. The linearisation would not show
    that a single outlier creates a region of large noise for itself. Rows of equal inputs are left
    out together, so a weight of 2 is two copies.
    """

    def predicted(w: FloatArray, some: Rows) -> FloatArray:
        return some.gather(Predictions(network, network.layers(w)))[:, 0].astype(np.float64)

    u = predicted(posterior.w, rows)
    without = u.copy()  # of rows that were not drawn, too
    drawn = np.arange(rows.n_rows) if few is None else few
    sample = rows if few is None else rows.take(few)
    label = np.unique(sample.whole().inputs.T, axis=0, return_inverse=True)[1].ravel()
    fold = rng.permutation(label.max() + 1)[label] % FOLDS
    for i in range(FOLDS):
        left = fold == i
        if not left.any() or left.all():
            continue
        others = Objective(network, sample.take(np.flatnonzero(~left)), 0.0, LogVariance())
        w = _ascent(others, rng).w
        without[drawn[left]] = predicted(w, sample.take(np.flatnonzero(left)))
    return u, without


class Mixed(NamedTuple):
    """A variance of which a share is constant.

    Attributes
    ----------
    constant : float
        That share.
    variance : array of shape (n_rows,)
        Of the noise at each row.
    widened : float
        What it was multiplied by, so that it is not too small for the errors.
    log_density : array of shape (n_rows,)
    """

    constant: float
    variance: FloatArray
    widened: float
    log_density: FloatArray

    @classmethod
    def of(cls, constant: float, varying: FloatArray, rows: Rows) -> Self:
        """The variance, widened where leaving out each row shows it to be too small.

        So are the error bars of the mean: see :func:`~sklearn_mlp.posterior.calibrated`.
        """
        squares, v = rows.whole_targets().T
        variance = mixed(varying, constant)
        terms = squares / (variance + v)
        widened = max(float(np.average(terms, weights=rows.weights_of_rows())), 1.0)
        variance = widened * variance
        m = variance + v
        return cls(constant, variance, widened, -0.5 * (np.log(m) + squares / m))


def with_constant(varying: FloatArray, rows: Rows) -> Mixed:
    """The largest share of constant noise whose density is one standard error below the highest.

    (The rule of one standard error: Breiman et al., 1984.) A row far outside a small noise costs
    more than the small noise gains at the others, and LEAST_VARIANCE does not prevent it.
    """
    s = rows.weights_of_rows()
    each = [Mixed.of(constant, varying, rows) for constant in CONSTANTS]
    best = max(each, key=lambda one: float(s @ one.log_density))

    def is_near(one: Mixed) -> bool:
        loss, error = gain_and_error(best.log_density, one.log_density, s)
        return loss <= error

    return max(filter(is_near, each), key=lambda one: one.constant)


def _by_evidence(rows: Rows, rng: RandomState) -> tuple[Network, LaplacePosterior]:
    """The network that the evidence favours, and its posterior."""
    n_inputs, varies, best = rows.X.shape[1], rows.units.inputs.varies, None
    for width in WIDTHS:
        network = Network([n_inputs, *([width] if width else []), 1], ACTIVATION)
        P = in_use(network, varies).n_parameters
        too_large = rows.total_weight < FEWEST_ROWS * P
        if best and (too_large or step_cost(rows.n_rows, P, 1) > STEP_COST):
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
    varies, beta = objective.rows.units.inputs.varies, np.ones(1)
    groups = WeightGroups.by_layer(network, per_input=True, varies=varies)
    alpha: FloatArray = np.full(len(groups.names), FIRST_PRECISION)
    w = network.initial_weights(rng, SMALL_WEIGHTS, varies)
    network.layers(w)[-1][...] *= START_OF_OUTPUT
    point, best, n_level = Point(w, objective.gauss_newton(w)), None, 0
    for _ in range(MOST_ESTIMATES):
        precisions = Precisions(beta, groups.per_parameter(alpha))
        point = _descended(objective, point, precisions)
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


def _descended(objective: Objective, point: Point, precisions: Precisions) -> Point:
    """The point after some steps, or in the minimum for these precisions."""
    damping = Damping()
    for _ in range(STEPS_PER_ESTIMATE):
        F = precisions.cost(point.sums.E, point.w)
        new = step(objective, point, precisions, damping, precisions.curvature(point.sums))
        if new is None:
            break
        point = new
        if F - precisions.cost(point.sums.E, point.w) < LEAST_FALL:
            break
    return point
