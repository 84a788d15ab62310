"""Levenberg-Marquardt under the evidence, which sets the penalties and the noise level.

The precisions α_g of the weight groups and β_k of the noise that make the data most probable
satisfy, with the posterior of :mod:`~sklearn_mlp.posterior` (MacKay, 1992, equations 4.8 to
4.10; Foresee & Hagan, 1997),

    α_g = γ_g / ‖w_g‖²,     β_k = (N - γ_k) / E_k.

An ascent of the evidence alternates steps of Levenberg-Marquardt for given precisions and
re-estimations of the precisions by these equations. The coefs of the first layer share one
precision until the evidence has settled. Then each input gets its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState

from .._typing import BoolArray, FloatArray
from ..curvature import FactorOfSome
from ..monitor import Attempts, Monitor
from ..network import Network, PartialNetwork
from ..objective import Objective, Point, Precisions
from ..posterior import (
    FLAT,
    LEAST_FREE_ROWS,
    NOISE_RANGE,
    LaplacePosterior,
    LeaveOneOutErrors,
    WeightGroups,
    calibrated,
    choice_of_inputs,
    laplace,
    with_normalizer,
)
from ..rows import GRID
from .base import Solver
from .between_rows import bends_where_rows_are, has_spikes, is_tame
from .forward_selection import chosen_inputs
from .levenberg_marquardt import Damping, step
from .variable_projection import VariableProjection

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

SMALL_WEIGHTS = 0.5
"""The gain of the initial weights. Below 1, training starts from smoother functions."""

STARTS = ((1.0, 10.0), (10.0, 10.0), (10.0, 3.0))
"""Precisions of prior and noise to start from: for data of little noise, some, and much.

If a start assumes too little noise, the network can fit the noise and stay there. If it assumes too
much, training can stop before it has learnt anything.
"""

ALL_NOISE_START = (100.0, 1.0)
"""The same if all is noise."""

KNOWN_NOISE_STARTS = ((1.0, 1.0), (10.0, 1.0), (100.0, 1.0))
"""The same where the noise is known: a count has its mean as its variance."""

LINEAR_START = (1.0, 3.0)
"""Precisions of prior and noise from which the evidence of a linear function is ascended."""

LINEAR_STEPS = 40
"""The most steps of that ascent. Without hidden layers, a step comes to the minimum of F."""

LEAST_NOISE_OF_LINEAR = 0.1
"""The smallest standard deviation of the noise with which the network continues, relative to that
of the target."""

MORE_PROBABLE = 2.0
"""By how much the log evidence of a linear function must be higher for it to count as better.

Of 750 tables of pure noise, with 25 to 200 rows of 5 to 20 columns, it is higher by so much in 2 %,
by 1 in 6 %, and by 3 in 1 %. On 25 rows of a linear function of 20 inputs with noise of deviation
0.3 it is higher by 2.9.
"""

BEHIND = 1.0
"""An ascent that is further behind the best so far is given up, in units of √(N/2).

