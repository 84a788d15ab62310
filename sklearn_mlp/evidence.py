"""The evidence sets the penalties and the noise level, and says how sure a prediction is.

With noise of precision β_k on output k and a Gaussian prior of precision α_g on the weights
of group g, the most probable weights minimise

    F = ½ Σ_k β_k E_k + ½ Σ_g α_g ‖w_g‖²,

around which the posterior is taken as Gaussian with precision A = Σ_k β_k H_k + diag(α)
(Laplace's approximation with the Gauss-Newton Hessian). The precisions that make the data
most probable satisfy (MacKay, 1992, equations 4.8 to 4.10; Foresee & Hagan, 1997)

    γ_g = k_g - α_g tr(A⁻¹)_g,     α_g = γ_g / ‖w_g‖²
    γ_k = β_k tr(A⁻¹ H_k),         β_k = (N - γ_k) / E_k

with k_g the number of weights in the group, of which the data determine γ_g. The logarithm of
the probability of the data, the log evidence, is

    log p(y) = -F - ½ log|A| + ½ Σ_g k_g log α_g + N/2 Σ_k log(β_k / 2π).

Predictions are as uncertain as the posterior says, times what leaving out each row shows it to
be too sure: see :func:`calibrated`.

A group for each layer's coefs and one for its biases; the coefs of the first layer then get
one for each input (automatic relevance determination: MacKay, 1994; Neal, 1996), and those of
the last layer one for each output. Biases of the output have a flat prior.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import RandomState
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf, dpotri

from ._typing import FloatArray, IntArray
from .monitor import Monitor
from .network import Network, Workspace
from .objective import Objective
from .rows import GRID, Block, Rows
from .solvers.levenberg_marquardt import Damping, Point, Precisions, diagonal, step
from .solvers.variable_projection import VariableProjection

PRECISION_RANGE = (1e-10, 1e10)
"""Between these is the precision of a group: the prior as good as flat, the group dead."""

NOISE_RANGE = (1e-100, 1e100)
"""Between these is the precision of the noise."""

LEAST_NOISE_OF_FEW = 1e-3
"""The least deviation of the noise, in those of the target, that few rows are believed."""

FLAT = -1
"""The label of parameters that belong to no group."""


def weight_groups(network: Network, *, per_input: bool) -> IntArray:
    """The group of each parameter, numbered from 0, or FLAT, shape (n_parameters,).

    Parameters
    ----------
    network : Network
    per_input : bool
        Whether the coefs of the first layer have a group for each input.
    """
    labels = np.empty(network.n_parameters)  # whole numbers
    layers = network.layers(labels)
    count = 0
    for W in layers[:-1]:
        n_in = len(W) - 1
        if W is layers[0] and per_input:
            W[1:] = count + np.arange(n_in)[:, np.newaxis]
            count += n_in
        else:
            W[1:] = count
            count += 1
        W[0] = count
        count += 1
    layers[-1][1:] = count + np.arange(layers[-1].shape[1])
    layers[-1][0] = FLAT
    return labels.astype(np.intp)


@dataclass(frozen=True)
class Posterior:
    """The weights' Gaussian posterior, by Laplace's approximation.

    Attributes
    ----------
    w : array of shape (n_parameters,)
        Its mode.
    groups : array of int of shape (n_parameters,)
    alpha : array of shape (n_groups,)
        The precision of each group's prior.
    beta : array of shape (n_outputs,)
        The precision of each output's noise.
    cholesky : array of shape (n_parameters, n_parameters)
        L, lower triangular, of A = L Lᵀ.
    gamma : array of shape (n_groups,)
        How many weights of each group the data determine.
    gamma_of_output : array of shape (n_outputs,)
        How many parameters each output's data determine.
    log_evidence : float
    n : float
        Number of rows, or the sum of their weights.
    calibration : array of shape (n_outputs,)
        What the variance of each output's predictions is multiplied by.
    """

    w: FloatArray
    groups: IntArray
    alpha: FloatArray
    beta: FloatArray
    cholesky: FloatArray
    gamma: FloatArray
    gamma_of_output: FloatArray
    log_evidence: float
    n: float
    calibration: FloatArray

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        v = dtrsm(1.0, self.cholesky, J.T, side=1, lower=1, trans_a=1)  # J.T needs no copy in order
        return np.einsum("np,np->n", v, v)


def laplace(
    point: Point, groups: IntArray, alpha: FloatArray, beta: FloatArray, n: float
) -> Posterior:
    """The posterior around a point, given the precisions.

    Parameters
    ----------
    point : Point
    groups : array of int of shape (n_parameters,)
    alpha : array of shape (n_groups,)
    beta : array of shape (n_outputs,)
    n : float
        Number of rows, or the sum of their weights.

    Returns
    -------
    Posterior
    """
    w, sums = point
    precisions = Precisions(beta, _per_parameter(groups, alpha))
    L = _cholesky(precisions.hessian(sums))
    A_inverse = dpotri(L, lower=1)[0]  # the lower triangle
    variances = A_inverse.diagonal()
    sizes = _sum_by_group(groups, np.ones_like(w), len(alpha))
    gamma = np.clip(sizes - alpha * _sum_by_group(groups, variances, len(alpha)), 0, sizes)
    if len(beta) == 1:
        gamma_of_output = np.array([len(w) - precisions.prior @ variances])
    else:  # tr(A⁻¹ H_k) from lower triangles: what is off the diagonal counts twice
        twice = np.tril(2 * A_inverse, -1) + np.diag(variances)
        gamma_of_output = beta * [np.vdot(twice, H_k) for H_k in sums.H]
    log_evidence = (
        -precisions.cost(sums.E, w)
        - np.log(L.diagonal()).sum()
        + 0.5 * sizes[alpha > 0] @ np.log(alpha[alpha > 0])
        + 0.5 * n * np.log(beta / (2 * np.pi)).sum()
    )
    return Posterior(
        w, groups, alpha, beta, L, gamma, gamma_of_output, float(log_evidence), n,
        calibration=np.ones_like(beta),
    )  # fmt: skip


def _cholesky(A: FloatArray) -> FloatArray:
    """L of A = L Lᵀ; of A plus the least multiple of I that makes it definite to rounding."""
    ridge = 0.0
    while True:
        damped = A.copy(order="F")
        diagonal(damped)[...] += ridge
        L, not_definite = dpotrf(damped, lower=1, overwrite_a=1, clean=1)
        if not not_definite:
            return L
        ridge = max(10 * ridge, 1e-15 * diagonal(A).max())


def _per_parameter(groups: IntArray, alpha: FloatArray) -> FloatArray:
    """The precision of each parameter's prior, 0 where it is flat."""
    return np.append(alpha, 0.0)[groups]


