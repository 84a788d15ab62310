import numpy as np
import pytest

from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers import VariableProjection
from tests import reference

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
S = rng.uniform(0.2, 3, size=200)


def solve(
    sizes: tuple[int, ...],
    Y: np.ndarray,
    weights: np.ndarray | None,
    max_iter: int,
    seed: int,
    **parameters: float,
) -> tuple[np.ndarray, Monitor]:
    network = Network(sizes, "tanh")
    objective = Objective(network, Rows(X, Y, weights), 0.0)
    monitor = Monitor(tol=0, n_iter_no_change=10**9)
    start = 0.4 * network.initial_weights(np.random.RandomState(seed))
    return VariableProjection(max_iter, **parameters).minimize(objective, start, monitor), monitor


@pytest.mark.parametrize("sizes", [(3, 5, 1), (3, 4, 3, 2)])
@pytest.mark.parametrize("weights", [None, S])
def test_the_output_layer_is_the_least_squares_solution(
    sizes: tuple[int, ...], weights: np.ndarray | None
) -> None:
    Y = rng.normal(size=(200, sizes[-1]))
    w, monitor = solve(sizes, Y, weights, 5, 0)
    *hidden, last = reference.split(w, sizes)
    a = X
    for W in hidden:
        a = np.tanh(W[0] + a @ W[1:])
    Phi = np.column_stack([np.ones(200), a])
    s = np.ones(200) if weights is None else weights
    expected = np.linalg.lstsq(np.sqrt(s)[:, None] * Phi, np.sqrt(s)[:, None] * Y, rcond=None)[0]
    np.testing.assert_allclose(last, expected, rtol=1e-7, atol=1e-7)
    error = s @ ((Phi @ expected - Y) ** 2).sum(axis=1)
    assert monitor.loss_curve[-1] == pytest.approx(0.5 * error / s.sum(), rel=1e-10)
    assert (np.diff(monitor.loss_curve) < 0).all()


@pytest.mark.parametrize("sizes", [(3, 3, 1), (3, 2, 2)])
def test_a_function_of_its_own_kind_is_found_to_rounding(sizes: tuple[int, ...]) -> None:
    truth = np.random.default_rng(5).normal(size=Network(sizes, "tanh").n_parameters)
    Y = reference.predict(truth, X, sizes, "tanh")
    losses = [solve(sizes, Y, None, 300, seed)[1].loss_curve[-1] for seed in range(4)]
    assert min(losses) < 1e-28


def test_it_ends_at_the_first_error_that_counts_as_none() -> None:
    truth = np.random.default_rng(5).normal(size=Network((3, 3, 1), "tanh").n_parameters)
    Y = reference.predict(truth, X, (3, 3, 1), "tanh")
    _, monitor = solve((3, 3, 1), Y, None, 300, 0, exact=1e-3)
    errors = np.sqrt(2 * 200 * np.array(monitor.loss_curve)) / np.linalg.norm(Y)
    assert monitor.converged
    assert errors[-1] <= 1e-3 < errors[-2]


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_it_ends_where_20_steps_lower_the_squared_error_by_less_than_a_twentieth(
    scale: float,
) -> None:
    Y = scale * np.random.default_rng(1).normal(size=(200, 1))
    for seed in range(3):
        _, monitor = solve((3, 5, 1), Y, None, 200, seed)
        left = np.divide(monitor.loss_curve[20:], monitor.loss_curve[:-20])
        assert monitor.converged
        assert left[-1] > 0.95
        assert (left[20:-1] <= 0.95).all()  # not watched before 40 steps
