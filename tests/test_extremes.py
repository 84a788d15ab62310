"""Data at the edge of what numbers can hold: a right answer, or an error that says what to do."""

import pickle
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.text import Text
from scipy.linalg import cho_factor, cho_solve, cholesky, hadamard
from scipy.stats import norm, poisson
from sklearn.datasets import make_friedman1
from sklearn.linear_model import LinearRegression, QuantileRegressor, Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.curvature import DenseCurvature, DenseFactor, RowCurvature
from sklearn_mlp.inspection import NetworkDisplay, SensitivityDisplay
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.overflow import unwarned
from sklearn_mlp.posterior import WeightGroups, laplace
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.between_rows import has_spikes
from tests.helpers import fitted

N = 150
X, Y = make_friedman1(N, n_features=5, noise=1.0, random_state=0)
X_NEW, Y_NEW = make_friedman1(500, n_features=5, noise=1.0, random_state=1)


def regressor(hidden: tuple[int, ...] = (3,), **parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(hidden, random_state=0, **parameters)


# Weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1.0, 1e-80, N / 2])
@pytest.mark.parametrize("in_dask", [False, True], ids=["", "Dask"])
def test_weights_of_a_mean_below_one_are_relative(total: float, in_dask: bool) -> None:
    s = np.random.default_rng(0).uniform(0.5, 1.5, size=N)
    s *= N / s.sum()
    data: tuple[Any, ...] = (X, Y, s * (total / N))
    if in_dask:
        da = pytest.importorskip("dask.array")
        data = tuple(da.from_array(part, chunks=(50, *part.shape[1:])) for part in data)
    ours, whole = regressor(()).fit(*data), regressor(()).fit(X, Y, s)
    np.testing.assert_allclose(ours.predict(X), whole.predict(X), rtol=1e-6)
    assert ours.noise_std_ == pytest.approx(whole.noise_std_, rel=1e-6)
    assert ours.posterior_n_samples_ == pytest.approx(N)


def test_weights_that_sum_to_one_do_not_ruin_a_default_fit() -> None:
    model = fitted(SigmoidMLPRegressor(random_state=0), X, Y, np.full(N, 1 / N))
    assert model.score(X_NEW, Y_NEW) > 0.85
    assert model.noise_std_ == pytest.approx(1.0, rel=0.3)


def test_of_a_penalty_of_fixed_strength_weights_keep_their_size() -> None:
    model = regressor((), solver="lm", alpha=1.0, standardize=False).fit(X, Y, np.full(N, 0.5))
    ridge = Ridge(alpha=1.0, tol=1e-12).fit(X, Y, np.full(N, 0.5))
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge.coef_, rtol=1e-5)


@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300, 1e307])
@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
def test_weights_that_overflow_are_refused(solver: str, weight: float) -> None:
    with pytest.raises(ValueError, match=r"values of sample_weight sum to .*: multiply them"):
        regressor(solver=solver).fit(X, Y, np.full(N, weight))


def test_weights_that_overflow_are_refused_in_a_partition() -> None:
    da = pytest.importorskip("dask.array")
    s = np.ones(N)
    s[60] = 1e307
    parts = (da.from_array(part, chunks=(50, *part.shape[1:])) for part in (X, Y, s))
    with pytest.raises(ValueError, match=r"Partition 1 of the data: The values of sample_weight"):
        regressor().fit(*parts)


# Values -------------------------------------------------------------------------------------


def test_large_float32_values_are_no_raw_warning() -> None:
    huge = (np.random.default_rng(0).normal(size=(100, 3)) * 1e38).astype(np.float32)
    with pytest.raises(ValueError, match="overflow float32: rescale the columns"):
        regressor().fit(huge, huge[:, 0])


@pytest.mark.parametrize(
    ("dtype", "unit"),
    [(np.float32, 1e-37), (np.float32, 1e37), (np.float64, 1e-307)],
)
@pytest.mark.parametrize("alpha", ["auto", 1.0])
def test_the_ends_of_the_range_of_a_dtype_are_units_like_any_other(
    dtype: Any, unit: float, alpha: Any
) -> None:
    ordinary = regressor((), solver="lm", alpha=alpha).fit(X, Y).predict(X_NEW, return_std=True)
    extreme = regressor((), solver="lm", alpha=alpha).fit((X * unit).astype(dtype), Y)
    found = extreme.predict((X_NEW * unit).astype(dtype), return_std=True)
    for ours, expected in zip(found, ordinary, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 1e-40), (np.float64, 1e-310)])
