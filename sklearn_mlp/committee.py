"""An architecture that nobody has to choose: small networks, wider and wider, and their mean.

A ladder of networks with one hidden layer is climbed: from several starts on each rung, until a
rung is no better than those below it. Each network has a log evidence, log p(y), and a log density
of the rows by leaving out each in turn, log p_loo(y). Either is uncertain by about √(N/2), the
standard deviation of the log likelihood of N rows. They tell one network from another by

    merit = ½ (log p(y) + log p_loo(y)),    share ∝ exp(merit / √(N/2)).

The leaving out is by linearisation, which is far too hopeful of a network that has determined
parameters nearly as many as rows. Such a network has in the place of its log p_loo(y) its evidence,
and what log p_loo(y) is above the evidence for a network that can be believed.

The mean of the networks, weighted by their shares p_m, is itself a network with one hidden layer:
that of all their units, with the output weights times p_m. Its error bars are those of the mixture
(Hoeting et al., 1999): what the members do not know, and what they do not agree on,

    ŷ  = Σ_m p_m ŷ_m,    σ² = Σ_m p_m σ_m² + Σ_m p_m (ŷ_m - ŷ)².
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ._typing import FloatArray
from .curvature import step_cost
from .monitor import Attempts, Monitor
from .network import Network
from .objective import Objective
from .posterior import LaplacePosterior, calibrated
from .rows import Block, Work
from .solvers.evidence import Ascent, EvidenceMaximization, log_evidence_of, on_rows_of, uncertainty

WIDTHS = (3, 6, 12, 25, 50, 100)
"""Units of the rungs."""

LEAST_RUNGS = 3
"""So many rungs are climbed whatever they cost."""

RUNG_COST = 2.5e8
"""No further rung is climbed a step of which costs more: see :func:`step_cost`."""

PATIENCE = 30
"""Re-estimations without a new best of the log evidence that end an ascent.

