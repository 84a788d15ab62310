"""Data at the edge of what numbers can hold: a right answer, or an error that says what to do."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy.linalg import cholesky
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.curvature import DenseFactor
from sklearn_mlp.inspection import NetworkDisplay, SensitivityDisplay
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
