"""Noise that varies with the inputs, and the quantiles of the predictive distribution."""

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.random import RandomState
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import GammaRegressor, Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.mixture import Mixture
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.noise import (
    LEAST_ROWS,
    LogVariance,
    VaryingNoise,
    differ,
    gain_and_error,
    is_better,
    weighted,
)
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import LeaveOneOutErrors, WeightGroups, laplace
from sklearn_mlp.rows import Block, Rows, Work
from sklearn_mlp.solvers import LevenbergMarquardt
from sklearn_mlp.solvers.between_rows import LEAST_UNIT
from sklearn_mlp.solvers.log_variance import CONSTANTS, estimate, with_constant, without_own_fold
from tests.helpers import fitted


def growing(n: int, seed: int = 0, n_columns: int = 2) -> tuple[Any, Any, Any]:
    """X, y, and the standard deviation of the noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, n_columns))
    std = 0.1 + 0.4 * (X[:, 0] + 1)
    return X, np.sin(2 * X[:, 1]) + std * rng.normal(size=n), std


def single(**parameters: Any) -> SigmoidMLPRegressor:
    given: dict[str, Any] = {
        "hidden_layer_sizes": (3,),
        "solver": "lm",
        "random_state": 0,
        "noise": "varying",
    }
    return SigmoidMLPRegressor(**(given | parameters))


X, y, STD = growing(300)
FRESH = growing(50, seed=1)[0]


# The likelihood ---------------------------------------------------------------------------------


def likelihood(u: Any, squares: Any, v: Any) -> Any:
    m = np.exp(u) + v
    return 0.5 * (np.log(m) + squares / m)


def test_the_slope_of_the_likelihood_is_its_derivative() -> None:
    rng = np.random.default_rng(0)
    u, squares, v = rng.normal(size=(1, 9)), rng.chisquare(1, size=9), rng.uniform(size=9)
    value, slope = LogVariance().value_and_slope(u, np.array([squares, v]))
    np.testing.assert_allclose(value[0], likelihood(u[0], squares, v), rtol=1e-14)
    by_complex_step = likelihood(u[0] + 1e-30j, squares, v).imag / 1e-30
    np.testing.assert_allclose(slope[0], by_complex_step, rtol=1e-12)


def test_the_curvature_of_the_likelihood_is_the_expected_one() -> None:
    # The second derivative is linear in e², whose expectation is m.
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(1, 9)), rng.uniform(size=9)
    m = np.exp(u[0]) + v

    def slope(u: Any) -> Any:
        q = np.exp(u) / (np.exp(u) + v)
        return 0.5 * q * (1 - m / (np.exp(u) + v))

    expected = slope(u[0] + 1e-30j).imag / 1e-30
    got = LogVariance().curvature(u, np.array([m, v]))
    np.testing.assert_allclose(got[0], expected, rtol=1e-12)


def test_without_uncertainty_of_the_mean_it_is_the_gamma_regression_of_squared_errors() -> None:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(200, 3))
    squares = np.exp(Z @ [0.5, -1, 0]) * rng.chisquare(1, size=200)
    rows = Rows(Z, np.column_stack([squares, np.zeros(200)]))
    objective = Objective(Network([3, 1], "sigmoid"), rows, 0.0, LogVariance())
    monitor = Monitor(tol=0.0, n_iter_no_change=10)
    w = LevenbergMarquardt(100, 1e-10).minimize(objective, np.zeros(4), monitor)
    theirs = GammaRegressor(alpha=0, tol=1e-10, max_iter=1_000, solver="newton-cholesky")
    theirs.fit(Z, squares)
    np.testing.assert_allclose(w, [theirs.intercept_, *theirs.coef_], atol=1e-6)


def test_without_a_row_the_noise_does_not_know_the_row_or_its_copies() -> None:
    rng = np.random.default_rng(0)
    Z = np.append(rng.normal(size=(60, 1)), [[0.5], [0.5]], axis=0)  # the last is a copy
    squares = rng.normal(size=62) ** 2
    network = Network([1, 1], "sigmoid")
    without = []
    for changed in (squares, np.append(squares[:-1], 9.0)):
        rows = Rows(Z, np.column_stack([changed, np.zeros(62)]))
        objective = Objective(network, rows, 0.0, LogVariance())
        w, groups = np.zeros(2), WeightGroups.by_layer(network, per_input=True)
        point = Point(w, objective.gauss_newton(w))
        alpha = np.ones(len(groups.names))
        posterior = laplace(point, groups, alpha, np.ones(1), 62)
        without.append(without_own_fold(network, posterior, rows, None, RandomState(0))[1])
    one, other = without
    np.testing.assert_array_equal(one[-2:], other[-2:])
    assert (one != other).any()  # what the other rows know of it


class GivenNoise(VaryingNoise):
    """exp(x) of the first input."""

    def variance(self, block: Block, work: Work) -> Any:
        return np.exp(block.inputs[1:2])


def test_leave_one_out_errors_are_those_of_weighted_regression_without_the_row() -> None:
    # Ridge with a free intercept, and rows of several copies, of which one is left out.
    rng = np.random.default_rng(0)
    Z, counts = rng.normal(size=(15, 2)), rng.integers(1, 4, size=15).astype(float)
    t, alpha, beta = rng.normal(size=15), 0.7, 2.0
    noise = GivenNoise((), np.ones(1))
    rows = weighted_by_hand(Z, t, counts)
    objective = Objective(Network([2, 1], "sigmoid"), rows, 0.0, noise=noise)
    w = with_weights(Z, t, counts * precision(Z), alpha / beta)
    groups = WeightGroups.by_layer(objective.network, per_input=True)
    point = Point(w, objective.gauss_newton(w))
    posterior = laplace(point, groups, np.array([alpha]), np.array([beta]), rows.total_weight)
    kernel = LeaveOneOutErrors(objective.network, w, posterior, noise=noise)
    error, _, variance = kernel.left_out(rows.whole(), rows.work)
    for i in range(15):
        less = counts.copy()
        less[i] -= 1
        without = with_weights(Z, t, less * precision(Z), alpha / beta)
        assert error[0, i] == pytest.approx(np.append(1, Z[i]) @ without - t[i], rel=1e-9)
    np.testing.assert_allclose(variance[0], np.exp(Z[:, 0]))
    np.testing.assert_allclose(kernel.counts(rows.whole(), rows.work), counts)


def precision(Z: Any) -> Any:
    return GivenNoise((), np.ones(1)).weights(np.exp(Z[:, :1].T))


def weighted_by_hand(Z: Any, t: Any, counts: Any) -> Rows:
    return Rows(Z, t[:, np.newaxis], counts * precision(Z))


def with_weights(Z: Any, t: Any, weights: Any, alpha: float) -> Any:
    ridge = Ridge(alpha, solver="cholesky", tol=1e-12).fit(Z, t, weights)
    return np.append(ridge.intercept_, ridge.coef_)


def test_weights_are_one_on_average_and_the_level_is_the_mean() -> None:
    model = fitted(single(), X, y)
    noise = model._model.noise
    assert noise is not None
    rows = Rows(X, y[:, np.newaxis], units=model._model.units)
    assert weighted(rows, noise).total_weight == pytest.approx(len(X), rel=1e-4)
    squares = model.predict_noise_std(X) ** 2
    assert model.noise_std_ == pytest.approx(np.sqrt(squares.mean()))
    np.testing.assert_allclose(
        weighted(rows, noise).weights_of_rows() * squares, 1 / np.mean(1 / squares), rtol=1e-3
    )


# What is estimated ------------------------------------------------------------------------------


def test_noise_that_grows_is_found() -> None:
    X, y, std = growing(2_000)
    model = fitted(SigmoidMLPRegressor(noise="auto", random_state=0), X, y)
    assert model.noise_ == "varying"
    error = model.predict_noise_std(X) - std
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.sqrt(np.mean(std**2))
    fresh, y_fresh, std = growing(4_000, seed=1)
    mean, total = model.predict(fresh, return_std=True)
    inside = abs(y_fresh - mean) < 1.96 * total
    fifths = np.array_split(inside[np.argsort(std)], 5)
    assert all(0.92 < part.mean() < 0.98 for part in fifths)


def test_the_mean_is_better_where_rows_are_weighted() -> None:
    errors = []
    for seed in range(4):
        X, y, _ = growing(200, seed)
        means = [
            fitted(single(noise=noise, hidden_layer_sizes=()), X, y).predict(FRESH)
            for noise in ("constant", "varying")
        ]
        best = np.polynomial.Polynomial  # the best line of sin(2x) over [-1, 1]
        grid = np.linspace(-1, 1, 2_001)
        line = best.fit(grid, np.sin(2 * grid), 1)(FRESH[:, 1])
        errors.append([np.mean((m - line) ** 2) for m in means])
    constant, varying = np.mean(errors, axis=0)
    assert varying < constant


def test_the_mean_stays_where_weighted_rows_make_it_worse() -> None:
    # A line cannot follow the parabola. Its errors look like noise that is larger on the right.
    rng = np.random.default_rng(0)
    x = rng.beta(1, 3, size=(300, 1))
    t = 10 * x[:, 0] ** 2 + (0.01 + x[:, 0] ** 2) * rng.normal(size=300)
    constant, varying = (
        fitted(single(noise=noise, hidden_layer_sizes=()), x, t)
        for noise in ("constant", "varying")
    )
    assert varying.noise_ == "varying"
    A = np.column_stack([np.ones(300), x])

    def left_out(w: Any) -> Any:
        """The mean square of the errors of weighted least squares without each row."""
        H = A @ np.linalg.solve((A.T * w) @ A, A.T * w)
        return np.mean(((t - H @ t) / (1 - np.diag(H))) ** 2)

    assert left_out(1 / varying.predict_noise_std(x) ** 2) > left_out(np.ones(300))
    np.testing.assert_array_equal(varying.predict(x), constant.predict(x))


@pytest.mark.slow
def test_on_average_noise_is_at_least_the_constant_noise() -> None:
    for seed in range(4):
        X, y, _ = growing(60, seed)
        y[::2] = np.sin(2 * X[::2, 1])
        varying, constant = (
            fitted(single(noise=noise, hidden_layer_sizes=(8,)), X, y)
            for noise in ("varying", "constant")
        )
        if np.array_equal(varying.predict(X), constant.predict(X)):
            mean_square = np.mean(varying.predict_noise_std(X) ** 2)
            assert mean_square >= constant.noise_std_**2 * (1 - 1e-9)


def test_the_share_of_constant_noise_is_the_largest_within_a_standard_error() -> None:
    rng = np.random.default_rng(0)
    varying = np.exp(rng.normal(size=200))
    squares = varying * rng.normal(size=200) ** 2
    rows = Rows(np.zeros((200, 1)), np.column_stack([squares, np.zeros(200)]))
    densities = []
    for share in CONSTANTS:
        m = (1 - share) * varying + share
        m = m * max(float(np.mean(squares / m)), 1)
        densities.append(norm.logpdf(np.sqrt(squares), scale=np.sqrt(m)))
    best = max(densities, key=np.sum)
    losses = [best - density for density in densities]
    near = [d.sum() <= d.std() * np.sqrt(200) for d in losses]
    expected = max(share for share, is_near in zip(CONSTANTS, near, strict=True) if is_near)
    assert 0 < expected < CONSTANTS[-1]
    assert with_constant(varying, rows).constant == expected


def test_a_training_that_is_not_kept_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> bool:
        return False

    p: dict[str, Any] = {"solver": "lbfgs", "alpha": 1.0, "max_iter": 5}
    monkeypatch.setattr("sklearn_mlp.reweighting._is_kept", refuse)
    with pytest.warns(ConvergenceWarning) as found:
        single(**p).fit(X, y)
    assert len(found) == 1


def test_an_interruption_of_the_second_training_keeps_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(plan: Any, monitor: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_mlp.reweighting.train", interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        model = single().fit(X, y)
    constant = single(noise="constant").fit(X, y)
    assert model.noise_ == "varying"
    np.testing.assert_array_equal(model.predict(X), constant.predict(X))


def test_small_data_use_one_blas_thread_for_the_noise_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for each other make a fit many times slower beside a busy process."""
    seen = set[int]()

    def counted(residuals: Any) -> Any:
        blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        seen.update(pool["num_threads"] for pool in blas)
        return estimate(residuals)

    monkeypatch.setattr("sklearn_mlp.reweighting.estimate", counted)
    with threadpool_limits(2):
        fitted(single(max_iter=30), X, y)
    assert seen == {1}


