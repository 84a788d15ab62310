"""The names, parameters, defaults and fitted attributes that users rely on.

A change here is a change for them: it belongs into the release notes.
"""

import inspect
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import sklearn_mlp
from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor

NAMES = {
    "sklearn_mlp": {"SigmoidMLPEnsembleRegressor", "SigmoidMLPRegressor"},
    "sklearn_mlp.columns": {"Column", "TableEncoder", "columns_of"},
    "sklearn_mlp.datasets": {"make_hyperplane"},
    "sklearn_mlp.inspection": {
        "ActivationDisplay",
        "CoverageDisplay",
        "LossCurveDisplay",
        "LossSurfaceDisplay",
        "NetworkDisplay",
        "PredictionIntervalDisplay",
        "SensitivityDisplay",
    },
    "sklearn_mlp.interop": {
        "SKOPS_TRUSTED_TYPES",
        "from_sklearn",
        "register_onnx_converter",
        "to_onnx",
        "to_sklearn",
    },
}

PARAMETERS: dict[str, Any] = {
    "hidden_layer_sizes": "auto",
    "activation": "sigmoid",
    "loss": "squared_error",
    "solver": "auto",
    "alpha": "auto",
    "batch_size": "auto",
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "power_t": 0.5,
    "max_iter": 200,
    "shuffle": True,
    "random_state": None,
    "tol": 1e-4,
    "verbose": False,
    "warm_start": False,
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "n_iter_no_change": 10,
    "max_fun": 15_000,
    "n_init": 1,
    "standardize": True,
    "huber_delta": 1.35,
    "quantile": 0.5,
    "noise": "auto",
}

OF_THE_ENSEMBLE: dict[str, Any] = {
    "estimator": None,
    "n_estimators": 5,
    "n_jobs": None,
    "random_state": None,
}

METHODS = {
    "fit",
    "get_metadata_routing",
    "get_params",
    "partial_fit",
    "predict",
    "predict_noise_std",
    "predict_quantiles",
    "score",
    "set_callbacks",
    "set_fit_request",
    "set_params",
    "set_partial_fit_request",
    "set_predict_request",
    "set_score_request",
    "input_gradient",
    "summary",
}

ATTRIBUTES = {
    "alpha_",
    "architectures_",
    "best_loss_",
    "best_validation_score_",
    "coefs_",
    "feature_importances_",
    "intercepts_",
    "log_evidence_curve_",
    "log_marginal_likelihood_",
    "loss_",
    "loss_curve_",
    "n_effective_parameters_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "noise_",
    "noise_std_",
    "out_activation_",
    "posterior_kind_",
    "posterior_n_samples_",
    "solver_",
    "t_",
    "validation_loss_curve_",
    "validation_scores_",
    "weights_",
}


@pytest.mark.parametrize("module", NAMES)
def test_the_public_names(module: str) -> None:
    assert set(import_module(module).__all__) == NAMES[module]


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [(SigmoidMLPRegressor, PARAMETERS), (SigmoidMLPEnsembleRegressor, OF_THE_ENSEMBLE)],
)
def test_the_parameters_and_their_defaults(estimator: type, expected: dict[str, Any]) -> None:
    parameters = inspect.signature(estimator).parameters
    assert {name: p.default for name, p in parameters.items()} == expected


def test_the_methods_and_fitted_attributes() -> None:
    X = np.linspace(-1, 1, 40).reshape(20, 2)
    model = SigmoidMLPRegressor(random_state=0).fit(X, X[:, 0] ** 2)
    public = {name for name in dir(model) if not name.startswith("_") and hasattr(model, name)}
    attributes = {name for name in public if name.endswith("_")}
    assert attributes == ATTRIBUTES
    methods = {name for name in public if callable(getattr(model, name))}
    assert methods - METHODS == set()
    assert methods >= METHODS - {"set_callbacks"}  # newer releases of scikit-learn have it


def test_the_version_is_a_string_of_numbers() -> None:
    assert all(part.isdigit() for part in sklearn_mlp.__version__.split("."))
