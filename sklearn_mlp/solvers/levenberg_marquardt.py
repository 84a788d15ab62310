"""Levenberg-Marquardt: Gauss-Newton steps, damped until the error falls.

    F(w) = ½ Σ_k β_k E_k(w) + ½ Σ_j α_j w_j²
    (H + μ I) d = -g,    g = Σ_k β_k g_k + α∘w,    H = Σ_k β_k H_k + diag(α)

with E_k, g_k, H_k the sums over the rows that :meth:`Objective.gauss_newton` makes for
output k. The damping μ follows the gain ratio, the fall of F over the fall that the quadratic
model foretold (Nielsen, 1999; Madsen, Nielsen & Tingleff, 2004, algorithm 3.16).

The output layer, in which ŷ is linear, is damped a tenth as much as the others, and after the
step set to its best for the new hidden layers, by linear least squares: variable projection
(Golub & Pereyra, 1973) with an approximate Jacobian.

Where the valley bends, the step can bend with it: geodesic acceleration (Transtrum & Sethna,
2012) answers the second derivative of the error along d as d itself answers the error,

    (H + μ I) a = -Σ_k β_k J_kᵀ e_k″,    e″ = d²e(w + t d)/dt²,    w ← w + d + a/2.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import GaussNewton, Objective

OUTPUT_DAMPING = 0.1
"""How much less the output layer is damped where its best is found in any case."""

BEND = 0.75
"""The longest acceleration, in lengths of the step, that is believed."""

STEPS_OF_A_CRAWL = 5
"""The loss crawls when so many steps do not halve it: then steps are accelerated."""

STEPS_AT_REST = 20
"""The loss is at rest when so many steps do not change it beyond rounding."""


class Precisions(NamedTuple):
    """How much each error and each parameter counts.

    Attributes
    ----------
    noise : array of shape (n_outputs,)
        β: the precision (1 / variance) of the noise of each output.
    prior : array of shape (n_parameters,)
        α: the precision of the prior of each parameter around 0.
    """

    noise: FloatArray
    prior: FloatArray

    def cost(self, E: FloatArray, w: FloatArray) -> float:
        """F = ½ Σ_k β_k E_k + ½ Σ_j α_j w_j²."""
        return 0.5 * float(self.noise @ E + self.prior @ (w * w))

    def gradient(self, sums: GaussNewton, w: FloatArray) -> FloatArray:
        """g = Σ_k β_k g_k + α∘w."""
        return self.noise @ sums.g + self.prior * w

    def hessian(self, sums: GaussNewton) -> FloatArray:
        """H = Σ_k β_k H_k + diag(α), the lower triangle, in Fortran order."""
        H = np.asfortranarray(self.noise[0] * sums.H[0])
        for beta, H_k in zip(self.noise[1:], sums.H[1:], strict=True):
            H += beta * H_k
        diagonal(H)[...] += self.prior
        return H


def diagonal(A: FloatArray) -> FloatArray:
    """The diagonal of a matrix, as a view."""
    return np.einsum("ii->i", A)


class Point(NamedTuple):
    """Weights, and what is known of the error there."""

    w: FloatArray
    sums: GaussNewton


class Damping:
    """μ, relative to the mean curvature so that it has no units, and how it changes."""

    smallest, largest = 1e-16, 1e16

    def __init__(self) -> None:
        self.mu = 1e-2
        self._growth = 2.0

    def accept(self, gain_ratio: float) -> None:
        """A step was taken: damp less, the more so the better it was foretold."""
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
class LevenbergMarquardt:
    """Damped Gauss-Newton descent over all rows, in float64.

    Where the loss of two hidden layers or more crawls along a bent valley, steps get their
    geodesic acceleration; with one, the best output layer has straightened it. Where large
    errors remain at the minimum, Gauss-Newton steps come to it but slowly. Once they do, the full
    Hessian takes the place of H: damped Newton steps.

    Of another loss than the squared error (see :class:`GeneralObjective`), whose best output layer
    and whose acceleration are not linear problems, it takes the steps alone.

    Parameters
    ----------
    max_iter : int
        Most steps.
    tol : float
        Converged when no component of the gradient of the loss is larger.
    """

    max_iter: int
    tol: float
    advice = "Scale the data, or raise alpha."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the gradient is flat, or no step is short enough to descend."""
        n_outputs = objective.network.layer_sizes[-1]
        precisions = Precisions(np.ones(n_outputs), objective.penalty.astype(np.float64))
        total = objective.rows.total_weight
        deep = len(objective.network.shapes) > 2
        least_squares = objective.is_least_squares
        if least_squares:
            w = objective.with_best_output(w, *precisions)
        point: Point | None = Point(w, objective.gauss_newton(w))
        damping = Damping()
        while point is not None and monitor.n_iter < self.max_iter:
            w = point.w
            monitor.record(w, precisions.cost(point.sums.E, w) / total)
            gradient = precisions.gradient(point.sums, w) / total
            if np.abs(gradient).max() <= self.tol:
                monitor.converged = True
                break
            if monitor.finished:
                monitor.converged = True
                break
            recent = monitor.loss_curve[-STEPS_AT_REST:]
            if len(recent) == STEPS_AT_REST and recent[0] - recent[-1] <= 1e-14 * recent[0]:
                monitor.converged = True
                break
            monitor.begin_iteration()
            slow = len(recent) == STEPS_AT_REST and recent[-1] > 0.9999 * recent[0]
            H = _full_hessian(objective, w) if slow else precisions.hessian(point.sums)
            last = monitor.loss_curve[-STEPS_OF_A_CRAWL:]
            crawls = len(last) == STEPS_OF_A_CRAWL and last[-1] > 0.5 * last[0]
            point = step(
                objective, point, precisions, damping, H,
                accelerate=least_squares and deep and crawls and not slow,
                project=least_squares and not slow,
            )  # fmt: skip
        else:
            monitor.converged = point is None  # at the precision of the arithmetic
        return w


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
            foretold = 0.5 * float(d @ (damping.mu * D * d - g))
            if accelerate:
                d = d + 0.5 * _acceleration(objective, w, d, precisions, L)
            del damped, L  # matrices that the derivatives need the room of
            trials = [w + d]
            if project:
                trials.insert(0, objective.with_best_output(w + d, *precisions))
            for w_new in trials:
                F_new = precisions.cost(objective.errors(w_new), w_new)
                if F_new < F:
                    damping.accept((F - F_new) / foretold)
                    return Point(w_new, objective.gauss_newton(w_new))
        damping.reject()
    return None


def _acceleration(
    objective: Objective, w: FloatArray, d: FloatArray, precisions: Precisions, L: FloatArray
) -> FloatArray:
    """The geodesic acceleration along a step, or none where it is too long to be believed."""
    a: FloatArray = dpotrs(L, -objective.curvature_along(w, d, precisions.noise), lower=1)[0]
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