@pytest.mark.nightly
def test_constant_noise_stays_constant() -> None:
    taken = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(100, 3))
        model = fitted(single(noise="auto"), X, X[:, 0] + rng.normal(size=100))
        constant = fitted(single(noise="constant"), X, model.predict(X))
        assert constant.noise_ == "constant"
        taken += model.noise_ == "varying"
    assert taken <= 1


def test_few_rows_have_constant_noise() -> None:
    X, y, _ = growing(LEAST_ROWS - 1)
    assert fitted(single(noise="auto"), X, y).noise_ == "constant"
    assert fitted(single(noise="varying"), X, y).noise_ == "varying"


def test_auto_without_a_gain_is_constant_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    t = X[:, 0] + rng.normal(size=80)
    auto, constant = (fitted(single(noise=noise), X, t) for noise in ("auto", "constant"))
    assert auto.noise_ == "constant"
    np.testing.assert_array_equal(auto.predict(X, return_std=True)[1], constant.predict(X, True)[1])


@pytest.mark.parametrize("target", [np.zeros(60), np.linspace(0, 1, 60)])
def test_what_is_fitted_exactly_has_no_noise_to_vary(target: Any) -> None:
    X = np.linspace(-1, 1, 60)[:, np.newaxis]
    model = fitted(single(hidden_layer_sizes=()), X, target)
    assert model.noise_ == "constant"
    np.testing.assert_allclose(model.predict(X), target, atol=1e-6)


