"""The losses against closed forms, complex-step derivatives, SciPy and scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor, QuantileRegressor
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, mean_poisson_deviance, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.losses import WIDTHS, Gamma, Huber, Loss, Pinball, Poisson, SquaredError, make_loss
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from sklearn_mlp.standardize import Moments
from tests import reference
from tests.helpers import assert_passes_the_checks_of_scikit_learn, fitted
from tests.solvers.test_first_order import assert_same, fit_both
from tests.strategies import Problem, problems

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
SIGNAL = np.sin(2 * X[:, 0]) + X[:, 1]
Y = SIGNAL + 0.3 * rng.standard_t(2, size=200)
COUNTS = rng.poisson(np.exp(SIGNAL)).astype(float)
S = rng.uniform(0.2, 3, size=200)
AMOUNTS = rng.gamma(4, np.exp(SIGNAL) / 4)
NEW_LOSSES = ["huber", "poisson", "gamma", "pinball"]


def target(loss: str) -> np.ndarray:
    """What the loss is for."""
    return {"poisson": COUNTS, "gamma": AMOUNTS}.get(loss, Y)


def targets(loss: str, n_outputs: int) -> np.ndarray:
    """The same for one output or two."""
    return target(loss) if n_outputs == 1 else np.column_stack([target(loss), target(loss)[::-1]])


def regressor(loss: str, **parameters: Any) -> SigmoidMLPRegressor:
    """A small network for which all the losses have a minimum."""
    defaults = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "alpha": 1.0, "random_state": 0}
    return SigmoidMLPRegressor(**{**defaults, **parameters}, loss=loss)


def written_out(loss: Loss) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The loss case by case, of complex arguments too."""
    if isinstance(loss, Huber):
        delta = loss.delta

        def huber(z: np.ndarray, y: np.ndarray) -> np.ndarray:
            e = z - y
            size = np.where(e.real < 0, -e, e)
            return np.where(size.real <= delta, e**2 / 2, delta * (size - delta / 2))

        return huber
    if isinstance(loss, Pinball):
        q, h = loss.quantile, loss.width

        def pinball(z: np.ndarray, y: np.ndarray) -> np.ndarray:
            e = z - y
            sharp = np.where(e.real > 0, (1 - q) * e, -q * e)
            if h == 0:
                return sharp
            rounded = (e**2 / (2 * h) + h / 2 + (1 - 2 * q) * e) / 2
            return np.where(np.abs(e.real) < h, rounded, sharp)

        return pinball
    if isinstance(loss, Poisson):
        return lambda z, y: np.exp(z) - y * z + y * np.log(np.where(y > 0, y, 1)) - y
    if isinstance(loss, Gamma):
        return lambda z, y: y * np.exp(-z) + z - np.log(y) - 1
    return lambda z, y: (z - y) ** 2 / 2


