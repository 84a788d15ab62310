"""A system by its rows is that by its parameters, whatever the precisions."""

import pickle
from typing import NamedTuple, cast

import numpy as np
import pytest

from sklearn_mlp.curvature import (
    DenseCurvature,
    FactorOfSome,
    RowCurvature,
    RowFactor,
    least_squares_by_rows,
    step_cost,
)
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import WeightGroups, laplace
from sklearn_mlp.rows import Rows
from tests import reference

N_PARAMETERS, N_OUTPUTS, N_ROWS = 40, 2, 7


class System(NamedTuple):
    """Derivatives of shape (n_outputs, n_parameters, n_rows), and precisions."""

    J: np.ndarray
    beta: np.ndarray
    prior: np.ndarray

    @property
    def by_rows(self) -> RowCurvature:
        root = np.sqrt(self.beta)[:, np.newaxis, np.newaxis]
        return RowCurvature(np.hstack(list(root * self.J)), self.prior, len(self.beta))

    @property
    def matrix(self) -> np.ndarray:
        return np.einsum("k,kpn,kqn->pq", self.beta, self.J, self.J) + np.diag(self.prior)

    @property
    def dense(self) -> DenseCurvature:
        H = [np.tril(J @ J.T) for J in self.J]
        return DenseCurvature(np.asfortranarray(np.tril(self.matrix)), self.prior, self.beta, H)


def system(n_flat: int, spread: float, n_outputs: int = N_OUTPUTS) -> System:
    """Precisions between 10^-spread and 10^spread, after some of 0."""
    rng = np.random.default_rng(0)
    prior = 10.0 ** rng.uniform(-spread, spread, N_PARAMETERS)
    prior[::9][:n_flat] = 0
    J = rng.normal(size=(n_outputs, N_PARAMETERS, N_ROWS))
    J[:, 3] = 0  # a weight of a dead unit
    return System(J, rng.uniform(0.5, 20, n_outputs), prior)


every_system = pytest.mark.parametrize(
    "s",
    [system(n, spread, k) for n in (0, 1, 3) for spread in (0.0, 2.0) for k in (1, 2)],
    ids=lambda s: f"{np.sum(s.prior == 0)} flat, {s.prior.max():.0f}, {len(s.beta)} outputs",
)


@every_system
def test_the_factor_by_rows_is_that_of_the_matrix(s: System) -> None:
    factor, determined, of_output = s.by_rows.factored()
    inverse = np.linalg.inv(s.matrix)
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(s.matrix)[1], rel=1e-10)
    np.testing.assert_allclose(determined, 1 - s.prior * inverse.diagonal(), rtol=1e-8, atol=1e-9)
    gamma = [b * np.trace(inverse @ J @ J.T) for b, J in zip(s.beta, s.J, strict=True)]
    np.testing.assert_allclose(of_output, gamma, rtol=1e-8)
    j = np.random.default_rng(1).normal(size=(N_PARAMETERS, 5))
    expected = np.einsum("pn,pq,qn->n", j, inverse, j)
    np.testing.assert_allclose(factor.variance(j), expected, rtol=1e-8)
    M = factor.covariance_root()
    np.testing.assert_allclose(M @ M.T, inverse, rtol=1e-7, atol=1e-9 * inverse.max())


