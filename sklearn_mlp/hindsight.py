"""Error bars after training: the posterior of weights that were trained without one.

Gradient descent gives no posterior, and may have ended anywhere. Around its final weights, the
evidence sets the precisions of the prior and of the noise, by the equations of
:mod:`~sklearn_mlp.solvers.ascent` with fixed weights. The penalty under which they were trained
is not used: it says little about weights that stopped before the minimum.

The posterior is over all parameters if its matrices are not too large. Otherwise it is over those
of the output layer alone: see :mod:`~sklearn_mlp.last_layer`. That one does not show how far the
other layers have fitted the noise, except on held-out rows. If there are such rows, and more
parameters than rows, it is the better one, because the other has too many uncertain parameters.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._typing import FloatArray
from .curvature import step_cost
from .growth import fits_into_memory
from .last_layer import LastLayerErrors, LastLayerPosterior, last_layer, last_layer_sums
from .model import relevances
from .network import Network
from .noise import LEAST_ROWS, Residuals, VaryingNoise, is_better, weighted
from .objective import Objective, Point
from .posterior import (
    NOISE_RANGE,
    LaplacePosterior,
    LeaveOneOutErrors,
    Posterior,
    WeightGroups,
    calibrated,
    laplace,
)
from .rows import Rows
from .solvers.ascent import reestimate
from .solvers.log_variance import estimate

SETTLED = 0.05
"""Precisions whose relative change is smaller have settled."""

MOST_ESTIMATES = 10
"""The most re-estimations."""

MOST_COST = 4e11
"""The cost limit of a posterior over all parameters, some ten seconds of one core."""

CHEAP = 0.1
"""The share of the cost of training up to which a posterior is computed in ``fit``."""


@dataclass(frozen=True)
class Hindsight:
    """The posterior that is computed after training, at once or when it is first asked for.

    Parameters
    ----------
    objective : Objective
        What was minimised, over the rows of the training.
    w : array of shape (n_parameters,)
        The weights after training.
    held_out : Rows or None
        Rows that were not trained on.
    noise : VaryingNoise or None
        The noise by which the rows of both are weighted.
    chooses_noise : bool, default=False
        Whether to decide by the rows whether the noise varies. The weights stay as they are.
    """

    objective: Objective
    w: FloatArray
    held_out: Rows | None
    noise: VaryingNoise | None = None
    chooses_noise: bool = False

    @property
    def over_all_parameters(self) -> bool:
        """Whether the posterior is over all parameters, and not only those of the last layer."""
        network, n_rows = self.objective.network, self.objective.rows.n_rows
        if self.held_out is not None and network.n_parameters > n_rows:
            return False  # the held-out rows know better how wide error bars must be
        return fits_into_memory(n_rows, network) and self._cost(network) <= MOST_COST

    def _cost(self, network: Network) -> int:
        """Multiplications, roughly: of the products over the rows, and of each re-estimation."""
        n_rows, P = self.objective.rows.n_rows, network.n_parameters
        fewer = min(n_rows, P)
        return n_rows * P * fewer + MOST_ESTIMATES * step_cost(fewer, P, network.layer_sizes[-1])

    @property
    def may_be_too_narrow(self) -> bool:
        """Whether no rows show how far the layers before the last have fitted the noise."""
        return not self.over_all_parameters and self.held_out is None

    def is_cheap(self, n_passes: int) -> bool:
        """Whether it costs little compared with so many passes over the rows.

        If it comes with a warning, it is not: only those who ask for error bars should see that.
        """
        if self.may_be_too_narrow:
            return False
        network, n_rows = self.objective.network, self.objective.rows.n_rows
        uncertain = network if self.over_all_parameters else last_layer(network)
        return self._cost(uncertain) <= CHEAP * 3 * n_passes * n_rows * network.n_parameters

    def for_later(self) -> "Hindsight":
        """The same after the fit, which no longer needs the cluster that it ran on."""
        held_out = None if self.held_out is None else self.held_out.anywhere()
        objective = self.objective.over(self.objective.rows.anywhere())
        return replace(self, objective=objective, held_out=held_out)

    def relevances(self) -> FloatArray:
        """How far each input moves the predictions, summing to one."""
        return relevances(self.objective, self.w)

    def result(self) -> tuple[Posterior, VaryingNoise | None]:
        """The posterior, and the noise if it varies."""
        posterior = self.posterior()
        if not self.chooses_noise:
            return posterior, self.noise
        noise = self._noise_of(self.residuals(posterior, self.objective.rows, self.held_out))
        if noise is None:
            return posterior, None
        rows = self.objective.over(weighted(self.objective.rows, noise))
        rows.noise = noise
        held_out = self.held_out and weighted(self.held_out, noise)
        return replace(self, objective=rows, held_out=held_out, noise=noise).posterior(), noise

    def residuals(
        self, posterior: Posterior, counted: Rows, counted_held_out: Rows | None
    ) -> Residuals:
        """The residuals of the mean: at the held-out rows if there are any.

        Parameters
        ----------
        posterior : Posterior
        counted, counted_held_out : Rows
            The rows with their own weights.
        """
        rows, seen = self.objective.rows, self.held_out is None
        if self.held_out is not None and counted_held_out is not None:
            rows, counted = self.held_out, counted_held_out
        objective = self.objective.over(rows.in_dtype(np.float64))
        return Residuals.of(posterior, objective, counted.in_dtype(np.float64), trained_on=seen)

    def _noise_of(self, residuals: Residuals) -> VaryingNoise | None:
        """The noise, if it varies more than by chance."""
        found = estimate(residuals) if residuals.rows.total_weight >= LEAST_ROWS else None
        if found is None:
            return None
        new, old = residuals.log_density(found.left_out), residuals.log_density(None)
        better = is_better(new, old, residuals.rows.weights_of_rows())
        return found.noise if better else None

    def posterior(self) -> Posterior:
        """The posterior, calibrated by the held-out rows, or by leaving out each row."""
        # In float64, because the products of Gauss-Newton square the condition number.
        objective = self.objective.over(self.objective.rows.in_dtype(np.float64))
        w, network = self.w.astype(np.float64), objective.network
        kind: type[LeaveOneOutErrors]
        if self.over_all_parameters:
            kind, point = LeaveOneOutErrors, Point(w, objective.gauss_newton(w))
        else:
            kind, network = LastLayerErrors, last_layer(network)
            point = Point(w[-network.n_parameters :], last_layer_sums(objective, w))
        posterior = by_evidence(network, point, objective)
        errors = kind(objective.network, w, posterior, self.held_out is None, objective.noise)
        if self.held_out is not None:
            objective = objective.over(self.held_out.in_dtype(np.float64))
        posterior = calibrated(posterior, objective, errors)
        return posterior if self.over_all_parameters else LastLayerPosterior(w, posterior)


def by_evidence(network: Network, point: Point, objective: Objective) -> LaplacePosterior:
    """The posterior around a point, with the precisions that maximise the evidence there.

    Parameters
    ----------
    network : Network
        What the point is of: the whole network, or its output layer.
    point : Point
    objective : Objective
    """
    n = objective.rows.total_weight
    variance = objective.squared_targets() / n
    groups = WeightGroups.by_layer(network, per_input=False)
    alpha: FloatArray = np.ones(len(groups.names))
    beta: FloatArray = np.clip(1 / np.where(variance > 0, variance, 1), *NOISE_RANGE)
    for _ in range(MOST_ESTIMATES):
        posterior = laplace(point, groups, alpha, beta, n)
        before = np.append(alpha, beta)
        alpha, beta = reestimate(posterior, point, variance)
        if np.abs(np.log(np.append(alpha, beta) / before)).max() < SETTLED:
            break
    return laplace(point, groups, alpha, beta, n)
