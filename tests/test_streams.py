"""Streams of rows: partial_fit with "lm", which knows the rows that are gone by an expansion."""

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.random import RandomState
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers import ascent
from sklearn_mlp.streams import ObjectiveAfter

N, N_CHUNKS = 120, 4
X = RandomState(0).normal(size=(N, 3))
F = X @ [1.0, -2.0, 0.5] + 2
Y = F + 0.3 * RandomState(1).normal(size=N)
S = RandomState(2).uniform(0.5, 2, size=N)


def regressor(hidden: tuple[int, ...] = (3,), **parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(hidden, solver="lm", random_state=0, **parameters)


def streamed(
    model: SigmoidMLPRegressor, X: Any, y: Any, s: Any = None, n_chunks: int = N_CHUNKS
) -> SigmoidMLPRegressor:
    for part in np.array_split(np.arange(len(y)), n_chunks):
        model.partial_fit(X[part], y[part], None if s is None else s[part])
    return model


# The expansion ------------------------------------------------------------------------------


def test_of_a_linear_function_the_expansion_is_exact() -> None:
    network, rows = Network([3, 2], "identity"), Rows(X, np.stack([Y, -Y], axis=1), S)
    rng = RandomState(0)
    w, v = rng.normal(size=8), rng.normal(size=8)
    seen = ObjectiveAfter(network, rows, None).all_seen(w)
    ones = np.column_stack([np.ones(N), X])
    errors = ones @ v.reshape(4, 2) - np.stack([Y, -Y], axis=1)
    sums = seen.sums_at(v)
    np.testing.assert_allclose(sums.E, S @ errors**2, rtol=1e-12)
    for k in range(2):
        gradient = np.zeros((4, 2))
        gradient[:, k] = ones.T @ (S * errors[:, k])
        np.testing.assert_allclose(sums.g[k], gradient.ravel(), rtol=1e-12, atol=1e-10)


def test_an_expansion_has_the_value_and_the_slope_of_the_errors_where_it_was_made() -> None:
    network, rows = Network([3, 4, 1], "sigmoid"), Rows(X, Y[:, np.newaxis], S)
    w, v = (network.initial_weights(RandomState(seed)) for seed in (0, 1))
    seen = ObjectiveAfter(network, rows, None).all_seen(w)
    objective = Objective(network, rows, 0.0)
    np.testing.assert_allclose(seen.sums_at(w).E, objective.errors(w), rtol=1e-12)
    t = 1e-6
    ahead, behind = objective.errors(w + t * v), objective.errors(w - t * v)
    np.testing.assert_allclose(2 * seen.sums_at(w).g @ v, (ahead - behind) / (2 * t), rtol=1e-6)


def test_the_sums_over_two_parts_are_those_over_all_rows_at_the_same_weights() -> None:
    network, y = Network([3, 4, 1], "sigmoid"), Y[:, np.newaxis]
    w = network.initial_weights(RandomState(0))
    whole = Objective(network, Rows(X, y, S), 0.0)
    first = ObjectiveAfter(network, Rows(X[:50], y[:50], S[:50]), None)
    both = ObjectiveAfter(network, Rows(X[50:], y[50:], S[50:]), first.all_seen(w))
    assert both.total_weight == pytest.approx(S.sum())
    np.testing.assert_allclose(both.squared_targets(), S @ y**2)
    np.testing.assert_allclose(both.errors(w), whole.errors(w))
    ours, theirs = both.gauss_newton(w), whole.gauss_newton(w)
    np.testing.assert_allclose(ours.g, theirs.g, atol=1e-12)
    assert ours.H is not None
    assert theirs.H is not None
    np.testing.assert_allclose(ours.H[0], theirs.H[0], atol=1e-12)


# Fits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [None, S], ids=["", "weighted"])
def test_a_linear_function_in_chunks_is_ridge_regression_on_all_rows(s: Any) -> None:
    model = streamed(regressor((), standardize=False), X, Y, s)
    noise, alpha = model.noise_std_, model.alpha_["coefs_[0]"]
    ridge = Ridge(alpha=alpha * noise**2, tol=1e-12).fit(X, Y, s)
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], ridge.intercept_, rtol=1e-6)
    weights = np.ones(N) if s is None else s
    assert model.posterior_n_samples_ == pytest.approx(weights.sum())
    # the variance of Bayesian linear regression, with a flat prior of the bias
    ones = np.column_stack([np.ones(N), X])
    A = (ones.T * weights) @ ones / noise**2 + alpha * np.diag([0, 1, 1, 1])
    expected = np.sqrt(noise**2 + np.einsum("ni,ij,nj->n", ones, np.linalg.inv(A), ones))
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], expected, rtol=1e-6)
    # the evidence: as many rows are free as parameters are not determined
    squares = weights @ (model.predict(X) - Y) ** 2
    assert noise**2 == pytest.approx(
        squares / (weights.sum() - model.n_effective_parameters_), rel=1e-4
    )


def test_a_weight_of_two_is_two_copies() -> None:
    twice = streamed(regressor((), standardize=False), X, Y, np.full(N, 2.0))
    rows = np.repeat(np.arange(N), 2)
    copies = streamed(regressor((), standardize=False), X[rows], Y[rows])
    np.testing.assert_allclose(twice.predict(X), copies.predict(X), rtol=1e-6)
    assert twice.noise_std_ == pytest.approx(copies.noise_std_, rel=1e-6)