@pytest.mark.parametrize("in_dask", [False, True], ids=["", "Dask"])
def test_columns_whose_weights_would_overflow_count_as_constant_and_a_warning_says_so(
    dtype: Any, unit: float, in_dask: bool
) -> None:
    tiny: Any = X.astype(dtype)
    tiny[:, [1, 3]] *= dtype(unit)
    data: tuple[Any, ...] = (tiny, Y)
    if in_dask:
        da = pytest.importorskip("dask.array")
        data = tuple(da.from_array(part, chunks=(50, *part.shape[1:])) for part in data)
    with pytest.warns(UserWarning, match=rf"numbers 1, 3\) vary by so little.* in {tiny.dtype} "):
        model = regressor((), solver="lm", alpha=1.0).fit(*data)
    np.testing.assert_array_equal(model.coefs_[0][[1, 3]], 0)
    without = regressor((), solver="lm", alpha=1.0).fit(X[:, [0, 2, 4]], Y)
    np.testing.assert_allclose(model.coefs_[0][[0, 2, 4]], without.coefs_[0], rtol=1e-4)


def test_targets_that_vary_by_too_little_count_as_constant_and_a_warning_says_so() -> None:
    with pytest.warns(UserWarning, match="y varies by so little"):
        model = regressor(()).fit(X, Y * 1e-310)
    np.testing.assert_allclose(model.predict(X), (Y * 1e-310).mean(), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_bars_of_a_constant_are_not_zero(dtype: Any) -> None:
    model = regressor().fit(X.astype(dtype), np.full(N, 0.1, dtype))
    mean, std = model.predict(X.astype(dtype), return_std=True)
    np.testing.assert_array_equal(mean, np.full(N, 0.1, dtype))
    assert (std > 0).all()
    assert (std < 1e-20).all()


def test_derivatives_that_overflow_are_refused() -> None:
    model = fitted(regressor(), X * 1e-300, Y * 1e299)
    with pytest.raises(ValueError, match=r"derivatives by the inputs overflow float64: rescale"):
        model.input_gradient(X[:2] * 1e-300)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_dates_are_no_targets(loss: str) -> None:
    dates = np.datetime64("2026-01-01") + np.arange(N)
    with pytest.raises(ValueError, match=r"y has dates or times: make them numbers"):
        regressor(loss=loss).fit(X, dates)


def test_an_explosion_over_several_calls_is_seen() -> None:
    model = regressor(solver="sgd", learning_rate_init=1e12).partial_fit(X, Y)
    with pytest.raises(ValueError, match="diverged in epoch 2"):
        model.partial_fit(X, Y)


# Posteriors ---------------------------------------------------------------------------------


def test_each_output_has_error_bars_of_its_own_noise_under_a_penalty() -> None:
    """Without a hidden layer, each output is Bayesian ridge regression by itself."""
    both = np.column_stack([X[:, 0] + 0.01 * Y, 100 * Y])
    together = regressor((), solver="lm", alpha=0.5).fit(X, both)
    std = together.predict(X_NEW, return_std=True)[1]
    for k in range(2):
        alone = regressor((), solver="lm", alpha=0.5).fit(X, both[:, k])
        np.testing.assert_allclose(std[:, k], alone.predict(X_NEW, return_std=True)[1], rtol=1e-6)


def test_a_quiet_output_beside_a_loud_one() -> None:
    noise = np.random.default_rng(0).normal(size=N)
    both = np.column_stack([np.sin(X[:, 0]), np.sin(X[:, 0]) + noise])
    model = fitted(regressor((10,), solver="lm", alpha=1.0, max_iter=500), X, both)
    mean, std = model.predict(X_NEW, return_std=True)
    assert np.ravel(model.noise_std_)[0] < 0.1
    assert np.median(std[:, 0]) < 0.2
    assert np.mean(np.abs(mean[:, 0] - np.sin(X_NEW[:, 0])) < 3 * std[:, 0]) > 0.9


def test_a_pickled_factor_is_half_a_matrix() -> None:
    A = np.cov(np.random.default_rng(0).normal(size=(200, 400)))
    factor = DenseFactor(np.asfortranarray(cholesky(A, lower=True)))
    file = pickle.dumps(factor)
    assert len(file) < 1.05 * 8 * 200 * 201 / 2
    np.testing.assert_array_equal(pickle.loads(file).L, factor.L)
    assert pickle.loads(file).log_determinant == pytest.approx(np.linalg.slogdet(A)[1])


# Names --------------------------------------------------------------------------------------


def test_names_are_no_formulas() -> None:
    table = pd.DataFrame(X[:, :2], columns=[r"$\frac$", "a_{"])
    model = fitted(regressor(solver="lbfgs", max_iter=5), table, Y)
    for display in (
        NetworkDisplay.from_estimator(model),
        SensitivityDisplay.from_estimator(model, table),
    ):
        display.figure_.canvas.draw()
        texts = display.ax_.findobj(Text)
        assert r"$\frac$" in [text.get_text() for text in texts if isinstance(text, Text)]


# Inputs that random cases have found -----------------------------------------------------------


def test_sparse_targets_are_refused() -> None:
    with pytest.raises(TypeError, match=r"y is sparse: pass y.toarray\(\)"):
        regressor().fit(X, sp.csr_array(Y[:, np.newaxis]))


def test_integers_that_no_float_can_hold_are_refused() -> None:
    huge = X.astype(object)
    huge[3, 1] = 10**400
    model = regressor(()).fit(X, Y)
    with pytest.raises(ValueError, match="too large for float64"):
        regressor().fit(huge, Y)
    with pytest.raises(ValueError, match="too large for float64"):
        model.predict(huge)


def test_validation_rows_that_are_no_table_are_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        regressor(early_stopping=True).fit(X, Y, X_val={"a": [1]}, y_val=Y)


@pytest.mark.parametrize("solver", ["lm", "adam"])
def test_later_rows_have_as_many_targets_as_the_first(solver: str) -> None:
    model = regressor(solver=solver).partial_fit(X, np.column_stack([Y, Y]))
    before = model.predict(X)
    with pytest.raises(ValueError, match="columns of y is 1, and was 2 in earlier calls"):
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_dense_rows_may_be_followed_by_sparse_ones() -> None:
    dense, mixed = (regressor(solver="lm", max_iter=5) for _ in range(2))
    for kind in (np.asarray, sp.csc_matrix):
        part = slice(0, 20) if kind is np.asarray else slice(20, 40)
        dense.partial_fit(X[part], Y[part])
        mixed.partial_fit(kind(X[part]), Y[part])
    np.testing.assert_allclose(mixed.predict(X), dense.predict(X), rtol=1e-9)


@pytest.mark.parametrize("seed", [16, 26, 30, 41, 115, 119])
def test_a_column_of_zeros_teaches_nothing_but_the_mean(seed: int) -> None:
    """Steps from there are so short that their predicted fall underflows."""
    y = np.random.default_rng(seed).normal(size=12)
    model = fitted(regressor(()), np.zeros((12, 1)), y)
    np.testing.assert_allclose(model.predict([[0.0]]), y.mean(), atol=1e-6)


def test_a_curvature_in_the_rows_may_be_so_large_that_the_prior_is_lost_in_rounding() -> None:
    """Each of five equal parameters is determined by a fifth."""
    curvature = RowCurvature(np.full((5, 3), 1e10), np.ones(5), 1)
    np.testing.assert_allclose(curvature.factored().determined, 0.2, rtol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_curvature_that_overflows_is_refused(bad: float) -> None:
    A = np.eye(3, order="F")
    A[2, 1] = A[1, 2] = bad
    for curvature in (
        DenseCurvature(A, np.ones(3), np.ones(1), [A]),
        RowCurvature(np.full((3, 2), bad), np.ones(3), 1),
    ):
        with unwarned(), pytest.raises(ValueError, match="second derivatives overflow"):
            curvature.factored()


def test_predictions_that_overflow_are_refused() -> None:
    model = regressor(())
    model.weights_ = [np.array([[0.0], [1e10], [-1e10]])]
    assert model.predict([[1e290, 0]]) == 1e300
    for X_test in ([[1e300, 1e300]], [[1e300, 0]]):
        with pytest.raises(ValueError, match="The predictions overflow float64: rescale"):
            model.predict(X_test)


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "lm"])
def test_saturated_units_are_no_warning(solver: str) -> None:
    model = fitted(regressor(solver=solver, standardize=False, max_iter=3), X * 1e38, Y)
    mean, std = model.predict(X * 1e38, return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()


def test_an_input_that_float32_cannot_hold_after_others() -> None:
    model = regressor(solver="adam").partial_fit(X * 1e200, Y)
    with pytest.raises(ValueError, match="values of X are too large to standardise"):
        model.partial_fit(X.astype(np.float32), Y)


def test_weights_that_float32_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="sample_weight contains infinity"):
        regressor().fit(X.astype(np.float32), Y, np.full(N, 1e300))


