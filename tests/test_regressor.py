import os
import signal
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor
from tests.helpers import fitted, flat

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
Y = np.column_stack([np.sin(X[:, 0]) + X[:, 1] * X[:, 2], X[:, 0]])
y = Y[:, 0]
NOISY = y + np.exp(2 * X[:, 0]) * np.random.default_rng(0).normal(size=len(y))
"""Its noise grows with the first input."""

SOLVERS = ["lbfgs", "adam", "sgd", "gd"]


def regressor(**parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(**{"hidden_layer_sizes": (5,), "random_state": 0, **parameters})


# What is learnt ----------------------------------------------------------------------------


def test_linear_regression_is_the_network_without_hidden_layers() -> None:
    ours = regressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, tol=1e-10).fit(X, Y)
    theirs = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-7)


def test_alpha_is_ridge_regressions() -> None:
    s = rng.uniform(0.5, 2, size=80)
    ours = regressor(
        hidden_layer_sizes=(), solver="lbfgs", alpha=7.0, tol=1e-10, standardize=False
    ).fit(X, y, s)
    theirs = Ridge(alpha=7.0).fit(X, y, s)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_, atol=1e-7)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
@pytest.mark.parametrize("hidden", [20, (20,), [10, 10], (8, 8, 8)])
def test_a_nonlinear_function_is_learnt(activation: str, hidden: Any) -> None:
    model = regressor(hidden_layer_sizes=hidden, activation=activation, solver="lbfgs")
    assert fitted(model, X, Y).score(X, Y) > 0.95
    assert model.predict(X).shape == (80, 2)
    assert next(W.shape for W in model.coefs_) == (3, np.ravel(hidden)[0])
    assert model.n_layers_ == len(np.ravel(hidden)) + 2
    assert model.n_outputs_ == 2


def test_logistic_is_another_name_of_the_sigmoid() -> None:
    one, other = (fitted(regressor(activation=a), X, y) for a in ("sigmoid", "logistic"))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.nightly
@pytest.mark.parametrize("solver", [*SOLVERS, "lm"])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_predictions_do_not_depend_on_units(solver: str, data: st.DataObject) -> None:
    def factors(n: int) -> np.ndarray:
        exponents = data.draw(st.lists(st.floats(-6, 6), min_size=n, max_size=n))
        return np.array([10.0**e for e in exponents])

    def predictions(X: np.ndarray, y: np.ndarray) -> np.ndarray:
        rate = {"gd": 0.1}.get(solver, 0.01)
        return fitted(regressor(solver=solver, learning_rate_init=rate), X, y).predict(X)

    scale, shift = factors(3), factors(3)
    y_scale, y_shift = factors(1), factors(1)
    noisy = y + 0.1 * np.random.default_rng(1).normal(size=80)
    for target in (y, noisy):
        expected = predictions(X, target)
        moved = predictions(scale * (X + shift), y_scale * (target + y_shift)) / y_scale - y_shift
        np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


# How it ends -------------------------------------------------------------------------------


def test_warm_start_takes_weights_set_by_hand() -> None:
    model = regressor(solver="gd", learning_rate_init=1e-300, max_iter=1, warm_start=True)
    model.weights_ = [rng.normal(size=(4, 5)), rng.normal(size=(6, 1))]
    a = 1 / (1 + np.exp(-(model.weights_[0][0] + X @ model.weights_[0][1:])))
    expected = model.weights_[1][0] + a @ model.weights_[1][1:]
    np.testing.assert_allclose(fitted(model, X, y).predict(X), expected[:, 0], rtol=1e-10)


def test_partial_fit_learns_the_scale_of_the_data_as_they_come() -> None:
    model = regressor(solver="adam", learning_rate_init=0.02, batch_size=20)
    raw, target = 1e6 * X - 1e6, 1e-3 * (np.sin(X[:, 0]) + X[:, 1])
    for _ in range(60):
        for part in np.array_split(np.arange(80), 4):
            model.partial_fit(raw[part], target[part])
    assert model.score(raw, target) > 0.95


def test_partial_fit_takes_up_a_lowered_learning_rate() -> None:
    model = regressor(solver="adam").partial_fit(X, y)
    before = [W.copy() for W in model.weights_]
    model.set_params(learning_rate_init=1e-300).partial_fit(X, y)
    for W, V in zip(model.weights_, before, strict=True):
        np.testing.assert_allclose(W, V, rtol=1e-12, atol=1e-13)