def test_outside_the_data_the_noise_is_one_of_theirs() -> None:
    model = fitted(single(), X, y)
    far = model.predict_noise_std(np.array([[1e3, 0], [-1e3, 0], [0, 1e3]]))
    own = model.predict_noise_std(X)
    assert (far >= own.min() * (1 - 1e-12)).all()
    assert (far <= own.max() * (1 + 1e-12)).all()


def test_a_gain_counts_if_it_is_more_than_its_uncertainty() -> None:
    s = np.ones(400)
    same = np.resize([1.0, -1.0], 400)
    assert is_better(same * 0.1 + 0.1, np.zeros(400), s)  # 40, and a standard error of 2
    assert not is_better(same, np.zeros(400), s)
    assert not is_better(np.full(400, 1e-4), np.zeros(400), s)  # 0.04 is nothing
    assert not is_better(np.full(400, 1e200), np.full(400, -1e200), s)  # nor is what overflows
    gain, error = gain_and_error(same + 0.5, np.zeros(400), s)
    assert gain == pytest.approx(400 * 0.5)
    assert error == pytest.approx(np.sqrt(400))  # √n of a difference of deviation 1
    one, other = np.full((3, 1), 2.0), np.full((3, 1), 2.0 * np.e)
    assert differ(one, other, np.ones(3)) == pytest.approx(1)


