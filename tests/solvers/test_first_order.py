"""Each solver against scikit-learn's, started from the same weights on the same batches."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Budget, Rows
from sklearn_mlp.solvers import (
    LBFGS,
    Adam,
    MinibatchSolver,
    StochasticGradientDescent,
    lbfgs,
)
from sklearn_mlp.solvers.minibatch import in_parts
from tests.helpers import fitted

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = np.column_stack([np.sin(X[:, 0]) + X[:, 1], X[:, 2] * X[:, 3]])
S = rng.uniform(0.2, 3, size=60)


def fit_both(
    sample_weight: np.ndarray | None = None, y: np.ndarray = Y, **parameters: Any
) -> tuple[MLPRegressor, SigmoidMLPRegressor]:
    """Train scikit-learn's network and ours by the same rule from scikit-learn's start."""
    common = {
        "hidden_layer_sizes": (5, 3),
        "activation": "tanh",
        "shuffle": False,
        "random_state": 0,
        "max_iter": 30,
        "tol": 0.0,
        "alpha": 0.01,
        **parameters,
    }
    start = MLPRegressor(**{**common, "max_iter": 1, "learning_rate_init": 1e-300})
    if common["solver"] == "lbfgs":
        start.set_params(solver="sgd")
    fitted(start, X, y)
    theirs = MLPRegressor(**common, warm_start=True)
    theirs.__dict__.update(_only_weights(start))
    ours = SigmoidMLPRegressor(**common, warm_start=True, standardize=False)
    ours.weights_ = weights_of(start)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    return fitted(theirs, X, y, **weights), fitted(ours, X, y, sample_weight)


def weights_of(mlp: MLPRegressor) -> list[np.ndarray]:
    """The layers of scikit-learn's network, bias row first."""
    return [np.vstack([b, W]) for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True)]


def _only_weights(start: MLPRegressor) -> dict[str, Any]:
    state = {k: v for k, v in vars(start).items() if k not in start.get_params()}
    state.pop("_optimizer")
    return {**state, "t_": 0, "loss_curve_": [], "best_loss_": np.inf, "_no_improvement_count": 0}


def assert_same(theirs: MLPRegressor, ours: SigmoidMLPRegressor, rtol: float = 1e-9) -> None:
    for a, b in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-11)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=rtol, atol=1e-11)


ONE_OUTPUT = Y[:, 0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "adam", "learning_rate_init": 0.01, "batch_size": 7},
        {"solver": "adam", "learning_rate_init": 0.01, "beta_1": 0.5, "beta_2": 0.9},
        {"solver": "adam", "learning_rate_init": 0.01, "batch_size": 1},
        {"solver": "sgd", "learning_rate_init": 0.05, "batch_size": 16},
        {"solver": "sgd", "learning_rate_init": 0.01, "batch_size": 1},
        {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False},
        {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
        {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling"},
        {
            "solver": "sgd",
            "learning_rate_init": 0.05,
            "learning_rate": "adaptive",
            "tol": 0.02,
            "n_iter_no_change": 2,
            "max_iter": 100,
        },
        {"solver": "adam", "learning_rate_init": 0.01, "tol": 0.01, "n_iter_no_change": 3},
    ],
)
def test_stochastic_solvers_walk_the_path_of_scikit_learns(parameters: dict[str, Any]) -> None:
    theirs, ours = fit_both(y=ONE_OUTPUT, **parameters)
    assert_same(theirs, ours)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_several_outputs_walk_the_same_path(solver: str) -> None:
    assert_same(*fit_both(solver=solver, learning_rate_init=0.01, batch_size=20))


def test_the_parts_of_vectors_are_views_of_a_limited_size() -> None:
    numbers = np.arange(20.0)
    parts = list(in_parts(8, numbers, -numbers))
    assert [len(part) for part, _ in parts] == [8, 8, 4]
    assert all(np.shares_memory(part, numbers) for part, _ in parts)
    np.testing.assert_array_equal(np.hstack(parts), [numbers, -numbers])