def test_interruption_from_the_keyboard_keeps_the_best_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a terminal; in a background job the signal may be ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    record = Monitor.record

    def interrupted(self: Monitor, w: np.ndarray, loss: float) -> None:
        record(self, w, loss)
        if self.n_iter == 7:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Monitor, "record", interrupted)
    model = regressor(solver="gd", learning_rate_init=0.1)
    with pytest.warns(UserWarning, match="interrupted after 7 iterations; the best weights"):
        model.fit(X, y)
    signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    expected = fitted(regressor(solver="gd", learning_rate_init=0.1, max_iter=6, tol=0), X, y)
    assert model.n_iter_ == 7
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.slow
def test_memory_beyond_the_data_does_not_grow_with_rows_times_units(solver: str) -> None:
    n_samples, units = 100_000, 100
    X = np.random.default_rng(0).normal(size=(n_samples, 10))
    y = X[:, 0]
    model = regressor(hidden_layer_sizes=(units,), solver=solver, max_iter=1)
    tracemalloc.start()
    fitted(model, X, y).predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.2 * n_samples * units * 8  # 16 MB, mostly blocks; rows x units are 80 MB


# Edges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_feature(solver: str) -> None:
    model = regressor(solver=solver, learning_rate_init=0.05, max_iter=500, tol=1e-6)
    x, target = X[:, :1], np.sin(X[:, 0])
    assert fitted(model, x, target).score(x, target) > 0.9


@pytest.mark.nightly
def test_a_million_rows() -> None:
    X = np.random.default_rng(0).normal(size=(1_000_000, 2))
    model = regressor(batch_size=10_000, learning_rate_init=0.01, max_iter=6)
    assert fitted(model, X, np.sin(X[:, 0]) + X[:, 1]).score(X, np.sin(X[:, 0]) + X[:, 1]) > 0.99


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_targets_of_an_extreme_scale(scale: float) -> None:
    ordinary = fitted(regressor(), X, y).predict(X)
    extreme = fitted(regressor(), X, scale * y).predict(X) / scale
    np.testing.assert_allclose(extreme, ordinary, rtol=1e-6, atol=1e-6)


# What bad input gets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": "gelu"}, "'activation'.*softplus"),
        ({"solver": "newton"}, "'solver'.*lbfgs"),
        ({"loss": "absolute"}, "'loss'.*squared_error"),
        ({"alpha": -1}, "'alpha'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"learning_rate": "fast"}, "'learning_rate'"),
        ({"learning_rate_init": 0}, "'learning_rate_init'"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"momentum": 1.1}, "'momentum'"),
        ({"beta_1": 1.0}, "'beta_1'"),
        ({"validation_fraction": 1.0}, "'validation_fraction'"),
        ({"standardize": "yes"}, "'standardize'"),
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": ("a",)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": -1}, "'hidden_layer_sizes'"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "raise validation_fraction"),
    ],
)
def test_unknown_parameter_values_are_refused_by_name(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        regressor(**parameters).fit(X, y)


def test_predict_before_fit() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor().predict(X)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor().input_gradient(X)


def test_partial_fit_is_for_solvers_that_learn_in_parts() -> None:
    with pytest.raises(AttributeError, match="partial_fit"):
        regressor(solver="lbfgs").partial_fit(X, y)
    with pytest.raises(ValueError, match="early_stopping=False, or call fit"):
        regressor(early_stopping=True).partial_fit(X, y)


def test_float32_weights_that_would_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="overflow float32"):
        fitted(regressor(), X.astype(np.float32), 1e300 * y)


@pytest.mark.parametrize("verbose", [False, True])
def test_verbose_prints_the_error_in_the_units_of_y(
    verbose: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fitted(
        regressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, verbose=verbose), X, 100 * y
    )
    lines = capsys.readouterr().out.splitlines()
    if not verbose:
        assert lines == []
        return
    rmse = np.sqrt(np.mean((model.predict(X) - 100 * y) ** 2))
    assert lines[0].split()[:3] == ["epoch", "loss", "RMSE"]
    assert float(lines[-1].split()[2]) == pytest.approx(rmse, rel=1e-3)