# Every kind of fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"alpha": 1.0},
        {"hidden_layer_sizes": "auto", "max_iter": 40},
        {"hidden_layer_sizes": ()},
        {"solver": "lbfgs", "alpha": 1.0},
        {"solver": "adam", "learning_rate_init": 0.02},
        {"early_stopping": True},
        {
            "solver": "adam",
            "early_stopping": True,
            "validation_fraction": 0.5,
            "learning_rate_init": 0.05,
            "n_iter_no_change": 100,
        },
        {"standardize": False, "alpha": 1.0},
    ],
)
def test_every_fit_has_noise_that_grows(parameters: dict[str, Any]) -> None:
    model = fitted(single(**parameters), X, y)
    assert model.noise_ == "varying"
    low, high = model.predict_noise_std(np.array([[-0.9, 0.0], [0.9, 0.0]]))
    assert high > 2 * low
    _, std = model.predict(FRESH, return_std=True)
    assert (std > model.predict_noise_std(FRESH)).all()
    assert np.isfinite(model.log_marginal_likelihood_)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_in_hindsight_auto_leaves_the_mean_as_it_is(solver: str) -> None:
    parameters: dict[str, Any] = {"solver": solver, "alpha": 1.0, "max_iter": 100}
    auto, constant = (
        fitted(single(noise=noise, **parameters), X, y) for noise in ("auto", "constant")
    )
    assert auto.noise_ == "varying"
    np.testing.assert_array_equal(auto.predict(FRESH), constant.predict(FRESH))


def test_with_a_number_as_alpha_auto_leaves_the_minimum_where_it_is() -> None:
    auto, constant = (
        fitted(single(noise=noise, alpha=1.0, hidden_layer_sizes=()), X, y)
        for noise in ("auto", "constant")
    )
    assert auto.noise_ == "varying"
    np.testing.assert_array_equal(auto.predict(FRESH), constant.predict(FRESH))
    Z, z = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    ridge = Ridge(alpha=1.0).fit(Z, z).predict((FRESH - X.mean(axis=0)) / X.std(axis=0))
    np.testing.assert_allclose(auto.predict(FRESH), ridge + y.mean(), rtol=1e-6)


