"""Levenberg-Marquardt: Gauss-Newton steps, damped until the error falls.

    F(w) = ½ Σ_k β_k E_k(w) + ½ Σ_j α_j w_j²
    (H + μ I) d = -g,    g = Σ_k β_k g_k + α∘w,    H = Σ_k β_k H_k + diag(α)

with E_k, g_k, H_k the sums over the rows that :meth:`Objective.gauss_newton` makes for
output k. The damping μ follows the gain ratio, the fall of F over the fall that the quadratic
model predicted (Nielsen, 1999; Madsen, Nielsen & Tingleff, 2004, algorithm 3.16).

The output layer, in which ŷ is linear, is damped a tenth as much as the others, and after the
step set to its best for the new hidden layers, by linear least squares: variable projection
(Golub & Pereyra, 1973) with an approximate Jacobian.

Where the valley bends, the step can bend with it: geodesic acceleration (Transtrum & Sethna,
2012) answers the second derivative of the error along d as d itself answers the error,

    (H + μ I) a = -Σ_k β_k J_kᵀ e_k″,    e″ = d²e(w + t d)/dt²,    w ← w + d + a/2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import Objective, Point, Precisions, diagonal
from ..posterior import Posterior, posterior_under_penalty
from .base import Solver

OUTPUT_DAMPING = 0.1
"""How much less the output layer is damped where its best is found in any case."""

BEND = 0.75
"""The longest acceleration, in lengths of the step, that is believed."""

STEPS_OF_A_CRAWL = 5
"""The loss crawls when so many steps do not halve it: then steps are accelerated."""

STEPS_AT_REST = 20
"""The loss is at rest when so many steps do not change it beyond rounding."""


class Damping:
    """μ, relative to the mean curvature so that it has no units, and how it changes."""

    smallest, largest = 1e-16, 1e16

    def __init__(self) -> None:
        self.mu = 1e-2
        self._growth = 2.0

    def accept(self, gain_ratio: float) -> None:
        """A step was taken: damp less, the more so the better it was predicted."""
        factor = max(0.1, 1 - (2 * min(gain_ratio, 1.0) - 1) ** 3)
        self.mu = max(self.mu * factor, self.smallest)
        self._growth = 2.0

    def reject(self) -> None:
        """A step was refused: damp more, and faster with each refusal."""
        self.mu *= self._growth
        self._growth *= 2

    @property
    def exhausted(self) -> bool:
        """Whether no step is short enough."""
        return self.mu > self.largest


@dataclass
class LevenbergMarquardt(Solver):
    """Damped Gauss-Newton descent over all rows, in float64.

    Where the loss of two hidden layers or more crawls along a bent valley, steps get their
    geodesic acceleration; with one, the best output layer has straightened it. Where large
    errors remain at the minimum, Gauss-Newton steps come to it but slowly. Once they do, the full
    Hessian takes the place of H: damped Newton steps.

    For another loss than the squared error the best output layer and the acceleration are not
    linear problems, and it takes the steps alone.

    Parameters
    ----------
    max_iter : int
        Most steps.
    tol : float
        Converged when no component of the gradient of the loss is larger.
    """

    max_iter: int
    tol: float
    magnifies_rounding: ClassVar[bool] = True
    advice = "Scale the data, or raise alpha."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the gradient is flat, or no step is short enough to descend."""
        n_outputs = objective.network.layer_sizes[-1]
        precisions = Precisions(np.ones(n_outputs), objective.penalty.astype(np.float64))
        if objective.loss.is_quadratic:
            w = objective.with_best_output(w, precisions)
        point = Point(w, objective.gauss_newton(w))
        damping = Damping()
        while monitor.n_iter < self.max_iter:
            total = objective.rows.total_weight
            monitor.record(point.w, precisions.cost(point.sums.E, point.w) / total)
            gradient = precisions.gradient(point.sums, point.w) / total
            monitor.converged = self._has_converged(gradient, monitor)
            if monitor.converged or monitor.n_iter == self.max_iter:
                break
            monitor.begin_iteration()
            new = self._next(objective, point, precisions, damping, monitor.loss_curve)
            if new is None:  # at the precision of the arithmetic
                monitor.converged = True
                break
            point = new
        return point.w

    def posterior(self, objective: Objective, w: FloatArray) -> Posterior | None:
        """The posterior under the penalty, if the noise can be taken as Gaussian."""
        return posterior_under_penalty(objective, w) if objective.loss.is_quadratic else None

    def _has_converged(self, gradient: FloatArray, monitor: Monitor) -> bool:
        """Whether the gradient is flat, the monitor says so, or the loss is at rest."""
        return (
            bool(np.abs(gradient).max() <= self.tol)
            or monitor.finished
            or _fall(monitor.loss_curve, STEPS_AT_REST) <= 1e-14
        )

    def _next(
        self,
        objective: Objective,
        point: Point,
        precisions: Precisions,
        damping: Damping,
        losses: list[float],
    ) -> Point | None:
        """A step of the kind that the way the loss falls asks for."""
        least_squares = objective.loss.is_quadratic
        if _fall(losses, STEPS_AT_REST) < 1e-4:
            H = _full_hessian(objective, point.w)
            return step(objective, point, precisions, damping, H)
        deep = len(objective.network.shapes) > 2
        crawls = _fall(losses, STEPS_OF_A_CRAWL) < 0.5
        return step(
            objective, point, precisions, damping, precisions.hessian(point.sums),
            accelerate=least_squares and deep and crawls, project=least_squares,
        )  # fmt: skip