def test_verbose_says_which_start_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(regressor(solver="lm", n_init=2, max_iter=3, verbose=1), X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("start")] == [
        f"start {start} of 2, ascent {ascent} of 3" for start in (1, 2) for ascent in (1, 2, 3)
    ]


def test_verbose_says_what_is_maximised_and_which_ascent_is_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = regressor(hidden_layer_sizes=(3,), solver="lm", noise="constant", verbose=1)
    model = fitted(model, X, y)
    *attempts, last = capsys.readouterr().out.strip().split("\n\n")
    best = max(attempts, key=lambda table: float(table.splitlines()[-1].split()[3]))
    assert "log evidence/row" in best
    assert last == f"best: {best.splitlines()[0]}"
    printed = float(best.splitlines()[-1].split()[3])
    assert printed == pytest.approx(model.log_evidence_curve_[-1], abs=1e-5)


def test_verbose_says_that_the_noise_varies(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(regressor(hidden_layer_sizes=(), solver="lm", verbose=1), X, NOISY)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "The noise varies with the inputs, and the rows are weighted by its precision."


@pytest.mark.parametrize(("noise", "hidden"), [("constant", (3,)), ("varying", ())])
def test_the_last_evidence_is_the_log_marginal_likelihood_of_z_scores(
    noise: str, hidden: tuple[int, ...]
) -> None:
    model = fitted(regressor(hidden_layer_sizes=hidden, solver="lm", noise=noise), X, NOISY)
    assert model.noise_ == noise
    of_y = model.log_evidence_curve_[-1] - np.log(np.std(NOISY))
    assert of_y == pytest.approx(model.log_marginal_likelihood_ / len(y), rel=1e-4)


def test_other_training_has_no_evidence_curve() -> None:
    assert fitted(regressor(solver="adam"), X, y).log_evidence_curve_ is None


def test_calls_of_partial_fit_share_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    model = regressor(solver="adam", verbose=True)
    for _ in range(25):
        model.partial_fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["epoch", "loss", "RMSE"]
    assert [int(line.split()[0]) for line in lines[1:]] == [*range(1, 11), 20]


# Rows of one's own to stop by ---------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
def test_the_validation_loss_is_half_the_mean_squared_error_in_the_units_of_the_loss(
    standardize: bool,
) -> None:
    s = np.random.default_rng(1).uniform(0.5, 2, size=20)
    model = regressor(
        solver="adam", early_stopping=True, alpha=0.0, standardize=standardize, max_iter=5
    )
    fitted(model, X[:60], 10 * Y[:60], X_val=X[60:], y_val=10 * Y[60:], sample_weight_val=s)
    assert model.validation_loss_curve_ is not None
    assert model.validation_scores_ is not None
    unit = (10 * Y[:60]).std(axis=0) if standardize else np.ones(2)
    e = (model.predict(X[60:]) - 10 * Y[60:]) / unit
    best = int(np.argmax(model.validation_scores_))
    assert model.validation_loss_curve_[best] == pytest.approx(
        0.5 * np.average((e**2).sum(axis=1), weights=s)
    )
    assert len(model.validation_loss_curve_) == model.n_iter_


def test_sparse_rows_to_stop_by() -> None:
    sparse = sp.csc_array(X)
    models = [regressor(solver="lbfgs", early_stopping=True, max_iter=10) for _ in range(2)]
    fitted(models[0], X, y, X_val=X[:20], y_val=y[:20])
    fitted(models[1], sparse, y, X_val=sparse[:20], y_val=y[:20])
    assert models[0].validation_scores_ == models[1].validation_scores_


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"X_val": X}, "X_val is provided, but y_val was not provided"),
        ({"y_val": y}, "y_val is provided, but X_val was not provided"),
        ({"sample_weight_val": y}, "sample_weight_val is provided, but X_val and y_val were not"),
        ({"X_val": X[:, :2], "y_val": y}, "X has 2 features, but .* expecting 3"),
        ({"X_val": X, "y_val": y[:-1]}, "inconsistent numbers of samples"),
        ({"X_val": X, "y_val": Y}, "y_val has 2 columns, and y has 1"),
        ({"X_val": X + np.nan, "y_val": y}, "X_val contains NaN"),
        ({"X_val": X, "y_val": y + np.nan}, "y_val contains NaN"),
        ({"X_val": X[:1], "y_val": y[:1]}, "X_val has 1 rows"),
        ({"X_val": X, "y_val": y, "sample_weight_val": np.zeros(80)}, "(?i)zero|0 rows"),
        ({"X_val": X, "y_val": y, "sample_weight_val": -np.ones(80)}, "Negative values"),
    ],
)
def test_wrong_rows_to_stop_by_are_refused(validation: dict[str, Any], message: str) -> None:
    model = regressor(early_stopping=True)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **validation)
    assert not hasattr(model, "n_features_in_")