LOSSES = [SquaredError(), Huber(0.7), Poisson(), Gamma(), Pinball(0.8), Pinball(0.3, width=0.4)]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_slope_is_the_derivative_of_the_value_in_closed_form(loss: Loss) -> None:
    z, y = np.meshgrid(np.linspace(-3, 3, 41) + 0.01, np.arange(4.0) + isinstance(loss, Gamma))
    f = written_out(loss)
    np.testing.assert_allclose(loss.value(z, y), f(z, y), rtol=1e-13, atol=1e-15)
    slope = np.imag(f(z + 1e-30j, y)) / 1e-30
    np.testing.assert_allclose(loss.slope(z, y), slope, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("loss", [SquaredError(), Poisson(), Gamma()], ids=str)
def test_curvature_is_the_derivative_of_the_slope_where_that_is_positive(loss: Loss) -> None:
    z, y = np.meshgrid(np.linspace(-3, 3, 41), np.arange(4.0) + isinstance(loss, Gamma))
    second = (loss.slope(z + 1e-6, y) - loss.slope(z - 1e-6, y)) / 2e-6
    np.testing.assert_allclose(loss.curvature(z, y), second, rtol=1e-8)


@pytest.mark.parametrize("loss", [Huber(0.7), Pinball(0.8), Pinball(0.3, width=0.4)], ids=str)
def test_else_it_is_that_of_a_touching_parabola_which_lies_nowhere_below(loss: Loss) -> None:
    y = np.zeros(1)
    z = np.linspace(-3, 3, 80)[:, np.newaxis]
    other = np.linspace(-4, 4, 161)
    parabola = (
        loss.value(z, y) + loss.slope(z, y) * (other - z)
        + loss.curvature(z, y) / 2 * (other - z) ** 2
    )  # fmt: skip
    assert (loss.value(other, y) <= parabola + 1e-12).all()


def test_the_width_changes_a_pinball_only_within_it() -> None:
    z = np.linspace(-1, 1, 200)
    y = np.zeros(200)
    beyond = np.abs(z) > 0.1
    sharp, rounded = Pinball(0.9), Pinball(0.9, width=0.1)
    np.testing.assert_allclose(rounded.value(z, y)[beyond], sharp.value(z, y)[beyond])
    assert (rounded.value(z, y) >= sharp.value(z, y) - 1e-15).all()
    assert sharp.stages() == [Pinball(0.9, width) for width in WIDTHS]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_losses_keep_the_dtype(loss: Loss, dtype: Any) -> None:
    z, y = np.linspace(-2, 2, 9).astype(dtype), np.arange(1, 10).astype(dtype)
    assert {f(z, y).dtype for f in (loss.value, loss.slope, loss.curvature)} == {np.dtype(dtype)}


# The objective ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@given(problem=problems(), alpha=st.floats(0, 10))
@settings(deadline=None, max_examples=30)
def test_value_and_gradient_are_the_documented_loss_and_its_derivative(
    loss: Loss, problem: Problem, alpha: float
) -> None:
    network = Network(problem.layer_sizes, problem.activation)
    y, w = np.abs(problem.y) + 0.1 * isinstance(loss, Gamma), 0.5 * problem.w
    objective = Objective(network, Rows(problem.X, y, problem.s), alpha, loss)
    f, is_coef = written_out(loss), network.is_coef()

    def total(w: np.ndarray) -> np.number:
        z = reference.predict(w, problem.X, problem.layer_sizes, problem.activation)
        data = (problem.s[:, None] * f(z, y)).sum()
        return (data + alpha / 2 * (is_coef * w**2).sum()) / problem.s.sum()

    value, gradient = objective.value_and_gradient(w)
    assert value == pytest.approx(float(total(w)), rel=1e-11)
    expected = reference.complex_step(total, w)
    size = np.abs(expected).max() + 1
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-10 * size)
    out = np.empty_like(w)
    assert objective.on_minibatches(w, out)(objective.rows.whole()) == pytest.approx(value)
    np.testing.assert_allclose(out, gradient, rtol=1e-9, atol=1e-10 * size)

    # What Levenberg-Marquardt has of it.
    sums = objective.gauss_newton(w)
    s = problem.s.sum()
    penalty = alpha / 2 * (is_coef * w**2).sum()
    assert (0.5 * sums.E.sum() + penalty) / s == pytest.approx(value, rel=1e-11)
    g = (sums.g.sum(axis=0) + alpha * is_coef * w) / s
    np.testing.assert_allclose(g, gradient, rtol=1e-7, atol=1e-8 * size)


