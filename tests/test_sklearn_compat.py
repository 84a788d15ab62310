"""Everything that works with scikit-learn's own regressors works with this one."""

import io
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (it registers the search)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    cross_validate,
    train_test_split,
)
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from tests.helpers import assert_passes_the_checks_of_scikit_learn, fitted

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# Ridge regression scores 0.36 on this split; no model has been seen to score much more.
GOOD = 0.3


def regressor(**parameters: Any) -> SigmoidMLPRegressor:
    """A model that generalises on this small and noisy set."""
    defaults = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "alpha": 30.0, "random_state": 0}
    return SigmoidMLPRegressor(**{**defaults, **parameters})


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, marks=pytest.mark.nightly),
        {"solver": "lbfgs"},
        {"solver": "adam"},
        {"solver": "sgd"},
        {"solver": "gd", "learning_rate_init": 0.1},
        {"hidden_layer_sizes": (5,), "max_iter": 30},
        {
            "hidden_layer_sizes": (5, 4),
            "activation": "tanh",
            "solver": "lm",
            "alpha": 0.1,
            "max_iter": 30,
        },
        {"hidden_layer_sizes": ()},
        pytest.param(
            {"hidden_layer_sizes": (8, 8), "activation": "tanh", "solver": "adam"},
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            {"hidden_layer_sizes": (10, 5, 5), "activation": "softplus", "solver": "lbfgs"},
            marks=pytest.mark.nightly,
        ),
        {"hidden_layer_sizes": (20,), "activation": "relu", "solver": "sgd"},
        {"activation": "identity", "standardize": False, "solver": "lbfgs"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_check_estimator_has_no_failures(parameters: dict[str, Any]) -> None:
    assert_passes_the_checks_of_scikit_learn(SigmoidMLPRegressor(**parameters))


def test_parameters_of_mlp_regressor_are_taken_as_they_are() -> None:
    model = SigmoidMLPRegressor(**MLPRegressor(max_iter=5, random_state=0).get_params())
    with pytest.warns(ConvergenceWarning, match="adam has not converged in 5 iterations"):
        model.fit(X, y)
    assert model.activation == "relu"
    assert model.hidden_layer_sizes == (100,)


@pytest.mark.parametrize("parameter", sorted(MLPRegressor().get_params()))
def test_every_parameter_and_attribute_of_mlp_regressor_is_here(parameter: str) -> None:
    assert parameter in SigmoidMLPRegressor().get_params()


def test_every_fitted_attribute_of_mlp_regressor_is_here() -> None:
    theirs = fitted(MLPRegressor(random_state=0, max_iter=5), X, y)
    ours = fitted(regressor(solver="adam", max_iter=5), X, y)
    public = [name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")]
    assert [name for name in public if not hasattr(ours, name)] == []


def test_pipeline_behind_a_standard_scaler() -> None:
    model = make_pipeline(StandardScaler(), regressor()).fit(X_train, y_train)
    assert model.score(X_test, y_test) > GOOD
    # The model takes z-scores itself: a scaler before it changes nothing.
    alone = regressor().fit(X_train, y_train)
    np.testing.assert_allclose(model.predict(X_test), alone.predict(X_test), rtol=1e-6)


def test_transformed_target() -> None:
    model = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    model.fit(X_train, y_train)
    assert model.score(X_test, y_test) > GOOD
    alone = regressor().fit(X_train, y_train)
    np.testing.assert_allclose(model.predict(X_test), alone.predict(X_test), rtol=1e-6)


def test_cross_validate() -> None:
    scores = cross_validate(regressor(), X, y, scoring=("r2", "neg_root_mean_squared_error"))
    assert scores["test_r2"].mean() > GOOD
    assert -scores["test_neg_root_mean_squared_error"].mean() < y.std()


def test_grid_search_finds_the_penalty() -> None:
    grid = {"alpha": [0.3, 30.0], "activation": ["sigmoid", "tanh"]}
    model = regressor(hidden_layer_sizes=(20,), max_iter=5000)
    search = GridSearchCV(model, grid, cv=3).fit(X_train, y_train)
    assert search.best_params_["alpha"] == 30.0
    assert search.score(X_test, y_test) > GOOD


def test_halving_random_search_over_iterations() -> None:
    search = HalvingRandomSearchCV(
        regressor(solver="adam", learning_rate_init=0.01),
        {"alpha": [0.1, 1.0, 10.0, 30.0]},
        resource="max_iter",
        n_candidates=4,
        max_resources=90,
        min_resources=10,
        cv=3,
        random_state=0,
    )
    fitted(search, X_train, y_train)
    assert list(search.n_resources_) == [10, 30]
    assert search.best_estimator_.max_iter == 30
    assert search.score(X_test, y_test) > GOOD


def test_a_round_trip_by_joblib_predicts_the_same() -> None:
    model, file = regressor().fit(X, y), io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    np.testing.assert_array_equal(joblib.load(file).predict(X), model.predict(X))


def test_sample_weight_is_routed_as_metadata() -> None:
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            regressor().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), model)
        pipeline.fit(X, y, sample_weight=weights)
        scores = cross_validate(model, X, y, params={"sample_weight": weights})
    expected = regressor().fit(X, y, weights)
    np.testing.assert_allclose(pipeline.predict(X), expected.predict(X), rtol=1e-6)
    assert scores["test_score"].mean() > GOOD


def test_rows_to_stop_by_are_routed_and_transformed_as_metadata() -> None:
    model = regressor(solver="adam", early_stopping=True, learning_rate_init=0.01)
    alone = clone(model).fit(X_train, y_train, X_val=X_test, y_val=y_test)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("model", model.set_fit_request(X_val=True, y_val=True))],
            transform_input=["X_val"],
        )
        pipeline.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    np.testing.assert_allclose(pipeline[-1].validation_scores_, alone.validation_scores_, rtol=1e-6)


def test_the_columns_of_rows_to_stop_by_are_those_of_the_frame() -> None:
    model = regressor(solver="adam", early_stopping=True)
    with pytest.raises(ValueError, match="feature names"):
        model.fit(X_train, y_train, X_val=X_test[list(X.columns)[::-1]], y_val=y_test)


def test_bagging() -> None:
    model = BaggingRegressor(regressor(), n_estimators=5, random_state=0).fit(X_train, y_train)
    assert model.score(X_test, y_test) > GOOD


def test_permutation_importance_and_partial_dependence_see_what_matters() -> None:
    model = regressor().fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=5, random_state=0)
    assert {"bmi", "s5"} == set(X.columns[importance.importances_mean.argsort()[-2:]])
    average = partial_dependence(model, X, ["bmi"])["average"][0]
    assert (np.diff(average) > 0).all()  # disease goes up with the body mass index


def test_html_representation_names_the_estimator_and_its_state() -> None:
    html = regressor().fit(X, y)._repr_html_()
    assert "SigmoidMLPRegressor" in html
    assert "fitted" in html
    assert repr(SigmoidMLPRegressor()) == "SigmoidMLPRegressor()"


@pytest.mark.parametrize("model", [SigmoidMLPRegressor(), SigmoidMLPEnsembleRegressor()])
def test_the_diagram_links_to_the_documentation(model: Any) -> None:
    page = f"generated/sklearn_mlp.{type(model).__name__}.html"
    assert f'href="https://sklearn-mlp.readthedocs.io/en/stable/{page}"' in model._repr_html_()
