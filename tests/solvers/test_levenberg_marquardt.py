import numpy as np
import pytest
from scipy.optimize import least_squares

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point, Precisions
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers import LBFGS, LevenbergMarquardt, levenberg_marquardt
from sklearn_mlp.solvers.levenberg_marquardt import Damping
from tests import reference
from tests.helpers import fitted

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
Y = np.column_stack([np.sin(X[:, 0]) * X[:, 1], X[:, 2] ** 2]) + 0.1 * rng.normal(size=(120, 2))
S = rng.uniform(0.2, 3, size=120)

PROBLEMS = [
    ((3, 6, 1), "sigmoid", 0.5),
    ((3, 6, 2), "tanh", 0.5),
    ((3, 4, 4, 1), "sigmoid", 0.5),
    ((3, 3, 3, 2), "softplus", 0.5),
    ((3, 2), "identity", 0.0),
]


def minimum(
    sizes: tuple[int, ...], activation: str, alpha: float, weights: np.ndarray | None = S
) -> tuple[np.ndarray, Objective, Monitor]:
    """Where Levenberg-Marquardt ends."""
    network = Network(sizes, activation)
    objective = Objective(network, Rows(X, Y[:, : sizes[-1]], weights), alpha)
    monitor = Monitor(tol=0, n_iter_no_change=10**9)
    start = network.initial_weights(np.random.RandomState(0))
    w = LevenbergMarquardt(max_iter=3000, tol=1e-9).minimize(objective, start, monitor)
    return w, objective, monitor


@pytest.mark.parametrize(("sizes", "activation", "alpha"), PROBLEMS)
def test_the_gradient_of_the_documented_loss_vanishes_at_the_minimum(
    sizes: tuple[int, ...], activation: str, alpha: float
) -> None:
    w, _, monitor = minimum(sizes, activation, alpha)
    assert monitor.converged
    gradient = reference.complex_step(
        lambda v: reference.loss(v, X, Y[:, : sizes[-1]], S, alpha, sizes, activation), w
    )
    assert np.linalg.norm(gradient) < 1e-8


@pytest.mark.parametrize(("sizes", "activation", "alpha"), PROBLEMS[:3])
def test_the_minimum_is_scipys_and_lbfgs_from_the_same_basin(
    sizes: tuple[int, ...], activation: str, alpha: float
) -> None:
    w, objective, monitor = minimum(sizes, activation, alpha)
    nearby = w + 1e-3 * np.random.default_rng(1).normal(size=len(w))
    coefs = np.flatnonzero(objective.network.is_coef())

    def residuals(v: np.ndarray) -> np.ndarray:
        e = reference.predict(v, X, sizes, activation) - Y[:, : sizes[-1]]
        return np.append(np.sqrt(S)[:, None] * e, np.sqrt(alpha) * v[coefs])

    theirs = least_squares(residuals, nearby, xtol=1e-15, ftol=1e-15, gtol=1e-12)
    np.testing.assert_allclose(monitor.loss_curve[-1], theirs.cost / S.sum(), rtol=1e-9)
    quiet = Monitor(tol=0, n_iter_no_change=10**9)
    LBFGS(max_iter=20_000, max_fun=10**6, tol=1e-9).minimize(objective, nearby, quiet)
    np.testing.assert_allclose(quiet.loss_curve[-1], monitor.loss_curve[-1], rtol=1e-9)


def test_the_loss_falls_at_every_step() -> None:
    *_, monitor = minimum((3, 6, 2), "sigmoid", 0.1)
    assert (np.diff(monitor.loss_curve) < 0).all()


def test_the_losses_of_an_earlier_fit_to_other_targets_do_not_end_it() -> None:
    sizes, activation, alpha = (3, 6, 1), "tanh", 0.5
    w, objective, earlier = minimum(sizes, activation, alpha)
    others = Objective(objective.network, Rows(X, 10 * Y[:, 1:], S), alpha)
    monitor = Monitor(tol=0, n_iter_no_change=10**9)
    monitor.resume(earlier.loss_curve, None)
    w = LevenbergMarquardt(max_iter=3000, tol=1e-9).minimize(others, w, monitor)
    assert monitor.converged
    assert monitor.loss_curve[-1] > earlier.loss_curve[-1]
    gradient = reference.complex_step(
        lambda v: reference.loss(v, X, 10 * Y[:, 1:], S, alpha, sizes, activation), w
    )
    assert np.linalg.norm(gradient) < 1e-8


