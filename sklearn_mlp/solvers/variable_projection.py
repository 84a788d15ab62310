"""Variable projection: Levenberg-Marquardt on the hidden layers, with an exact output layer.

The output is linear in its own layer C. For given hidden layers θ, let Φ be the outputs of the
last hidden layer, with a column of ones. The best C is then a linear least-squares problem. With
its solution the error is a function of θ alone (Golub & Pereyra, 1973). To first order, its
Jacobian is J projected away from Φ (Kaufman, 1975):

    r(θ) = Φ C(θ) - Y,    C(θ) = argmin ‖Φ C - Y‖
    min ‖P⊥(r + J d)‖² + λ ‖d‖²,    P⊥ = I - Φ Φ⁺,    J = ∂(Φ C)/∂θ at fixed C

Everything uses the orthogonal factorisation [Φ J r] = Q R, block by block of rows, and never JᵀJ,
which has the square of the condition number. So a function that the network can represent exactly
is found to the rounding of the arithmetic.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.linalg import lstsq, qr, svd

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import FactorOfOutputLayer, NetworkKernel, Objective, Triangle, weighted_rows
from ..rows import Block, Work
from .base import Solver


@dataclass(frozen=True, eq=False)
class FactorOfStep(NetworkKernel):
    """The triangle of [Φ J r] for one output, with J for the hidden layers alone."""

    output: int
    size: ClassVar[str] = "factor"

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and the rows to factorise."""
        return self.network.floats_per_row + 3 * self.network.n_parameters

    def __call__(self, block: Block, work: Work) -> Triangle:
        """The triangle of a block."""
        Phi = self.last_hidden(block, work)
        J, r = self.jacobian(block, work)
        of_hidden = J[self.output, : self.network.n_hidden_parameters]
        return Triangle(weighted_rows(np.vstack([Phi, of_hidden, r[self.output]]), block))


class _Point(NamedTuple):
    """Weights with the best output layer for their hidden layers, and their error."""

    w: FloatArray
    error: float


@dataclass
class VariableProjection(Solver):
    """Levenberg-Marquardt on the hidden layers of a network without a penalty.

    Parameters
    ----------
    max_iter : int
        Largest number of steps.
    exact : float, default=3e-15
        The error, relative to the targets, at which the function counts as found.
    """

    max_iter: int
    exact: float = 3e-15
    advice = "Scale the data."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the function is found, or the error no longer falls."""
        scale = np.sqrt(objective.squared_targets().sum())
        point = self._project(objective, w)
        damping, errors = 1e-2, [point.error]
        while monitor.n_iter < self.max_iter:
            w = point.w
            monitor.record(w, 0.5 * point.error**2 / objective.rows.total_weight)
            if point.error <= self.exact * scale or _stalled(errors) or monitor.stopped:
                monitor.converged = True
                break
            monitor.begin_iteration()
            R, z = self._linearise(objective, point.w)
            U, s, Vt = svd(R, check_finite=False)
            z = U.T @ z
            while damping < 1e12:
                d = -Vt.T @ (s * z / (s**2 + damping * (R**2).sum(axis=0).max()))
                new = self._project(objective, _moved(point.w, d))
                if new.error < point.error:
                    break
                damping *= 2
            else:
                monitor.converged = True
                break
            damping = max(damping / 5, 1e-30)
            point = new
            errors.append(point.error)
        return w

    def _project(self, objective: Objective, w: FloatArray) -> _Point:
        """Set the output layer to its best."""
        network, n_outputs = objective.network, objective.network.layer_sizes[-1]
        R = objective.rows.sum(FactorOfOutputLayer(network, w)).R
        if not np.isfinite(R).all():
            return _Point(w, np.inf)
        q = R.shape[1] - n_outputs
        C = lstsq(R[:q, :q], R[:q, q:], cond=1e-15, check_finite=False)[0]
        w = w.copy()
        network.layers(w)[-1][...] = C
        # The residual of the rotated targets, including the directions that lstsq has cut off.
        left = np.concatenate([(R[:q, :q] @ C - R[:q, q:]).ravel(), R[q:, q:].ravel()])
        return _Point(w, float(np.linalg.norm(left)))

    def _linearise(self, objective: Objective, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The triangle of the projected Jacobian, and the projected residual, rotated alike."""
        network = objective.network
        n_hidden, q = network.n_hidden_parameters, network.shapes[-1][0]
        triangles = []
        for k in range(network.layer_sizes[-1]):
            R = objective.rows.sum(FactorOfStep(network, w, k)).R
            triangles.append(R[q:, q:])
        R = qr(np.vstack(triangles), mode="r", check_finite=False)[0]
        R = np.vstack([R, np.zeros((max(0, n_hidden + 1 - len(R)), n_hidden + 1))])
        return R[:n_hidden, :n_hidden], R[:n_hidden, n_hidden]


def _moved(w: FloatArray, d: FloatArray) -> FloatArray:
    """``w`` with the hidden layers moved by ``d``."""
    w = w.copy()
    w[: len(d)] += d
    return w


def _stalled(errors: list[float]) -> bool:
    """Whether, after 40 steps, the last 20 have lowered the squared error by less than 5 %."""
    return len(errors) > 40 and errors[-1] ** 2 > 0.95 * errors[-21] ** 2
