"""Models from and for scikit-learn predict the same, and can be trained further."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.interop import from_sklearn, to_sklearn

from .conftest import Array, Data, MakeModel

with warnings.catch_warnings():
    # shap asks matplotlib for a colour map in a deprecated way.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# To scikit-learn ----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sigmoid", "logistic", "tanh", "relu", "identity"])
def test_mlp_regressor_predicts_the_same(
    activation: str, hidden: tuple[int, ...], targets: Array, data: Data, network: MakeModel
) -> None:
    model = network(hidden, activation=activation).fit(data.raw, targets)
    mlp = to_sklearn(model)
    scale = targets.std(axis=0)
    np.testing.assert_allclose(
        mlp.predict(data.raw) / scale, model.predict(data.raw) / scale, atol=1e-9
    )
    assert mlp.score(data.raw, targets) == pytest.approx(model.score(data.raw, targets), rel=1e-9)


def test_mlp_regressor_of_float32_weights_predicts_in_float32(
    data: Data, network: MakeModel
) -> None:
    X = data.X.astype(np.float32)
    model = network(solver="adam").fit(X, data.y)
    prediction = to_sklearn(model).predict(X)
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, model.predict(X), atol=1e-5)


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_mlp_regressor_has_what_a_fitted_one_has(
    solver: str, early_stopping: bool, data: Data, network: MakeModel
) -> None:
    frame = pd.DataFrame(data.X, columns=list("abcd"))
    mlp = to_sklearn(network(solver=solver, early_stopping=early_stopping).fit(frame, data.y))
    fitted = MLPRegressor(**mlp.get_params()).fit(frame, data.y)
    of_the_solver = {"_optimizer", "_coef_indptr", "_intercept_indptr"}  # made when they train
    assert fitted.__dict__.keys() - of_the_solver <= mlp.__dict__.keys()
    np.testing.assert_array_equal(mlp.feature_names_in_, list("abcd"))
    for name in ("n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
        assert getattr(mlp, name) == getattr(fitted, name)
    assert [W.shape for W in mlp.coefs_] == [W.shape for W in fitted.coefs_]
    assert repr(mlp) == repr(fitted)


@pytest.mark.parametrize(
    ("solver", "theirs"),
    [("lm", "lbfgs"), ("lbfgs", "lbfgs"), ("adam", "adam"), ("sgd", "sgd"), ("gd", "sgd")],
)
def test_mlp_regressor_can_be_trained_further(
    solver: str, theirs: str, data: Data, network: MakeModel
) -> None:
    X, y = data.X, data.y
    model = network(solver=solver).fit(X, y)
    before = model.predict(X)
    mlp = to_sklearn(model)
    assert mlp.solver == theirs
    if theirs != "lbfgs":
        assert not np.array_equal(mlp.partial_fit(X, y).predict(X), before)
    assert not np.array_equal(mlp.set_params(warm_start=True).fit(X, y).predict(X), before)
    np.testing.assert_array_equal(model.predict(X), before)  # they share no weights


def test_mlp_regressor_of_weights_set_by_hand(weights_set_by_hand: SigmoidMLPRegressor) -> None:
    assert to_sklearn(weights_set_by_hand).predict([[5.0]]) == 1 + 2 * 5 + 3 * 1


def test_softplus_is_not_among_the_activations_of_mlp_regressor(
    data: Data, network: MakeModel
) -> None:
    with pytest.raises(ValueError, match=r"no activation 'softplus'.*'sigmoid'.*'relu'"):
        to_sklearn(network(activation="softplus").fit(data.X, data.y))


@pytest.mark.parametrize("loss", ["huber", "pinball"])
def test_a_robust_loss_predicts_the_same_in_scikit_learn(
    loss: str, data: Data, network: MakeModel
) -> None:
    model = network(loss=loss, solver="lbfgs", max_iter=20).fit(data.X, data.y)
    prediction = to_sklearn(model).predict(data.X)
    np.testing.assert_allclose(prediction, model.predict(data.X), rtol=1e-12)


def test_to_sklearn_refuses_models_that_are_not_fitted() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        to_sklearn(SigmoidMLPRegressor())


def test_to_sklearn_refuses_other_estimators(data: Data) -> None:
    other: Any = LinearRegression().fit(data.X, data.y)
    with pytest.raises(TypeError, match="SigmoidMLPRegressor, got LinearRegression"):
        to_sklearn(other)


# From scikit-learn --------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
def test_from_sklearn_predicts_the_same(
    activation: str, hidden: tuple[int, ...], targets: Array, data: Data
) -> None:
    mlp = MLPRegressor(
        hidden_layer_sizes=hidden, activation=activation, max_iter=3, random_state=0
    ).fit(data.X, targets)
    model = from_sklearn(mlp)
    np.testing.assert_allclose(model.predict(data.X), mlp.predict(data.X), rtol=1e-12, atol=1e-12)
    assert model.get_params().items() >= mlp.get_params().items()


NEEDS_THE_ROWS = {
    "alpha_",
    "feature_importances_",
    "log_marginal_likelihood_",
    "n_effective_parameters_",
    "noise_",
    "noise_std_",
    "posterior_kind_",
    "posterior_n_samples_",
}
"""Fitted attributes that only the training rows can give."""


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_from_sklearn_has_what_a_fitted_model_has(
    solver: str, early_stopping: bool, data: Data
) -> None:
    frame = pd.DataFrame(data.X, columns=list("abcd"))
    mlp = MLPRegressor(hidden_layer_sizes=(5,), solver=solver, max_iter=3, random_state=0)
    model = from_sklearn(mlp.set_params(early_stopping=early_stopping).fit(frame, data.y))
    fitted = SigmoidMLPRegressor(**mlp.get_params()).fit(frame, data.y)

    def public(estimator: Any) -> set[str]:
        names = {name for name in dir(estimator) if name.endswith("_") and name[0] != "_"}
        return {name for name in names if hasattr(estimator, name)} - NEEDS_THE_ROWS

    assert public(model) == public(fitted)
    np.testing.assert_array_equal(model.feature_names_in_, list("abcd"))
    assert len(model.loss_curve_) == (1 if solver == "lbfgs" else 3)
    assert [W.shape for W in model.weights_] == [W.shape for W in fitted.weights_]


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate_init": 1e-3, "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
        {"solver": "sgd", "nesterovs_momentum": False, "activation": "tanh"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_partial_fit_continues_where_mlp_regressors_would(
    settings: dict[str, Any], data: Data
) -> None:
    mlp = MLPRegressor(
        hidden_layer_sizes=(5, 3), max_iter=7, shuffle=False, random_state=0, **settings
    ).fit(data.X, data.y)
    mlp.set_params(n_iter_no_change=100)  # they count what stalls a little differently
    model = from_sklearn(mlp)
    for _ in range(3):
        mlp.partial_fit(data.X, data.y)
        model.partial_fit(data.X, data.y)
    np.testing.assert_allclose(model.predict(data.X), mlp.predict(data.X), rtol=1e-10)


def test_warm_start_continues_with_any_solver(data: Data) -> None:
    X, y = data.X, data.y
    mlp = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", max_iter=30, random_state=0)
    model = from_sklearn(mlp.fit(X, y))
    at_first = model.score(X, y)
    model.set_params(warm_start=True, solver="lm", alpha=0.1, standardize=True).fit(X, y)
    assert model.score(X, y) > at_first + 0.1
    assert (model.predict(X, return_std=True)[1] > 0).all()


def test_from_sklearn_refuses_models_that_are_not_fitted() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        from_sklearn(MLPRegressor())


def test_from_sklearn_refuses_other_estimators(data: Data) -> None:
    with pytest.raises(TypeError, match="MLPRegressor, got LinearRegression"):
        from_sklearn(LinearRegression().fit(data.X, data.y))


# There and back -----------------------------------------------------------------------------


def test_there_and_back_again_are_the_same_weights(data: Data, network: MakeModel) -> None:
    model = network((5, 3)).fit(data.raw, data.Y)
    back = from_sklearn(to_sklearn(model))
    for W, again in zip(model.weights_, back.weights_, strict=True):
        np.testing.assert_array_equal(W, again)


def test_an_exponential_output_is_kept_where_scikit_learn_has_it(
    data: Data, network: MakeModel
) -> None:
    counts = np.round(np.exp(data.y - data.y.mean()))
    model = network(loss="poisson", solver="lbfgs", max_iter=20).fit(data.X, counts)
    assert model.out_activation_ == "exp"
    if "loss" in MLPRegressor().get_params():
        mlp = to_sklearn(model)
        back = from_sklearn(mlp)
        assert mlp.out_activation_ == back.out_activation_ == "exp"
        for converted in (mlp, back):
            prediction = converted.predict(data.X)
            np.testing.assert_allclose(prediction, model.predict(data.X), rtol=1e-12)
    else:
        with pytest.raises(ValueError, match="update scikit-learn"):
            to_sklearn(model)


# Explainers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("explained", ["our own predict", "MLPRegressor's"])
def test_shap_values_add_up_to_the_prediction(
    explained: str, data: Data, network: MakeModel
) -> None:
    model = network().fit(data.X, data.y)
    predict = model.predict if explained == "our own predict" else to_sklearn(model).predict
    rows, background = data.X[:20], data.X[20:50]
    explainer = shap.KernelExplainer(predict, background)
    values = explainer.shap_values(rows, nsamples=2**4, silent=True)  # all coalitions
    assert explainer.expected_value == pytest.approx(model.predict(background).mean(), rel=1e-9)
    total = explainer.expected_value + values.sum(axis=1)
    np.testing.assert_allclose(total, model.predict(rows), rtol=1e-7, atol=1e-9)


def test_shap_values_of_a_linear_model_are_coef_times_distance_from_the_mean(
    data: Data, network: MakeModel
) -> None:
    X = data.X
    model = network((), alpha=0.0).fit(X, data.y)
    explainer = shap.KernelExplainer(to_sklearn(model).predict, X[20:50])
    values = explainer.shap_values(X[:20], nsamples=2**4, silent=True)
    expected = model.coefs_[0][:, 0] * (X[:20] - X[20:50].mean(axis=0))
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_to_sklearn_has_the_width_that_was_found(data: Data) -> None:
    model = SigmoidMLPRegressor(random_state=0).fit(data.X, data.y)
    mlp = to_sklearn(model)
    assert mlp.hidden_layer_sizes == (model.coefs_[0].shape[1],)
    np.testing.assert_allclose(mlp.predict(data.X), model.predict(data.X), rtol=1e-9, atol=1e-9)
