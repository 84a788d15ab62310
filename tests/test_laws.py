"""Laws of fits: what must not matter, and what changes the answer in a known way.

Training starts from given weights and makes few steps, because a long descent magnifies rounding.
"""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.losses import SquaredError
from sklearn_mlp.network import Network
from sklearn_mlp.objective import GaussNewtonSums, LossAndGradient
from sklearn_mlp.rows import Budget, Rows

from .helpers import fitted, flat
from .strategies import Problem, problems

laws = settings(max_examples=12, deadline=None)
SOLVERS = st.sampled_from(["gd", "lbfgs", "lm"])
"""Those that have no minibatches, so that the order of the rows is none of theirs."""

ALL_SOLVERS = st.sampled_from(["gd", "lbfgs", "lm", "adam", "sgd"])

Arrays = tuple[Any, ...]


@st.composite
def starts(draw: st.DrawFn) -> tuple[Generator, list[Any], Arrays]:
    """A generator, weights to begin with, and X, y and sample weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_inputs, n_hidden = draw(st.integers(3, 4)), draw(st.integers(2, 4))
    n_rows = draw(st.integers(20, 30))
    weights = [rng.normal(size=(n_inputs + 1, n_hidden)), rng.normal(size=(n_hidden + 1, 2))]
    X = rng.normal(size=(n_rows, n_inputs))
    y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]]) + 0.1 * rng.normal(size=(n_rows, 2))
    return rng, weights, (X, y, rng.integers(1, 4, n_rows).astype(float))


def trained(solver: str, weights: list[Any], *data: Any) -> SigmoidMLPRegressor:
    """A few steps from these weights."""
    model = SigmoidMLPRegressor(
        (weights[0].shape[1],), solver=solver, alpha=0.1, max_iter=4, tol=0.0, warm_start=True,
        learning_rate_init=0.1, noise="constant", random_state=0,
    )  # fmt: skip
    model.weights_ = [W.copy() for W in weights]
    return fitted(model, *data)


def assert_same(one: Any, other: Any) -> None:
    """Equal but for the rounding of a few steps."""
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


# What does not matter -------------------------------------------------------------------------


@laws
@given(SOLVERS, starts())
def test_the_order_of_the_rows(solver: str, start: Any) -> None:
    rng, weights, (X, y, s) = start
    order = rng.permutation(len(X))
    one, other = (
        trained(solver, weights, X, y, s),
        trained(solver, weights, X[order], y[order], s[order]),
    )
    assert_same(flat(one), flat(other))


@laws
@given(SOLVERS, starts())
def test_copies_in_place_of_weights_and_rows_of_weight_zero(solver: str, start: Any) -> None:
    rng, weights, (X, y, s) = start
    copies = np.repeat(np.arange(len(X)), s.astype(int))
    more_X, more_y = np.vstack([X, rng.normal(size=(5, X.shape[1]))]), np.vstack([y, y[:5] + 9])
    with_none = trained(solver, weights, more_X, more_y, np.append(s, np.zeros(5)))
    repeated = trained(solver, weights, X[copies], y[copies])
    assert_same(flat(with_none), flat(repeated))


@laws
@given(ALL_SOLVERS, starts(), st.floats(-1e3, 1e3), st.integers(0, 3))
def test_a_constant_column(solver: str, start: Any, value: float, at: int) -> None:
    _, weights, (X, y, s) = start
    wide, first = np.insert(X, at, value, axis=1), np.insert(weights[0], at + 1, 0.0, axis=0)
    one = trained(solver, weights, X, y, s)
    other = trained(solver, [first, weights[1]], wide, y, s)
    for a, b in zip(one.predict(X, True), other.predict(wide, True), strict=True):
        assert_same(a, b)
    np.testing.assert_array_equal(other.coefs_[0][at], 0)


@laws
@given(
    ALL_SOLVERS,
    st.sampled_from([(), (3,)]),
    st.sampled_from([0.1, "auto"]),
    starts(),
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=3),
)
def test_constant_columns_from_random_weights(
    solver: str, hidden: tuple[int, ...], alpha: Any, start: Any, values: list[float]
) -> None:
    _, _, (X, y, s) = start
    wide = np.hstack([np.tile(values, (len(X), 1)), X])
    one, other = (
        fitted(
            SigmoidMLPRegressor(
                hidden, solver=solver, alpha=alpha, max_iter=4, noise="constant", random_state=0
            ),
            data, y, s,
        )
        for data in (X, wide)
    )  # fmt: skip
    for a, b in zip(one.predict(X, True), other.predict(wide, True), strict=True):
        assert_same(a, b)
    np.testing.assert_array_equal(other.coefs_[0][: len(values)], 0)
    assert_same(other.coefs_[0][len(values) :], one.coefs_[0])


@laws
@given(starts(), st.floats(-1e3, 1e3))
def test_a_constant_column_at_the_minimum(start: Any, value: float) -> None:
    _, _, (X, y, s) = start
    model = SigmoidMLPRegressor((), solver="lm", alpha=0.1, tol=1e-12, noise="constant")
    mean, std = fitted(model, X, y, s).predict(X, return_std=True)
    wide = np.column_stack([X, np.full(len(X), value)])
    for found, expected in zip(
        fitted(model, wide, y, s).predict(wide, True), (mean, std), strict=True
    ):
        assert_same(found, expected)


@laws
@given(problems(), st.integers(1, 2_000), st.integers(1, 2_000))
def test_how_the_rows_are_cut_into_blocks(problem: Problem, block: int, jacobian: int) -> None:
    network = Network(problem.layer_sizes, problem.activation)
    budgets = Budget(), Budget(block=block, jacobian=jacobian, least_rows=1, kept=0)
    rows = [Rows(problem.X, problem.y, problem.s, budget=budget) for budget in budgets]
    for kernel in (
        LossAndGradient(network, problem.w, SquaredError(), rows[0].dtype),
        GaussNewtonSums(network, problem.w, SquaredError()),
    ):
        whole, cut = (one.sum(kernel) for one in rows)
        for a, b in zip(whole, cut, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


# What changes the answer in a known way -------------------------------------------------------


@laws
@given(SOLVERS, starts())
def test_permuted_hidden_units_are_permuted_in_the_end(solver: str, start: Any) -> None:
    rng, (first, last), data = start
    order = rng.permutation(first.shape[1])
    one = trained(solver, [first, last], *data)
    other = trained(solver, [first[:, order], last[np.append(0, 1 + order)]], *data)
    assert_same(one.predict(data[0]), other.predict(data[0]))
    assert_same(one.coefs_[0][:, order], other.coefs_[0])


@laws
@given(SOLVERS, starts())
def test_permuted_features_are_permuted_in_the_weights(solver: str, start: Any) -> None:
    rng, (first, last), (X, y, s) = start
    order = rng.permutation(X.shape[1])
    one = trained(solver, [first, last], X, y, s)
    other = trained(solver, [first[np.append(0, 1 + order)], last], X[:, order], y, s)
    assert_same(one.coefs_[0][order], other.coefs_[0])
    assert_same(one.feature_importances_[order], other.feature_importances_)


@laws
@given(SOLVERS, starts())
def test_permuted_outputs_are_permuted_in_the_predictions(solver: str, start: Any) -> None:
    _, (first, last), (X, y, s) = start
    one = trained(solver, [first, last], X, y, s)
    other = trained(solver, [first, last[:, ::-1]], X, y[:, ::-1], s)
    for a, b in zip(one.predict(X, True), other.predict(X, True), strict=True):
        assert_same(a[:, ::-1], b)


# The linear model, whose evidence has one maximum ---------------------------------------------


@pytest.mark.nightly
@laws
@given(starts())
def test_by_the_evidence_order_and_names_of_rows_and_columns_do_not_matter(start: Any) -> None:
    rng, _, (X, y, s) = start
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    model = SigmoidMLPRegressor((), noise="constant", random_state=0)
    mean, std = fitted(model, X, y, s).predict(X, return_std=True)
    importances = model.feature_importances_
    fitted(model, X[rows][:, columns], y[rows], s[rows])
    found_mean, found_std = model.predict(X[:, columns], return_std=True)
    np.testing.assert_allclose(found_mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found_std, std, rtol=1e-3)
    np.testing.assert_allclose(model.feature_importances_, importances[columns], atol=1e-3)


# To the bit -----------------------------------------------------------------------------------


@laws
@given(
    st.sampled_from(["adam", "sgd", "lm"]),
    starts(),
    st.lists(st.booleans(), min_size=3, max_size=5),
)
@pytest.mark.slow
def test_a_pickle_at_any_point_resumes_as_if_it_had_never_stopped(
    solver: str, start: Any, pickled: list[bool]
) -> None:
    _, _, (X, y, s) = start
    stopped = SigmoidMLPRegressor((3,), solver=solver, batch_size=7, random_state=0)
    going: Any = SigmoidMLPRegressor((3,), solver=solver, batch_size=7, random_state=0)
    for stop in pickled:
        going.partial_fit(X, y, s)
        if stop:
            stopped = pickle.loads(pickle.dumps(stopped))
        stopped.partial_fit(X, y, s)
    np.testing.assert_array_equal(flat(stopped), flat(going))
    np.testing.assert_array_equal(stopped.predict(X), going.predict(X))
