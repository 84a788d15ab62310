"""Find the architecture: train small networks, then wider ones, and take their weighted mean.

The rungs of a ladder are networks with one hidden layer, each wider than the one below. On each
rung the network is trained from several starts, until a rung is no better than those below it. If
the ladder went beyond a few units, networks with two small hidden layers are trained too. Each
network has a log evidence, log p(y), and a log density of the rows by leaving out each in turn, log
p_loo(y). Both are uncertain by about √(N/2), the standard deviation of the log likelihood of N
rows. Networks are compared by

    merit = ½ (log p(y) + log p_loo(y)),    share ∝ exp(merit / √(N/2)).

Leaving out is linearised. The result is far too high for a network that has nearly as many
determined parameters as rows. For such a network, log p_loo(y) is replaced by its evidence plus the
difference between both measures of a network that can be trusted.

The mean of networks of one depth, weighted by their shares p_m, is itself a network of that depth:
that of all their units, unconnected from one member to the next, with the output weights times p_m.
Its error bars are those of the mixture (Hoeting et al., 1999): the uncertainty of the members, plus
their disagreement,

    ŷ  = Σ_m p_m ŷ_m,    σ² = Σ_m p_m σ_m² + Σ_m p_m (ŷ_m - ŷ)².

Networks of different depths have no such mean. The mean of those with two hidden layers is taken if
it is clearly better than that of those with one: see :meth:`Climb._is_surely_better`. And a linear
function, the network without a hidden layer, is taken if it is as good as either: see
:meth:`Climb._is_linear`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import block_diag

from ._typing import FloatArray
from .curvature import step_cost
from .monitor import Attempts, Monitor
from .network import Network, PartialNetwork
from .objective import Noise, Objective
from .overflow import overflow
from .posterior import (
    Gaussian,
    LaplacePosterior,
    LeaveOneOutErrors,
    calibrated,
    with_normalizer,
)
from .rows import Block, Kernel, Sums, Work
from .solvers.ascent import (
    LINEAR_STEPS,
    linear_posterior,
    on_rows_of,
    uncertainty,
    without_hidden_layers,
)
from .solvers.between_rows import LEAST_UNIT
from .solvers.evidence import (
    EXACT_LOSS,
    EvidenceMaximization,
    all_may_matter,
    log_evidence_of,
)
from .solvers.forward_selection import chosen_inputs
from .solvers.some_inputs import spread, with_a_precision_for_each_input

WIDTHS = (3, 6, 12, 25, 50, 100)
"""Units of the rungs."""

CHEAP_RUNGS = 2
"""So many rungs are climbed whatever they cost."""

THIRD_RUNG_COST = 2e9
"""The third rung is climbed unless a step costs more than this: see :func:`step_cost`."""

RUNG_COST = 2.5e8
"""Further rungs are climbed unless a step costs more than this."""

TWO_LAYERS = {12: (6, 6), 25: (10, 10)}
"""Units in two hidden layers that are tried where the units in one were.

They have about as many parameters, and take about as long.
"""

PATIENCE = 30
"""Re-estimations without a new best of the log evidence that end an ascent.

