"""Levenberg-Marquardt: Gauss-Newton steps, damped until the error falls.

    F(w) = ½ Σ_k β_k E_k(w) + ½ Σ_j α_j w_j²
    (H + μ I) d = -g,    g = Σ_k β_k g_k + α∘w,    H = Σ_k β_k H_k + diag(α)

E_k, g_k and H_k are the sums over the rows from :meth:`Objective.gauss_newton` for output k. The
gain ratio sets the damping μ. It is the decrease of F divided by the decrease that the quadratic
model predicts (Nielsen, 1999; Madsen, Nielsen & Tingleff, 2004, algorithm 3.16).

ŷ is linear in the output layer. So the output layer is damped a tenth as much as the other layers.
After the step it is set to its best for the new hidden layers, by linear least squares. This is
variable projection (Golub & Pereyra, 1973) with an approximate Jacobian.

Where the valley bends, geodesic acceleration (Transtrum & Sethna, 2012) makes the step follow it.
The acceleration a solves the same system as d, with the second derivative of the error along d
instead of the error:

    (H + μ I) a = -Σ_k β_k J_kᵀ e_k″,    e″ = d²e(w + t d)/dt²,    w ← w + d + a/2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._typing import FloatArray
from ..curvature import Curvature, DenseCurvature, Solve
from ..monitor import Monitor
from ..objective import Objective, Point, Precisions
from ..posterior import Posterior, posterior_under_penalty
from .base import Solver

OUTPUT_DAMPING = 0.1
"""The damping of the output layer relative to the other layers, if it is set to its best."""

BEND = 0.75
"""A longer acceleration than this, in lengths of the step, is not trusted."""

STEPS_OF_A_CRAWL = 5
"""The loss crawls if this many steps do not halve it. Then steps are accelerated."""

STEPS_AT_REST = 20
"""The loss is at rest if this many steps do not change it beyond rounding."""


class Damping:
    """The damping μ, and how it changes. It is relative to the mean curvature, without units."""

    smallest, largest = 1e-16, 1e16

    def __init__(self) -> None:
        self.mu = 1e-2
        self._growth = 2.0

    def accept(self, gain_ratio: float) -> None:
        """Damp less after an accepted step. The better it was predicted, the less."""
        factor = max(0.1, 1 - (2 * min(gain_ratio, 1.0) - 1) ** 3)
        self.mu = max(self.mu * factor, self.smallest)
        self._growth = 2.0

    def reject(self) -> None:
        """Damp more after a rejected step, and increasingly more with each rejection."""
        self.mu *= self._growth
        self._growth *= 2

    @property
    def exhausted(self) -> bool:
        """Whether even the shortest step did not lower F."""
        return self.mu > self.largest


@dataclass
class LevenbergMarquardt(Solver):
    """Damped Gauss-Newton descent over all rows, in float64.

    With two or more hidden layers, steps get their geodesic acceleration while the loss crawls
    along a bent valley. With one hidden layer this is not needed, because the best output layer
    straightens the valley. If large errors remain at the minimum, Gauss-Newton steps become slow
    near it. Then the full Hessian takes the place of H, which gives damped Newton steps.

    With another loss than the squared error, the best output layer and the acceleration are not
    linear problems. Then the steps have neither.

    Parameters
    ----------
    max_iter : int
        Largest number of steps.
    tol : float
        Training has converged when no component of the gradient of the loss is larger than this.
    """

    max_iter: int
    tol: float
    magnifies_rounding: ClassVar[bool] = True
    advice = "Scale the data, or raise alpha."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the gradient is flat, or no step lowers the loss any more."""
        n_outputs = objective.network.layer_sizes[-1]
        precisions = Precisions(np.ones(n_outputs), objective.penalty.astype(np.float64))
        if objective.loss.is_quadratic:
            w = objective.with_best_output(w, precisions)
        point = Point(w, objective.gauss_newton(w))
        damping = Damping()
        while monitor.n_iter < self.max_iter:
            total = objective.rows.total_weight
            monitor.record(point.w, precisions.cost(point.sums.E, point.w) / total)
            losses = monitor.loss_curve[-monitor.n_iter :]  # without those of an earlier fit
            gradient = precisions.gradient(point.sums, point.w) / total
            monitor.converged = self._has_converged(gradient, losses, monitor)
            if monitor.converged or monitor.n_iter == self.max_iter:
                break
            monitor.begin_iteration()
            new = self._next(objective, point, precisions, damping, losses)
            if new is None:  # at the precision of the arithmetic
                monitor.converged = True
                break
            point = new
        return point.w

    def posterior(self, objective: Objective, w: FloatArray) -> Posterior | None:
        """The posterior under the penalty; None if the loss is no deviance."""
        return None if objective.loss.power is None else posterior_under_penalty(objective, w)

    def _has_converged(self, gradient: FloatArray, losses: list[float], monitor: Monitor) -> bool:
        """Whether the gradient is flat, the monitor says so, or the loss is at rest."""
        return (
            bool(np.abs(gradient).max() <= self.tol)
            or monitor.finished
            or _fall(losses, STEPS_AT_REST) <= 1e-14
        )

    def _next(
        self,
        objective: Objective,
        point: Point,
        precisions: Precisions,
        damping: Damping,
        losses: list[float],
    ) -> Point | None:
        """A step, whose kind depends on how fast the loss falls."""
        least_squares = objective.loss.is_quadratic
        if _fall(losses, STEPS_AT_REST) < 1e-4 and not objective.in_rows:
            newton = _full_curvature(objective, point, precisions)
            return step(objective, point, precisions, damping, newton)
        deep = len(objective.network.shapes) > 2
        crawls = _fall(losses, STEPS_OF_A_CRAWL) < 0.5
        return step(
            objective, point, precisions, damping, precisions.curvature(point.sums),
            accelerate=least_squares and deep and crawls, project=least_squares,
        )  # fmt: skip


