"""Second order over a stream of rows, which are gone when the next come.

The squared errors of rows that are gone are known by their expansion around the weights w₀ that
they were last seen at. With d = w - w₀, and the sums of :mod:`~sklearn_mlp.objective`,

    E_k(w) ≈ E_k + 2 g_kᵀ d + dᵀ H_k d.

It is exact where the network is linear in its weights, and else as good as Laplace's approximation
of the posterior: the rows so far are the prior of the next ones (Ritter, Botev & Barber, 2018).
The expansions of all calls are one, around the present weights. It takes P² numbers for P
parameters, however many rows there have been.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg.blas import dsymv

from ._typing import FloatArray
from .growth import LEVEL_PATIENCE
from .model import squared_input_gradients
from .monitor import Monitor
from .network import Network
from .objective import GaussNewton, Objective, Point
from .posterior import LaplacePosterior, LeaveOneOutErrors
from .rows import Rows
from .solvers.evidence import Ascent, posterior_at


@dataclass(frozen=True, eq=False)
class SeenRows:
    """What is known of rows that are gone.

    Parameters
    ----------
    point : Point
        The weights around which their errors are expanded, and the sums there.
    weight : float
        Their number, or the sum of their weights.
    squared_targets : array of shape (n_outputs,)
        The weighted sum of squares of each target.
    squared_gradients : array of shape (n_features,)
        The weighted sum of squares of the derivatives by each input.
    surprise : array of shape (n_outputs,)
        The weighted sum of squared errors, relative to their predicted variances, of rows that
        the prediction had not seen.
    """

    point: Point
    weight: float
    squared_targets: FloatArray
    squared_gradients: FloatArray
    surprise: FloatArray

    @property
    def calibration(self) -> FloatArray:
        """What variances are multiplied by, so that new rows are no surprise."""
        return np.maximum(self.surprise / self.weight, 1.0)

    def sums_at(self, w: FloatArray) -> GaussNewton:
        """The expansion around other weights."""
        at, sums = self.point
        assert sums.H is not None
        d = w - at
        Hd = np.array([dsymv(1.0, H_k, d, lower=1) for H_k in sums.H])
        return GaussNewton(sums.E + 2 * sums.g @ d + Hd @ d, sums.g + Hd, sums.H)


class ObjectiveAfter(Objective):
    """The squared error over some rows and over rows that are gone.

    Parameters
    ----------
    network : Network
    rows : Rows
    seen : SeenRows or None
        None if no rows are gone.
    """

    def __init__(self, network: Network, rows: Rows, seen: SeenRows | None) -> None:
        super().__init__(network, rows, 0.0)
        self.seen = seen

    @property
    def total_weight(self) -> float:
        """The sum of the weights of all rows, or their number."""
        return super().total_weight + (self.seen.weight if self.seen else 0.0)

    @property
    def in_rows(self) -> bool:
        """Rows that are gone can only be known by their products."""
        return False

    def errors(self, w: FloatArray) -> FloatArray:
        """E for each output, of shape (n_outputs,)."""
        errors = super().errors(w)
        return errors + self.seen.sums_at(w).E if self.seen else errors

    def squared_targets(self) -> FloatArray:
        """The weighted sum of squares of each target, of shape (n_outputs,)."""
        squares = super().squared_targets()
        return squares + self.seen.squared_targets if self.seen else squares

    def gauss_newton(self, w: FloatArray) -> GaussNewton:
        """The errors and their Gauss-Newton derivatives."""
        sums = super().gauss_newton(w)
        if self.seen is None:
            return sums
        before = self.seen.sums_at(w)
        assert sums.H is not None
        assert before.H is not None
        for H_k, before_k in zip(sums.H, before.H, strict=True):
            H_k += before_k
        return GaussNewton(sums.E + before.E, sums.g + before.g, sums.H)

    def all_seen(self, w: FloatArray, surprise: FloatArray) -> SeenRows:
        """What is known of all rows when these are gone too.

        Parameters
        ----------
        w : array of shape (n_parameters,)
        surprise : array of shape (n_outputs,)
            That of these rows.
        """
        gradients = squared_input_gradients(self, w)
        if self.seen is not None:
            gradients = gradients + self.seen.squared_gradients
            surprise = surprise + self.seen.surprise
        point = Point(w, self.gauss_newton(w))
        return SeenRows(point, self.total_weight, self.squared_targets(), gradients, surprise)


Seen = tuple[LaplacePosterior, SeenRows]


def seen_first(objective: ObjectiveAfter, posterior: LaplacePosterior) -> Seen:
    """What is known after the first rows.

    Parameters
    ----------
    objective : ObjectiveAfter
        Over the first rows.
    posterior : LaplacePosterior
        That they have come to. Its calibration is the surprise of leaving out each row.
    """
    surprise = posterior.calibration * objective.total_weight
    return posterior, objective.all_seen(posterior.w, surprise)


def seen_next(
    objective: ObjectiveAfter, posterior: LaplacePosterior, monitor: Monitor, max_iter: int
) -> Seen:
    """Go on with more rows, until the evidence of all no longer rises.

    Parameters
    ----------
    objective : ObjectiveAfter
        Over the next rows, and those that are gone.
    posterior : LaplacePosterior
        That of the rows that are gone.
    monitor : Monitor
    max_iter : int
        Most steps.
    """
    new = LeaveOneOutErrors(objective.network, posterior.w, posterior, trained_on=False)
    surprise, _ = objective.rows.sum(new)
    start = posterior_at(posterior.w, objective, posterior)
    ascent = Ascent.going_on(objective, start, monitor)
    ascent.patience = LEVEL_PATIENCE
    try:
        ascent.run(max_iter)
    except KeyboardInterrupt:
        if not monitor.n_iter:
            raise
        monitor.interrupted = True
    posterior = ascent.posterior
    seen = objective.all_seen(posterior.w, surprise)
    if ascent.hidden:
        posterior = replace(posterior, calibration=seen.calibration)
    return posterior, seen