@pytest.mark.parametrize("weights", [None, S[:20]], ids=["", "weights"])
@pytest.mark.parametrize("loss", [Huber(0.7), Poisson(), Gamma()], ids=str)
def test_gauss_newton_weighs_the_jacobian_by_the_curvature(
    loss: Loss, weights: np.ndarray | None
) -> None:
    network = Network([3, 4, 2], "tanh")
    y = np.abs(rng.normal(size=(20, 2)))
    objective = Objective(network, Rows(X[:20], y, weights), 0.0, loss)
    w = 0.5 * rng.normal(size=network.n_parameters)

    def predict(w: np.ndarray) -> np.ndarray:
        return reference.predict(w, X[:20], (3, 4, 2), "tanh")

    z, J = predict(w), reference.complex_step(predict, w)
    s = np.ones(20) if weights is None else weights
    H = np.einsum("n,nk,nkp,nkr->kpr", s, loss.curvature(z, y), J, J)
    H_k = objective.gauss_newton(w).H
    assert H_k is not None
    np.testing.assert_allclose(H_k, np.tril(H), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(objective.errors(w), 2 * s @ loss.value(z, y), rtol=1e-12)


@pytest.mark.parametrize("weights", [None, S], ids=["", "weights"])
def test_the_squared_error_written_out_is_what_any_loss_would_come_to(
    weights: np.ndarray | None,
) -> None:
    class PlainSquaredError(SquaredError):
        is_quadratic = False
        sum_and_seed = Loss.sum_and_seed
        error_sums = Loss.error_sums
        residual = Loss.residual

    network, rows = Network([3, 4, 1], "sigmoid"), Rows(X, Y[:, np.newaxis], weights)
    w = rng.normal(size=network.n_parameters)
    own, general = Objective(network, rows, 0.3), Objective(network, rows, 0.3, PlainSquaredError())
    (value, gradient), sums = own.value_and_gradient(w), own.gauss_newton(w)
    same_value, same_gradient = general.value_and_gradient(w)
    assert same_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(same_gradient, gradient, rtol=1e-12)
    same_sums = general.gauss_newton(w)
    np.testing.assert_allclose(same_sums.E, sums.E, rtol=1e-13)
    np.testing.assert_allclose(same_sums.g, sums.g, rtol=1e-12, atol=1e-12)
    for same, own_products in ((same_sums.H, sums.H), (same_sums.J, sums.J)):
        assert (same is None) == (own_products is None)
        if same is not None and own_products is not None:
            np.testing.assert_allclose(same, own_products, rtol=1e-12, atol=1e-12)


# Without hidden layers: SciPy and scikit-learn ---------------------------------------------


def linear(loss: str, **parameters: Any) -> SigmoidMLPRegressor:
    """The network without a hidden layer, trained to the end."""
    return regressor(loss, hidden_layer_sizes=(), max_iter=10_000, **parameters)


@pytest.mark.parametrize(("solver", "tol"), [("lbfgs", 1e-10), ("lm", 1e-6)])
@pytest.mark.parametrize("alpha", [0.0, 30.0])
def test_linear_huber_is_scipys_minimum(solver: str, tol: float, alpha: float) -> None:
    def objective(w: np.ndarray) -> float:
        e = X @ w[1:] + w[0] - Y
        losses = np.where(np.abs(e) <= 0.5, e**2 / 2, 0.5 * (np.abs(e) - 0.25))
        return float((S @ losses + alpha / 2 * w[1:] @ w[1:]) / S.sum())

    theirs = minimize(objective, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
    model = linear(
        "huber", solver=solver, tol=tol, alpha=alpha, standardize=False, huber_delta=0.5
    ).fit(X, Y, S)
    assert model.loss_ == pytest.approx(theirs.fun, rel=1e-10)
    np.testing.assert_allclose(np.ravel(model.weights_[0]), theirs.x, atol=1e-5)


@pytest.mark.parametrize("weights", [None, S], ids=["", "weights"])
@pytest.mark.parametrize(("solver", "tol"), [("lbfgs", 1e-9), ("lm", 1e-5)])
def test_linear_poisson_is_poisson_regression(
    solver: str, tol: float, weights: np.ndarray | None
) -> None:
    total = 200 if weights is None else weights.sum()  # their penalty is not divided by it
    theirs = PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=10_000).fit(X, COUNTS, weights)
    model = linear("poisson", solver=solver, tol=tol, alpha=0.1 * total, standardize=False)
    model.fit(X, COUNTS, weights)
    np.testing.assert_allclose(model.coefs_[0].ravel(), theirs.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], theirs.intercept_, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), theirs.predict(X), rtol=1e-6)
    penalty = 0.05 * (theirs.coef_**2).sum()
    deviance = mean_poisson_deviance(COUNTS, theirs.predict(X), sample_weight=weights)
    assert model.loss_ == pytest.approx(deviance / 2 + penalty, rel=1e-8)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_linear_pinball_is_quantile_regression(quantile: float) -> None:
    theirs = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, Y)
    model = linear("pinball", quantile=quantile, alpha=0.0, tol=1e-6).fit(X, Y)
    least = mean_pinball_loss(Y, theirs.predict(X), alpha=quantile)
    assert least <= mean_pinball_loss(Y, model.predict(X), alpha=quantile) < (1 + 1e-5) * least
    np.testing.assert_allclose(model.coefs_[0].ravel(), theirs.coef_, atol=5e-3)
    stochastic = linear(
        "pinball", quantile=quantile, alpha=0.0, solver="adam", tol=1e-7, learning_rate_init=0.003
    ).fit(X, Y)
    assert mean_pinball_loss(Y, stochastic.predict(X), alpha=quantile) < 1.01 * least