def test_tiny_targets_as_they_are_have_error_bars() -> None:
    model = fitted(regressor(solver="adam", standardize=False, max_iter=3), X, Y * 1e-158)
    assert (model.predict(X, return_std=True)[1] > 0).all()


def test_huge_targets_as_they_are_are_refused() -> None:
    model = regressor((20,), solver="lm", alpha=0, standardize=False)
    with pytest.raises(ValueError, match=r"diverged|overflow"):
        model.fit(np.ones((5, 1)), np.array([[1.0, -2], [3, 1], [0, 1], [2, 2], [1, 1]]) * 1e150)


def test_evidences_that_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match=r"log evidences overflow|diverged"):
        fitted(
            SigmoidMLPRegressor(loss="poisson", random_state=98, max_iter=4),
            np.array([[1.0], [3.0]]), np.array([3e299, 1e300]),
        )  # fmt: skip


# Ill-conditioned columns -------------------------------------------------------------------


def exact_ridge(A: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """The intercept and the coefs of ridge regression, in the arithmetic of fractions."""
    rows = [[Fraction(1), *map(Fraction, row)] for row in A.tolist()]
    targets = [Fraction(value) for value in y.tolist()]
    n = len(rows[0])
    zero = Fraction(0)
    system = [[sum((row[i] * row[j] for row in rows), zero) for j in range(n)] for i in range(n)]
    for i in range(n):
        system[i][i] += Fraction(alpha) if i > 0 else zero
        system[i].append(sum((row[i] * t for row, t in zip(rows, targets, strict=True)), zero))
    for i in range(n):
        for k in range(i + 1, n):
            factor = system[k][i] / system[i][i]
            system[k] = [a - factor * b for a, b in zip(system[k], system[i], strict=True)]
    x = [zero] * n
    for i in reversed(range(n)):
        rest = sum((system[i][j] * x[j] for j in range(i + 1, n)), zero)
        x[i] = (system[i][n] - rest) / system[i][i]
    return np.array(list(map(float, x)))


def columns_of_condition(condition: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.normal(size=(n, 5)))[0] for n in (40, 5))
    return np.sqrt(40) * U * condition ** -np.linspace(0, 1, 5) @ V.T