def test_the_last_layer_has_noise_that_varies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn_mlp.hindsight.MOST_COST", 0)
    X, y, _ = growing(1_000)
    model = fitted(single(solver="adam", early_stopping=True, validation_fraction=0.4), X, y)
    assert model.posterior_kind_ == "last layer"
    low, high = model.predict_noise_std(np.array([[-0.9, 0.0], [0.9, 0.0]]))
    assert high > 2 * low


def test_each_output_has_its_own_noise() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 2))
    scale = 0.1 + 0.4 * (1 + X * [1, -1])
    Y = np.sin(2 * X) + scale * rng.normal(size=(400, 2))
    model = fitted(single(noise="auto"), X, Y)
    assert model.noise_ == "varying"
    assert np.shape(model.noise_std_) == (2,)
    (left, right) = model.predict_noise_std(np.array([[-0.9, -0.9], [0.9, 0.9]]))
    assert right[0] > 2 * left[0]
    assert left[1] > 2 * right[1]
    assert model.predict_quantiles(FRESH, [0.1, 0.9]).shape == (len(FRESH), 2, 2)


def test_weights_are_copies() -> None:
    rng = np.random.default_rng(0)
    s = rng.integers(0, 3, size=len(X))
    a = fitted(single(alpha=1.0, hidden_layer_sizes=()), X, y, s)
    b = fitted(single(alpha=1.0, hidden_layer_sizes=()), X.repeat(s, axis=0), y.repeat(s))
    np.testing.assert_allclose(a.predict_noise_std(FRESH), b.predict_noise_std(FRESH), rtol=1e-4)
    np.testing.assert_allclose(a.predict(FRESH), b.predict(FRESH), atol=1e-4)