def test_the_loss_of_a_pinball_by_lbfgs_is_that_of_the_pinball_itself() -> None:
    model = linear("pinball", quantile=0.9, alpha=0.0, standardize=False).fit(X, Y)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.loss_ == pytest.approx(mean_pinball_loss(Y, model.predict(X), alpha=0.9))


# With hidden layers --------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["huber", "poisson"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_lm_comes_to_the_minimum_of_lbfgs(loss: str, n_outputs: int) -> None:
    y = targets(loss, n_outputs)
    start = regressor(loss, solver="lm", max_iter=1000).fit(X, y, S)
    again = regressor(loss, warm_start=True, max_iter=5000, tol=1e-7)
    again.weights_ = [W + 1e-3 * rng.normal(size=W.shape) for W in start.weights_]
    again.fit(X, y, S)
    assert again.loss_ == pytest.approx(start.loss_, rel=1e-9)
    np.testing.assert_allclose(again.predict(X), start.predict(X), rtol=1e-3, atol=1e-3)
    assert not hasattr(start, "noise_std_")


def test_outliers_do_not_move_huber() -> None:
    spoilt = Y.copy()
    spoilt[:4] = 1e6
    for solver in ("lbfgs", "lm"):
        clean = regressor("huber", solver=solver, max_iter=2000, alpha=3.0).fit(X[4:], Y[4:])
        model = regressor("huber", solver=solver, max_iter=2000, alpha=3.0).fit(X, spoilt)
        error, least = (np.mean(np.abs(m.predict(X) - SIGNAL)) for m in (model, clean))
        assert error < 1.5 * least
    squared = regressor("squared_error", alpha=3.0, max_iter=2000).fit(X, spoilt)
    assert np.mean(np.abs(squared.predict(X) - SIGNAL)) > 1e3


def test_quantiles_cover_and_are_in_order() -> None:
    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, size=(3000, 1))
    y = np.sin(2 * X[:, 0]) + (0.2 + 0.2 * np.abs(X[:, 0])) * rng.normal(size=3000)
    train, test = slice(None, 2000), slice(2000, None)
    predictions = []
    for q in (0.1, 0.5, 0.9):
        model = regressor("pinball", quantile=q, alpha=0.1, max_iter=2000)
        predictions.append(model.fit(X[train], y[train]).predict(X[test]))
        assert np.mean(y[test] < predictions[-1]) == pytest.approx(q, abs=0.04)
    assert (np.diff(predictions, axis=0) > 0).all()


HAS_POISSON = "loss" in MLPRegressor().get_params()


@pytest.mark.skipif(not HAS_POISSON, reason="scikit-learn's network has the squared error only")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("several", [False, True])
def test_poisson_walks_the_path_of_scikit_learns(solver: str, several: bool) -> None:
    counts = np.random.default_rng(0).poisson(2.0, size=(60, 2)).astype(float)
    y = counts if several else counts[:, 0]
    theirs, ours = fit_both(
        y=y, solver=solver, loss="poisson", learning_rate_init=0.01, batch_size=16
    )
    assert_same(theirs, ours)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.out_activation_ == theirs.out_activation_ == "exp"
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.skipif(not HAS_POISSON, reason="scikit-learn's network has the squared error only")
def test_parameters_of_a_poisson_mlp_regressor_are_taken_as_they_are() -> None:
    parameters = MLPRegressor(loss="poisson", max_iter=5, random_state=0).get_params()
    model = fitted(SigmoidMLPRegressor(**parameters), X, COUNTS)
    assert model.out_activation_ == "exp"
    assert (model.predict(X) > 0).all()


def test_poisson_starts_at_the_mean_and_predicts_means() -> None:
    scarce = 1e-3 * COUNTS
    start = fitted(regressor("poisson", solver="gd", max_iter=1), X, scarce)
    assert 0.2 < start.predict(X).mean() / scarce.mean() < 5
    model = regressor("poisson", max_iter=5000, tol=1e-8).fit(X, COUNTS)
    assert model.predict(X).mean() == pytest.approx(COUNTS.mean(), rel=1e-5)  # the bias is free
    assert model.score(X, COUNTS) == r2_score(COUNTS, model.predict(X))
    assert model.out_activation_ == "exp"