def test_linear_regression_takes_a_few_steps() -> None:
    w, _, monitor = minimum((3, 2), "identity", 0.0, weights=None)
    expected = np.linalg.lstsq(np.column_stack([np.ones(120), X]), Y, rcond=None)[0]
    np.testing.assert_allclose(w.reshape(4, 2), expected, atol=1e-8)
    assert monitor.n_iter < 12


def test_a_singular_system_raises_the_damping_and_goes_on() -> None:
    twice = np.hstack([X, X, 0 * X])  # no unique minimum without a penalty
    network = Network([9, 8, 1], "sigmoid")
    objective = Objective(network, Rows(twice[:20], Y[:20, :1]), 0.0)
    monitor = Monitor(tol=0, n_iter_no_change=10**9)
    start = network.initial_weights(np.random.RandomState(0))
    w = LevenbergMarquardt(max_iter=100, tol=1e-9).minimize(objective, start, monitor)
    assert np.isfinite(w).all()
    assert monitor.loss_curve[-1] < 1e-6 * monitor.loss_curve[0]


def test_damping_follows_the_gain_ratio() -> None:
    damping = Damping()
    start = damping.mu
    damping.accept(1.0)  # as predicted
    assert damping.mu == pytest.approx(0.1 * start)
    damping.accept(0.5)  # half of it
    assert damping.mu == pytest.approx(0.1 * start)
    for factor in (2, 8, 64):  # each refusal doubles the growth
        before = 0.1 * start
        damping.reject()
        assert damping.mu == pytest.approx(factor * before)


def error_of_fit(hidden: tuple[int, ...], seed: int, max_iter: int) -> float:
    X, y = make_hyperplane(3000, random_state=seed, return_X_y=True)
    model = SigmoidMLPRegressor(
        hidden, solver="lm", alpha=0.0, tol=0.0, max_iter=max_iter, random_state=seed
    )
    return float(np.sqrt(np.mean((fitted(model, X, y).predict(X) - y) ** 2)))


def test_the_full_curvature_is_the_hessian_of_the_documented_loss() -> None:
    sizes, alpha = (3, 4, 2), 0.5
    network = Network(sizes, "tanh")
    objective = Objective(network, Rows(X, Y, S), alpha)
    w = 3 * network.initial_weights(np.random.RandomState(0))  # some of them larger than 1

    def gradient(v: np.ndarray) -> np.ndarray:
        return reference.complex_step(lambda u: reference.loss(u, X, Y, S, alpha, sizes, "tanh"), v)

    steps = 1e-5 * np.eye(len(w))
    hessian = np.array([(gradient(w + d) - gradient(w - d)) / 2e-5 for d in steps])
    precisions = Precisions(np.ones(2), objective.penalty)
    point = Point(w, objective.gauss_newton(w))
    damping = np.full(len(w), 1e3)
    solve = levenberg_marquardt._full_curvature(objective, point, precisions).damped(damping)
    assert solve is not None
    expected = np.linalg.inv(S.sum() * hessian + np.diag(damping))
    found = np.column_stack([solve(e) for e in np.eye(len(w))])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.nightly
def test_acceleration_follows_a_bent_valley(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerated = np.array([error_of_fit((5, 4), seed, max_iter=200) for seed in range(6)])
    assert np.median(accelerated) < 1e-6
    monkeypatch.setattr(levenberg_marquardt, "_acceleration", lambda *_: 0.0)
    plain = np.array([error_of_fit((5, 4), seed, max_iter=200) for seed in range(6)])
    assert np.median(plain / accelerated) > 3


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.slow
def test_the_best_output_layer_straightens_the_valley(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = error_of_fit((5,), seed, max_iter=100)
    assert straight < 1e-6
    monkeypatch.setattr(Objective, "with_best_output", lambda self, w, *precisions: w)
    assert error_of_fit((5,), seed, max_iter=100) > 3 * straight