@pytest.mark.parametrize("condition", [1e6, 1e12])
@pytest.mark.parametrize("alpha", [1.0, 1e-6, 1e-12, 0.0])
def test_ill_conditioned_columns_are_ridge_regression_in_exact_arithmetic(
    condition: float, alpha: float
) -> None:
    """With the digits that scikit-learn has of it by a singular value decomposition, or ten.

    Or with those that a rounding of the data leaves, about eps times the condition.
    """
    A = columns_of_condition(condition)
    y = np.sin(np.arange(40)) + A.sum(axis=1)
    intercept, *coefs = exact_ridge(A, y, alpha)
    model = regressor((), solver="lm", alpha=alpha, standardize=False).fit(A, y)
    theirs = Ridge(alpha=alpha, solver="svd").fit(A, y)
    lost = np.abs(theirs.coef_ - coefs).max() / np.abs(coefs).max()
    atol = max(10 * lost, 1e-8, np.finfo(float).eps * condition) * np.abs(coefs).max()
    np.testing.assert_allclose(model.coefs_[0].ravel(), coefs, rtol=0, atol=atol)
    predicted = intercept + A.astype(np.longdouble) @ np.array(coefs, np.longdouble)
    np.testing.assert_allclose(
        model.predict(A), predicted, rtol=0, atol=max(1e-9, 1e-4 * (alpha == 0))
    )


