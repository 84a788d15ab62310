"""Second order over a stream of rows, which are gone when the next come.

The squared errors of rows that are gone are known by their expansion around the weights w₀ that
they were last seen at. With d = w - w₀, and the sums of :mod:`~sklearn_mlp.objective`,

    E_k(w) ≈ E_k + 2 g_kᵀ d + dᵀ H_k d.

It is exact where the network is linear in its weights, and else as good as Laplace's approximation
of the posterior: the rows so far are the prior of the next ones (Ritter, Botev & Barber, 2018). The
expansions of all calls are one, around the present weights. It takes P² numbers for P parameters,
however many rows there have been.

Few rows hardly determine the weights, and an expansion far from where they end says little. So the
last rows are kept, up to some for each parameter, before they are expanded all at once.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsymv

from ._typing import FloatArray, MatrixLike
from .distributed import DaskRows, raw
from .growth import LEVEL_PATIENCE
from .model import squared_input_gradients
from .monitor import Monitor
from .network import Network
from .objective import GaussNewton, Objective, Point
from .posterior import LaplacePosterior, LeaveOneOutErrors, calibrated
from .rows import Rows
from .solvers.ascent import Ascent, posterior_at

KEPT = 5
"""So many rows for each parameter are kept before they are expanded, """

LEAST_KEPT = 500
"""and at least so many."""

AGAIN = 1.25
"""While all rows are kept, training begins anew whenever they are so many times more."""


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
    """

    point: Point
    weight: float
    squared_targets: FloatArray
    squared_gradients: FloatArray

    def sums_at(self, w: FloatArray) -> GaussNewton:
        """The expansion around other weights."""
        at, sums = self.point
        assert sums.H is not None
        d = w - at
        Hd = np.array([dsymv(1.0, H_k, d, lower=1) for H_k in sums.H])
        return GaussNewton(sums.E + 2 * sums.g @ d + Hd @ d, sums.g + Hd, sums.H)


class KeptRows(NamedTuple):
    """Rows that are kept, as they were given."""

    X: MatrixLike
    y: FloatArray
    sample_weight: FloatArray | None

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """A copy of rows in memory."""
        X, y, s = raw(rows)
        return cls(X.copy(), y.copy(), None if s is None else s.copy())

    def before(self, rows: Rows) -> Rows:
        """These rows and more, in the units of those."""
        more = KeptRows(*raw(rows))
        both = [self.X, more.X]
        X = sp.vstack(both).tocsr() if any(map(sp.issparse, both)) else np.vstack(both)
        s = None
        if self.sample_weight is not None or more.sample_weight is not None:
            s = np.append(*(np.ones(len(p.y)) if p[2] is None else p[2] for p in (self, more)))
        joined = Rows(
            X, np.vstack([self.y, more.y]), s,
            units=rows.units, dtype=rows.dtype, budget=rows.budget,
        )  # fmt: skip
        return joined.in_order()


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
        """Whether there are fewer rows than parameters, and none are gone."""
        return self.seen is None and super().in_rows

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

    def squared_gradients(self, w: FloatArray) -> FloatArray:
        """The weighted sum of squares of the derivatives by each input."""
        squares = squared_input_gradients(self, w)
        return squares + self.seen.squared_gradients if self.seen else squares

    def all_seen(self, w: FloatArray) -> SeenRows:
        """What is known of all rows when these are gone too."""
        point, gradients = Point(w, self.gauss_newton(w)), self.squared_gradients(w)
        return SeenRows(point, self.total_weight, self.squared_targets(), gradients)


@dataclass(frozen=True, eq=False)
class Stream:
    """What is known after a call.

    Parameters
    ----------
    posterior : LaplacePosterior
    surprise : array of shape (n_outputs,)
        The weighted sum of squared errors, relative to their predicted variances, of rows that the
        prediction had not seen.
    squared_gradients : array of shape (n_features,)
        The weighted sum of squares of the derivatives by each input.
    n_begun : int
        The number of rows when training last began anew.
    seen : SeenRows or None
        Of the rows that are gone; None if all are kept.
    kept : KeptRows or None
        The others.
    """

    posterior: LaplacePosterior
    surprise: FloatArray
    squared_gradients: FloatArray
    n_begun: int
    seen: SeenRows | None = None
    kept: KeptRows | None = None

    def objective(self, network: Network, rows: Rows, w: FloatArray) -> ObjectiveAfter:
        """The errors over more rows and over all before.

        Parameters
        ----------
        network : Network
        rows : Rows
        w : array of shape (n_parameters,)
            Around which rows are expanded that cannot be kept beside these.
        """
        if self.kept is None:
            return ObjectiveAfter(network, rows, self.seen)
        if not isinstance(rows, DaskRows):
            return ObjectiveAfter(network, self.kept.before(rows), self.seen)
        kept = Rows(*self.kept, units=rows.units)
        return ObjectiveAfter(network, rows, ObjectiveAfter(network, kept, self.seen).all_seen(w))

    def begins_anew(self, objective: ObjectiveAfter) -> bool:
        """Whether training should begin anew."""
        return objective.seen is None and objective.rows.n_rows >= AGAIN * self.n_begun

    def at(self, w: FloatArray, objective: ObjectiveAfter) -> LaplacePosterior:
        """The posterior around the present weights, over all rows."""
        like = replace(self.posterior, w=w)
        return calibrated(posterior_at(w, objective, like), objective)

    def go_on(
        self, objective: ObjectiveAfter, new: Rows, w: FloatArray, monitor: Monitor, max_iter: int
    ) -> "Stream":
        """Train from where the calls before came to, until the evidence no longer rises.

        Parameters
        ----------
        objective : ObjectiveAfter
            Over all rows.
        new : Rows
            Those of this call.
        w : array of shape (n_parameters,)
            The present weights.
        monitor : Monitor
        max_iter : int
            Most steps.
        """
        before = replace(self.posterior, w=w)
        ascent = Ascent.going_on(objective, posterior_at(w, objective, before), monitor)
        ascent.patience = LEVEL_PATIENCE
        try:
            ascent.run(max_iter)
        except KeyboardInterrupt:
            if not monitor.n_iter:
                raise
            monitor.interrupted = True
        if objective.seen is None:
            posterior = calibrated(ascent.posterior, objective)
            return begun(objective, posterior, self.n_begun)
        unseen = LeaveOneOutErrors(objective.network, w, before, trained_on=False)
        surprise, *_ = new.sum(unseen)
        return _after(objective, ascent.posterior, self.surprise + surprise, self.n_begun)


def begun(objective: ObjectiveAfter, posterior: LaplacePosterior, n_begun: int) -> Stream:
    """What is known while no rows are gone: a calibrated posterior."""
    surprise = posterior.calibration * objective.total_weight
    return _after(objective, posterior, surprise, n_begun)


def _after(
    objective: ObjectiveAfter, posterior: LaplacePosterior, surprise: FloatArray, n_begun: int
) -> Stream:
    """What is known after training. Rows that are more than are kept are expanded."""
    w, rows = posterior.w, objective.rows
    if len(objective.network.shapes) > 1:
        calibration = np.maximum(surprise / objective.total_weight, 1.0)
        posterior = replace(posterior, calibration=calibration)
    stream = Stream(posterior, surprise, objective.squared_gradients(w), n_begun)
    if isinstance(rows, DaskRows) or rows.n_rows >= max(KEPT * len(w), LEAST_KEPT):
        return replace(stream, seen=objective.all_seen(w))
    return replace(stream, seen=objective.seen, kept=KeptRows.of(rows))
