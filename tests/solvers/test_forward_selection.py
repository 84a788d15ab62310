"""The choice of inputs before training."""

from collections.abc import Callable, Iterator, Sequence
from math import comb, log

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.posterior import choice_of_inputs
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.forward_selection import COSINES, Candidates, chosen_inputs, selected

Array = NDArray[np.float64]
Table = tuple[Array, Array, Array]
Function = Callable[[Array], Array]

N_INPUTS = 12


@pytest.fixture
def table() -> Table:
    """Rows with weights and two targets."""
    random = np.random.RandomState(0)
    X = random.randn(70, N_INPUTS)
    X[:, 3] = np.round(X[:, 3])  # many equal values
    y = np.column_stack([X[:, 0] + np.cos(2 * X[:, 1]), X[:, 2] * X[:, 4]]) + random.randn(70, 2)
    return X, y, random.uniform(0.2, 3.0, 70)


def squares(columns: Sequence[Array], y: Array, s: Array) -> Array:
    """The sums of squares that a weighted regression on columns, and on a constant, leaves."""
    root = np.sqrt(s)[:, np.newaxis]
    A = root * np.column_stack([np.ones(len(y)), *columns])
    coefs, *_ = np.linalg.lstsq(A, root * y)
    return np.sum((root * y - A @ coefs) ** 2, axis=0)


def weighted_rank(x: Array, s: Array) -> Array:
    """The rank of each value between 0 and 1: the weight below it, and half of that beside it."""
    below = np.array([s[x < value].sum() + s[x == value].sum() / 2 for value in x])
    return below / s.sum()


def functions(X: Array, s: Array) -> Iterator[Array]:
    """All functions of one input."""
    for x in X.T:
        yield x
        for k in range(1, COSINES + 1):
            yield np.cos(np.pi * k * weighted_rank(x, s))


def test_the_next_function_is_the_one_that_leaves_least(table: Table) -> None:
    X, y, s = table
    candidates = Candidates.of(Rows(X, y, s).whole())
    selection, columns, every = candidates.none_selected(y), list[Array](), list(functions(X, s))
    for _ in range(4):
        found = candidates.best(selection)
        assert found is not None
        rest = [np.log(squares([*columns, column], y, s)).sum() for column in every]
        assert found.inputs == (int(np.argmin(rest)) // (1 + COSINES),)
        columns.append(every[int(np.argmin(rest))])
        selection = candidates.added(selection, found)
        expected = squares(columns, y, s) / squares([], y, s)
        assert_allclose(np.sum(selection.residuals**2, axis=0), expected, rtol=1e-10)


def skewed_table(seed: int) -> Table:
    """Skewed and correlated inputs, whose products differ in mean and length, and pure noise."""
    random = np.random.RandomState(seed)
    X = np.exp(random.randn(70, N_INPUTS) @ random.uniform(0, 0.5, (N_INPUTS, N_INPUTS)))
    return X / X.std(axis=0), random.randn(70, 2), random.uniform(0.2, 3.0, 70)


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_the_next_product_is_the_one_that_lowers_the_error_most(
    seed: int | None, table: Table
) -> None:
    X, y, s = table if seed is None else skewed_table(seed)
    X = X - np.average(X, axis=0, weights=s)
    candidates = Candidates.of(Rows(X, y, s).whole())
    selection = candidates.none_selected(y)
    pairs = [(i, j) for i in range(N_INPUTS) for j in range(i)]
    rest = [np.log(squares([X[:, i] * X[:, j]], y, s)).sum() for i, j in pairs]
    found = candidates.best_product(selection)
    assert found is not None
    assert set(found.inputs) == set(pairs[int(np.argmin(rest))])
    after = candidates.added(selection, found).residuals
    expected = squares([X[:, list(found.inputs)].prod(axis=1)], y, s) / squares([], y, s)
    assert_allclose(np.sum(after**2, axis=0), expected, rtol=1e-10)


def test_the_criterion_is_the_extended_one_of_bayes(table: Table) -> None:
    X, y, s = table
    X = X - np.average(X, axis=0, weights=s)
    candidates = Candidates.of(Rows(X, y, s).whole())
    selection, columns = candidates.none_selected(y), list[Array]()
    every = list(functions(X, s))
    for find in (candidates.best, candidates.best_product, candidates.best):
        found = find(selection)
        assert found is not None
        if len(found.inputs) == 2:
            columns.append(X[:, list(found.inputs)].prod(axis=1))
        else:
            rest = [np.log(squares([*columns, column], y, s)).sum() for column in every]
            columns.append(every[int(np.argmin(rest))])
        selection = candidates.added(selection, found)
    n, n_alone, n_pairs = s.sum(), (1 + COSINES) * N_INPUTS, comb(N_INPUTS, 2)
    expected = (
        n * np.log(squares(columns, y, s) / squares([], y, s)).sum()
        + 3 * 2 * log(n)
        + 2 * (log(comb(n_alone, 2)) + log(comb(n_pairs, 1)))
    )
    assert selection.criterion == pytest.approx(expected, rel=1e-10)


def numbers_of(chosen: NDArray[np.bool_] | None) -> list[int]:
    """The numbers of the inputs that were chosen."""
    assert chosen is not None
    return [int(j) for j in np.flatnonzero(chosen)]


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda X: X[:, 0] - X[:, 5], [0, 5]),
        (lambda X: X[:, 3] ** 2, [3]),
        (lambda X: 2.0 * (X[:, 2] > 0.7) + np.sin(3 * X[:, 9]), [2, 9]),
        (lambda X: X[:, 4] * X[:, 8], [4, 8]),
    ],
)
def test_finds_the_inputs_of_a_function(function: Function, inputs: list[int]) -> None:
    random = np.random.RandomState(1)
    X = random.randn(150, 40)
    f = function(X)
    y = f / f.std() + 0.3 * random.randn(150)
    chosen = numbers_of(chosen_inputs(Rows(X, y[:, np.newaxis])))
    assert set(inputs) <= set(chosen)
    assert len(chosen) <= len(inputs) + 1  # noise may look like one more