def test_poisson_takes_counts_of_nought() -> None:
    model = regressor("poisson").fit(X, np.zeros(200))
    assert (model.predict(X) < 1e-3).all()


# What a fit does with its loss -------------------------------------------------------------


def test_early_stopping_scores_the_quantile() -> None:
    model = regressor(
        "pinball", solver="adam", early_stopping=True, quantile=0.9, learning_rate_init=0.01,
        batch_size=20, n_iter_no_change=50, max_iter=1000, random_state=2,
    ).fit(X, Y)  # fmt: skip
    held_out = train_test_split(np.arange(200), test_size=0.1, random_state=2)[1]
    score = d2_pinball_score(Y[held_out], model.predict(X[held_out]), alpha=0.9)
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-9)
    assert 0 < score < 1
    assert np.mean(model.predict(X) > Y) > 0.8


@pytest.mark.parametrize("loss", NEW_LOSSES)
def test_progress_is_printed_without_an_rmse(loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    fitted(
        regressor(loss, solver="adam", max_iter=3, verbose=True, early_stopping=True),
        X, target(loss),
    )  # fmt: skip
    lines = capsys.readouterr().out
    assert "RMSE" not in lines
    is_robust = loss in ("huber", "pinball")
    assert ("validation R²" in lines) == (not is_robust)
    assert ("validation D²" in lines) == is_robust


def test_predictions_rest_on_the_fitted_loss_not_on_the_parameter() -> None:
    model = regressor("poisson").fit(X, COUNTS)
    expected = model.predict(X)
    np.testing.assert_array_equal(model.set_params(loss="huber").predict(X), expected)


def test_weights_set_by_hand_predict_by_the_loss_of_the_parameters() -> None:
    model = SigmoidMLPRegressor((), loss="poisson", solver="lm")
    model.weights_, model.n_features_in_ = [np.zeros((4, 1))], 3
    np.testing.assert_array_equal(model.predict(X), 1.0)


def test_an_ensemble_passes_the_loss_on() -> None:
    ensemble = SigmoidMLPEnsembleRegressor(regressor("poisson"), n_estimators=2, random_state=0)
    members = ensemble.fit(X, COUNTS).estimators_
    assert {m.out_activation_ for m in members} == {"exp"}
    np.testing.assert_allclose(ensemble.predict(X), np.mean([m.predict(X) for m in members], 0))
    with pytest.raises(ValueError, match="only fit with solver='lm' computes it"):
        ensemble.predict(X, return_std=True)


# Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_poisson_refuses_negative_targets_before_any_work(method: str) -> None:
    model = regressor("poisson", solver="adam")
    with pytest.raises(ValueError, match="loss='poisson' requires non-negative y"):
        getattr(model, method)(X, Y)
    assert not hasattr(model, "weights_")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_gamma_refuses_targets_of_0_before_any_work(method: str) -> None:
    model = regressor("gamma", solver="adam")
    with pytest.raises(ValueError, match="loss='gamma' requires positive y, and it has 0"):
        getattr(model, method)(X, COUNTS)
    assert not hasattr(model, "weights_")


def test_there_is_no_evidence_under_a_loss_that_is_no_deviance() -> None:
    with pytest.raises(ValueError, match="for loss='huber' set alpha to a number, or take"):
        regressor("huber", solver="lm", alpha="auto").fit(X, Y)


def test_pinball_has_no_curvature_for_lm() -> None:
    with pytest.raises(ValueError, match=r"solver='lm' needs a loss that curves.*'lbfgs', 'adam'"):
        regressor("pinball", solver="lm").fit(X, Y)


@pytest.mark.parametrize(
    "parameters", [{"loss": "absolute"}, {"quantile": 1.0}, {"quantile": 0}, {"huber_delta": 0}]
)
def test_parameters_have_scikit_learns_messages(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter of Sig"):
        SigmoidMLPRegressor(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "huber", "solver": "lm", "alpha": 1.0, "hidden_layer_sizes": (5,), "max_iter": 30},
        {"loss": "huber", "solver": "adam"},
        # To a tol that places the kinks by more digits than the checks compare.
        {
            "loss": "pinball",
            "quantile": 0.7,
            "solver": "lbfgs",
            "tol": 1e-7,
            "hidden_layer_sizes": (),
        },
    ],
    ids=str,
)
@pytest.mark.slow
def test_check_estimator_has_no_failures(parameters: dict[str, Any]) -> None:
    assert_passes_the_checks_of_scikit_learn(SigmoidMLPRegressor(**parameters))


