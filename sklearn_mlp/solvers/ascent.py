"""One ascent of the evidence.

The precisions α_g of the weight groups and β_k of the noise that make the data most probable
satisfy, with the posterior of :mod:`~sklearn_mlp.posterior` (MacKay, 1992, equations 4.8 to
4.10; Foresee & Hagan, 1997),

    α_g = γ_g / ‖w_g‖²,     β_k = (N - γ_k) / E_k.

An ascent of the evidence alternates steps of Levenberg-Marquardt for given precisions and
re-estimations of the precisions by these equations. The coefs of the first layer share one
precision until the evidence has settled. Then each input gets its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..monitor import Monitor
from ..network import Network, PartialNetwork
from ..objective import Objective, Point, Precisions
from ..posterior import LEAST_FREE_ROWS, NOISE_RANGE, LaplacePosterior, WeightGroups, laplace
from .between_rows import has_spikes
from .levenberg_marquardt import Damping, step

PRECISION_RANGE = (1e-10, 1e10)
"""Between these is the precision of a group: the prior as good as flat, the group dead."""

LEAST_NOISE_OF_FEW = 1e-3
"""The smallest standard deviation of the noise that few rows can show, relative to that of the
target."""

BURN_IN = 20
"""Steps before the first re-estimation. Before that, weights have learnt nothing and look
superfluous."""

STEPS_PER_ESTIMATE = 2
"""Steps from one re-estimation to the next."""

WATCHED_ESTIMATES = 10
"""Re-estimations over which the log evidence is watched."""

LEAST_FALL = 0.01
"""A step that lowers F by less, in units of log probability, is followed by a re-estimation."""

SETTLED = 1e-12
"""Precisions whose relative change is smaller have settled."""

GAIN = 0.1
"""By how much the log evidence must rise above its best for a new best to count."""

PATIENCE = 12
"""Re-estimations without a new best of the log evidence that end an ascent, by default."""

STILL_PRUNING = 0.95
"""An ascent goes on while the number of determined parameters falls below this share of what it was
so many re-estimations before.

