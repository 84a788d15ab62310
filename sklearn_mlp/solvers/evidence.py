"""Training by the evidence, which sets the penalties and the noise level.

Several ascents (:mod:`~sklearn_mlp.solvers.ascent`) begin with other precisions and random weights,
and the one with the highest evidence counts. Where they don't suffice, more begin elsewhere: with
some of many inputs, at a linear function, or at a constant. Where almost no error is left, an exact
function is searched for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..monitor import Attempts, Monitor
from ..network import Network, PartialNetwork
from ..objective import Objective
from ..posterior import LaplacePosterior, LeaveOneOutErrors, calibrated, with_normalizer
from ..rows import GRID
from .ascent import (
    LEAST_NOISE_OF_FEW,
    PATIENCE,
    Ascent,
    linear_posterior,
    on_rows_of,
    posterior_at,
    uncertainty,
)
from .base import Solver
from .between_rows import bends_where_rows_are, has_spikes, is_tame
from .forward_selection import chosen_inputs
from .some_inputs import posterior_of_whole
from .variable_projection import VariableProjection

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

MANY_INPUTS = 0.5
"""Inputs for each row from which on a choice among them is checked on rows that are held out, """

HELD_OUT = 0.2
"""so large a share of them, """

LEAST_TO_HOLD_OUT = 100
"""if there are as many rows as this."""

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
            if with_some is not None and all_may_matter(coarse, with_some):
                ahead = ()
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
    ) -> Iterator[Ascent]:
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
        self, objective: Objective, ascent: Ascent, found: Attempts[LaplacePosterior]
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
        self, objective: Objective, ascent: Ascent, search: Attempts[LaplacePosterior]
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
def _counted_if_interrupted(ascent: Ascent, found: Attempts[LaplacePosterior]) -> Iterator[None]:
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


def all_may_matter(objective: Objective, with_some: LaplacePosterior) -> bool:
    """Whether a linear function of all inputs may be as probable as a network of some of them.

    If all inputs matter, ascents with all of them are far behind for many re-estimations, while
    their precisions grow, and overtake in the end. The linear function shows this at once.

    Parameters
    ----------
    objective : Objective
        Of a network of all inputs.
    with_some : LaplacePosterior
    """
    linear = linear_posterior(objective)
    return linear.log_evidence > with_some.log_evidence - uncertainty(objective)


def log_evidence_of(posterior: LaplacePosterior, monitor: Monitor) -> float:
    """The quality of an attempt, by which the best is kept."""
    return posterior.log_evidence


def merit(posterior: LaplacePosterior, objective: Objective) -> float:
    """The mean of the log evidence and of the log density of each row without it."""
    return (posterior.log_evidence + calibrated(posterior, objective).leave_one_out) / 2