def _sum_by_group(groups: IntArray, values: FloatArray, n_groups: int) -> FloatArray:
    grouped = groups != FLAT
    return np.bincount(groups[grouped], values[grouped], n_groups).astype(np.float64)


def reestimate(
    posterior: Posterior, point: Point, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The α and β that the evidence asks for, given the posterior for the present ones.

    Parameters
    ----------
    posterior : Posterior
    point : Point
    variance : array of shape (n_outputs,)
        The mean square of each target.

    Returns
    -------
    alpha : array of shape (n_groups,)
    beta : array of shape (n_outputs,)
    """
    n = posterior.n
    n_groups = len(posterior.alpha)
    squares = _sum_by_group(posterior.groups, point.w**2, n_groups)
    alpha = np.clip(posterior.gamma / np.maximum(squares, 1e-300), *PRECISION_RANGE)
    # Were all rows fitted exactly, the noise would be nought; a thousandth of them never is.
    free = np.maximum(n - posterior.gamma_of_output, 1e-3 * n)
    least = 0.0 if _ample(n, point.w) else LEAST_NOISE_OF_FEW**2
    beta = free / np.maximum(point.sums.E, np.maximum(n * least * variance, 1e-300))
    return alpha, np.clip(beta, *NOISE_RANGE)


def _ample(n: float, w: FloatArray) -> bool:
    """Whether rows are so many more than parameters that a perfect fit means something."""
    return n > 2 * len(w)


BURN_IN = 20
"""Steps before the first re-estimation: weights that have learnt nothing look superfluous."""

EVERY = 2
"""Steps from one re-estimation to the next."""

DROP = 4.0
"""By how much the log evidence may fall from its best, in units of its uncertainty."""

WINDOW = 10
"""Re-estimations over which the log evidence is watched."""

SMALL_WEIGHTS = 0.5
"""The gain of the initial weights: smooth functions are the better place to start."""

STARTS = ((1.0, 10.0), (10.0, 10.0), (10.0, 3.0))
"""Precisions of prior and noise to start from: for data of little noise, some, and much.

From a start that takes the noise for less than it is a network can fit the noise and stay
there; from one that takes it for more, it can come to rest before it has learnt a thing.
"""


NEARLY_EXACT = 1e-3
"""Below this error, in units of the target, the function may be one the network represents."""

EXACT_LOSS = 1e-24
"""At this loss it does."""

COARSE_LOSS = 8 * GRID**2
"""At this loss, an error of 4 GRID, the grid may be nearly all that is left to explain."""

EXACT_COST = 5e9
"""What the search for it may cost in all, in rows times squared weights of the hidden layers."""

MOST_EXACT_STEPS = 1_000
"""With few rows the cost would allow for hundreds of starts; what ten do not find is not there."""

MIN_EXACT_STEPS = 20
"""With fewer steps it is not begun."""


@dataclass
class EvidenceMaximization:
    """Levenberg-Marquardt steps, with the precisions re-estimated on the way.

    The log evidence of N rows is itself uncertain by about √(N/2), the standard deviation of
    the log likelihood, and that is the unit in which its changes are judged.

    Parameters
    ----------
    max_iter : int
        Most steps.
    rng : RandomState
        Draws the fresh starts of the search for an exact function.

    Attributes
    ----------
    posterior : Posterior
        Around the weights that :meth:`minimize` came to.
    """

    max_iter: int
    rng: RandomState
    advice = "Scale the data."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Train from each of the starting precisions and keep what the evidence favours."""
        best: tuple[Posterior, Monitor] | None = None
        ascent: _Ascent | None = None
        coarse, n = objective.coarse(), objective.rows.total_weight
        exact = enough = False

        def better(*found: tuple[Posterior, Monitor]) -> tuple[Posterior, Monitor]:
            each = found if best is None else (best, *found)
            return max(each, key=lambda candidate: candidate[0].log_evidence)

        try:
            for i, (alpha, beta) in enumerate(STARTS, 1):
                ascent = None  # its matrices are not needed any more
                heading = f"ascent {i} of {len(STARTS)}"
                attempt = monitor.fork("ascent", heading, self.max_iter)
                ascent = _Ascent(coarse, w, alpha, beta, attempt)
                first = best is None and not monitor.early_stopping
                ascent.run(self.max_iter, pause_when_nearly_exact=first)
                if ascent.paused:
                    search = monitor.fork("search", "search for an exact function", None)
                    for candidate in self._search_exact(objective, ascent, search):
                        best = better(candidate)
                        exact = candidate[1].loss_curve[-1] < EXACT_LOSS
                    if best is not None:
                        search.adopt(best[1])
                    enough = search.end_attempt(ascent.point.w if best is None else best[0].w)
                    if not (exact or enough):
                        ascent.run(self.max_iter)
                if not exact:
                    best = better((ascent.posterior, ascent.monitor))
                enough |= attempt.end_attempt(ascent.point.w)
                if exact or enough:
                    break
            ascent = None
        except KeyboardInterrupt:
            if ascent is not None:
                best = better((ascent.posterior, ascent.monitor))
                attempt.end_attempt(ascent.point.w)
            raise
        finally:
            if best is not None:
                self.posterior, kept = best
                monitor.adopt(kept)
                monitor.stopped |= enough
                if monitor.early_stopping and monitor.best_weights is not None:
                    at = monitor.best_weights
                    self.posterior = _posterior_at(at, objective, self.posterior)
        if coarse is not objective and not monitor.early_stopping:
            point = Point(self.posterior.w, objective.gauss_newton(self.posterior.w))
            self.posterior = laplace(
                point, self.posterior.groups, self.posterior.alpha, self.posterior.beta, n
            )
            monitor.restate(0.5 * float(point.sums.E.sum()) / n)
        self.posterior = calibrated(self.posterior, objective)
        return self.posterior.w

    def _search_exact(
        self, objective: Objective, ascent: "_Ascent", search: Monitor
    ) -> Iterator[tuple[Posterior, Monitor]]:
        """See whether the network can represent the data exactly.

        From where the ascent came to, and from fresh starts of small weights: in one of
        four starts a unit is caught where it is nearly linear, or two where they are alike.
        """
        network, w = objective.network, ascent.point.w
        n_hidden = network.n_parameters - network.layers(w)[-1].size
        steps = int(EXACT_COST / (objective.rows.n_rows * (n_hidden + 10) ** 2))
        steps = min(steps, MOST_EXACT_STEPS)
        max_iter = min(100, steps)
        coarse, solver = VariableProjection(max_iter, 4 * GRID), VariableProjection(max_iter)
        n_starts = 0
        while steps >= MIN_EXACT_STEPS:
            n_starts += 1
            attempt = search.fork("start", f"start {n_starts}", max_iter)
            w = coarse.minimize(ascent.objective, w, attempt)
            if attempt.loss_curve[-1] < COARSE_LOSS and not attempt.stopped:
                w = solver.minimize(objective, w, attempt)
            enough = attempt.end_attempt(w)
            yield _posterior_at(w, objective, ascent.posterior), attempt
            if attempt.loss_curve[-1] < EXACT_LOSS or enough:
                break
            steps -= attempt.n_iter
            w = network.initial_weights(self.rng, SMALL_WEIGHTS)


class _Ascent:
    """One ascent of the evidence: its weights, its precisions, and its history."""

    def __init__(
        self, objective: Objective, w: FloatArray, alpha: float, beta: float, monitor: Monitor
    ) -> None:
        network = objective.network
        self.objective, self.monitor = objective, monitor
        self.n = objective.rows.total_weight
        self.hidden = len(network.shapes) > 1
        self.groups = weight_groups(network, per_input=False)
        self.per_input = False
        self.alpha: FloatArray = np.full(self.groups.max() + 1, alpha)
        self.variance = objective.squared_targets() / self.n
        self.beta: FloatArray = beta / np.where(self.variance > 0, self.variance, 1)
        self.point = Point(w, objective.gauss_newton(w))
        self.damping = Damping()
        self.evidences: list[float] = []
        self.paused = False
        self.n_fitted = 0

    @property
    def posterior(self) -> Posterior:
        return laplace(self.point, self.groups, self.alpha, self.beta, self.n)

    @property
    def nearly_exact(self) -> bool:
        """Whether next to nothing is left to explain, by rows of far more than parameters."""
        nearly = bool((NEARLY_EXACT**2 * self.n * self.variance > self.point.sums.E).all())
        return self.hidden and nearly and _ample(self.n, self.point.w)

    @property
    def _all_fitted(self) -> bool:
        """Whether few rows are fitted more closely than their noise is believed to allow.

        There is no more to be learnt of them, and what moves is moved by rounding.
        """
        believed = self.n * LEAST_NOISE_OF_FEW**2 * self.variance
        return not _ample(self.n, self.point.w) and bool((believed >= self.point.sums.E).all())

    def run(self, max_iter: int, *, pause_when_nearly_exact: bool = False) -> None:
        """Steps and re-estimations in turn until the evidence settles."""
        wait = BURN_IN if self.hidden and not self.paused else EVERY
        self.paused = False
        while self.monitor.n_iter < max_iter:
            self.monitor.record(self.point.w, 0.5 * float(self.point.sums.E.sum()) / self.n)
            if self.monitor.finished:
                self.monitor.converged = True
                return
            self.monitor.begin_iteration()
            fall = self._step()
            wait -= 1
            if wait <= 0 or fall < 0.01:
                wait = EVERY
                if self._reestimate():
                    self.monitor.converged = True
                    return
                if pause_when_nearly_exact and self.nearly_exact:
                    self.paused = True
                    return
        recent = self.evidences[-WINDOW - 1 :]
        at_rest = len(recent) > WINDOW and np.ptp(recent) < _unit(self.objective)
        self.monitor.converged = bool(at_rest)

    def _step(self) -> float:
        """One Levenberg-Marquardt step; by how much F fell."""
        precisions = Precisions(self.beta, _per_parameter(self.groups, self.alpha))
        H = precisions.hessian(self.point.sums)
        new = step(self.objective, self.point, precisions, self.damping, H)
        if new is None:
            self.damping = Damping()
            return 0.0
        F, F_new = (precisions.cost(p.sums.E, p.w) for p in (self.point, new))
        self.point = new
        return F - F_new

    def _reestimate(self) -> bool:
        """Re-estimate the precisions; whether they, or the evidence, have settled."""
        posterior = self.posterior
        self.evidences.append(posterior.log_evidence)
        before = np.append(self.alpha, self.beta)
        self.alpha, self.beta = reestimate(posterior, self.point, self.variance)
        change = np.abs(np.log(np.append(self.alpha, self.beta) / before)).max()
        recent = self.evidences[-WINDOW - 1 :]
        unit = _unit(self.objective)
        self.n_fitted = self.n_fitted + 1 if self._all_fitted else 0
        if change < 1e-12 or self.n_fitted > WINDOW // 2:
            return True
        if not self.hidden or len(recent) <= WINDOW:
            return False
        if not self.per_input:
            if max(recent) - recent[0] < unit:
                self._give_each_input_a_precision()
            return False
        settled = max(recent) - min(recent) < 0.1
        return settled or posterior.log_evidence < max(self.evidences) - DROP * unit

    def _give_each_input_a_precision(self) -> None:
        finer = weight_groups(self.objective.network, per_input=True)
        alpha = np.empty(finer.max() + 1)
        alpha[finer[finer != FLAT]] = self.alpha[self.groups[self.groups != FLAT]]
        self.groups, self.alpha, self.per_input, self.evidences = finer, alpha, True, []


def _posterior_at(w: FloatArray, objective: Objective, like: Posterior) -> Posterior:
    """The posterior around other weights, with the precisions that suit them."""
    point = Point(w, objective.gauss_newton(w))
    variance = objective.squared_targets() / like.n
    posterior = laplace(point, like.groups, like.alpha, like.beta, like.n)
    for _ in range(WINDOW):
        alpha, beta = reestimate(posterior, point, variance)
        posterior = laplace(point, like.groups, alpha, beta, like.n)
    return posterior


def _unit(objective: Objective) -> float:
    """The standard deviation of the log likelihood: what a change of evidence is held against."""
    n_outputs = objective.network.layer_sizes[-1]
    return float(np.sqrt(objective.rows.total_weight * n_outputs / 2))


def posterior_under_penalty(objective: Objective, w: FloatArray) -> Posterior:
    """The posterior at the minimum of an objective with a penalty of fixed strength.

    The penalty is then the ratio of the prior's precision to the noise's: α = alpha β, with
    one β for all outputs but in the noise of each.
    """
    n, penalty = objective.rows.total_weight, objective.penalty.astype(np.float64)
    n_outputs = objective.network.layer_sizes[-1]
    point = Point(w, objective.gauss_newton(w))
    groups = np.where(penalty > 0, 0, FLAT)
    alpha = np.array([penalty.max()])
    unscaled = laplace(point, groups, alpha, np.ones(n_outputs), n)
    free = max(n * n_outputs - unscaled.gamma_of_output.sum(), 1e-3 * n * n_outputs)
    beta = float(np.clip(free / max(point.sums.E.sum(), 1e-300), *NOISE_RANGE))
    posterior = laplace(point, groups, beta * alpha, np.full(n_outputs, beta), n)
    free_of_output = np.maximum(n - unscaled.gamma_of_output, 1e-3 * n)
    noise = np.clip(free_of_output / np.maximum(point.sums.E, 1e-300), *NOISE_RANGE)
    return calibrated(replace(posterior, beta=noise), objective)


def calibrated(posterior: Posterior, objective: Objective) -> Posterior:
    """Widen the error bars where leaving out each row in turn shows them to be too narrow.

    By the posterior's own linearisation, the weights trained without row i, with error e_i and
    h_i = β j_i A⁻¹ j_iᵀ, err there by e_i / (1 - h_i), and foretell the variance
    1/β + j_i A⁻¹ j_iᵀ / (1 - h_i). The mean of error² / variance is 1 if the posterior is
    right. It is more where the function bends within the posterior's width, or the noise is not
    the same everywhere, and variances are then multiplied by it. (Leaving out without training
    anew: Hansen & Larsen, 1996. Without hidden layers the posterior is exact, and stays.)

    Parameters
    ----------
    posterior : Posterior
    objective : Objective
        Over the rows that it was trained on.

    Returns
    -------
    Posterior
    """
    network, beta = objective.network, posterior.beta[:, np.newaxis]
    if len(network.shapes) == 1:
        return posterior

    def terms(block: Block) -> tuple[FloatArray]:
        J, e = objective.jacobian(posterior.w, block)
        v = np.array([posterior.variance(J_k) for J_k in J])
        s = np.ones(e.shape[1]) if block.weights is None else block.weights
        left = np.maximum(1 - np.minimum(s, 1) * beta * v, 1e-6)  # of a weight of 2, one copy
        squares = (e / left) ** 2 / (1 / beta + v / left)
        return (squares @ s,)

    floats_per_row = network.floats_per_row + 2 * network.layer_sizes[-1] * network.n_parameters
    (squares,) = objective.rows.sum(terms, floats_per_row)
    return replace(posterior, calibration=np.maximum(squares / posterior.n, 1.0))


def predictive_std(network: Network, posterior: Posterior, rows: Rows) -> FloatArray:
    """√(c (1/β + j A⁻¹ jᵀ)) for each row and output, of shape (n_rows, n_outputs)."""
    n_outputs = network.layer_sizes[-1]
    layers = network.layers(posterior.w)
    variance = np.empty((rows.n_rows, n_outputs))

    def predict(block: Block) -> None:
        assert block.start is not None
        n_rows = block.inputs.shape[1]
        workspace = Workspace(network.layer_sizes, n_rows, rows.dtype)
        network.forward(layers, block.inputs, workspace)
        J = network.jacobian(layers, block.inputs, workspace)
        here = slice(block.start, block.start + n_rows)
        variance[here] = np.transpose([posterior.variance(J_k) for J_k in J])

    with np.errstate(over="ignore"):
        for _ in rows.map(predict, network.floats_per_row + 2 * n_outputs * network.n_parameters):
            pass
    return np.sqrt(posterior.calibration * (variance + 1 / posterior.beta))


def precisions_by_layer(network: Network, posterior: Posterior) -> dict[str, float | FloatArray]:
    """The precision of each weight group by the name of its layer's attribute."""
    alpha = np.append(posterior.alpha, 0.0)[posterior.groups]
    named: dict[str, float | FloatArray] = {}
    for i, W in enumerate(network.layers(alpha)):
        last = i == len(network.shapes) - 1
        coefs = W[1] if last else W[1:, 0]  # a group an output; a group an input, or one in all
        varies = (coefs != coefs[0]).any()
        named[f"coefs_[{i}]"] = coefs.copy() if varies else float(coefs[0])
        named[f"intercepts_[{i}]"] = float(W[0, 0])
    return named


def relevances(objective: Objective, w: FloatArray) -> FloatArray:
    """How much each input matters, summing to one: how far it moves the predictions.

    The root of the mean square, over rows and outputs, of the derivative of the prediction by
    the input, both in units of their deviation. The precision of an input's coefs says instead
    how *nonlinear* it is: a sigmoid that is to be a straight line needs but small ones.
    """

    def squares(block: Block) -> tuple[FloatArray]:
        D = objective.input_gradient(w, block)
        s = np.ones(D.shape[-1]) if block.weights is None else block.weights
        return (np.einsum("kjn,kjn,n->j", D, D, s),)

    n_inputs, *_, n_outputs = objective.network.layer_sizes
    floats_per_row = objective.network.floats_per_row + n_inputs * n_outputs
    sizes = np.sqrt(objective.rows.sum(squares, floats_per_row)[0])
    total = sizes.sum()
    return sizes / total if total > 0 else np.full(n_inputs, 1 / n_inputs)