@pytest.mark.parametrize("kind", ["the same twice", "a sum", "the same but for rounding"])
@pytest.mark.parametrize("standardize", [False, True])
def test_collinear_columns_are_ridge_regression(kind: str, standardize: bool) -> None:
    extra = {
        "the same twice": X[:, 0],
        "a sum": X[:, 0] + X[:, 1],
        "the same but for rounding": X[:, 0] * (1 + 1e-15 * np.sin(np.arange(N))),
    }[kind]
    wide = np.column_stack([X, extra])
    scaler = StandardScaler(with_mean=standardize, with_std=standardize).fit(wide)
    scale = scaler.scale_ if standardize else 1.0
    model = regressor((), solver="lm", alpha=1.0, standardize=standardize).fit(wide, Y)
    ridge = Ridge(alpha=1.0, solver="svd").fit(scaler.transform(wide), Y)
    np.testing.assert_allclose(model.coefs_[0].ravel() * scale, ridge.coef_, rtol=1e-8)
    free = regressor((), solver="lm", alpha=0.0, standardize=standardize).fit(wide, Y)
    least_squares = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(free.predict(wide), least_squares.predict(X), rtol=1e-5)
    mean, std = regressor((), noise="constant").fit(wide, Y).predict(wide, return_std=True)
    plain = regressor((), noise="constant").fit(X, Y).predict(X, return_std=True)
    np.testing.assert_allclose(mean, plain[0], atol=0.1)
    np.testing.assert_allclose(std, plain[1], rtol=0.01)


# Outliers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outlier", [1e12, 1e80, 1e150])
def test_an_outlier_is_fitted_as_ridge_regression_does(outlier: float) -> None:
    y = Y.copy()
    y[7] = outlier
    Z = StandardScaler().fit_transform(X)
    ridge = Ridge(alpha=1.0, solver="svd").fit(Z, y)
    model = regressor((), solver="lm", alpha=1.0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), ridge.predict(Z), rtol=1e-9, atol=1e-9 * outlier)
    mean, std = fitted(regressor(), X, y).predict(X, return_std=True)
    assert np.isfinite(mean).all()
    np.testing.assert_array_less(0.03 * outlier, std)
    np.testing.assert_array_less(std, outlier)


@pytest.mark.parametrize("outlier", [1e30, 1e150, -1e300])
@pytest.mark.parametrize(("dtype", "rel"), [(np.float32, 0.1), (np.float64, 0.01)])
def test_of_an_outlier_a_median_knows_only_the_side(outlier: float, dtype: Any, rel: float) -> None:
    """The linear programme of scikit-learn has the same solution for an outlier of any size."""
    y, moderate = Y.copy(), Y.copy()
    y[7], moderate[7] = outlier, 1e3 * np.sign(outlier)
    median = regressor((), loss="pinball", alpha=0, max_iter=2_000, max_fun=10**5)
    median = fitted(median, X.astype(dtype), y)
    theirs = QuantileRegressor(alpha=0).fit(X, moderate)
    ours, best = (np.abs(np.delete(Y - m.predict(X), 7)).mean() for m in (median, theirs))
    assert ours == pytest.approx(best, rel=rel)


@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
def test_the_size_of_an_outlier_does_not_matter_to_a_robust_loss(
    hidden: tuple[int, ...], solver: str
) -> None:
    one, other = Y.copy(), Y.copy()
    one[7], other[7] = 1e12, 1e300
    model = regressor(hidden, loss="huber", solver=solver, alpha=1.0, max_iter=50)
    found = fitted(model, X, one).predict(X)
    np.testing.assert_allclose(fitted(model, X, other).predict(X), found, rtol=1e-9)
    assert np.corrcoef(np.delete(found, 7), np.delete(Y, 7))[0, 1] > 0.8


# Saturated units ----------------------------------------------------------------------------


