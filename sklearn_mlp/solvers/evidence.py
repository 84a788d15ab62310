"""Levenberg-Marquardt under the evidence, which sets the penalties and the noise level.

The precisions α_g of the weight groups and β_k of the noise that make the data most probable
satisfy, with the posterior of :mod:`~sklearn_mlp.posterior` (MacKay, 1992, equations 4.8 to
4.10; Foresee & Hagan, 1997),

    α_g = γ_g / ‖w_g‖²,     β_k = (N - γ_k) / E_k.

Steps of Levenberg-Marquardt for given precisions and re-estimations of the precisions by these
equations take turns: an ascent of the evidence. The coefs of the first layer have one precision
together, until the evidence has settled, and then one for each input.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..monitor import Attempts, Monitor
from ..objective import Objective, Point, Precisions
from ..posterior import (
    LEAST_FREE_ROWS,
    NOISE_RANGE,
    LaplacePosterior,
    WeightGroups,
    calibrated,
    laplace,
)
from ..rows import GRID
from .base import Solver
from .levenberg_marquardt import Damping, step
from .variable_projection import VariableProjection

PRECISION_RANGE = (1e-10, 1e10)
"""Between these is the precision of a group: the prior as good as flat, the group dead."""

LEAST_NOISE_OF_FEW = 1e-3
"""The least deviation of the noise, in those of the target, that few rows are believed."""

BURN_IN = 20
"""Steps before the first re-estimation: weights that have learnt nothing look superfluous."""

STEPS_PER_ESTIMATE = 2
"""Steps from one re-estimation to the next."""

TOLERATED_FALL = 4.0
"""By how much the log evidence may fall from its best, in units of its uncertainty."""

WATCHED_ESTIMATES = 10
"""Re-estimations over which the log evidence is watched."""

SMALL_WEIGHTS = 0.5
"""The gain of the initial weights: smooth functions are the better place to start."""

STARTS = ((1.0, 10.0), (10.0, 10.0), (10.0, 3.0))
"""Precisions of prior and noise to start from: for data of little noise, some, and much.

From a start that takes the noise for less than it is a network can fit the noise and stay
there. From one that takes it for more, it can come to rest before it has learnt anything.
"""

NEARLY_EXACT = 1e-3
"""Below this error, in units of the target, the function may be one the network represents."""

EXACT_LOSS = 1e-24
"""At this loss it does."""

COARSE_LOSS = 8 * GRID**2
"""At this loss, an error of 4 GRID, the grid may be nearly all that is left to explain."""

EXACT_COST = 5e9
"""What the search for it may cost in all, in rows times squared weights of the hidden layers."""

MOST_EXACT_STEPS = 1_000
"""With few rows the cost would allow for hundreds of starts; what ten do not find is not there."""

MIN_EXACT_STEPS = 20
"""With fewer steps it is not begun."""


def reestimate(
    posterior: LaplacePosterior, point: Point, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The α and β that the evidence asks for, given the posterior for the present ones.

    Parameters
    ----------
    posterior : LaplacePosterior
    point : Point
    variance : array of shape (n_outputs,)
        The mean square of each target.

    Returns
    -------
    alpha : array of shape (n_groups,)
    beta : array of shape (n_outputs,)
    """
    n = posterior.n
    squares = posterior.groups.sum(point.w**2)
    alpha = np.clip(posterior.gamma / np.maximum(squares, 1e-300), *PRECISION_RANGE)
    free = np.maximum(n - posterior.gamma_of_output, LEAST_FREE_ROWS * n)
    least = 0.0 if _ample(n, point.w) else LEAST_NOISE_OF_FEW**2
    beta = free / np.maximum(point.sums.E, np.maximum(n * least * variance, 1e-300))
    return alpha, np.clip(beta, *NOISE_RANGE)


def _ample(n: float, w: FloatArray) -> bool:
    """Whether rows are so many more than parameters that a perfect fit means something."""
    return n > 2 * len(w)


def posterior_at(w: FloatArray, objective: Objective, like: LaplacePosterior) -> LaplacePosterior:
    """The posterior around other weights, with the precisions that suit them."""
    point = Point(w, objective.gauss_newton(w))
    variance = objective.squared_targets() / like.n
    posterior = laplace(point, like.groups, like.alpha, like.beta, like.n)
    for _ in range(WATCHED_ESTIMATES):
        alpha, beta = reestimate(posterior, point, variance)
        posterior = laplace(point, like.groups, alpha, beta, like.n)
    return posterior


def _uncertainty(objective: Objective) -> float:
    """The standard deviation of the log likelihood, about √(N/2) of N rows.

    A change of the log evidence that is smaller means nothing.
    """
    n_outputs = objective.network.layer_sizes[-1]
    return float(np.sqrt(objective.rows.total_weight * n_outputs / 2))