@every_system
def test_a_pickled_factor_has_half_of_its_triangle(s: System) -> None:
    factor = s.by_rows.factored().factor
    n_rows, state = N_ROWS * len(s.beta), cast(RowFactor, factor).__getstate__()
    assert state["packed"].shape == (n_rows * (n_rows + 1) // 2,)
    assert "L" not in state
    as_before = object.__new__(RowFactor)
    as_before.__setstate__(dict(vars(factor)))
    inverse = np.linalg.inv(s.matrix)

    for loaded in (pickle.loads(pickle.dumps(factor)), as_before):
        variance = loaded.variance(np.eye(N_PARAMETERS))
        np.testing.assert_allclose(variance, inverse.diagonal(), rtol=1e-9)


@every_system
def test_both_ways_agree(s: System) -> None:
    rows, dense = s.by_rows.factored(), s.dense.factored()
    assert s.by_rows.mean == pytest.approx(s.dense.mean, rel=1e-12)
    assert rows.factor.log_determinant == pytest.approx(dense.factor.log_determinant, rel=1e-8)
    np.testing.assert_allclose(rows.determined, dense.determined, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(rows.of_output, dense.of_output, rtol=1e-8)
    j = np.random.default_rng(1).normal(size=(N_PARAMETERS, 5))
    np.testing.assert_allclose(rows.factor.variance(j), dense.factor.variance(j), rtol=1e-8)


@pytest.mark.parametrize("n_flat", [0, 3, N_PARAMETERS])
@pytest.mark.parametrize("damping", [1e-16, 1e-6, 1.0, 1e6])
def test_a_damped_system_is_solved(n_flat: int, damping: float) -> None:
    s = system(0, 2.0)
    s.prior[:n_flat] = 0
    solve = s.by_rows.damped(np.full(N_PARAMETERS, damping))
    assert solve is not None
    b = s.J.sum(axis=(0, 2)) + s.prior  # of the kind of a gradient
    A = s.matrix + damping * np.eye(N_PARAMETERS)
    residual = A @ solve(b) - b
    assert np.abs(residual).max() < 1e-8 * np.abs(b).max()


@pytest.mark.parametrize("n_flat", [0, 1, 4, N_PARAMETERS])
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_least_squares_by_rows_are_those_by_parameters(n_flat: int, spread: float) -> None:
    """Those of NumPy with a row for each penalty; of several solutions the shortest."""
    rng = np.random.default_rng(0)
    G, y = rng.normal(size=(N_PARAMETERS, N_ROWS)), rng.normal(size=N_ROWS)
    p = 10.0 ** rng.uniform(-spread, spread, N_PARAMETERS)
    p[:n_flat] = 0
    rows = np.vstack([G.T, np.diag(np.sqrt(p))])
    expected = np.linalg.lstsq(rows, np.append(y, np.zeros(N_PARAMETERS)), rcond=1e-10)[0]
    np.testing.assert_allclose(least_squares_by_rows(G, y, p), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("p", [0.0, 1e-10, 1.0])
def test_rows_that_contradict_each_other_are_fitted_by_their_mean(p: float) -> None:
    rng = np.random.default_rng(0)
    g, y = rng.normal(size=(N_PARAMETERS, 3)), np.array([1.0, -2.0, 5.0])
    twice, both = np.hstack([g, g]), np.append(y - 3, y + 3)
    prior = np.append(0.0, np.full(N_PARAMETERS - 1, p))
    found = least_squares_by_rows(twice, both, prior)
    expected = least_squares_by_rows(np.sqrt(2) * g, np.sqrt(2) * y, prior)
    np.testing.assert_allclose(g.T @ found, g.T @ expected, rtol=1e-6)
    np.testing.assert_allclose(prior @ found**2, prior @ expected**2, rtol=1e-3)


def test_rows_say_of_a_dead_weight_that_nothing_is_determined() -> None:
    assert system(1, 2.0).by_rows.factored().determined[3] == 0


def test_precisions_of_dead_weights_do_not_bury_the_others() -> None:
    s = system(1, 1.0)
    s.prior[10:30] = 1e10
    alive = np.r_[0:10, 30:N_PARAMETERS]
    small = System(s.J[:, alive], s.beta, s.prior[alive]).by_rows.factored()
    whole = s.by_rows.factored()
    np.testing.assert_allclose(whole.determined[alive], small.determined, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(whole.of_output, small.of_output, rtol=1e-6)


@pytest.mark.parametrize("sizes", [(3, 8, 1), (3, 8, 2), (3, 4, 4, 2)])
def test_the_posterior_of_few_rows_is_that_of_their_halves(sizes: tuple[int, ...]) -> None:
    # Each row twice, of half the weight: the same sums, but more rows than parameters.
    rng = np.random.default_rng(0)
    n_rows, network = 14, Network(sizes, "tanh")
    n_copies = 1 + network.n_parameters // n_rows
    X, Y = rng.normal(size=(n_rows, 3)), rng.normal(size=(n_rows, sizes[-1]))
    s, w = rng.uniform(0.5, 2, n_rows), rng.normal(size=network.n_parameters)
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha, beta = rng.uniform(0.5, 2, len(groups.names)), rng.uniform(1, 30, sizes[-1])
    posteriors, points = [], []
    for copies in (1, n_copies):
        rows = Rows(X.repeat(copies, axis=0), Y.repeat(copies, axis=0), s.repeat(copies) / copies)
        objective = Objective(network, rows, 0.0)
        assert objective.in_rows == (copies == 1)
        points.append(Point(w, objective.gauss_newton(w)))
        posteriors.append(laplace(points[-1], groups, alpha, beta, s.sum()))
    few, many = posteriors
    np.testing.assert_allclose(points[0].sums.E, points[1].sums.E, rtol=1e-12)
    np.testing.assert_allclose(points[0].sums.g, points[1].sums.g, rtol=1e-10, atol=1e-12)
    assert few.log_evidence == pytest.approx(many.log_evidence, rel=1e-8)
    np.testing.assert_allclose(few.gamma, many.gamma, rtol=1e-8)
    np.testing.assert_allclose(few.gamma_of_output, many.gamma_of_output, rtol=1e-8)
    J = reference.complex_step(lambda v: reference.predict(v, X, sizes, "tanh"), w)
    for k in range(sizes[-1]):
        expected = many.variance(np.ascontiguousarray(J[:, k].T))
        np.testing.assert_allclose(few.variance(J[:, k].T), expected, rtol=1e-8)


def test_the_cost_of_a_step_is_that_of_the_smaller_system() -> None:
    assert step_cost(100, 1_000, 1) == 1_000 * 100**2 + 100**3
    assert step_cost(1_000, 100, 1) == 1_000 * 100**2 + 100**3
    assert step_cost(100, 1_000, 2) == 1_000 * 200**2 + 200**3


def test_parameters_of_which_the_data_say_nothing_may_be_left_out_of_the_factor() -> None:
    s = system(0, 2.0)
    rest = np.array([2, 3, 17])
    kept = np.setdiff1d(np.arange(N_PARAMETERS), rest)
    s.J[:, rest] = 0
    inverse = np.linalg.inv(s.matrix)
    inner = System(s.J[:, kept], s.beta, s.prior[kept]).by_rows.factored().factor
    factor = FactorOfSome(inner, kept, s.prior)
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(s.matrix)[1], rel=1e-10)
    j = np.random.default_rng(1).normal(size=(N_PARAMETERS, 5))
    expected = np.einsum("pn,pq,qn->n", j, inverse, j)
    np.testing.assert_allclose(factor.variance(j), expected, rtol=1e-8)
    M = factor.covariance_root()
    np.testing.assert_allclose(M @ M.T, inverse, rtol=1e-7, atol=1e-9 * inverse.max())