def test_rows_to_stop_by_need_early_stopping() -> None:
    with pytest.raises(ValueError, match=r"X_val and y_val are passed .* set early_stopping=True"):
        regressor().fit(X, y, X_val=X, y_val=y)


def test_any_number_of_epochs_without_improvement_may_be_borne() -> None:
    settings = {**MLPRegressor(n_iter_no_change=np.inf, solver="adam", max_iter=30).get_params()}
    model = fitted(SigmoidMLPRegressor(**{**settings, "tol": 1e6}), X, y)
    assert model.n_iter_ == 30


@pytest.mark.parametrize("settings", [{"solver": "lbfgs"}, {"solver": "lm", "alpha": 0.01}])
def test_early_stopping_is_the_end_of_all_stages(settings: dict[str, Any]) -> None:
    model = regressor(hidden_layer_sizes=(20,), early_stopping=True, n_iter_no_change=3, **settings)
    scores = fitted(model, X, y).validation_scores_ or []
    best = int(np.argmax(scores))
    assert len(scores) <= best + 1 + 4  # the best, and the iterations that were borne


def test_a_warm_start_at_the_minimum_says_what_it_found() -> None:
    model = regressor(hidden_layer_sizes=(), solver="lbfgs", warm_start=True, alpha=0.1)
    loss = model.fit(X, y).loss_
    model.fit(X, y)
    assert model.best_loss_ == pytest.approx(loss, rel=1e-6)
    assert model.loss_ == pytest.approx(loss, rel=1e-6)


def test_partial_fit_lowers_an_adaptive_rate_as_scikit_learn_does() -> None:
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (5,), "activation": "logistic", "solver": "sgd", "tol": 1e-2,
        "learning_rate": "adaptive", "learning_rate_init": 0.5, "n_iter_no_change": 2,
        "random_state": 0,
    }  # fmt: skip
    ours = SigmoidMLPRegressor(**settings, standardize=False)
    theirs = MLPRegressor(**settings)
    for _ in range(60):
        ours.partial_fit(X, y)
        theirs.partial_fit(X, y)
    assert theirs._optimizer.learning_rate < 1e-3
    assert getattr(ours._left_off.solver, "rate", 1.0) < 1e-3
    assert ours.best_loss_ == min(ours.loss_curve_)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "a matrix of shape"),
        ([np.ones((4, 2)), np.ones((4, 1))], "with as many n_in as the one before"),
        ([np.ones((1, 2)), np.ones((3, 1))], "a matrix of shape"),
        ([np.full((4, 2), np.nan), np.ones((3, 1))], "contains NaN"),
        ([np.ones(4)], "Expected 2D array"),
    ],
)
def test_weights_that_are_no_network_are_refused(weights: Any, message: str) -> None:
    model = SigmoidMLPRegressor()
    with pytest.raises(ValueError, match=message):
        model.weights_ = weights
    assert not hasattr(model, "weights_")


def test_weights_for_other_columns_than_those_of_the_fit_are_refused() -> None:
    model = fitted(regressor(hidden_layer_sizes=(2,), solver="gd"), X, y)
    before = flat(model)
    for shapes, message in (((3, 2), (3, 1)), "2 inputs"), (((4, 2), (3, 2)), "2 outputs"):
        with pytest.raises(ValueError, match=message):
            model.weights_ = [np.ones(shape) for shape in shapes]
    np.testing.assert_array_equal(flat(model), before)


def test_a_prediction_from_given_weights_needs_their_columns() -> None:
    model = SigmoidMLPRegressor()
    model.weights_ = [np.array([[0.0], [1.0]]), np.array([[0.0], [4.0]])]
    assert model.predict([[0.0]]) == pytest.approx(2.0)  # 4 σ(0)
    with pytest.raises(ValueError, match="X has 2 features, but the weights are for 1"):
        model.predict([[0.0, 1.0]])