@dataclass
class EvidenceMaximization(Solver):
    """Levenberg-Marquardt steps, with the precisions re-estimated on the way.

    Parameters
    ----------
    max_iter : int
        Most steps of an ascent.
    rng : RandomState
        Draws the fresh starts of the search for an exact function.

    """

    max_iter: int
    rng: RandomState
    _posterior: LaplacePosterior | None = field(default=None, init=False)
    advice = "Scale the data."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Train from each of the starting precisions and keep what the evidence favours.

        An interruption from the keyboard ends the ascents, not the work on what they found.
        """
        found: Attempts[LaplacePosterior] = Attempts(monitor, _log_evidence)
        coarse, interrupted = objective.coarse(), False
        try:
            self._ascend(objective, coarse, w, found)
        except KeyboardInterrupt:
            if found.found is None:
                raise
            interrupted = True
        posterior = found.close()
        monitor.interrupted = interrupted
        if monitor.early_stopping and monitor.best_weights is not None:
            posterior = posterior_at(monitor.best_weights, objective, posterior)
        elif coarse is not objective:
            posterior = self._over_exact_rows(posterior, objective, monitor)
        self._posterior = calibrated(posterior, objective)
        return self._posterior.w

    def posterior(self, objective: Objective, w: FloatArray) -> LaplacePosterior | None:
        """The posterior around the weights that :meth:`minimize` came to."""
        return self._posterior

    def _ascend(
        self,
        objective: Objective,
        coarse: Objective,
        w: FloatArray,
        found: Attempts[LaplacePosterior],
    ) -> None:
        """An ascent from each of the starting precisions, until a callback says it is enough.

        Where the first comes near to an exact function, a search for that is made in between.
        """
        for i, (alpha, beta) in enumerate(STARTS, 1):
            monitor = found.begin("ascent", f"ascent {i} of {len(STARTS)}", self.max_iter)
            ascent = Ascent(coarse, w, alpha, beta, monitor)
            exact = False
            try:
                ascent.run(self.max_iter, pause=i == 1 and not monitor.early_stopping)
                if ascent.paused:
                    exact = self._search_exact(objective, ascent, found)
                    if not (exact or found.enough):
                        ascent.run(self.max_iter)
            except KeyboardInterrupt:
                if monitor.n_iter:
                    found.end(monitor, ascent.posterior, ascent.point.w)
                raise
            found.end(monitor, None if exact else ascent.posterior, ascent.point.w)
            if exact or found.enough:
                return
            del ascent  # the next needs the room of its matrices

    def _search_exact(
        self, objective: Objective, ascent: "Ascent", found: Attempts[LaplacePosterior]
    ) -> bool:
        """Search for an exact function, and count what comes of it; whether it was found."""
        monitor = found.begin("search", "search for an exact function", None)
        search: Attempts[LaplacePosterior] = Attempts(monitor, _log_evidence)
        exact = False
        try:
            for attempt, w in self._exact_candidates(objective, ascent, search):
                search.end(attempt, posterior_at(w, objective, ascent.posterior), w)
                exact = attempt.loss_curve[-1] < EXACT_LOSS
                if exact or search.enough:
                    break
        finally:  # an interrupted search counts too
            posterior = None if search.found is None else search.close()
            found.end(monitor, posterior, ascent.point.w if posterior is None else posterior.w)
        return exact

    def _exact_candidates(
        self, objective: Objective, ascent: "Ascent", search: Attempts[LaplacePosterior]
    ) -> Iterator[tuple[Monitor, FloatArray]]:
        """Weights without a penalty, from where the ascent came to and from fresh small ones.

        From one start in four a unit is caught where it is nearly linear, or two where they
        are alike.
        """
        network, w = objective.network, ascent.point.w
        steps = int(EXACT_COST / (objective.rows.n_rows * (network.n_hidden_parameters + 10) ** 2))
        steps = min(steps, MOST_EXACT_STEPS)
        max_iter = min(100, steps)
        coarse, solver = VariableProjection(max_iter, 4 * GRID), VariableProjection(max_iter)
        n_starts = 0
        while steps >= MIN_EXACT_STEPS:
            n_starts += 1
            attempt = search.begin("start", f"start {n_starts}", max_iter)
            w = coarse.minimize(ascent.objective, w, attempt)
            if attempt.loss_curve[-1] < COARSE_LOSS and not attempt.stopped:
                w = solver.minimize(objective, w, attempt)
            yield attempt, w
            steps -= attempt.n_iter
            w = network.initial_weights(self.rng, SMALL_WEIGHTS)

    def _over_exact_rows(
        self, posterior: LaplacePosterior, objective: Objective, monitor: Monitor
    ) -> LaplacePosterior:
        """The posterior, and the last loss, over the rows that the coarse ones stood for."""
        w, n = posterior.w, objective.rows.total_weight
        point = Point(w, objective.gauss_newton(w))
        monitor.restate(0.5 * float(point.sums.E.sum()) / n)
        return laplace(point, posterior.groups, posterior.alpha, posterior.beta, n)


def _log_evidence(posterior: LaplacePosterior, monitor: Monitor) -> float:
    return posterior.log_evidence


class Ascent:
    """One ascent of the evidence: its weights, its precisions, and its history."""

    def __init__(
        self, objective: Objective, w: FloatArray, alpha: float, beta: float, monitor: Monitor
    ) -> None:
        network = objective.network
        self.objective, self.monitor = objective, monitor
        self.n = objective.rows.total_weight
        self.hidden = len(network.shapes) > 1
        self.groups = WeightGroups.by_layer(network, per_input=False)
        self.per_input = False
        self.alpha: FloatArray = np.full(len(self.groups.names), alpha)
        self.variance = objective.squared_targets() / self.n
        self.beta: FloatArray = beta / np.where(self.variance > 0, self.variance, 1)
        self.point = Point(w, objective.gauss_newton(w))
        self.damping = Damping()
        self.evidences: list[float] = []
        self.paused = False
        self.n_fitted = 0

    @property
    def posterior(self) -> LaplacePosterior:
        """Around the present weights, for the present precisions."""
        return laplace(self.point, self.groups, self.alpha, self.beta, self.n)

    @property
    def nearly_exact(self) -> bool:
        """Whether next to nothing is left to explain, by rows of far more than parameters."""
        nearly = bool((NEARLY_EXACT**2 * self.n * self.variance > self.point.sums.E).all())
        return self.hidden and nearly and _ample(self.n, self.point.w)

    @property
    def _all_fitted(self) -> bool:
        """Whether few rows are fitted more closely than their noise is believed to allow.

        There is no more to be learnt of them, and what moves is moved by rounding.
        """
        believed = self.n * LEAST_NOISE_OF_FEW**2 * self.variance
        return not _ample(self.n, self.point.w) and bool((believed >= self.point.sums.E).all())

    def run(self, max_iter: int, *, pause: bool = False) -> None:
        """Steps and re-estimations in turn until the evidence settles.

        Or, if it may `pause`, until next to nothing is left to explain.
        """
        wait = BURN_IN if self.hidden and not self.paused else STEPS_PER_ESTIMATE
        self.paused = False
        while self.monitor.n_iter < max_iter:
            self.monitor.record(self.point.w, 0.5 * float(self.point.sums.E.sum()) / self.n)
            if self.monitor.finished:
                self.monitor.converged = True
                return
            self.monitor.begin_iteration()
            fall = self._step()
            wait -= 1
            if wait <= 0 or fall < 0.01:
                wait = STEPS_PER_ESTIMATE
                if self._reestimate():
                    self.monitor.converged = True
                    return
                if pause and self.nearly_exact:
                    self.paused = True
                    return
        recent = self.evidences[-WATCHED_ESTIMATES - 1 :]
        at_rest = len(recent) > WATCHED_ESTIMATES and np.ptp(recent) < _uncertainty(self.objective)
        self.monitor.converged = bool(at_rest)

    def _step(self) -> float:
        """One Levenberg-Marquardt step; by how much F fell."""
        precisions = Precisions(self.beta, self.groups.per_parameter(self.alpha))
        H = precisions.hessian(self.point.sums)
        new = step(self.objective, self.point, precisions, self.damping, H)
        if new is None:
            self.damping = Damping()
            return 0.0
        F, F_new = (precisions.cost(p.sums.E, p.w) for p in (self.point, new))
        self.point = new
        return F - F_new

    def _reestimate(self) -> bool:
        """Re-estimate the precisions; whether they, or the evidence, have settled."""
        posterior = self.posterior
        self.evidences.append(posterior.log_evidence)
        before = np.append(self.alpha, self.beta)
        self.alpha, self.beta = reestimate(posterior, self.point, self.variance)
        change = np.abs(np.log(np.append(self.alpha, self.beta) / before)).max()
        recent = self.evidences[-WATCHED_ESTIMATES - 1 :]
        uncertainty = _uncertainty(self.objective)
        self.n_fitted = self.n_fitted + 1 if self._all_fitted else 0
        if change < 1e-12 or self.n_fitted > WATCHED_ESTIMATES // 2:
            return True
        if not self.hidden or len(recent) <= WATCHED_ESTIMATES:
            return False
        if not self.per_input:
            if max(recent) - recent[0] < uncertainty:
                self._give_each_input_a_precision()
            return False
        settled = max(recent) - min(recent) < 0.1
        return (
            settled or posterior.log_evidence < max(self.evidences) - TOLERATED_FALL * uncertainty
        )

    def _give_each_input_a_precision(self) -> None:
        finer = WeightGroups.by_layer(self.objective.network, per_input=True)
        alpha = finer.carried_from(self.groups, self.alpha)
        self.groups, self.alpha, self.per_input, self.evidences = finer, alpha, True, []