def test_finds_inputs_among_thousands() -> None:
    random = np.random.RandomState(2)
    X = random.randn(60, 5_000)
    y = X[:, [1234]] - X[:, [4321]] + 0.3 * random.randn(60, 1)
    chosen = numbers_of(chosen_inputs(Rows(X, y)))
    assert {1234, 4321} <= set(chosen)
    assert len(chosen) <= 5


def test_noise_has_no_inputs() -> None:
    """With the criterion about one table in ten has some, whatever the number of inputs."""
    random = np.random.RandomState(3)
    found = [
        chosen_inputs(Rows(random.randn(60, 30), random.randn(60, 1))) is not None
        for _ in range(100)
    ]
    assert sum(found) <= 15


def test_is_for_many_inputs() -> None:
    random = np.random.RandomState(4)
    X = random.randn(600, 20)
    y = X[:, [0]] + 0.1 * random.randn(600, 1)
    assert chosen_inputs(Rows(X[:60, :9], y[:60])) is None
    assert numbers_of(chosen_inputs(Rows(X, y))) == [0]
    assert numbers_of(chosen_inputs(Rows(X[:60], y[:60]))) == [0]
    dense = X @ np.ones((20, 1))
    assert chosen_inputs(Rows(X[:60], dense[:60])) is None


def test_weights_are_copies(table: Table) -> None:
    X, y, _ = table
    times = np.random.RandomState(5).randint(1, 4, len(X))
    weighted = selected(Rows(X, y, times.astype(float)).whole())
    assert weighted == selected(Rows(np.repeat(X, times, 0), np.repeat(y, times, 0)).whole())


def test_constant_inputs_and_targets() -> None:
    random = np.random.RandomState(6)
    X = random.randn(50, 15)
    X[:, 2] = 3.0
    y = X[:, [1]] + 0.1 * random.randn(50, 1)
    assert numbers_of(chosen_inputs(Rows(X, y))) == [1]
    constant = np.column_stack([y, np.full(50, 7.0)])
    assert numbers_of(chosen_inputs(Rows(X, constant))) == [1]
    assert chosen_inputs(Rows(X, np.full((50, 1), 7.0))) is None


@pytest.mark.parametrize("n_chosen", [0, 1, 4, 9, 10])
def test_the_cost_of_a_choice(n_chosen: int) -> None:
    gamma = np.repeat([2.0, 0.0], [n_chosen, 10 - n_chosen])
    expected = n_chosen + log(11 * comb(10, n_chosen))
    assert choice_of_inputs(gamma) == pytest.approx(expected, rel=1e-12)
    assert choice_of_inputs(np.empty(0)) == 0


# Training with them -----------------------------------------------------------------------------


def sparse_table(n_rows: int, n_columns: int, noise: float = 0.3) -> Table:
    """Rows of a function of three of the columns, whose standard deviation is 1."""
    random = np.random.RandomState(7)
    X = random.randn(n_rows, n_columns)
    f = np.sin(2 * X[:, 0]) + X[:, 1] + 0.5 * X[:, 2] ** 2
    f = (f - f.mean()) / f.std()
    return X, f, f + noise * random.randn(n_rows)


@pytest.mark.parametrize("hidden", ["auto", (10,), (6, 6)])
@pytest.mark.slow
def test_learns_a_function_of_few_columns_among_many(hidden: str | tuple[int, ...]) -> None:
    X, f, y = sparse_table(1_100, 60)
    model = SigmoidMLPRegressor(hidden, random_state=0).fit(X[:100], y[:100])
    predicted, std = model.predict(X[100:], return_std=True)
    assert np.mean((predicted - f[100:]) ** 2) < 0.2
    assert np.mean(np.abs(predicted - y[100:]) < 1.96 * std) > 0.9
    assert model.feature_importances_[:3].sum() > 0.9
    assert len(model.weights_[0]) == 61


@pytest.mark.slow
def test_learns_a_function_of_all_columns() -> None:
    """The evidence keeps all, though a selection has chosen few."""
    random = np.random.RandomState(8)
    X = random.randn(1_080, 30)
    f = X @ random.uniform(0.5, 1.0, 30)
    f /= f.std()
    y = f + 0.3 * random.randn(1_080)
    model = SigmoidMLPRegressor(random_state=0).fit(X[:80], y[:80])
    assert np.mean((model.predict(X[80:]) - f[80:]) ** 2) < 0.15


def test_held_out_rows_need_all_inputs() -> None:
    """With early stopping the weights are scored on the way, so no inputs are left out."""
    X, _, y = sparse_table(100, 30)
    model = SigmoidMLPRegressor(
        (5,), solver="lm", early_stopping=True, validation_fraction=0.2, random_state=0
    )
    assert model.fit(X, y).score(X, y) > 0.5