The evidence may fall for a while before the loss of superfluous inputs pays.
"""

ESTIMATES_AT_A_POINT = 10
"""Re-estimations, without a step, of the precisions that suit given weights."""

LINEAR_START = (1.0, 3.0)
"""Precisions of prior and noise from which the evidence of a linear function is ascended."""

LINEAR_STEPS = 40
"""The most steps of that ascent. Without hidden layers, a step comes to the minimum of F."""

LEAST_NOISE_OF_LINEAR = 0.1
"""The smallest standard deviation of the noise with which the network continues, relative to that
of the target."""

SURE_ESTIMATES = 3
"""Re-estimations before which no ascent is given up. With 4, the rule saves 24 % of the time."""

NOISE_FREE = 1e-2
"""Below this error, in units of the target, the function is checked between the rows."""

NEARLY_EXACT = 1e-3
"""Below this error, in units of the target, the network may be able to represent the function
exactly."""


def reestimate(
    posterior: LaplacePosterior,
    point: Point,
    variance: FloatArray,
    dispersion: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """The α and β by the equations of this module, given the posterior for the present ones.

    Parameters
    ----------
    posterior : LaplacePosterior
    point : Point
    variance : array of shape (n_outputs,)
        The mean square of each target. For another loss, twice the mean loss of a constant.
    dispersion : float, optional
        1/β, where it is known.

    Returns
    -------
    alpha : array of shape (n_groups,)
    beta : array of shape (n_outputs,)
    """
    n = posterior.n
    squares = posterior.groups.sum(point.w**2)
    alpha = np.clip(posterior.gamma / np.maximum(squares, 1e-300), *PRECISION_RANGE)
    if dispersion is not None:
        return alpha, np.full_like(posterior.beta, 1 / dispersion)
    free = np.maximum(n - posterior.gamma_of_output, LEAST_FREE_ROWS * n)
    least = 0.0 if _ample(n, point.w) else LEAST_NOISE_OF_FEW**2
    beta = free / np.maximum(point.sums.E, np.maximum(n * least * variance, 1e-300))
    return alpha, np.clip(beta, *NOISE_RANGE)


def _ample(n: float, w: FloatArray) -> bool:
    """Whether there are so many more rows than parameters that a perfect fit means something."""
    return n > 2 * len(w)


def posterior_at(w: FloatArray, objective: Objective, like: LaplacePosterior) -> LaplacePosterior:
    """The posterior around other weights, or over other rows, with precisions fitted to them."""
    point, n = Point(w, objective.gauss_newton(w)), objective.total_weight
    variance = objective.errors_of_a_constant() / n
    posterior = laplace(point, like.groups, like.alpha, like.beta, n)
    for _ in range(ESTIMATES_AT_A_POINT):
        alpha, beta = reestimate(posterior, point, variance, objective.loss.dispersion)
        posterior = laplace(point, like.groups, alpha, beta, n)
    return posterior


def without_hidden_layers(network: Network) -> Network:
    """The network of a linear function."""
    return Network([network.layer_sizes[0], network.layer_sizes[-1]], network.activation)


def linear_posterior(objective: Objective, monitor: Monitor | None = None) -> LaplacePosterior:
    """The posterior of a linear function: of the network without its hidden layers.

    Parameters
    ----------
    objective : Objective
        Of the network, over the rows.
    monitor : Monitor, optional
        Receives the history.
    """
    linear, rows = without_hidden_layers(objective.network), objective.rows
    monitor = monitor or Monitor(tol=0.0, n_iter_no_change=LINEAR_STEPS)
    w = np.zeros(linear.n_parameters)
    ascent = Ascent(Objective(linear, rows, 0.0, objective.loss), w, *LINEAR_START, monitor)
    ascent.run(LINEAR_STEPS)
    return ascent.posterior


def on_rows_of(objective: Objective, posterior: LaplacePosterior) -> LaplacePosterior:
    """The posterior with the same weights and precisions over the rows of an objective."""
    point = Point(posterior.w, objective.gauss_newton(posterior.w))
    return laplace(point, posterior.groups, posterior.alpha, posterior.beta, posterior.n)


def uncertainty(objective: Objective) -> float:
    """The standard deviation of the log likelihood, about √(N/2) of N rows.

    A change of the log evidence that is smaller means nothing.
    """
    n_outputs = objective.network.layer_sizes[-1]
    return float(np.sqrt(objective.total_weight * n_outputs / 2))


class Summit(NamedTuple):
    """The weights and the precisions of the highest evidence on the way."""

    log_evidence: float
    w: FloatArray
    groups: WeightGroups
    alpha: FloatArray
    beta: FloatArray


class Ascent:
    """One ascent of the evidence: its weights, its precisions, and its history.

    The evidence need not rise at each re-estimation, because the equations ignore that the
    curvature changes with the weights. When little is left to be learnt, the evidence may fall,
    while the precisions of weights that hardly matter grow to their limits. So an ascent ends some
    re-estimations after its summit, and the summit counts.

    Attributes
    ----------
    highest : list of float
        The highest evidence so far, after each re-estimation.
    least : sequence of float
        The ascent is given up if `highest` falls below it. The last value holds from there on.
        Empty if the ascent is never given up. Ignored once each input has a precision.
    """

    def __init__(
        self,
        objective: Objective,
        w: FloatArray,
        alpha: float,
        beta: float | FloatArray,
        monitor: Monitor,
        patience: int = PATIENCE,
    ) -> None:
        network, self.patience = objective.network, patience
        self.objective, self.monitor = objective, monitor
        monitor.maximizes_evidence = True
        self.n = objective.total_weight
        self.hidden = len(network.shapes) > 1
        self.groups = WeightGroups.by_layer(network, per_input=False)
        self.per_input = False
        self.alpha: FloatArray = np.full(len(self.groups.names), alpha)
        self.variance = objective.errors_of_a_constant() / self.n
        self.dispersion = objective.loss.dispersion
        self.beta: FloatArray = beta / np.where(self.variance > 0, self.variance, 1)
        if self.dispersion is not None:
            self.beta = np.full_like(self.variance, 1 / self.dispersion)
        self.point = Point(w, objective.gauss_newton(w))
        self.damping = Damping()
        self.highest: list[float] = []
        self.least: Sequence[float] = ()
        self.evidences: list[float] = []
        self.determined: list[float] = []
        self.summits: list[Summit] = []  # without and with a precision for each input
        self.n_below = 0
        self.n_fitted = 0
        self.paused = False
        self.first_wait = BURN_IN if self.hidden else STEPS_PER_ESTIMATE

    @classmethod
    def going_on(
        cls, objective: Objective, posterior: LaplacePosterior, monitor: Monitor
    ) -> "Ascent":
        """An ascent that goes on from a posterior, perhaps one over other rows."""
        ascent = cls(objective, posterior.w, 1.0, 1.0, monitor)
        if ascent.hidden:
            ascent.groups = posterior.groups
            ascent.alpha = posterior.alpha
            ascent._give_each_input_a_precision()
        ascent.beta, ascent.first_wait = posterior.beta, STEPS_PER_ESTIMATE
        return ascent

    @classmethod
    def from_linear(
        cls,
        objective: Objective,
        linear: LaplacePosterior,
        monitor: Monitor,
        rng: RandomState,
        patience: int = PATIENCE,
    ) -> "Ascent":
        """An ascent that begins near a linear function, and with its noise."""
        network, n_outputs = objective.network, len(linear.beta)
        variance = objective.squared_targets() / objective.total_weight
        beta = linear.beta * np.where(variance > 0, variance, 1)
        beta = np.minimum(beta, 1 / LEAST_NOISE_OF_LINEAR**2)
        w = network.linear_weights(linear.w.reshape(-1, n_outputs)[1:], rng)
        w = objective.with_best_output(w, Precisions(linear.beta, network.is_coef()))
        return cls(objective, w, 1.0, beta, monitor, patience)

    @property
    def last_posterior(self) -> LaplacePosterior:
        """Around the present weights."""
        return laplace(self.point, self.groups, self.alpha, self.beta, self.n)

    @property
    def posterior(self) -> LaplacePosterior:
        """Around the summit, or around the present weights before there is one."""
        return self.at(self.summit) if self.summits else self.last_posterior

    @property
    def posteriors(self) -> list[LaplacePosterior]:
        """Around the summits without and with a precision for each input, and around the end."""
        summits = [self.at(summit) for summit in self.summits if summit.w is not self.point.w]
        return [*summits, self.last_posterior] if self._is_credible or not summits else summits

    @property
    def summit(self) -> Summit:
        """The highest."""
        return max(self.summits, key=lambda summit: summit.log_evidence)

    def at(self, summit: Summit) -> LaplacePosterior:
        """The posterior around a summit."""
        _, w, groups, alpha, beta = summit
        return laplace(Point(w, self.objective.gauss_newton(w)), groups, alpha, beta, self.n)

    @property
    def nearly_exact(self) -> bool:
        """Whether almost no error is left, on far more rows than parameters."""
        nearly = bool((NEARLY_EXACT**2 * self.n * self.variance > self.point.sums.E).all())
        represents = self.hidden and self.objective.loss.is_quadratic
        return represents and nearly and _ample(self.n, self.point.w)

    @property
    def given_up(self) -> bool:
        """Whether the evidence is so far behind that the summit is unlikely to be the highest."""
        n = len(self.highest)
        if n < SURE_ESTIMATES or self.per_input or not self.least:
            return False
        return self.highest[-1] < self.least[min(n, len(self.least)) - 1]

    @property
    def _all_fitted(self) -> bool:
        """Whether few rows are fitted more closely than the smallest noise that they can show.

        Nothing more can be learnt from them, and further changes come from rounding.
        """
        believed = self.n * LEAST_NOISE_OF_FEW**2 * self.variance
        return not _ample(self.n, self.point.w) and bool((believed >= self.point.sums.E).all())

    def run(self, max_iter: int, *, pause: bool = False) -> None:
        """Steps and re-estimations in turn until the evidence no longer rises.

        Or, if it may `pause`, until almost no error is left.
        """
        wait, self.first_wait = self.first_wait, STEPS_PER_ESTIMATE
        self.paused = False
        while self.monitor.n_iter < max_iter:
            self.monitor.record(self.point.w, 0.5 * float(self.point.sums.E.sum()) / self.n)
            if self.monitor.finished:
                self.monitor.converged = True
                return
            self.monitor.begin_iteration()
            fall = self._step()
            wait -= 1
            if wait <= 0 or fall < LEAST_FALL:
                wait = STEPS_PER_ESTIMATE
                if self._reestimate():
                    self.monitor.converged = not self.given_up
                    return
                if pause and self.nearly_exact:
                    self.paused = True
                    return
        self.monitor.converged = self.hidden and (self._is_over or self._levelled)

    def _step(self) -> float:
        """One Levenberg-Marquardt step; by how much F fell."""
        precisions = Precisions(self.beta, self.groups.per_parameter(self.alpha))
        curvature = precisions.curvature(self.point.sums)
        new = step(self.objective, self.point, precisions, self.damping, curvature)
        if new is None:
            self.damping = Damping()
            return 0.0
        F, F_new = (precisions.cost(p.sums.E, p.w) for p in (self.point, new))
        self.point = new
        return F - F_new

    def _reestimate(self) -> bool:
        """Re-estimate the precisions; whether that is the end of the ascent."""
        posterior = self.last_posterior
        self._look(posterior)
        if self.given_up:
            return True
        before = np.append(self.alpha, self.beta)
        self.alpha, self.beta = reestimate(posterior, self.point, self.variance, self.dispersion)
        change = np.abs(np.log(np.append(self.alpha, self.beta) / before)).max()
        self.n_fitted = self.n_fitted + 1 if self._all_fitted else 0
        if change < SETTLED or self.n_fitted > WATCHED_ESTIMATES // 2:
            return True
        if not self.hidden:
            return False
        if not self.per_input:
            if self.n_below >= WATCHED_ESTIMATES or self._levelled:
                self._give_each_input_a_precision()
            return False
        return self._is_over

    def _look(self, posterior: LaplacePosterior) -> None:
        """Record the evidence, and the weights if it is the highest so far."""
        evidence, highest = posterior.log_evidence, max(self.evidences, default=-np.inf)
        self.n_below = 0 if evidence > highest + GAIN else self.n_below + 1
        if not self.evidences or (evidence > highest and self._is_credible):
            if self.evidences:
                self.summits.pop()
            self.summits.append(Summit(evidence, posterior.w, self.groups, self.alpha, self.beta))
        self.evidences.append(evidence)
        self.determined.append(posterior.n_effective_parameters)
        self.highest.append(self.summit.log_evidence)
        noise = self.objective.noise
        log_weight = 0.0 if noise is None else noise.log_weight
        self.monitor.evidence = self.highest[-1] / self.n + log_weight

    @property
    def _is_credible(self) -> bool:
        """Whether weights that leave almost no error make no spikes between the rows."""
        noise_free = bool((NOISE_FREE**2 * self.n * self.variance > self.point.sums.E).any())
        spikes = self.hidden and noise_free and has_spikes(self.objective, self.point.w)
        return not spikes

    @property
    def _is_over(self) -> bool:
        """Whether the summit is so far behind that there will be no other."""
        if self.n_below < self.patience:
            return False
        return self.determined[-1] > STILL_PRUNING * self.determined[-self.patience]

    @property
    def _levelled(self) -> bool:
        """Whether the last rise of the evidence is smaller than its uncertainty."""
        recent = self.evidences[-WATCHED_ESTIMATES - 1 :]
        risen = max(recent) - recent[0] if len(recent) > WATCHED_ESTIMATES else np.inf
        return bool(risen < uncertainty(self.objective))

    def _give_each_input_a_precision(self) -> None:
        network, varies = self.objective.network, self.objective.rows.units.inputs.varies
        all_vary = isinstance(network, PartialNetwork)  # which reads no others
        finer = WeightGroups.by_layer(network, per_input=True, varies=None if all_vary else varies)
        alpha = finer.carried_from(self.groups, self.alpha)
        self.groups, self.alpha, self.per_input = finer, alpha, True
        self.evidences, self.n_below = [], 0