def test_far_beyond_the_rows_the_function_and_its_error_bars_are_constant() -> None:
    model = fitted(regressor(), X, Y)
    directions = np.random.default_rng(0).normal(size=(50, 5))
    (first, last), far = model.weights_, X.mean(axis=0) + 1e6 * directions
    on = (first[0] + far @ first[1:] > 0).astype(float)
    mean, std = model.predict(far, return_std=True)
    np.testing.assert_allclose(mean, (last[0] + on @ last[1:]).ravel(), rtol=1e-12)
    farther, same = model.predict(X.mean(axis=0) + 1e30 * directions, return_std=True)
    np.testing.assert_allclose(farther, mean, rtol=1e-12)
    np.testing.assert_allclose(same, std, rtol=1e-9)
    assert (std > model.noise_std_).all()


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
@pytest.mark.parametrize("alpha", ["auto", 0.0])
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_training_may_begin_where_all_units_are_saturated(
    solver: str, alpha: Any, size: float
) -> None:
    """There the network is constant in parts of the space. The output layer can be fitted."""
    rng = np.random.default_rng(0)
    model = regressor(solver=solver, alpha=alpha, warm_start=True, max_iter=20, standardize=False)
    first = size * rng.normal(size=(6, 3))
    model.weights_ = [first, np.zeros((4, 1))]
    mean, std = fitted(model, X, Y).predict(X, return_std=True)
    on = np.column_stack([np.ones(N), first[0] + X @ first[1:] > 0])
    best = on @ np.linalg.lstsq(on, Y, rcond=None)[0]
    error = np.sqrt(np.mean((mean - Y) ** 2))
    assert error < np.sqrt(np.mean(Y**2))
    if solver == "lm":
        assert error < 1.05 * np.sqrt(np.mean((best - Y) ** 2))
    assert (std > 0).all()


# Posteriors of thousands of parameters --------------------------------------------------------


@pytest.mark.slow
def test_a_posterior_of_two_thousand_parameters_by_their_matrix_is_the_closed_form() -> None:
    """Columns that are orthogonal, of lengths between 1 and 1e6."""
    n = 2_048
    lengths = 10 ** np.random.default_rng(0).uniform(0, 6, n)
    J = hadamard(n) / np.sqrt(n) * lengths
    prior, beta = 10 ** np.random.default_rng(1).uniform(-6, 6, n), np.array([0.25])
    H = np.tril(J.T @ J)
    A = np.asfortranarray(0.25 * H + np.diag(prior))
    factor, determined, of_output = DenseCurvature(A, prior, beta, [H]).factored()
    shares = 0.25 * lengths**2 / (0.25 * lengths**2 + prior)
    assert factor.log_determinant == pytest.approx(np.log(0.25 * lengths**2 + prior).sum())
    np.testing.assert_allclose(determined, shares, rtol=1e-6, atol=1e-8)
    assert of_output.sum() == pytest.approx(shares.sum(), rel=1e-8)
    some = J[:20]
    variance = some**2 @ (1 / (0.25 * lengths**2 + prior))
    np.testing.assert_allclose(factor.variance(np.ascontiguousarray(some.T)), variance, rtol=1e-7)


@pytest.mark.parametrize("spread", [0.0, 4.0])
@pytest.mark.slow
def test_a_posterior_of_three_thousand_parameters_by_rows_is_that_of_their_matrix(
    spread: float,
) -> None:
    """Of SciPy's factor of the matrix; precisions from 10^-spread to 10^spread."""
    rng = np.random.default_rng(0)
    network, n_rows = Network([28, 100, 1], "sigmoid"), 150
    rows = Rows(rng.normal(size=(n_rows, 28)), rng.normal(size=(n_rows, 1)))
    w = network.initial_weights(np.random.RandomState(0))
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha = 10 ** rng.uniform(-spread, spread, len(groups.names))
    sums = Objective(network, rows, 0.0).gauss_newton(w)
    posterior = laplace(Point(w, sums), groups, alpha, np.array([4.0]), n_rows)
    prior, J = groups.per_parameter(alpha), sums.J
    assert len(prior) == 3_001
    assert J is not None
    root = np.sqrt(np.where(prior > 0, prior, 1))  # in the scale of the prior
    scaled = 2 * J[0] / root[:, np.newaxis]
    A = scaled @ scaled.T + np.diag(np.where(prior > 0, 1.0, 0.0))
    whole = cho_factor(A, lower=True)
    log_determinant = 2 * np.log(whole[0].diagonal()).sum() + 2 * np.log(root).sum()
    assert posterior.factor.log_determinant == pytest.approx(log_determinant, rel=1e-8)
    determined = (scaled * cho_solve(whole, scaled)).sum()
    assert posterior.n_effective_parameters == pytest.approx(determined, rel=1e-6)
    new = rng.normal(size=(len(prior), 5))
    expected = (new / root[:, np.newaxis] * cho_solve(whole, new / root[:, np.newaxis])).sum(axis=0)
    np.testing.assert_allclose(posterior.variance(new), expected, rtol=1e-6)