More than one network alone needs, because networks after the summit become members too.
"""

TRUSTED = (0.4, 0.6)
"""Determined parameters per row: up to the first value the leave-one-out density is trusted in
full, from the second on not at all."""

LEAST_GAIN = 1.0
"""By how much a rung must be better for the next to be climbed, in units of √(N/2)."""

LEAST_ERRORS = 2.0
"""By how much two hidden layers must lower the squared error, in standard errors of the
difference."""

MOST_ERRORS_OF_LINEAR = 0.0
"""By how much the squared error of a linear function may be higher than that of the networks, in
standard errors of the difference."""

LEAST_SHARE = 0.01
"""Members with a smaller share are left out."""


@dataclass(frozen=True)
class Member:
    """One of several networks, in the units of training.

    Attributes
    ----------
    network : Network
    posterior : LaplacePosterior
        Calibrated by leaving out each row.
    converged : bool
        Whether its ascent has converged.
    share : float
        Its weight in the mean.
    n_rows : int
        Number of rows that it was trained on.
    chosen : bool
        Whether its inputs were chosen before training.
    """

    network: Network
    posterior: LaplacePosterior
    converged: bool
    share: float = 1.0
    n_rows: int = 0
    chosen: bool = False

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.network.shapes) - 1

    @property
    def determined(self) -> float:
        """The parameters that the data determine, per row."""
        n_rows = self.posterior.n * self.network.layer_sizes[-1]
        return self.posterior.n_effective_parameters / n_rows

    @property
    def trust(self) -> float:
        """How far the linearised leave-one-out density is trusted, from 0 to 1."""
        full, none = TRUSTED
        return float(np.clip((none - self.determined) / (none - full), 0, 1))

    def with_normalizer(self, objective: Objective) -> "Member":
        """With the log densities of the distribution whose deviance the loss is."""
        return replace(self, posterior=with_normalizer(self.posterior, objective))

    def as_tried(self, noise: Noise | None) -> dict[str, Any]:
        """The network and its measures, for ``architectures_``."""
        log_weight = 0.0 if noise is None else noise.log_weight
        return {
            "hidden_layer_sizes": self.network.layer_sizes[1:-1],
            "n_rows": self.n_rows,
            "log_evidence": self.posterior.log_evidence + self.posterior.n * log_weight,
            "leave_one_out": self.posterior.leave_one_out,
            "n_effective_parameters": self.posterior.n_effective_parameters,
            "share": self.share,
        }


def evidence_and_leave_one_out(members: Sequence[Member]) -> FloatArray:
    """log p(y) and the trusted log p_loo(y) of each member, of shape (n, 2)."""
    evidence = np.array([m.posterior.log_evidence for m in members])
    choices = np.array([m.posterior.choice_of_inputs for m in members])
    above = np.array([m.posterior.leave_one_out for m in members]) - choices - evidence
    trust = np.array([m.trust for m in members])
    believed = np.flatnonzero(trust == trust.max())
    usual = above[believed[np.argmax(evidence[believed])]]
    return np.column_stack([evidence, evidence + usual + trust * (above - usual)])


def shared_out(members: Sequence[Member]) -> list[Member]:
    """The same members with their shares, which is 0 where the evidence overflows."""
    merits = evidence_and_leave_one_out(members).mean(axis=1)
    if not np.isfinite(merits).any():
        raise overflow("log evidences", merits.dtype)
    merits = np.where(np.isfinite(merits), merits, -np.inf)
    n_outputs = members[0].network.layer_sizes[-1]
    uncertainty = np.sqrt(members[0].posterior.n * n_outputs / 2)
    shares = np.exp((merits - merits.max()) / uncertainty)
    shares /= shares.sum()
    shares[shares < LEAST_SHARE * shares.max()] = 0
    shares /= shares.sum()
    return [replace(m, share=float(p)) for m, p in zip(members, shares, strict=True)]


def stitched(members: Sequence[Member]) -> tuple[Network, FloatArray]:
    """The weighted mean of networks of one depth, as one such network and its weights.

    Without hidden layers there is one network, the linear function.
    """
    each = [member.network.layers(member.posterior.w) for member in members]
    if len(each[0]) == 1:
        (member,) = members
        return member.network, member.posterior.w
    first, *between, last = zip(*each, strict=True)
    output = [m.share * W for m, W in zip(members, last, strict=True)]
    bias = np.sum([W[0] for W in output], axis=0)
    least_noise = min(float(m.posterior.beta.max()) ** -0.5 for m in members)
    layers = without_idle_units(
        [
            np.hstack(first),
            *(unconnected(matrices) for matrices in between),
            np.vstack([bias, *(W[1:] for W in output)]),
        ],
        LEAST_UNIT * min(1.0, least_noise),
    )
    sizes = [len(layers[0]) - 1, *(W.shape[1] for W in layers)]
    network = Network(sizes, members[0].network.activation)
    return network, np.concatenate([W.ravel() for W in layers])


def unconnected(matrices: Sequence[FloatArray]) -> FloatArray:
    """A layer of several networks as one layer, without weights from one to another."""
    biases = np.hstack([W[0] for W in matrices])
    return np.vstack([biases, block_diag(*(W[1:] for W in matrices))])


def without_idle_units(layers: Sequence[FloatArray], least: float) -> list[FloatArray]:
    """The layers without the hidden units that are switched off. One stays in each layer.

    A unit is switched off if none of its weights to the next layer is larger than `least`. Where
    the data have almost no noise, units of that size still count.
    """
    kept = list(layers)
    for i in range(len(kept) - 1, 0, -1):  # a unit may only lead to units that are left out
        on = np.abs(kept[i][1:]).max(axis=1) > least
        on[0] |= not on.any()
        kept[i] = kept[i][np.append(True, on)]
        kept[i - 1] = kept[i - 1][:, on]
    return kept


@dataclass(frozen=True)
class MixturePosterior:
    """The posterior of the mean of several networks.

    Attributes
    ----------
    w : array of shape (n_parameters,)
        The weights of the mean.
    members : tuple of Member
    """

    w: FloatArray
    members: tuple[Member, ...]

    kind: ClassVar[str] = "all parameters"

    @classmethod
    def of(cls, members: Sequence[Member]) -> tuple[Network, Self]:
        """The mean of members, and its posterior."""
        kept = [member for member in members if member.share > 0]
        network, w = stitched(kept)
        return network, cls(w, tuple(kept))

    def _mean(self, values: Sequence[Any]) -> Any:
        return sum(m.share * value for m, value in zip(self.members, values, strict=True))

    @property
    def beta(self) -> FloatArray:
        """The precision of each output's noise, whose variance is the mean of the members'."""
        precision: FloatArray = 1 / self._mean([1 / m.posterior.beta for m in self.members])
        return precision

    @property
    def n(self) -> float:
        """Number of rows, or the sum of their weights."""
        return self.members[0].posterior.n

    @property
    def log_evidence(self) -> float:
        """That of the member with the largest share."""
        return max(self.members, key=lambda m: m.share).posterior.log_evidence

    @property
    def n_effective_parameters(self) -> float:
        """How many parameters the data determine, in the mean."""
        return float(self._mean([m.posterior.n_effective_parameters for m in self.members]))

    def predictive(
        self, network: Network, block: Block, work: Work, noise: Noise | None
    ) -> list[Gaussian]:
        """ŷ_m and σ_m² of each row and output, for each member m."""
        gaussians = []
        for m in self.members:
            (own,) = m.posterior.predictive(m.network, block, work, noise)
            gaussians.append(own._replace(share=m.share))
        return gaussians

    def parts(
        self, network: Network, trained_on: bool, noise: Noise | None
    ) -> list[tuple[float, LeaveOneOutErrors]]:
        """The members, by leaving out each row."""
        return [(m.share, _left_out(m, noise, trained_on=trained_on)) for m in self.members]

    def precisions(self, n_layers: int) -> dict[str, float | FloatArray]:
        """The precision of each weight group, the geometric mean over the members."""
        each = [m.posterior.precisions(n_layers) for m in self.members]
        named: dict[str, float | FloatArray] = {}
        for name in each[0]:
            with np.errstate(divide="ignore"):  # a flat prior has the precision 0
                logs = self._mean([np.log(precisions[name]) for precisions in each])
            mean = np.exp(logs)
            named[name] = float(mean) if np.ndim(mean) == 0 else mean
        return named


@dataclass(frozen=True, eq=False)
class FallOfSquares(Kernel[Sums]):
    """Σ s d and Σ s d², where d is the squared error of one mean less that of another.

    Both errors are leave-one-out errors.
    """

    before: tuple[Member, ...]
    after: tuple[Member, ...]
    noise: Noise | None = None

    @property
    def floats_per_row(self) -> int:
        """Those of the largest network."""
        return max(_left_out(m, None).floats_per_row for m in self.before + self.after)

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""

        def squares(members: tuple[Member, ...]) -> FloatArray:
            kept = (m for m in members if m.share > 0)
            error = sum(m.share * _left_out(m, self.noise).errors(block, work)[0] for m in kept)
            total: FloatArray = np.sum(np.square(error), axis=0)
            return total

        d = squares(self.before) - squares(self.after)
        s = _left_out(self.before[0], self.noise).counts(block, work)
        return Sums(d @ s, d**2 @ s)


def _left_out(member: Member, noise: Noise | None, *, trained_on: bool = True) -> LeaveOneOutErrors:
    posterior = member.posterior
    return LeaveOneOutErrors(member.network, posterior.w, posterior, trained_on, noise)


# The climb --------------------------------------------------------------------------------------


def rungs(n_inputs: int, n_outputs: int, activation: str, n_rows: int) -> list[Network]:
    """The networks of the ladder, up to the cost that one may have."""
    networks = [Network([n_inputs, width, n_outputs], activation) for width in WIDTHS]
    limits = [*[np.inf] * CHEAP_RUNGS, THIRD_RUNG_COST, *[RUNG_COST] * len(WIDTHS)]
    return [
        network
        for network, limit in zip(networks, limits, strict=False)
        if step_cost(n_rows, network.n_parameters, n_outputs) <= limit
    ]


def two_layers(network: Network) -> Network | None:
    """The network with two hidden layers that is tried where one with one was, if any."""
    n_inputs, width, n_outputs = network.layer_sizes
    hidden = TWO_LAYERS.get(width)
    return Network([n_inputs, *hidden, n_outputs], network.activation) if hidden else None


@dataclass
class Climb:
    """The climb of a ladder of networks.

    Parameters
    ----------
    solver : EvidenceMaximization
    objective_of : callable
        From a network to its objective.
    first_weights : callable
        From a network to random weights.
    may_be_linear : bool, default=False
        Whether a linear function may be taken.

    Attributes
    ----------
    members : list of Member
        The results of the ascents: the summits of each, and its end.
    linear : Member or None
        The linear function. Its share is 1 if it is taken, and else 0.
    """

    solver: EvidenceMaximization
    objective_of: Callable[[Network], Objective]
    first_weights: Callable[[Network], FloatArray]
    may_be_linear: bool = False

    def __post_init__(self) -> None:
        self.members: list[Member] = []
        self.linear: Member | None = None
        self._highest: dict[str, list[float]] = {}

    def run(self, networks: Sequence[Network], monitor: Monitor) -> list[Member]:
        """Climb until a rung is no better than those below; the members with their shares.

        An interruption from the keyboard ends the climb, and what was found so far counts.
        """
        found: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        with found.until_interrupted():
            self._climb(networks, found)
        posterior = found.close()
        if self.solver.exact or not self.members:
            assert monitor.network is not None
            self.members = [self._member(monitor.network, posterior, converged=True)]
        members = self._shared_out()
        if self.solver.exact or found.enough or found.interrupted:
            return members
        best = max(members, key=lambda m: m.share)
        calibration = self.solver.held_out_calibration(
            self.objective_of(best.network), self.first_weights, chosen=best.chosen
        )
        if calibration is None:
            return members
        return [replace(m, posterior=m.posterior.widened(calibration)) for m in members]

    def _climb(self, networks: Sequence[Network], found: Attempts[LaplacePosterior]) -> None:
        """Climb with some of the inputs, if a selection has chosen them, and then with all.

        There is nothing to climb for if a linear function has no error.
        """
        self._fit_linear(networks[0])
        if self._is_exactly_linear():
            self._train_linear(found)
            self.solver.exact, self.linear = True, None
            return
        chosen = chosen_inputs(self.objective_of(networks[0]).rows)
        if chosen is not None:
            self._climb_with(networks, lambda network: PartialNetwork(network, chosen), found)
            posteriors = [m.posterior for m in self.members]
            with_some = max(posteriors, key=lambda p: p.log_evidence, default=None)
            coarse = self.objective_of(networks[0]).coarse()
            if with_some is not None and all_may_matter(coarse, with_some):
                self._highest.clear()
        if not (self.solver.exact or found.enough):
            self._climb_with(networks, lambda network: network, found)
        if not (self.solver.exact or found.enough) and self._is_linear():
            self._train_linear(found)

    def _fit_linear(self, network: Network) -> None:
        """Fit the linear function, if it may be taken."""
        objective = self.objective_of(without_hidden_layers(network))
        if self.may_be_linear and objective.loss.is_quadratic:
            posterior = linear_posterior(objective)
            linear = self._member(objective.network, posterior, converged=True)
            self.linear = replace(linear, share=0.0)

    def _is_exactly_linear(self) -> bool:
        """Whether the linear function has no error, on far more rows than it has parameters."""
        if self.linear is None:
            return False
        network, posterior = self.linear.network, self.linear.posterior
        errors = self.objective_of(network).errors(posterior.w)
        ample = posterior.n > 2 * network.n_parameters
        return ample and bool((errors < 2 * EXACT_LOSS * posterior.n).all())

    def _is_linear(self) -> bool:
        """Whether the linear function is as good as the networks: then it is preferred.

        Its merit must be as high as the highest of theirs, and its leave-one-out squared error no
        larger than that of their mean.
        """
        if self.linear is None:
            return False
        linear = replace(self.linear, share=1.0)
        members = [m for m in self._shared_out() if m.share > 0]
        merits = evidence_and_leave_one_out([linear, *members]).mean(axis=1)
        if not merits[0] >= merits[1:].max():
            return False
        fall, error = self._fall_of_squares([linear], members)
        return fall <= MOST_ERRORS_OF_LINEAR * error

    def _fall_of_squares(
        self, before: Sequence[Member], after: Sequence[Member]
    ) -> tuple[float, float]:
        """By how much the leave-one-out squared error falls, summed over rows; its uncertainty."""
        objective = self.objective_of(after[0].network)
        fall, squares = objective.rows.sum(
            FallOfSquares(tuple(before), tuple(after), objective.noise)
        )
        variance = squares - fall**2 / objective.rows.total_weight
        return float(fall), float(np.sqrt(variance))

    def _train_linear(self, found: Attempts[LaplacePosterior]) -> None:
        """Take the linear function, with a history of its own."""
        assert self.linear is not None
        network = self.linear.network
        found.monitor.network = network
        monitor = found.begin("ascent", "a linear function", LINEAR_STEPS)
        posterior = linear_posterior(self.objective_of(network), monitor)
        found.forget()
        found.end(monitor, posterior, posterior.w)
        self.linear = replace(self.linear, share=1.0)

    def _climb_with(
        self,
        networks: Sequence[Network],
        inputs_of: Callable[[Network], Network],
        found: Attempts[LaplacePosterior],
    ) -> None:
        """Climb with one hidden layer, and then try two where they may be worth it."""
        deeper, n_before = list[Network | None](), len(self.members)
        for network in networks:
            n_below = len(self.members)
            self._rung(inputs_of(network), found)
            if self.solver.exact or found.enough:
                return
            if self.objective_of(network).loss.is_quadratic:  # whose errors can be compared
                deeper.append(two_layers(network))
            if not self._is_better(n_before, n_below) or self._is_behind(n_before, n_below):
                break
        for network in filter(None, deeper):
            self._rung(inputs_of(network), found)
            if self.solver.exact or found.enough:
                return

    def _shared_out(self) -> list[Member]:
        """The members with their shares. Those of one depth have them all."""
        members = sorted(self.members, key=_depth)
        groups = [shared_out(list(group)) for _, group in groupby(members, _depth)]
        best = groups[0]
        for group in groups[1:]:
            if self._is_surely_better(group, best):
                best = group
        shared = [replace(m, share=m.share * (group is best)) for group in groups for m in group]
        if self.linear is None:
            return shared
        left = 1.0 - self.linear.share
        return [self.linear, *(replace(m, share=left * m.share) for m in shared)]

    def _is_surely_better(self, deep: Sequence[Member], shallow: Sequence[Member]) -> bool:
        """Whether the mean of the deeper networks is clearly better.

        A higher merit of the best network is not enough. A few rows can decide the error and hardly
        count in the merit, for example where a function is steep. And a mean is better than each of
        its networks, and improves with their number. So the leave-one-out squared errors of the two
        means are compared as well, if they can be trusted.
        """
        merits = evidence_and_leave_one_out([*shallow, *deep]).mean(axis=1)
        n, least = len(shallow), LEAST_GAIN * uncertainty(self.objective_of(deep[0].network))
        if merits[n:].max() <= merits[:n].max() + least:
            return False
        if sum(m.share * m.determined for m in deep) > TRUSTED[0]:
            return False
        fall, error = self._fall_of_squares(shallow, deep)
        return fall > LEAST_ERRORS * error

    def _is_better(self, n_before: int, n_below: int) -> bool:
        """Whether the last rung is better than the members below it, by merit or by log p_loo."""
        if n_below == n_before:
            return True
        members, n = self.members[n_before:], n_below - n_before
        evidence, leave_one_out = evidence_and_leave_one_out(members).T
        least = LEAST_GAIN * uncertainty(self.objective_of(members[-1].network))
        return any(
            quality[n:].max() > quality[:n].max() + least
            for quality in ((evidence + leave_one_out) / 2, leave_one_out)
        )

    def _is_behind(self, n_before: int, n_below: int) -> bool:
        """Whether as many units did better, or all numbers of units, with the chosen inputs."""
        rung, rivals = self.members[n_below:], self.members[:n_before]
        alike = [m for m in rivals if m.network.layer_sizes == rung[0].network.layer_sizes]
        rivals = alike or rivals
        merits = evidence_and_leave_one_out([*rivals, *rung]).mean(axis=1)
        return bool(rivals) and bool(merits[: len(rivals)].max() > merits[len(rivals) :].max())

    def _rung(self, network: Network, found: Attempts[LaplacePosterior]) -> None:
        """The ascents of a network."""
        found.monitor.network = network
        objective = self.objective_of(network)
        coarse, heading = objective.coarse(), f"{units_of(network)} units, "
        if isinstance(network, PartialNetwork):
            heading = f"{network.reads.sum()} of {len(network.reads)} inputs, {heading}"
        units = units_of(network)
        ahead, highest = self._highest.get(units, ()), list[float]()
        for ascent in self.solver.ascents(
            objective, coarse, lambda: self.first_weights(network), found, heading, ahead
        ):
            highest = max(highest, ascent.highest, key=lambda evidences: evidences[-1:])
            for posterior in ascent.posteriors:
                converged = ascent.monitor.converged
                self.members.append(self._member(network, posterior, converged=converged))
        self._highest[units] = highest

    def _member(self, network: Network, posterior: LaplacePosterior, *, converged: bool) -> Member:
        """The result of an ascent over coarse rows, over the rows themselves, and calibrated."""
        objective = self.objective_of(network)
        n_rows = objective.rows.n_rows
        if not isinstance(network, PartialNetwork):
            exact = calibrated(on_rows_of(objective, posterior), objective)
            return Member(network, exact, converged, n_rows=n_rows)
        posterior = with_a_precision_for_each_input(network, posterior)
        exact = calibrated(on_rows_of(objective, posterior), objective)
        whole = spread(network, exact, objective.rows.units.inputs.varies)
        return Member(network.whole, whole, converged, n_rows=n_rows, chosen=True)


def units_of(network: Network) -> str:
    """The units of the hidden layers, for people."""
    widths = network.layer_sizes[1:-1]
    return str(widths[0] if len(widths) == 1 else widths)


def _depth(member: Member) -> int:
    return member.depth