def _fall(losses: list[float], n_steps: int) -> float:
    """The share of the loss that the last steps took away; all of it while there are fewer."""
    if len(losses) < n_steps:
        return 1.0
    before, now = losses[-n_steps], losses[-1]
    return (before - now) / before if before > 0 else 0.0


def step(
    objective: Objective,
    point: Point,
    precisions: Precisions,
    damping: Damping,
    H: FloatArray,
    *,
    accelerate: bool = False,
    project: bool = False,
) -> Point | None:
    """One step that lowers F, or None if even the shortest does not.

    Parameters
    ----------
    objective : Objective
    point : Point
        Where to start from.
    precisions : Precisions
        What F is made of.
    damping : Damping
        Carried from step to step.
    H : array of shape (n_parameters, n_parameters)
        The Hessian of the model, its lower triangle.
    accelerate : bool, default=False
        Whether to add the geodesic acceleration.
    project : bool, default=False
        Whether to damp the output layer less, and to go on to its best for the new hidden layers.

    Returns
    -------
    Point or None
    """
    w = point.w
    F = precisions.cost(point.sums.E, w)
    g = precisions.gradient(point.sums, w)
    D = np.full_like(w, np.abs(diagonal(H)).mean())
    if project:
        D[objective.network.n_hidden_parameters :] *= OUTPUT_DAMPING
    while not damping.exhausted:
        damped = H.copy(order="F")
        diagonal(damped)[...] += damping.mu * D
        L, not_definite = dpotrf(damped, lower=1, overwrite_a=1, clean=0)
        if not not_definite:
            d = dpotrs(L, -g, lower=1)[0]
            predicted = 0.5 * float(d @ (damping.mu * D * d - g))
            if accelerate:
                d = d + 0.5 * _acceleration(objective, w, d, precisions, L)
            del damped, L  # matrices that the derivatives need the room of
            trials = [w + d]
            if project:
                trials.insert(0, objective.with_best_output(w + d, precisions))
            for w_new in trials:
                F_new = precisions.cost(objective.errors(w_new), w_new)
                if F_new < F:
                    damping.accept((F - F_new) / predicted)
                    return Point(w_new, objective.gauss_newton(w_new))
        damping.reject()
    return None


def _acceleration(
    objective: Objective, w: FloatArray, d: FloatArray, precisions: Precisions, L: FloatArray
) -> FloatArray:
    """The geodesic acceleration along a step, or none where it is too long to be believed."""
    a: FloatArray = dpotrs(L, -objective.curvature_along(w, d, precisions.beta), lower=1)[0]
    believed = np.linalg.norm(a) < BEND * np.linalg.norm(d)
    return a if believed else np.zeros_like(d)


def _full_hessian(objective: Objective, w: FloatArray) -> FloatArray:
    """The Hessian of F by central differences of its gradient."""
    H = np.empty((len(w), len(w)), order="F")
    for j in range(len(w)):
        d = np.zeros_like(w)
        d[j] = 1e-5 * max(1.0, abs(w[j]))
        _, ahead = objective.value_and_gradient(w + d)
        _, behind = objective.value_and_gradient(w - d)
        H[:, j] = (ahead - behind) / (2 * d[j])
    return 0.5 * objective.rows.total_weight * (H + H.T)