# More columns than rows, by far --------------------------------------------------------------


@contextmanager
def no_square_matrix(order: int) -> Iterator[None]:
    """Refuse as much memory as a matrix of this order takes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 8 * order**2 / 4
    finally:
        tracemalloc.stop()


@pytest.mark.nightly
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_ten_thousand_columns_of_fifty_rows_are_ridge_regression(
    kind: Any, standardize: bool
) -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(50, 10_000)) * (rng.uniform(size=(50, 10_000)) < 0.3) + 0.0
    y, s = wide[:, :5].sum(axis=1) + 0.3 * rng.normal(size=50), rng.uniform(0.5, 2, 50)
    model = regressor((), solver="lm", alpha=30.0, standardize=standardize)
    with no_square_matrix(10_000):
        model.fit(kind(wide), y, s)
    scaler = StandardScaler(with_mean=standardize, with_std=standardize).fit(wide, sample_weight=s)
    ridge = Ridge(alpha=30.0, solver="cholesky").fit(scaler.transform(wide), y, s)
    np.testing.assert_allclose(model.predict(kind(wide)), ridge.predict(scaler.transform(wide)))
    scale = scaler.scale_ if standardize else 1.0
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge.coef_ / scale, rtol=1e-8, atol=1e-12)


def test_a_spike_is_seen_among_ten_thousand_columns() -> None:
    """Two steep units between two rows, next to one another, whose outputs add up there."""
    rng = np.random.default_rng(0)
    network, wide = Network([10_000, 2, 1], "sigmoid"), rng.normal(size=(20, 10_000))
    x = np.sort(wide[:, 7])
    middle = (x[9] + x[10]) / 2
    w = np.zeros(network.n_parameters)
    first, last = network.layers(w)
    steep = 200 / (x[10] - x[9])
    first[8], first[0] = steep, -steep * (middle + np.array([-0.1, 0.1]) * (x[10] - x[9]))
    objective = Objective(network, Rows(wide, np.sin(wide[:, :1])), 0.0)
    for height, expected in ((100.0, True), (0.1, False)):
        last[1:, 0] = height, -height
        with no_square_matrix(10_000), unwarned():
            assert has_spikes(objective, w) == expected


# Counts and amounts -----------------------------------------------------------------------------

AMOUNTS = np.exp(X[:, 0] + 0.3 * np.random.default_rng(0).normal(size=N))


def test_the_error_bars_of_amounts_grow_with_their_unit() -> None:
    """By any factor, of which the square may overflow."""
    small, large = (
        regressor((), loss="gamma", solver="lm").fit(X, AMOUNTS * unit) for unit in (1.0, 1e200)
    )
    expected = small.predict(X, return_std=True)[1]
    np.testing.assert_allclose(large.predict(X, return_std=True)[1] / 1e200, expected, rtol=1e-3)
    np.testing.assert_allclose(
        large.predict_noise_std(X) / 1e200, small.predict_noise_std(X), rtol=1e-3
    )
    quantiles = large.predict_quantiles(X) / 1e200
    np.testing.assert_allclose(quantiles, small.predict_quantiles(X), rtol=1e-3)


@pytest.mark.parametrize("unit", [1e12, 1e20, 1e38])
def test_quantiles_of_large_counts_are_those_of_a_normal_distribution(unit: float) -> None:
    counts = unit * (1 + 1e-3 * np.random.default_rng(0).normal(size=N))
    model = regressor((), loss="poisson", solver="lm").fit(X, counts)
    mean, std = model.predict(X, return_std=True)
    assert (std < 0.01 * unit).all()
    found = model.predict_quantiles(X, [0.05, 0.5, 0.95])
    expected = mean[:, np.newaxis] + std[:, np.newaxis] * norm.ppf([0.05, 0.5, 0.95])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_quantiles_of_counts_whose_mean_is_known_are_poissons() -> None:
    counts, known = np.random.default_rng(0).binomial(10, 0.8, size=N), np.full(N, 1e30)
    model = regressor((), loss="poisson", solver="lm").fit(np.ones((N, 1)), counts, known)
    found = model.predict_quantiles([[1.0]], [0.1, 0.5, 0.9])
    np.testing.assert_array_equal(found, [poisson.ppf([0.1, 0.5, 0.9], counts.mean())])