# Robust moments ------------------------------------------------------------------------------


def test_robust_moments_are_the_moments_of_a_normal_distribution() -> None:
    column = np.random.default_rng(0).normal(3.0, 2.0, size=(1, 100_000))
    moments = Moments.robust(column, None, 0.5)
    assert moments.mean[0] == pytest.approx(3.0, abs=0.03)
    assert moments.std[0] == pytest.approx(2.0, rel=0.02)
    nine_tenths = np.quantile(column, 0.9, method="inverted_cdf")
    assert Moments.robust(column, None, 0.9).mean[0] == nine_tenths


def test_robust_moments_do_not_see_outliers() -> None:
    column = np.arange(101.0)[np.newaxis]
    spoilt = np.where(column > 90, 1e300, column)
    for ours, theirs in zip(
        Moments.robust(spoilt, None, 0.5).std, Moments.robust(column, None, 0.5).std, strict=True
    ):
        assert ours == pytest.approx(theirs, rel=0.2)


def test_robust_moments_of_weighted_rows_are_those_of_copies() -> None:
    columns, times = rng.normal(size=(2, 50)), rng.integers(1, 5, size=50)
    weighted = Moments.robust(columns, times.astype(float), 0.3)
    copied = Moments.robust(columns.repeat(times, axis=1), None, 0.3)
    np.testing.assert_array_equal(weighted.mean, copied.mean)
    np.testing.assert_array_equal(weighted.std, copied.std)


def test_robust_moments_of_values_that_are_mostly_the_same() -> None:
    column = np.append(np.zeros(90), np.ones(10))[np.newaxis]
    assert Moments.robust(column, None, 0.5).std[0] == pytest.approx(0.1 * np.sqrt(np.pi / 2))
    assert Moments.robust(np.full((1, 9), 0.1), None, 0.5).std[0] == 0


def test_make_loss_knows_every_name() -> None:
    made = [make_loss(n, huber_delta=2.0, quantile=0.2) for n in ("squared_error", *NEW_LOSSES)]
    assert made == [SquaredError(), Huber(2.0), Poisson(), Gamma(), Pinball(0.2)]
    assert clone(regressor("huber", huber_delta=2.0)).huber_delta == 2.0


def test_poisson_refuses_negative_validation_targets() -> None:
    counts = np.random.default_rng(0).poisson(3.0, size=60).astype(float)
    inputs = np.random.default_rng(1).normal(size=(60, 2))
    model = SigmoidMLPRegressor((3,), loss="poisson", solver="adam", early_stopping=True)
    with pytest.raises(ValueError, match="non-negative y_val"):
        model.fit(inputs, counts, X_val=inputs, y_val=counts - 5)


@pytest.mark.parametrize("delta", [np.uint8(2), np.float64(2.0)])
def test_the_threshold_may_be_any_kind_of_number(delta: float) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 2)).astype(np.float32)
    targets = inputs[:, 0] + 10 * (rng.uniform(size=60) < 0.1)
    predictions = []
    for number in (2.0, delta):
        model = SigmoidMLPRegressor((3,), loss="huber", huber_delta=number, solver="adam",
                                    max_iter=5, random_state=0)  # fmt: skip
        with pytest.warns(ConvergenceWarning):
            predictions.append(model.fit(inputs, targets).predict(inputs))
    np.testing.assert_array_equal(predictions[0], predictions[1])


def test_the_poisson_loss_of_large_counts_keeps_its_digits_in_float32() -> None:
    y = np.array([1e6, 2e6, 0.0, 5.0])
    z = np.log([1.01e6, 1.9e6, 2.0, 4.0])
    expected = np.exp(z) - y * z + np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0)
    loss = make_loss("poisson", huber_delta=1, quantile=0.5)
    in_float32 = loss.value(z.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(in_float32, expected, rtol=1e-3)
