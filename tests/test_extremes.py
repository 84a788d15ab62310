"""Data at the edge of what numbers can hold: a right answer, or an error that says what to do."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.text import Text
from scipy.linalg import cholesky
from scipy.stats import norm, poisson
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.curvature import DenseCurvature, DenseFactor, RowCurvature
from sklearn_mlp.inspection import NetworkDisplay, SensitivityDisplay
from sklearn_mlp.overflow import unwarned
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


def test_predictions_that_are_differences_of_infinite_numbers_are_refused() -> None:
    model = regressor(())
    model.weights_ = [np.array([[0.0], [1e10], [-1e10]])]
    assert model.predict([[1e290, 0]]) == 1e300
    with pytest.raises(ValueError, match="The predictions overflow float64: rescale"):
        model.predict([[1e300, 1e300]])


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


# More columns than rows, by far --------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_ten_thousand_columns_of_fifty_rows_are_ridge_regression(
    kind: Any, standardize: bool
) -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(50, 10_000)) * (rng.uniform(size=(50, 10_000)) < 0.3) + 0.0
    y, s = wide[:, :5].sum(axis=1) + 0.3 * rng.normal(size=50), rng.uniform(0.5, 2, 50)
    model = regressor((), solver="lm", alpha=30.0, standardize=standardize)
    model.fit(kind(wide), y, s)
    scaler = StandardScaler(with_mean=standardize, with_std=standardize).fit(wide, sample_weight=s)
    ridge = Ridge(alpha=30.0, solver="cholesky").fit(scaler.transform(wide), y, s)
    np.testing.assert_allclose(model.predict(kind(wide)), ridge.predict(scaler.transform(wide)))
    scale = scaler.scale_ if standardize else 1.0
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge.coef_ / scale, rtol=1e-8, atol=1e-12)


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