More than a network alone needs: what comes after the summit makes members of its own.
"""

TRUSTED = (0.4, 0.6)
"""Determined parameters, in rows: up to the first the leaving out of rows is believed, from the
second on it is not."""

LEAST_GAIN = 1.0
"""What a rung must be better by for the next to be climbed, in units of √(N/2)."""

LEAST_SHARE = 0.01
"""Members with a smaller share are left out."""

LEAST_UNIT = 1e-7
"""Units with smaller output weights, in deviations of y, are switched off, and left out."""


@dataclass(frozen=True)
class Member:
    """One of several networks, in the units of training.

    Attributes
    ----------
    network : Network
    posterior : LaplacePosterior
        Calibrated by leaving out each row.
    converged : bool
        Whether the ascent that came to it has.
    share : float
        Its weight in the mean.
    n_rows : int
        Number of rows that it was trained on.
    """

    network: Network
    posterior: LaplacePosterior
    converged: bool
    share: float = 1.0
    n_rows: int = 0

    @property
    def trust(self) -> float:
        """How far the leaving out of rows by linearisation is believed, from 0 to 1."""
        n_rows = self.posterior.n * self.network.layer_sizes[-1]
        full, none = TRUSTED
        return float(
            np.clip((none - self.posterior.n_effective_parameters / n_rows) / (none - full), 0, 1)
        )

    def as_tried(self) -> dict[str, Any]:
        """What it is and what it came to."""
        return {
            "hidden_layer_sizes": self.network.layer_sizes[1:-1],
            "n_rows": self.n_rows,
            "log_evidence": self.posterior.log_evidence,
            "leave_one_out": self.posterior.leave_one_out,
            "n_effective_parameters": self.posterior.n_effective_parameters,
            "share": self.share,
        }


def evidence_and_leave_one_out(members: Sequence[Member]) -> FloatArray:
    """log p(y) and log p_loo(y) of each member, as far as it is believed, of shape (n, 2)."""
    evidence = np.array([m.posterior.log_evidence for m in members])
    above = np.array([m.posterior.leave_one_out for m in members]) - evidence
    trust = np.array([m.trust for m in members])
    believed = np.flatnonzero(trust == trust.max())
    usual = above[believed[np.argmax(evidence[believed])]]
    return np.column_stack([evidence, evidence + usual + trust * (above - usual)])


def shared_out(members: Sequence[Member]) -> list[Member]:
    """The same members with the shares that they deserve."""
    merits = evidence_and_leave_one_out(members).mean(axis=1)
    n_outputs = members[0].network.layer_sizes[-1]
    uncertainty = np.sqrt(members[0].posterior.n * n_outputs / 2)
    shares = np.exp((merits - merits.max()) / uncertainty)
    shares /= shares.sum()
    shares[shares < LEAST_SHARE * shares.max()] = 0
    shares /= shares.sum()
    return [replace(m, share=float(p)) for m, p in zip(members, shares, strict=True)]


def stitched(members: Sequence[Member]) -> tuple[Network, FloatArray]:
    """The weighted mean of networks with one hidden layer, as one such network and its weights."""
    hidden, output, bias = [], [], 0.0
    for member in members:
        first, last = member.network.layers(member.posterior.w)
        on = np.abs(last[1:]).max(axis=1) > LEAST_UNIT
        hidden.append(first[:, on])
        output.append(member.share * last[1:][on])
        bias = bias + member.share * last[0]
    first, last = np.hstack(hidden), np.vstack([bias, *output])
    if first.shape[1] == 0:  # a constant: one unit that does nothing
        first, last = np.zeros((len(first), 1)), np.vstack([last, np.zeros_like(last)])
    n_inputs, n_units = len(first) - 1, first.shape[1]
    network = Network([n_inputs, n_units, last.shape[1]], members[0].network.activation)
    return network, np.concatenate([first.ravel(), last.ravel()])


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

    def predictive_variance(self, network: Network, block: Block, work: Work) -> FloatArray:
        """σ² of each row and output, shape (n_rows, n_outputs)."""
        predictions, variances = [], []
        for member in self.members:
            posterior, own = member.posterior, work.workspace(member.network, block)
            variances.append(posterior.predictive_variance(member.network, block, work))
            predictions.append(member.network.pass_over(posterior.w, block.inputs, own).T.copy())
        mean = self._mean(predictions)
        spread: FloatArray = self._mean([(prediction - mean) ** 2 for prediction in predictions])
        return self._mean(variances) + spread

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


# The climb --------------------------------------------------------------------------------------


def rungs(n_inputs: int, n_outputs: int, activation: str, n_rows: int) -> list[Network]:
    """The networks of the ladder, up to the cost that one may have."""
    networks = [Network([n_inputs, width, n_outputs], activation) for width in WIDTHS]
    costs = [step_cost(n_rows, network.n_parameters, n_outputs) for network in networks]
    n_rungs = max(LEAST_RUNGS, sum(cost <= RUNG_COST for cost in costs))
    return networks[:n_rungs]


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

    Attributes
    ----------
    members : list of Member
        What the ascents have come to: the summit of each, and its end.
    """

    solver: EvidenceMaximization
    objective_of: Callable[[Network], Objective]
    first_weights: Callable[[Network], FloatArray]

    def __post_init__(self) -> None:
        self.members: list[Member] = []

    def run(self, networks: Sequence[Network], monitor: Monitor) -> list[Member]:
        """Climb until a rung is no better than those below; the members with their shares.

        An interruption from the keyboard ends the climb, and what was found so far counts.
        """
        found: Attempts[LaplacePosterior] = Attempts(monitor, log_evidence_of)
        with found.until_interrupted():
            for network in networks:
                n_below = len(self.members)
                self._rung(network, found)
                if self.solver.exact or found.enough or not self._is_better(n_below):
                    break
        posterior = found.close()
        if self.solver.exact or not self.members:
            assert monitor.network is not None
            self.members = [self._member(monitor.network, posterior, converged=True)]
        return shared_out(self.members)

    def _is_better(self, n_below: int) -> bool:
        """Whether the last rung is better than the members below it, by merit or by log p_loo."""
        if n_below == 0:
            return True
        evidence, leave_one_out = evidence_and_leave_one_out(self.members).T
        least = LEAST_GAIN * uncertainty(self.objective_of(self.members[-1].network))
        return any(
            quality[n_below:].max() > quality[:n_below].max() + least
            for quality in ((evidence + leave_one_out) / 2, leave_one_out)
        )

    def _rung(self, network: Network, found: Attempts[LaplacePosterior]) -> None:
        """The ascents of a network."""
        found.monitor.network = network
        objective = self.objective_of(network)
        coarse, heading = objective.coarse(), f"{network.layer_sizes[1]} units, "
        for ascent in self.solver.ascents(
            objective, coarse, lambda: self.first_weights(network), found, heading
        ):
            for posterior in _summit_and_end(ascent):
                converged = ascent.monitor.converged
                self.members.append(self._member(network, posterior, converged=converged))

    def _member(self, network: Network, posterior: LaplacePosterior, *, converged: bool) -> Member:
        """What an ascent over coarse rows came to, over the rows themselves, and calibrated."""
        objective = self.objective_of(network)
        exact = calibrated(on_rows_of(objective, posterior), objective)
        return Member(network, exact, converged, n_rows=objective.rows.n_rows)


def _summit_and_end(ascent: Ascent) -> list[LaplacePosterior]:
    """The posteriors at the summit of an ascent and at its end, which may be the same."""
    summit, end = ascent.posterior, ascent.last_posterior
    return [summit] if summit.w is end.w else [summit, end]
