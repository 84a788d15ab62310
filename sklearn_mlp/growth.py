"""Many rows: begin on few, and continue with more and more.

A step over n rows costs n P² multiplications, and most steps are made before it is known what the
network should look like. So the ascents from several starts, and the climb of the ladder, use only
some of the rows, drawn at random. Their result is trained further on three times the rows, and on
three times as many again. It keeps its weights and precisions, and needs few steps, because little
is left to be learnt. The last level has all rows, or as many as a few steps can afford.

Inputs that do not matter are left out of the steps on a level, because the cost of a step grows
with the square of the number of parameters: see :func:`without_dead_inputs`.

If the architecture is not given, two networks are trained further: the best member, and the mean of
the members, which is a wider network (see :mod:`~sklearn_mlp.committee`). More rows can determine
more parameters. So on all rows, small random units are added as long as most parameters are
determined and the evidence rises.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import RandomState

from ._typing import BoolArray, FloatArray
from .committee import Member, evidence_and_leave_one_out, shared_out, stitched, units_of
from .curvature import step_cost
from .monitor import Attempts, Monitor
from .network import Network, PartialNetwork, in_use
from .objective import Objective
from .posterior import LaplacePosterior, WeightGroups, calibrated
from .rows import Rows
from .solvers.ascent import Ascent, on_rows_of, posterior_at, uncertainty
from .solvers.evidence import (
    EXACT_LOSS,
    SMALL_WEIGHTS,
    EvidenceMaximization,
    chooses_among_many,
    log_evidence_of,
)
from .solvers.some_inputs import spread

FIRST_ROWS = 2_000
"""The most rows to begin with."""

GROWTH = 3
"""How many times the rows grow from level to level."""

MOST_STEPS = 40
"""Number of steps on a level, after which as many more are made only if the evidence still rises by
more than its uncertainty."""

LEAST_STEPS = 5
"""A level with fewer affordable steps is left out."""

LEVEL_COST = 4e11
"""The cost limit of the steps of a network on the last level, about ten seconds of one core, and of
all networks to which units are added then. On the earlier levels the limit is half of it, because
training continues from their result."""

WIDEST_COST, WIDEST_ROWS = 7e9, 15_000
"""The cost limit of a step of the widest network over all rows, or over so many if there are
more."""

MEAN_COST = 3e9
"""The cost limit of a step of the mean of members over so many rows."""

LEAST_PART = 0.1
"""The smallest share, before normalisation, in the mean that is trained further."""

TWINS = 0.1
"""Networks whose weights differ by a smaller relative amount are the same."""

DEAD = 0.5
"""An input is dead if the data determine less than this many of its weights."""

WORTH = 6.3
"""A dead input is taken back if its score z² is larger: there the gain of the evidence by a weight,
½ (z² - 1 - log z²), equals the cost of one more input where a third of them matter
(:func:`~sklearn_mlp.posterior.choice_of_inputs`)."""

ROOM = 3
"""The mean of members that is trained further has at most so many times the parameters that the
data determine in one of them."""

LEVEL_PATIENCE = 4
"""Re-estimations without a new best of the log evidence that end the steps on a level."""

MOST_NUMBERS = 25_000_000
"""The size of a matrix above which "lm" is not chosen by default."""

MOST_MEMORY = f"{8 * MOST_NUMBERS / 1e6:.0f} MB each"
"""The same, for people."""

MATRICES = 5
"""Number of matrices of that size in memory during a step: the products, the curvature, its factors
with damping and in its own scale, and the inverse."""

DETERMINED = 1 / 3
"""Units are added while the data determine a larger share of the parameters."""

WIDENINGS = 3
"""The most times that units are added."""

PARTS_ADDED = (1.0, 0.75, 0.5, 0.25)
"""How many units may be added to each hidden layer, relative to those that it has."""

START_OF_ADDED = 0.01
"""The first output weights of added units, relative to those of a fresh network."""


# How many rows ----------------------------------------------------------------------------------


def _cost(n_rows: int, network: Network) -> int:
    return step_cost(n_rows, network.n_parameters, network.layer_sizes[-1])


def rows_to_begin_with(n_rows: int, network: Network, cost: float) -> int:
    """The number of rows to begin with, so that a step of the network costs no more than this."""
    candidates = range(1, min(n_rows, FIRST_ROWS) + 1)
    return max(1, bisect_right(candidates, cost, key=lambda n: _cost(n, network)))


def levels(n_first: int, n_rows: int, network: Network) -> list[int]:
    """The numbers of rows of the further levels, as far as they are affordable."""
    numbers, n = [], n_first
    while n < n_rows:
        n = n * GROWTH if n * GROWTH**1.5 < n_rows else n_rows
        if steps_on(n, network, LEVEL_COST) < LEAST_STEPS:
            break
        numbers.append(n)
    return numbers


def steps_on(n_rows: int, network: Network, cost: float) -> int:
    """How many steps on a level are affordable, if all of them may cost so much."""
    return int(min(MOST_STEPS, cost / _cost(n_rows, network)))


def is_in_reach(n_rows: int, network: Network) -> bool:
    """Whether a few steps are affordable on enough rows: all, or ten a parameter."""
    enough = min(n_rows, 10 * network.n_parameters)
    affordable = steps_on(enough, network, LEVEL_COST) >= LEAST_STEPS
    return affordable and fits_into_memory(n_rows, network)


def fits_into_memory(n_rows: int, network: Network) -> bool:
    """Whether the matrices of a step are small enough for "lm" to be chosen by default."""
    return _numbers(n_rows, network) <= MOST_NUMBERS


def memory_of_a_step(n_rows: int, network: Network) -> int:
    """The bytes that the matrices of a step take, roughly."""
    return 8 * MATRICES * _numbers(n_rows, network)


def _numbers(n_rows: int, network: Network) -> int:
    """The number of elements in each matrix of a step, by the parameters or by the rows."""
    P, n_outputs = network.n_parameters, network.layer_sizes[-1]
    return min(n_rows * n_outputs, P) * P


@dataclass
class Sample:
    """Random rows. Larger samples contain the smaller ones.

    Parameters
    ----------
    rows : Rows
    n_first : int
        The number of rows to begin with.
    rng : RandomState
        Draws the order of the rows, if these are not all.
    """

    rows: Rows
    n_first: int
    rng: RandomState

    def __post_init__(self) -> None:
        self._order = None if self.is_all else self.rows.random_order(self.rng)

    @property
    def is_all(self) -> bool:
        """Whether the first rows are all."""
        return self.n_first >= self.rows.n_rows

    @property
    def first(self) -> Rows:
        """The rows to begin with."""
        return self.take(self.n_first)

    def take(self, n_rows: int) -> Rows:
        """So many rows."""
        if self._order is None or n_rows >= self.rows.n_rows:
            return self.rows
        return self.rows.first_of(self._order, n_rows)


# The levels -------------------------------------------------------------------------------------


@dataclass
class Growth:
    """Train further on more and more rows.

    Parameters
    ----------
    solver : EvidenceMaximization
    sample : Sample
    objective_of : callable
        From a network and rows to its objective.
    """

    solver: EvidenceMaximization
    sample: Sample
    objective_of: Callable[[Network, Rows], Objective]
    spent: float = field(default=0.0, init=False)
    """What the steps have cost so far."""

    is_short: bool = field(default=False, init=False)
    """Whether the data determine most parameters, and more units are too expensive."""

    def run(self, members: Sequence[Member], monitor: Monitor, *, widen: bool) -> list[Member]:
        """The members after the last level, with their shares.

        An interruption from the keyboard ends the growth. The result of the last level so far
        counts.

        Parameters
        ----------
        members : sequence of Member
            The networks found on the first rows.
        monitor : Monitor
        widen : bool
            Whether the network may become wider.
        """
        best, n_rows = _best(members), self.sample.rows.n_rows
        if self.solver.exact and self._is_exact(best):
            return [self._over_all_rows(best)]
        tracks = [best, *self._mean_of(members)] if widen else [best]
        widest = in_use(tracks[-1].network, reads(tracks[-1]))
        numbers = levels(self.sample.n_first, n_rows, widest)
        for n in numbers:
            cost = LEVEL_COST if n == numbers[-1] else LEVEL_COST / 2
            tracks = self._level(tracks, self.sample.take(n), cost, monitor)
            members = shared_out(tracks) if tracks else members
            if monitor.stopped or monitor.interrupted:
                return list(members)
        self.spent = 0.0
        self.is_short = widen
        for _ in range(WIDENINGS if widen and n_rows in numbers else 0):
            wider, left = self._widened(_best(members)), LEVEL_COST - self.spent
            if wider is None or monitor.stopped or monitor.interrupted:
                break
            if steps_on(n_rows, in_use(wider.network, reads(wider)), left) < LEAST_STEPS:
                break
            new = self._level([wider], self.sample.rows, left, monitor)
            before, members = members, shared_out([*members, *new])
            if not self._is_better(members, before):
                self.is_short = False
                break
        self.is_short &= _lacks_units(_best(members))
        return list(members)

    def again(self, members: Sequence[Member], monitor: Monitor) -> list[Member]:
        """The members after further training on the first rows, whose weights have changed.

        If their inputs were chosen among many, error bars stay at least as wide.
        """
        again = self._level(members, self.sample.first, LEVEL_COST, monitor)
        if chooses_among_many(members[0].network, self.sample.n_first):
            again = [
                replace(new, posterior=new.posterior.widened(old.posterior.calibration))
                for new, old in zip(again, members, strict=False)
            ]
        return shared_out(again) if again else list(members)

    def _is_exact(self, member: Member) -> bool:
        """Whether a network without an error on the first rows has none on all rows."""
        errors = self.objective_of(member.network, self.sample.rows).errors(member.posterior.w)
        n, noise = self.sample.rows.total_weight, 1 / member.posterior.beta
        return bool((errors < n * np.maximum(10 * noise, 100 * EXACT_LOSS)).all())

    def _over_all_rows(self, member: Member) -> Member:
        """The same weights, with the precisions that suit all rows."""
        objective = self.objective_of(member.network, self.sample.rows)
        posterior = posterior_at(member.posterior.w, objective, member.posterior)
        n_rows = self.sample.rows.n_rows
        return replace(member, posterior=calibrated(posterior, objective), n_rows=n_rows)

    def _level(
        self, tracks: Sequence[Member], rows: Rows, cost: float, monitor: Monitor
    ) -> list[Member]:
        """Train each of the networks further on these rows, at this cost.

        After an interruption these are the networks that are finished.
        """
        found: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        n_before, members = monitor.n_iter, []
        try:
            for track in tracks:
                members.append(self._go_on(track, rows, cost, found))
                if found.enough:
                    break
        except KeyboardInterrupt:
            found.interrupted = True
        if members:
            found.close()
            monitor.n_iter += n_before
        monitor.interrupted = found.interrupted
        return members

    def _go_on(
        self, track: Member, rows: Rows, cost: float, found: Attempts[LaplacePosterior]
    ) -> Member:
        """Steps and re-estimations over these rows, from the present state of the network."""
        network, objective = track.network, self.objective_of(track.network, rows)
        coarse = objective.coarse()
        narrow = without_dead_inputs(track, coarse)
        objective = self.objective_of(narrow.network, rows)
        coarse = self.objective_of(narrow.network, coarse.rows)
        heading = f"{rows.n_rows:,} rows, {units_of(network)} units"
        found.monitor.network = narrow.network
        try:
            attempt, posterior = self._ascend(narrow.posterior, coarse, cost, found, heading)
        finally:
            found.monitor.network = network
        exact = calibrated(on_rows_of(objective, posterior), objective)
        member = Member(narrow.network, exact, attempt.converged, n_rows=rows.n_rows)
        return with_all_inputs(member, rows.units.inputs.varies)

    def _ascend(
        self,
        start: LaplacePosterior,
        coarse: Objective,
        cost: float,
        found: Attempts[LaplacePosterior],
        heading: str,
    ) -> tuple[Monitor, LaplacePosterior]:
        """Steps and re-estimations, as long as the evidence rises and at most at this cost."""
        cost_of_step = _cost(coarse.rows.n_rows, coarse.network)
        affordable = max(1, int(cost / cost_of_step))
        n_steps = min(self.solver.max_iter, affordable)
        attempt = found.begin("level", heading, n_steps)
        try:
            ascent = Ascent.going_on(coarse, posterior_at(start.w, coarse, start), attempt)
            ascent.patience = LEVEL_PATIENCE
            while not (attempt.converged or attempt.finished) and attempt.n_iter < n_steps:
                ascent.run(min(attempt.n_iter + MOST_STEPS, n_steps))
        except KeyboardInterrupt:
            found.end(attempt, None, start.w)
            raise
        # More than those would not be worth their time.
        attempt.converged |= attempt.n_iter >= min(affordable, MOST_STEPS)
        self.spent += attempt.n_iter * cost_of_step
        posterior = ascent.posterior
        found.end(attempt, posterior, posterior.w)
        return attempt, posterior

    # Wider networks -----------------------------------------------------------------------------

    def _affords(self, network: Network, cost: float) -> bool:
        """Whether a step of the network costs no more."""
        return _cost(min(self.sample.rows.n_rows, WIDEST_ROWS), network) <= cost

    def _mean_of(self, members: Sequence[Member]) -> list[Member]:
        """A mean of the best members that are as deep as the best, as many as are affordable.

        Members with little or no share get a small one, to keep their trained units. The output
        weights are soon trained anew.
        """
        best, merits = _best(members), evidence_and_leave_one_out(members).mean(axis=1)
        determined = max(m.posterior.n_effective_parameters for m in members if m.share > 0)
        alive, taken = reads(best), list[Member]()
        for i in np.argsort(-merits, kind="stable"):
            member = replace(members[i], share=max(members[i].share, LEAST_PART))
            new = member.depth == best.depth and not any(_are_twins(member, m) for m in taken)
            if not new:
                continue
            wider = in_use(stitched([*taken, member])[0], alive)
            if self._affords(wider, MEAN_COST) and wider.n_parameters <= ROOM * determined:
                taken.append(member)
        if len(taken) < 2:
            return []
        total = sum(m.share for m in taken)
        network, w = stitched([replace(m, share=m.share / total) for m in taken])
        return [_reshaped(best, network, w)]

    def _widened(self, member: Member) -> Member | None:
        """The network with as many units again; None if there is no need, or no room."""
        if not _lacks_units(member):
            return None
        network, posterior, alive = member.network, member.posterior, reads(member)
        *hidden, _ = network.layer_sizes[1:]
        for part in PARTS_ADDED:
            wide = [n + int(part * n) for n in hidden]
            wider = Network(
                [network.layer_sizes[0], *wide, network.layer_sizes[-1]], network.activation
            )
            if wide != hidden and self._affords(in_use(wider, alive), WIDEST_COST):
                varies = self.sample.rows.units.inputs.varies
                w = with_more_units(network, posterior.w, wider, self.sample.rng, varies)
                return _reshaped(member, wider, w)
        return None

    def _is_better(self, members: Sequence[Member], before: Sequence[Member]) -> bool:
        """Whether the best merit has risen by more than its uncertainty."""
        best, best_before = (
            evidence_and_leave_one_out(some).mean(axis=1).max() for some in (members, before)
        )
        least = uncertainty(self.objective_of(members[0].network, self.sample.rows))
        return bool(best > best_before + least)


def with_more_units(
    network: Network,
    w: FloatArray,
    wider: Network,
    rng: RandomState,
    varies: BoolArray | None = None,
) -> FloatArray:
    """The weights of a network as part of a wider one, in which the other units hardly matter.

    They have small random weights, and even smaller ones to the units of the given network.
    """
    v = wider.initial_weights(rng, SMALL_WEIGHTS, varies)
    for W, V in zip(network.layers(w), wider.layers(v), strict=True):
        n_in, n_out = W.shape
        V[n_in:, :n_out] *= START_OF_ADDED
        V[:n_in, :n_out] = W
    return v


# Dead inputs ------------------------------------------------------------------------------------


def reads(member: Member) -> BoolArray:
    """Which inputs matter to a member."""
    posterior = member.posterior
    of_one_input = posterior.groups.of_one_input
    if not of_one_input:
        return np.ones(member.network.layer_sizes[0], bool)
    alive: BoolArray = posterior.gamma[of_one_input] >= DEAD
    return alive


def without_dead_inputs(member: Member, objective: Objective) -> Member:
    """The member without the inputs that matter neither to it nor to the objective's rows.

    The first is known from the rows that it was trained on. The second is a score test at the
    weights without these inputs: with more rows, a weak input may turn out to matter. With g and H
    the derivatives by the coefs of an input, its score is

        z² = β Σ g² / Σ H,

    which is 1 on average if the residuals are noise. The input is taken back if its score is more
    than WORTH. If the network does not fit yet, the residuals are not noise, and the scores of the
    inputs that matter are large too. So the score must also be more than WORTH times their median.
    """
    network, posterior, alive = member.network, member.posterior, reads(member)
    if alive.all():
        return member
    w = posterior.w.copy()
    network.layers(w)[0][1:][~alive] = 0
    E, g, diagonal = objective.derivatives(w)
    noise = np.maximum(1 / posterior.beta, E / objective.rows.total_weight)
    of_weights = (
        network.layers((1 / noise) @ g)[0][1:],
        network.layers((1 / noise) @ diagonal)[0][1:],
    )
    squares, curvature = (of_weights[0] ** 2).sum(axis=1), of_weights[1].sum(axis=1)
    squares /= np.where(curvature > 0, curvature, np.inf)
    usual = np.median(squares[alive]) if alive.any() else 1.0
    revived = ~alive & (squares > WORTH * max(usual, 1.0))
    first, before = network.layers(w)[0][1:], network.layers(posterior.w)[0][1:]
    first[revived] = before[revived]
    new = revived & ~before.any(axis=1)
    first[new] = -of_weights[0][new] / curvature[new][:, np.newaxis]
    if (alive | revived).all():
        return replace(member, posterior=replace(posterior, w=w))
    partial = PartialNetwork(network, alive | revived)
    groups = WeightGroups.by_layer(partial, per_input=True)
    labels = replace(posterior.groups, labels=posterior.groups.labels[partial.kept])
    alpha = groups.carried_from(labels, posterior.alpha)
    narrow = replace(posterior, w=w[partial.kept], groups=groups, alpha=alpha)
    return replace(member, network=partial, posterior=narrow)


def with_all_inputs(member: Member, varies: BoolArray) -> Member:
    """The member as one of the whole network, in which the other inputs are dead."""
    network = member.network
    if not isinstance(network, PartialNetwork):
        return member
    whole = spread(network, member.posterior, varies)
    return replace(member, network=network.whole, posterior=whole)


def _lacks_units(member: Member) -> bool:
    """Whether the data determine so many parameters that more units may help."""
    n_parameters = in_use(member.network, reads(member)).n_parameters
    return member.posterior.n_effective_parameters >= DETERMINED * n_parameters


def _best(members: Sequence[Member]) -> Member:
    return max(members, key=lambda m: m.share)


def _are_twins(one: Member, other: Member) -> bool:
    """Whether they are nearly the same, as the summit of an ascent and its end may be."""
    w, v = one.posterior.w, other.posterior.w
    return len(w) == len(v) and bool(np.linalg.norm(w - v) < TWINS * np.linalg.norm(w))


def _reshaped(member: Member, network: Network, w: FloatArray) -> Member:
    """Another network of as many layers, with the precisions of a member's groups.

    Its posterior only says where to continue.
    """
    own = WeightGroups.by_layer(member.network, per_input=True)
    groups = replace(
        WeightGroups.by_layer(network, per_input=True), constant=member.posterior.groups.constant
    )
    alpha, gamma = (
        own.carried_from(member.posterior.groups, values)
        for values in (member.posterior.alpha, member.posterior.gamma)
    )
    posterior = replace(member.posterior, w=w, groups=groups, alpha=alpha, gamma=gamma)
    return Member(network, posterior, False)