def _fall(losses: list[float], n_steps: int) -> float:
    """By what share the last `n_steps` lowered the loss. It is 1 before there are that many."""
    if len(losses) < n_steps:
        return 1.0
    before, now = losses[-n_steps], losses[-1]
    return (before - now) / before if before > 0 else 0.0


def step(
    objective: Objective,
    point: Point,
    precisions: Precisions,
    damping: Damping,
    curvature: Curvature,
    *,
    accelerate: bool = False,
    project: bool = False,
) -> Point | None:
    """One step that lowers F, or None if even the shortest step does not.

    Parameters
    ----------
    objective : Objective
    point : Point
        The start of the step.
    precisions : Precisions
        The β and α of F.
    damping : Damping
        Passed from step to step.
    curvature : Curvature
        Of F.
    accelerate : bool, default=False
        Whether to add the geodesic acceleration.
    project : bool, default=False
        Whether to damp the output layer less, and to set it to its best for the new hidden
        layers.

    Returns
    -------
    Point or None
    """
    w = point.w
    F = precisions.cost(point.sums.E, w)
    g = precisions.gradient(point.sums, w)
    D = np.full_like(w, curvature.mean)
    if project:
        D[objective.network.n_hidden_parameters :] *= OUTPUT_DAMPING
    while not damping.exhausted:
        solve = curvature.damped(damping.mu * D)
        if solve is not None:
            d: FloatArray = solve(-g)
            predicted = 0.5 * float(d @ (damping.mu * D * d - g))
            if accelerate:
                d = d + 0.5 * _acceleration(objective, w, d, precisions, solve)
            del solve  # the derivatives need the memory of its matrices
            trials: list[FloatArray] = [w + d]
            if project:
                trials.insert(0, objective.with_best_output(w + d, precisions))
            for w_new in trials:
                F_new = precisions.cost(objective.errors(w_new), w_new)
                if F_new < F:
                    damping.accept((F - F_new) / (predicted or np.finfo(float).tiny))
                    return Point(w_new, objective.gauss_newton(w_new))
        damping.reject()
    return None


def _acceleration(
    objective: Objective, w: FloatArray, d: FloatArray, precisions: Precisions, solve: Solve
) -> FloatArray:
    """The geodesic acceleration along a step, or 0 if it is too long to be trusted."""
    a = solve(-objective.curvature_along(w, d, precisions.beta))
    believed = np.linalg.norm(a) < BEND * np.linalg.norm(d)
    return a if believed else np.zeros_like(d)


def _full_curvature(objective: Objective, point: Point, precisions: Precisions) -> DenseCurvature:
    """The Hessian of F, by central differences of its gradient."""
    w = point.w
    assert point.sums.H is not None
    H = np.empty((len(w), len(w)), order="F")
    for j in range(len(w)):
        d = np.zeros_like(w)
        d[j] = 1e-5 * max(1.0, abs(w[j]))
        _, ahead = objective.value_and_gradient(w + d)
        _, behind = objective.value_and_gradient(w - d)
        H[:, j] = (ahead - behind) / (2 * d[j])
    H = 0.5 * objective.rows.total_weight * (H + H.T)
    return DenseCurvature(H, precisions.prior, precisions.beta, point.sums.H)