But not once each input has a precision: from then on an ascent may lose superfluous inputs late,
and overtake. Chosen from the histories of all three ascents of 186 fits, cut where a rule would
have ended them: networks of 10, 20, 50 and 50 + 20 units, on six data sets of 140 to 930 rows and
on five artificial functions with 100 and 400 rows. This rule saves 25 % of the time, 0.5 saves
27 %, and 2 saves 22 %. It keeps another ascent in 18 % of the fits, and the mean change of the log
test error is -0.001 ± 0.007. On Friedman's problem with 45 useless inputs it saves nothing.
"""

SURE_ESTIMATES = 3
"""Re-estimations before which no ascent is given up. With 4, the rule saves 24 % of the time."""

MANY_INPUTS = 0.5
"""Inputs for each row from which on a choice among them is checked on rows that are held out, """

HELD_OUT = 0.2
"""so large a share of them, """

LEAST_TO_HOLD_OUT = 100
"""if there are as many rows as this."""

NOISE_FREE = 1e-2
"""Below this error, in units of the target, the function is checked between the rows."""

NEARLY_EXACT = 1e-3
"""Below this error, in units of the target, the network may be able to represent the function
exactly."""

EXACT_LOSS = 1e-24
"""Below this loss, it does."""

COARSE_LOSS = 8 * GRID**2
"""At this loss, an error of 4 GRID, most of the error may be the rounding to the grid."""

EXACT_COST = 5e9
"""The cost limit of the search for it, in rows times squared weights of the hidden layers."""

MOST_EXACT_STEPS = 1_000
"""The most steps of the search. With few rows the cost would allow hundreds of starts, but if ten
find nothing, more do not either."""

MIN_EXACT_STEPS = 20
"""With fewer affordable steps, the search is not begun."""


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


def linear_posterior(objective: Objective) -> LaplacePosterior:
    """The posterior of a linear function: of the network without its hidden layers.

    Parameters
    ----------
    objective : Objective
        Of the network, over the rows.
    """
    network, rows = objective.network, objective.rows
    linear = Network([network.layer_sizes[0], network.layer_sizes[-1]], network.activation)
    monitor = Monitor(tol=0.0, n_iter_no_change=LINEAR_STEPS)
    w = np.zeros(linear.n_parameters)
    ascent = Ascent(Objective(linear, rows, 0.0, objective.loss), w, *LINEAR_START, monitor)
    ascent.run(LINEAR_STEPS)
    return ascent.posterior


def posterior_of_whole(
    network: PartialNetwork, posterior: LaplacePosterior, objective: Objective
) -> LaplacePosterior:
    """The posterior of the whole network, in which the other inputs are dead.

    Parameters
    ----------
    network : PartialNetwork
    posterior : LaplacePosterior
    objective : Objective
        Of the network.
    """
    posterior = on_rows_of(objective, with_a_precision_for_each_input(network, posterior))
    return spread(network, posterior, objective.rows.units.inputs.varies)


def spread(
    network: PartialNetwork, posterior: LaplacePosterior, varies: BoolArray
) -> LaplacePosterior:
    """The posterior of the whole network, in which the other inputs are dead.

    Parameters
    ----------
    network : PartialNetwork
    posterior : LaplacePosterior
        That of its parameters, with a precision for each input.
    varies : array of bool of shape (n_features,)
        Which inputs vary.
    """
    groups = WeightGroups.by_layer(network.whole, per_input=True, varies=varies)
    own = np.unique(groups.labels[network.kept])
    own = own[own != FLAT]
    alpha, gamma = np.full(len(groups.names), PRECISION_RANGE[1]), np.zeros(len(groups.names))
    alpha[own], gamma[own] = posterior.alpha, posterior.gamma
    factor = FactorOfSome(posterior.factor, network.kept, groups.per_parameter(alpha))
    price = choice_of_inputs(gamma[groups.of_one_varying_input]) - posterior.choice_of_inputs
    return replace(
        posterior,
        w=network.spread(posterior.w),
        groups=groups,
        alpha=alpha,
        gamma=gamma,
        factor=factor,
        log_evidence=posterior.log_evidence - price,
    )


def with_a_precision_for_each_input(
    network: Network, posterior: LaplacePosterior
) -> LaplacePosterior:
    """The same precisions, one for each input. What follows from them is not computed anew."""
    groups = WeightGroups.by_layer(network, per_input=True)
    return replace(
        posterior, groups=groups, alpha=groups.carried_from(posterior.groups, posterior.alpha)
    )


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


def chooses_among_many(network: Network, n_rows: int) -> bool:
    """Whether the choice of inputs can fit the noise, and there are enough rows to show it."""
    many = network.layer_sizes[0] > MANY_INPUTS * n_rows >= MANY_INPUTS * LEAST_TO_HOLD_OUT
    return many and len(network.shapes) > 1


@dataclass
class EvidenceMaximization(Solver):
    """Levenberg-Marquardt steps, with the precisions re-estimated on the way.

    Parameters
    ----------
    max_iter : int
        Most steps of an ascent.
    rng : RandomState
        Draws the fresh starts of the search for an exact function.
    patience : int, default=PATIENCE
        Re-estimations without a new best of the log evidence that end an ascent.
    behind : float, default=BEHIND
        An ascent that is further behind the best so far is given up, in units of √(N/2).

    """

    max_iter: int
    rng: RandomState
    patience: int = PATIENCE
    behind: float = BEHIND
    exact: bool = field(default=False, init=False)
    _posterior: LaplacePosterior | None = field(default=None, init=False)
    advice = "Scale the data."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Train from each of the starting precisions and keep what the evidence favours.

        An interruption from the keyboard ends the ascents, not the work on what they found.
        """
        found: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        coarse = objective.coarse()
        with_some = None
        with found.until_interrupted():
            with_some, ahead = self._ascend_with_some_inputs(objective, found)
            if not (self.exact or found.enough):
                for _ in self.ascents(objective, coarse, lambda: w, found, ahead=ahead):
                    pass
            if not (self.exact or found.enough):
                self._ascend_from_linear(coarse, found)
                self._ascend_from_noise(coarse, found)
        posterior = found.close()
        chosen = posterior is with_some
        if monitor.early_stopping and monitor.best_weights is not None:
            posterior = posterior_at(monitor.best_weights, objective, posterior)
        elif coarse is not objective:
            posterior = on_rows_of(objective, posterior)
            n = objective.total_weight
            monitor.restate(0.5 * float(objective.errors(posterior.w).sum()) / n)
        posterior = with_normalizer(calibrated(posterior, objective), objective)
        if not (self.exact or found.enough or found.interrupted):
            calibration = self.held_out_calibration(
                objective, lambda network: self._fresh(objective.of(network)), chosen=chosen
            )
            if calibration is not None:
                posterior = posterior.widened(calibration)
        self._posterior = posterior
        return posterior.w

    def posterior(self, objective: Objective, w: FloatArray) -> LaplacePosterior | None:
        """The posterior around the weights that :meth:`minimize` found."""
        return self._posterior

    def ascents(
        self,
        objective: Objective,
        coarse: Objective,
        first_weights: Callable[[], FloatArray],
        found: Attempts[LaplacePosterior],
        heading: str = "",
        ahead: Sequence[float] = (),
    ) -> "Iterator[Ascent]":
        """An ascent from each of the starting precisions, until a callback says it is enough.

        If one comes near to an exact function, that function is searched for, once. If it is found,
        there is no other ascent, and this one does not count. An ascent that is far behind the best
        before it is given up, and so is one that is far behind `ahead`, the highest evidence of
        another network after each re-estimation.
        """
        behind = BEHIND if ahead else self.behind
        searched, allowed = False, behind * uncertainty(coarse)
        highest = list(ahead)  # of the best ascent so far
        starts = STARTS if objective.loss.dispersion is None else KNOWN_NOISE_STARTS
        for i, (alpha, beta) in enumerate(starts, 1):
            name = f"{heading}ascent {i} of {len(starts)}"
            monitor = found.begin("ascent", name, self.max_iter)
            ascent = Ascent(coarse, first_weights(), alpha, beta, monitor, self.patience)
            ascent.least = [evidence - allowed for evidence in highest]
            exact = False
            with _counted_if_interrupted(ascent, found):
                ascent.run(self.max_iter, pause=not (searched or monitor.early_stopping))
                if ascent.paused:
                    searched = True
                    exact = self._search_exact(objective, ascent, found)
                    if not (exact or found.enough):
                        ascent.run(self.max_iter)
            found.end(monitor, None if exact else ascent.posterior, ascent.point.w)
            if exact:
                self.exact = True
                return
            highest = max(highest, ascent.highest, key=lambda evidences: evidences[-1:])
            yield ascent
            if found.enough:
                return
            del ascent  # the next needs the room of its matrices

    def _ascend_with_some_inputs(
        self, objective: Objective, found: Attempts[LaplacePosterior]
    ) -> tuple[LaplacePosterior | None, Sequence[float]]:
        """Ascents with the inputs that a selection has chosen, if they are some of many.

        Returns
        -------
        posterior : LaplacePosterior or None
            That of the best ascent, as one of the whole network.
        highest : sequence of float
            Its highest evidence so far, after each re-estimation.
        """
        chosen = None
        if len(objective.network.shapes) > 1 and not found.monitor.early_stopping:
            chosen = chosen_inputs(objective.rows)
        if chosen is None:
            return None, ()
        network = PartialNetwork(objective.network, chosen)
        some, highest = objective.of(network), list[float]()
        name = f"{chosen.sum()} of {len(chosen)} inputs"
        monitor = found.begin("chosen inputs", name, None)
        monitor.network = network
        ascents: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        posterior: LaplacePosterior | None = None
        w: FloatArray = np.zeros(network.n_parameters)
        try:
            for ascent in self.ascents(some, some.coarse(), lambda: self._fresh(some), ascents):
                highest = max(highest, ascent.highest, key=lambda evidences: evidences[-1:])
        finally:  # interrupted ascents count too
            if ascents.found is not None:
                found_with_some = ascents.close()
                w = found_with_some.w
                posterior = posterior_of_whole(network, found_with_some, some)
            found.end(monitor, posterior, w)
        return posterior, highest

    def held_out_calibration(
        self,
        objective: Objective,
        first_weights: Callable[[Network], FloatArray],
        *,
        chosen: bool,
    ) -> FloatArray | None:
        """By what the variances of predictions are too small, if inputs were chosen among many.

        With many inputs for the rows, the choice of those that matter fits the noise, and leaving
        out a row does not show it, because the choice was made with that row. So the network is
        trained once more without some rows, which show it. With fewer inputs, None.

        Parameters
        ----------
        objective : Objective
            Of the network, over all rows.
        first_weights : callable
            Makes random weights of a network.
        chosen : bool
            Whether the network has inputs that were chosen before training. Then they are chosen
            anew, without those rows.

        Returns
        -------
        array of shape (n_outputs,), or None
        """
        rows, network = objective.rows, objective.network
        if not chooses_among_many(network, rows.n_rows) or not objective.loss.is_quadratic:
            return None
        # In memory and in one order, wherever they are: the same rows are held out.
        rest, part = rows.take(np.arange(rows.n_rows)).in_order().split(HELD_OUT, self.rng)
        solver = EvidenceMaximization(self.max_iter, self.rng, self.patience, self.behind)
        monitor = Monitor(tol=0.0, n_iter_no_change=self.max_iter)
        found: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        some = objective.over(rest)
        reads = chosen_inputs(rest) if chosen else None
        if reads is not None:
            network = PartialNetwork(network, reads)
            some = some.of(network)
        for _ in solver.ascents(some, some.coarse(), lambda: first_weights(network), found):
            pass
        posterior = found.close()
        errors = LeaveOneOutErrors(
            network, posterior.w, posterior, trained_on=False, noise=objective.noise
        )
        squares, _, n = part.sum(errors)
        calibration: FloatArray = squares / n
        return calibration

    def _ascend_from_linear(self, coarse: Objective, found: Attempts[LaplacePosterior]) -> None:
        """One more ascent, if only a constant was found and a linear function is better: from that.

        Where all weights of several hidden layers are 0, the derivatives by all of them are 0 too.
        So F has a minimum there, whatever the data and the prior. With few rows, ascents from
        random weights can end in it. The evidence of several layers is then sometimes highest for
        the constant, so leaving out each row counts as much.
        """
        constant, deep = found.found, len(coarse.network.shapes) > 2
        if not deep or constant is None or not constant.is_of_a_constant:
            return
        if not coarse.loss.is_quadratic:
            return
        linear = linear_posterior(coarse)
        if linear.log_evidence < constant.log_evidence + MORE_PROBABLE:
            return
        monitor = found.begin("ascent", "ascent from a linear function", self.max_iter)
        ascent = Ascent.from_linear(coarse, linear, monitor, self.rng, self.patience)
        with _counted_if_interrupted(ascent, found):
            ascent.run(self.max_iter)
        posterior = ascent.posterior
        if merit(posterior, coarse) > merit(constant, coarse):
            found.forget()
        found.end(monitor, posterior, ascent.point.w)

    def _ascend_from_noise(self, coarse: Objective, found: Attempts[LaplacePosterior]) -> None:
        """One more ascent with one hidden layer and fewer rows than parameters: all may be noise.

        There the ascents from the other starts can all end in weights that fit the noise, though a
        constant is more probable. The result counts only if it is surely more probable.
        """
        best, network = found.found, coarse.network
        over_parametrised = coarse.in_rows and len(network.shapes) == 2
        if best is None or not over_parametrised or not coarse.loss.is_quadratic:
            return
        if found.monitor.early_stopping:  # whose weights are not those of the highest evidence
            return
        monitor = found.begin("ascent", "ascent from noise", self.max_iter)
        ascent = Ascent(coarse, self._fresh(coarse), *ALL_NOISE_START, monitor, self.patience)
        with _counted_if_interrupted(ascent, found):
            ascent.run(self.max_iter)
        posterior = ascent.posterior
        surely = posterior.log_evidence > best.log_evidence + uncertainty(coarse)
        found.end(monitor, posterior if surely else None, ascent.point.w)

    def _search_exact(
        self, objective: Objective, ascent: "Ascent", found: Attempts[LaplacePosterior]
    ) -> bool:
        """Search for an exact function, and record the result. Return whether it was found."""
        monitor = found.begin("search", "search for an exact function", None)
        search: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        exact = False
        try:
            for attempt, w in self._exact_candidates(objective, ascent, search):
                posterior = between_rows(posterior_at(w, objective, ascent.posterior), objective)
                search.end(attempt, posterior, w)
                exact = posterior is not None and attempt.loss_curve[-1] < EXACT_LOSS
                if exact or search.enough:
                    break
        finally:  # an interrupted search counts too
            posterior = None if search.found is None else search.close()
            found.end(monitor, posterior, ascent.point.w if posterior is None else posterior.w)
        return exact

    def _fresh(self, objective: Objective) -> FloatArray:
        """New small random weights."""
        varies = objective.rows.units.inputs.varies
        return objective.network.initial_weights(self.rng, SMALL_WEIGHTS, varies)

    def _exact_candidates(
        self, objective: Objective, ascent: "Ascent", search: Attempts[LaplacePosterior]
    ) -> Iterator[tuple[Monitor, FloatArray]]:
        """Weights without a penalty, from the result of the ascent and from fresh small ones.

        About one start in four ends with a nearly linear unit, or with two units that are alike.
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
            w = self._fresh(objective)


@contextmanager
def _counted_if_interrupted(ascent: "Ascent", found: Attempts[LaplacePosterior]) -> Iterator[None]:
    """An interruption from the keyboard ends the ascent, and its result so far counts."""
    try:
        yield
    except KeyboardInterrupt:
        if ascent.monitor.n_iter:
            found.end(ascent.monitor, ascent.posterior, ascent.point.w)
        raise


def between_rows(posterior: LaplacePosterior, objective: Objective) -> LaplacePosterior | None:
    """The posterior of weights without a penalty, if they can be trusted between the rows.

    None if the function leaves the range of the targets there. If no row says where it bends, the
    noise is at least LEAST_NOISE_OF_FEW, so that weights that hardly affect the rows count as
    uncertain.
    """
    if has_spikes(objective, posterior.w) or not is_tame(objective, posterior.w):
        return None
    if bends_where_rows_are(objective, posterior.w):
        return posterior
    variance = objective.squared_targets() / objective.total_weight
    noise = LEAST_NOISE_OF_FEW**2 * np.where(variance > 0, variance, 1)
    beta = np.minimum(posterior.beta, 1 / noise)
    return on_rows_of(objective, replace(posterior, beta=beta))


def log_evidence_of(posterior: LaplacePosterior, monitor: Monitor) -> float:
    """The quality of an attempt, by which the best is kept."""
    return posterior.log_evidence


def merit(posterior: LaplacePosterior, objective: Objective) -> float:
    """The mean of the log evidence and of the log density of each row without it."""
    return (posterior.log_evidence + calibrated(posterior, objective).leave_one_out) / 2


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
        whole = len(varies) == network.layer_sizes[0]  # else it reads none but inputs that vary
        finer = WeightGroups.by_layer(network, per_input=True, varies=varies if whole else None)
        alpha = finer.carried_from(self.groups, self.alpha)
        self.groups, self.alpha, self.per_input = finer, alpha, True
        self.evidences, self.n_below = [], 0