@pytest.mark.parametrize("nesterovs_momentum", [None, True, False])
def test_updates_in_parts_come_to_the_same_weights(nesterovs_momentum: bool | None) -> None:
    network = Network([4, 5, 2], "tanh")

    def trained(budget: Budget) -> np.ndarray:
        common: dict[str, Any] = {
            "learning_rate_init": 0.1, "batch_size": 16, "max_iter": 5, "rng": None
        }  # fmt: skip
        solver: MinibatchSolver = (
            Adam(0.9, 0.999, 1e-8, **common)
            if nesterovs_momentum is None
            else StochasticGradientDescent("constant", 0.5, 0.9, nesterovs_momentum, **common)
        )
        objective = Objective(network, Rows(X, Y, budget=budget), 0.01)
        w = network.initial_weights(np.random.RandomState(0))
        return solver.minimize(objective, w, Monitor(tol=0.0, n_iter_no_change=10))

    np.testing.assert_array_equal(trained(Budget(update=7)), trained(Budget()))


def test_lbfgs_comes_to_the_minimum_of_scikit_learns() -> None:
    theirs, ours = fit_both(
        y=ONE_OUTPUT, solver="lbfgs", max_iter=5000, tol=1e-9, alpha=1.0, hidden_layer_sizes=(3,)
    )
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-3)


def test_gd_is_sgd_in_one_batch_without_momentum() -> None:
    theirs, _ = fit_both(
        y=ONE_OUTPUT, solver="sgd", momentum=0.0, batch_size=60, learning_rate_init=0.1
    )
    start, _ = fit_both(y=ONE_OUTPUT, solver="sgd", learning_rate_init=1e-300, max_iter=1)
    ours = SigmoidMLPRegressor(
        (5, 3),
        "tanh",
        solver="gd",
        alpha=0.01,
        learning_rate_init=0.1,
        tol=0.0,
        max_iter=30,
        standardize=False,
        warm_start=True,
    )
    ours.weights_ = weights_of(start)
    with pytest.warns(ConvergenceWarning, match=r"gd has not converged in 30 iterations"):
        ours.fit(X, ONE_OUTPUT)
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


def test_partial_fit_walks_the_path_of_scikit_learns() -> None:
    common: dict[str, Any] = {
        "hidden_layer_sizes": (5,),
        "activation": "tanh",
        "solver": "adam",
        "shuffle": False,
    }
    theirs = MLPRegressor(**common, random_state=0)
    ours = SigmoidMLPRegressor(**common, alpha=1e-4, standardize=False)
    theirs.partial_fit(X[:1], ONE_OUTPUT[:1])
    ours.weights_ = weights_of(theirs)
    del theirs._optimizer
    for part in np.array_split(np.arange(60), 4):
        theirs.partial_fit(X[part], ONE_OUTPUT[part])
        ours.partial_fit(X[part], ONE_OUTPUT[part])
    assert_same(theirs, ours)
    assert ours.n_iter_ == 4
    assert ours.t_ == 60


def test_lbfgs_counts_the_evaluations_of_all_its_descents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    original = Objective.value_and_gradient

    def counted(self: Objective, w: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(w)
        return original(self, w)

    monkeypatch.setattr(Objective, "value_and_gradient", counted)
    rng = np.random.default_rng(0)
    network = Network([3, 5, 1], "sigmoid")
    objective = Objective(network, Rows(rng.normal(size=(50, 3)), rng.normal(size=(50, 1))), 0.0)
    solver = LBFGS(max_iter=10**6, max_fun=100, tol=0.0)
    w = network.initial_weights(np.random.RandomState(0))
    for _ in range(2):
        w = solver.minimize(objective, w, Monitor(tol=0, n_iter_no_change=10**9))
    assert 100 <= solver.n_fun == len(calls) < 145  # no line search is broken off


@pytest.mark.parametrize(("max_iter", "converged"), [(1_000, True), (3, False)])
def test_lbfgs_is_at_the_minimum_where_rounding_ends_its_line_search(
    max_iter: int, converged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_a_lower_point(*args: Any, **options: Any) -> OptimizeResult:
        result = minimize(*args, **options)
        return OptimizeResult({**result, "success": False, "status": 2})

    monkeypatch.setattr(lbfgs, "minimize", without_a_lower_point)
    objective = Objective(Network((4, 2), "identity"), Rows(X, Y), 0.1)
    monitor = Monitor(tol=0.0, n_iter_no_change=10**9)
    w = np.zeros(objective.network.n_parameters)
    LBFGS(max_iter=max_iter, max_fun=10**6, tol=1e-12).minimize(objective, w, monitor)
    assert monitor.converged is converged