def test_sparse_and_float32_rows_have_it_too() -> None:
    dense = fitted(single(hidden_layer_sizes=()), X, y)
    sparse = fitted(single(hidden_layer_sizes=()), sp.csr_array(X), y)
    np.testing.assert_allclose(
        sparse.predict_noise_std(sp.csr_array(FRESH)), dense.predict_noise_std(FRESH), rtol=1e-6
    )
    single_precision = fitted(single(hidden_layer_sizes=()), X.astype(np.float32), y)
    got = single_precision.predict_noise_std(FRESH.astype(np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, dense.predict_noise_std(FRESH), rtol=1e-2)


def test_units_do_not_matter() -> None:
    own = fitted(single(hidden_layer_sizes=()), X, y)
    other = fitted(single(hidden_layer_sizes=()), 1e3 * X + 5, 7 * y - 1)
    np.testing.assert_allclose(
        other.predict_noise_std(1e3 * FRESH + 5), 7 * own.predict_noise_std(FRESH), rtol=1e-5
    )


def test_it_can_start_from_weights() -> None:
    model = fitted(single(noise="constant", alpha=1.0), X, y)
    again = fitted(model.set_params(noise="varying", warm_start=True), X, y)
    assert again.noise_ == "varying"
    assert fitted(again.set_params(noise="constant"), X, y).noise_ == "constant"


def test_other_losses_and_parts_have_no_noise_that_varies() -> None:
    with pytest.raises(ValueError, match="noise='varying' is for loss='squared_error'"):
        SigmoidMLPRegressor(loss="huber", noise="varying").fit(X, y)
    with pytest.raises(ValueError, match="noise='varying' needs all rows at once"):
        SigmoidMLPRegressor(noise="varying").partial_fit(X, y)
    huber = SigmoidMLPRegressor((3,), loss="huber", noise="auto", max_iter=20, tol=10)
    assert not hasattr(huber.set_params(random_state=0).fit(X, y), "noise_")
    with pytest.raises(ValueError, match="'noise' parameter"):
        SigmoidMLPRegressor(noise="loud").fit(X, y)


def test_a_pickle_and_a_clone() -> None:
    model = fitted(single(), X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(FRESH, True)[1], model.predict(FRESH, True)[1])
    np.testing.assert_array_equal(copy.predict_noise_std(FRESH), model.predict_noise_std(FRESH))
    assert not hasattr(clone(model), "noise_")


def test_the_noise_of_an_ensemble_is_the_root_mean_square() -> None:
    model = SigmoidMLPEnsembleRegressor(single(), n_estimators=2, random_state=0).fit(X, y)
    each = [m.predict_noise_std(FRESH) for m in model.estimators_]
    np.testing.assert_allclose(model.predict_noise_std(FRESH) ** 2, np.mean(np.square(each), 0))


# Quantiles --------------------------------------------------------------------------------------

QUANTILES = [0.001, 0.05, 0.5, 0.9, 0.999]


def distribution(mixture: Mixture, y: Any) -> Any:
    parts = norm.cdf(y[..., np.newaxis], mixture.mean, mixture.std)
    return (parts * mixture.shares).sum(axis=-1)


def test_a_quantile_of_a_mixture_is_where_its_distribution_function_has_it() -> None:
    rng = np.random.default_rng(0)
    mean, std = 5 * rng.normal(size=(200, 2, 3)), np.exp(2 * rng.normal(size=(200, 2, 3)))
    mixture = Mixture(np.array([0.2, 0.5, 0.3]), mean, std)
    found = mixture.quantiles(np.array(QUANTILES))
    for i, q in enumerate(QUANTILES):
        np.testing.assert_allclose(distribution(mixture, found[:, i]), q, rtol=1e-9)
    assert (np.diff(found, axis=1) > 0).all()


def test_quantiles_of_one_network_are_gaussian() -> None:
    model = fitted(single(), X, y)
    mean, std = model.predict(FRESH, return_std=True)
    expected = mean[:, np.newaxis] + std[:, np.newaxis] * norm.ppf(QUANTILES)
    np.testing.assert_allclose(model.predict_quantiles(FRESH, QUANTILES), expected, rtol=1e-9)


def test_quantiles_of_the_default_are_those_of_its_mixture() -> None:
    model = SigmoidMLPRegressor(noise="varying", random_state=0, max_iter=40)
    y = np.sin(6 * X[:, 1]) + 0.1 * np.random.default_rng(0).normal(size=300)
    model = fitted(model, X[:100], y[:100])
    mixture = model._with_posterior().mixture(FRESH)
    assert len(mixture.shares) > 1
    mean, std = model.predict(FRESH, return_std=True)
    of_parts = mixture.mean[:, 0] @ mixture.shares
    idle = LEAST_UNIT * y[:100].std()  # the prediction leaves out units of so little effect
    np.testing.assert_allclose(of_parts, mean, rtol=1e-9, atol=idle)
    second = (mixture.std[:, 0] ** 2 + mixture.mean[:, 0] ** 2) @ mixture.shares
    np.testing.assert_allclose(second - of_parts**2, std**2, rtol=1e-8)
    found = model.predict_quantiles(FRESH)
    assert found.shape == (len(FRESH), 3)
    np.testing.assert_allclose(distribution(mixture, found[:, :1])[:, 0], 0.05, rtol=1e-9)
    in_turn, together = model.predict_quantiles(FRESH, [0.9, 0.1]), model.predict_quantiles(FRESH)
    assert (in_turn[:, 0] > in_turn[:, 1]).all()
    assert (np.diff(together, axis=1) > 0).all()


def test_quantiles_of_an_ensemble_are_those_of_all_members() -> None:
    model = SigmoidMLPEnsembleRegressor(single(), n_estimators=2, random_state=0).fit(X, y)
    found = model.predict_quantiles(FRESH, [0.1])[:, 0]
    parts = [m.predict(FRESH, return_std=True) for m in model.estimators_]
    below = np.mean([norm.cdf(found, mean, std) for mean, std in parts], axis=0)
    np.testing.assert_allclose(below, 0.1, rtol=1e-9)
    other = SigmoidMLPEnsembleRegressor(GaussianProcessRegressor(alpha=0.1), 2).fit(X, y)
    mean, std = other.predict(FRESH, return_std=True)
    expected = mean + std * norm.ppf(0.1)
    np.testing.assert_allclose(other.predict_quantiles(FRESH, [0.1])[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("quantiles", [[0.0], [1.5], 0.5, [[0.5]]])
def test_quantiles_are_between_0_and_1(quantiles: Any) -> None:
    model = fitted(single(hidden_layer_sizes=()), X, y)
    with pytest.raises(ValueError, match="quantiles"):
        model.predict_quantiles(FRESH, quantiles)


def test_quantiles_and_noise_need_a_posterior() -> None:
    model = SigmoidMLPRegressor((3,), solver="adam").partial_fit(X, y)
    for method in (model.predict_quantiles, model.predict_noise_std):
        with pytest.raises(ValueError, match="needs a posterior"):
            method(FRESH)