@pytest.mark.parametrize("noise", [1.0, 0.5])
@pytest.mark.slow
def test_fifty_chunks_come_to_the_noise_and_know_it(noise: float) -> None:
    X, y = make_friedman1(15_000, n_features=5, noise=noise, random_state=0)
    model = streamed(regressor((10,)), X[:10_000], y[:10_000], n_chunks=50)
    mean, std = model.predict(X[10_000:], return_std=True)
    errors = y[10_000:] - mean
    assert np.sqrt(np.mean(errors**2)) < 1.1 * noise
    assert np.mean(abs(errors) < 1.96 * std) == pytest.approx(0.95, abs=0.02)
    assert model.noise_std_ == pytest.approx(noise, rel=0.1)
    assert model.posterior_n_samples_ == 10_000
    assert model.posterior_kind_ == "all parameters"
    assert model.feature_importances_.argmin() == 4  # the weakest input of Friedman's function


def test_one_row_at_a_time() -> None:
    model = regressor((2,)).partial_fit(X[:40], Y[:40])
    for i in range(40, N):
        model.partial_fit(X[i : i + 1], Y[i : i + 1])
    assert model.posterior_n_samples_ == N
    # of least squares with as many parameters, all of which the data determine
    assert np.sqrt(np.mean((model.predict(X) - F) ** 2)) < 0.3 * np.sqrt(11 / N)


@pytest.mark.parametrize(
    "kind", [np.float32, np.asarray, sp.csr_array], ids=["float32", "float64", "sparse"]
)
@pytest.mark.slow
def test_kinds_of_rows_and_several_outputs(kind: Any) -> None:
    targets = np.stack([Y, 100 - 10 * Y], axis=1)
    model = streamed(regressor(), kind(X), targets)
    mean, std = model.predict(kind(X), return_std=True)
    assert mean.shape == std.shape == (N, 2)
    assert np.sqrt(np.mean((mean[:, 0] - Y) ** 2)) < 0.35
    np.testing.assert_allclose(mean[:, 1], 100 - 10 * mean[:, 0], atol=0.5)
    assert np.all(model.noise_std_ == pytest.approx(np.array([0.3, 3.0]), rel=0.25))


def test_chunks_that_are_dask_collections() -> None:
    da = pytest.importorskip("dask.array")
    model = regressor(())
    for part in np.array_split(np.arange(N), 3):
        model.partial_fit(da.from_array(X[part], chunks=(15, -1)), da.from_array(Y[part], 15))
    expected = streamed(regressor(()), X, Y, n_chunks=3)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8)


# Stop, go on, fail --------------------------------------------------------------------------


def test_a_pickle_goes_on_as_if_nothing_had_been() -> None:
    one, other = (regressor().partial_fit(X[:60], Y[:60]) for _ in range(2))
    other = pickle.loads(pickle.dumps(other))
    for model in (one, other):
        model.partial_fit(X[60:], Y[60:])
    for a, b in zip(one.weights_, other.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.noise_std_ == other.noise_std_


def test_a_clone_begins_anew() -> None:
    model = streamed(regressor(), X, Y)
    fresh = clone(model).partial_fit(X, Y)
    assert fresh.posterior_n_samples_ == N


def test_weights_may_be_given_before_the_first_rows() -> None:
    model = regressor()
    model.weights_ = [np.ones((4, 3)), np.ones((4, 1))]
    assert model.partial_fit(X, Y).noise_std_ == pytest.approx(0.3, rel=0.2)


@pytest.mark.parametrize("before", [{}, {"solver": "adam"}], ids=["fit", "adam"])
def test_it_does_not_forget_in_silence_what_came_before(before: dict[str, Any]) -> None:
    model = regressor().set_params(**before)
    model = model.partial_fit(X, Y) if before else model.fit(X, Y)
    with pytest.raises(ValueError, match="an unfitted copy"):
        model.set_params(solver="lm").partial_fit(X, Y)


@pytest.mark.parametrize("parameters", [{"alpha": 1.0}, {"loss": "huber", "alpha": 1.0}])
def test_it_is_for_the_evidence(parameters: dict[str, Any]) -> None:
    model = regressor(**parameters)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as raised:
        model.partial_fit(X, Y)
    assert "set these, or take solver='adam'" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, np.full(N, np.nan), "NaN"),
        ({"hidden_layer_sizes": (2,)}, Y, "have shapes"),
        ({}, np.stack([Y, Y], axis=1), "columns of y is 2, and was 1"),
    ],
)
def test_a_failure_leaves_the_estimator_as_it_was(
    parameters: dict[str, Any], y: Any, message: str
) -> None:
    model = regressor().partial_fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).partial_fit(X, y)
    model.set_params(hidden_layer_sizes=(3,))
    assert all(vars(model)[name] is value for name, value in before.items() if name[-1] == "_")
    assert model.partial_fit(X, Y).posterior_n_samples_ == 2 * N


def interrupted_step(n_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[None] = []
    step = ascent.Ascent._step

    def raising(self: ascent.Ascent) -> float:
        if len(steps) == n_steps:
            raise KeyboardInterrupt
        steps.append(None)
        return step(self)

    monkeypatch.setattr(ascent.Ascent, "_step", raising)


@pytest.mark.parametrize("n_first", [50, 110])
def test_an_interruption_keeps_what_was_learnt(
    n_first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = regressor().partial_fit(X[:n_first], Y[:n_first])
    interrupted_step(2, monkeypatch)
    with pytest.warns(UserWarning, match="interrupted"):
        model.partial_fit(X[n_first:], Y[n_first:])
    assert model.posterior_n_samples_ == N
    assert model.noise_std_ == pytest.approx(0.3, rel=0.3)
