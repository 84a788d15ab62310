"""The ensemble is the mixture of its members, and one of scikit-learn's own estimators."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone, is_regressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from tests.helpers import assert_passes_the_checks_of_scikit_learn

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))  # the last column has nothing to say
signal = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
y = signal + 0.3 * rng.normal(size=200)
Y = np.column_stack([y, X[:, 0] - 2 * y])
train, test = slice(0, 100), slice(100, 200)

# What the members find is told as well by those that have not quite converged.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def member(**parameters: Any) -> SigmoidMLPRegressor:
    """A small network with a posterior."""
    return SigmoidMLPRegressor(
        **{"hidden_layer_sizes": (4,), "solver": "lm", "alpha": 0.3, "max_iter": 30, **parameters}
    )


def ensemble(**parameters: Any) -> SigmoidMLPEnsembleRegressor:
    return SigmoidMLPEnsembleRegressor(
        **{"estimator": member(), "n_estimators": 3, "random_state": 0, **parameters}
    )


# What is predicted -------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
def test_prediction_is_the_mixture_of_the_members(targets: Any) -> None:
    model = ensemble().fit(X, targets)
    each = [m.predict(X, return_std=True) for m in model.estimators_]
    means, stds = np.array([y for y, _ in each]), np.array([s for _, s in each])
    y_mean, y_std = model.predict(X, return_std=True)
    assert y_mean.shape == y_std.shape == targets.shape
    assert means.std(axis=0).max() > 0.01  # they do not agree
    np.testing.assert_allclose(y_mean, means.mean(axis=0), atol=1e-14)
    np.testing.assert_array_equal(y_mean, model.predict(X))
    np.testing.assert_allclose(y_std**2, (stds**2).mean(axis=0) + means.var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_error_is_not_above_the_mean_of_the_members(seed: int) -> None:
    model = ensemble(estimator=member(alpha=0.01), random_state=seed).fit(X[train], y[train])

    def rmse(predictor: Any) -> float:
        return float(np.sqrt(np.mean((predictor.predict(X[test]) - y[test]) ** 2)))

    assert rmse(model) <= np.mean([rmse(m) for m in model.estimators_])  # triangle inequality


def test_ensemble_of_one_is_its_member() -> None:
    model = ensemble(n_estimators=1).fit(X, y)
    alone = model.estimators_[0]
    for ours, theirs in zip(
        model.predict(X, return_std=True), alone.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shift", [0.0, 1e8])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.slow
def test_error_bars_follow_the_units_of_y(shift: float, scale: float) -> None:
    expected_mean, expected_std = ensemble().fit(X, y).predict(X, return_std=True)
    model = ensemble().fit(X, scale * (y + shift))
    y_mean, y_std = model.predict(X, return_std=True)
    np.testing.assert_allclose(y_mean / scale - shift, expected_mean, atol=1e-5)
    np.testing.assert_allclose(y_std / scale, expected_std, rtol=1e-5)


def test_mixture_of_any_estimators_that_know_their_standard_deviation() -> None:
    model = ensemble(estimator=BayesianRidge()).fit(X, y)  # nothing random: all are the same
    for ours, theirs in zip(
        model.predict(X, return_std=True),
        BayesianRidge().fit(X, y).predict(X, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# What the members are ----------------------------------------------------------------------


def test_members_are_the_estimator_from_different_starts() -> None:
    estimator = member(random_state=7, alpha=0.5)
    model = ensemble(estimator=estimator).fit(X, y)
    assert not hasattr(estimator, "weights_")
    assert estimator.random_state == 7
    assert len({m.random_state for m in model.estimators_}) == 3
    for m in model.estimators_:
        assert m.alpha == 0.5
        again = member(random_state=m.random_state, alpha=0.5).fit(X, y)
        np.testing.assert_array_equal(m.predict(X), again.predict(X))


def test_members_are_networks_by_default() -> None:
    model = SigmoidMLPEnsembleRegressor(random_state=0).fit(X[:8, :1], X[:8, 1])
    assert model.estimator is None
    assert len(model.estimators_) == 5
    for m in model.estimators_:
        assert type(m) is SigmoidMLPRegressor
        assert {**m.get_params(), "random_state": None} == SigmoidMLPRegressor().get_params()


def test_random_state_reaches_into_pipelines() -> None:
    model = ensemble(estimator=make_pipeline(StandardScaler(), member())).fit(X, y)
    seeds = [m[-1].random_state for m in model.estimators_]
    assert seeds == [m.random_state for m in ensemble().fit(X, y).estimators_]
    _, y_std = model.predict(X, return_std=True)
    np.testing.assert_allclose(y_std, ensemble().fit(X, y).predict(X, return_std=True)[1], 1e-5)


def test_same_random_state_gives_the_same_ensemble() -> None:
    model = ensemble().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), ensemble().fit(X, y).predict(X))
    another = ensemble(random_state=1).fit(X, y)
    assert (model.predict(X) != another.predict(X)).any()


@pytest.mark.parametrize("data", [X, X[:, ::-1], np.asfortranarray(X), sp.csr_matrix(X)], ids=type)
@pytest.mark.slow
def test_number_of_jobs_changes_nothing(data: Any) -> None:
    alone = ensemble().fit(data, y)
    together = ensemble(n_jobs=2).fit(data, y)
    for ours, theirs in zip(
        alone.predict(data, return_std=True), together.predict(data, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.nightly
def test_number_of_jobs_changes_nothing_for_rows_that_workers_map_into_memory() -> None:
    many = np.random.default_rng(1).normal(size=(40_000, 4))  # joblib maps what is above 1 MB
    models = [
        ensemble(
            estimator=SigmoidMLPRegressor((3,), solver="adam", tol=1.0), n_estimators=2, n_jobs=n
        ).fit(many, many[:, 0])
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*(model.predict(many) for model in models))


def test_sample_weights_reach_the_members() -> None:
    s = np.random.default_rng(1).integers(0, 3, size=len(y))
    model = ensemble().fit(X, y, s)
    for m in model.estimators_:
        np.testing.assert_array_equal(m.predict(X), clone(m).fit(X, y, s).predict(X))
    repeated = ensemble().fit(X.repeat(s, axis=0), y.repeat(s))
    np.testing.assert_allclose(model.predict(X), repeated.predict(X), rtol=1e-4, atol=1e-4)


def test_float32_stays_float32() -> None:
    model = ensemble().fit(X.astype(np.float32), y)
    y_mean, y_std = model.predict(X.astype(np.float32), return_std=True)
    assert y_mean.dtype == y_std.dtype == np.float32
    np.testing.assert_allclose(y_mean, ensemble().fit(X, y).predict(X), atol=1e-3)
    assert model.predict(X).dtype == np.float64


def test_sparse_rows_are_as_good_as_dense_ones() -> None:
    model = ensemble().fit(sp.csc_array(X), y)
    np.testing.assert_allclose(model.predict(sp.coo_array(X)), ensemble().fit(X, y).predict(X))


# Fitted attributes -------------------------------------------------------------------------


def test_importances_and_noise_are_averages_over_the_members() -> None:
    model = ensemble().fit(X, y)
    expected = np.mean([m.feature_importances_ for m in model.estimators_], axis=0)
    np.testing.assert_allclose(model.feature_importances_, expected)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_.argmin() == 3
    assert isinstance(model.noise_std_, float)
    squares = [m.noise_std_**2 for m in model.estimators_]
    assert model.noise_std_**2 == pytest.approx(np.mean(squares))
    assert (model.predict(X, return_std=True)[1] > model.predict_noise_std(X)).all()


def test_several_outputs_have_a_noise_each() -> None:
    model = ensemble().fit(X, Y)
    assert model.n_outputs_ == 2
    assert np.shape(model.noise_std_) == (2,)
    assert ensemble().fit(X, y).n_outputs_ == 1


def test_what_the_members_do_not_know_is_no_attribute() -> None:
    model = ensemble(estimator=member(loss="huber"))
    for state in (model, model.fit(X, y)):
        assert not hasattr(state, "feature_importances_")
        assert not hasattr(state, "noise_std_")


def test_select_from_model_drops_what_does_not_matter() -> None:
    selected = SelectFromModel(ensemble(), max_features=3, threshold=-np.inf).fit(X, y)
    assert list(selected.get_support()) == [True, True, True, False]


def test_feature_names_are_those_of_the_frame_and_are_checked() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = ensemble().fit(frame, pd.Series(y))
    assert list(model.feature_names_in_) == list("abcd")
    assert model.n_features_in_ == 4
    np.testing.assert_array_equal(model.predict(frame), ensemble().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])


# scikit-learn ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(SigmoidMLPRegressor((2,), alpha=0.1, max_iter=30), marks=pytest.mark.nightly),
        SigmoidMLPRegressor((5,), solver="adam", learning_rate_init=0.01),
        LinearRegression(),
    ],
    ids=str,
)
@pytest.mark.slow
def test_check_estimator_has_no_failures(estimator: Any) -> None:
    model = SigmoidMLPEnsembleRegressor(estimator, n_estimators=2)
    assert_passes_the_checks_of_scikit_learn(model)


def test_tags_are_those_of_the_member() -> None:
    assert is_regressor(ensemble())
    assert get_tags(SigmoidMLPEnsembleRegressor()).input_tags.sparse
    assert get_tags(SigmoidMLPEnsembleRegressor()).target_tags.multi_output
    ridge = get_tags(SigmoidMLPEnsembleRegressor(BayesianRidge()))
    assert not ridge.input_tags.sparse
    assert not ridge.target_tags.multi_output


@pytest.mark.slow
def test_pipeline_and_cross_validation() -> None:
    model = make_pipeline(StandardScaler(), ensemble())
    assert cross_validate(model, X, y, cv=3)["test_score"].min() > 0.4
    y_mean, y_std = model.fit(X, y).predict(X, return_std=True)  # a pipeline passes it on
    assert y_mean.shape == y_std.shape == y.shape


def test_grid_search_over_the_members_parameters() -> None:
    grid = {"estimator__alpha": [0.3, 1000.0], "n_estimators": [1, 2]}
    search = GridSearchCV(ensemble(), grid, cv=2).fit(X, y)
    assert search.best_params_["estimator__alpha"] == 0.3
    assert search.best_estimator_.estimators_[0].alpha == 0.3


def test_clone_is_unfitted_and_fits_to_the_same() -> None:
    model = ensemble().fit(X, y)
    copy = clone(model)
    assert not hasattr(copy, "estimators_")
    np.testing.assert_array_equal(copy.fit(X, y).predict(X), model.predict(X))


def test_pickle_predicts_the_same() -> None:
    model = ensemble().fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    for ours, theirs in zip(
        again.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_html_representation_names_the_ensemble_and_the_member() -> None:
    for model in (ensemble(), ensemble().fit(X, y)):
        html = model._repr_html_()
        assert "SigmoidMLPEnsembleRegressor" in html
        assert "SigmoidMLPRegressor" in html
    assert repr(SigmoidMLPEnsembleRegressor()) == "SigmoidMLPEnsembleRegressor()"


@pytest.mark.nightly
def test_sample_weight_is_routed_as_metadata() -> None:
    s = np.random.default_rng(1).uniform(0.5, 2, len(y))
    expected = ensemble().fit(X, y, s).predict(X)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ensemble().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, model).fit(X, y, sample_weight=s)
        scores = cross_validate(model, X, y, params={"sample_weight": s}, cv=3)
        # A pipeline as the member asks for what its own steps ask for.
        within = make_pipeline(scaler, member().set_fit_request(sample_weight=True))
        nested = ensemble(estimator=within).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(pipeline.predict(X), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(nested.predict(X), expected, rtol=1e-4, atol=1e-4)
    assert scores["test_score"].min() > 0.4


# Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"estimator": StandardScaler()}, "'estimator'"),
        ({"estimator": "network"}, "'estimator'"),
        ({"n_estimators": 0}, "'n_estimators'"),
        ({"n_estimators": 2.5}, "'n_estimators'"),
        ({"n_jobs": 0.5}, "'n_jobs'"),
        ({"random_state": "zero"}, "'random_state'"),
        ({"estimator": member(alpha=-1)}, "'alpha' parameter of SigmoidMLPRegressor"),
    ],
)
def test_unknown_parameter_values_are_refused_by_name(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ensemble(**parameters).fit(X, y)


@pytest.mark.nightly
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_error_in_a_member_leaves_the_ensemble_as_it_was(n_jobs: int) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    diverging = member(solver="gd", learning_rate_init=1e200)
    model = ensemble(estimator=diverging, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(frame, y)
    assert not [name for name in vars(model) if name.endswith("_")]

    model.set_params(estimator=member()).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(estimator=diverging).fit(frame[["a", "b"]], Y)
    assert (model.n_features_in_, model.n_outputs_) == (4, 1)
    assert not hasattr(model, "feature_names_in_")
    np.testing.assert_array_equal(model.predict(X), before)


def test_error_bars_need_members_that_have_them() -> None:
    model = ensemble(estimator=member(loss="huber")).fit(X, y)
    with pytest.raises(ValueError, match="loss='huber'"):
        model.predict(X, return_std=True)
    model = ensemble(estimator=LinearRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"return_std needs members.*LinearRegression's predict"):
        model.predict(X, return_std=True)


def test_sample_weights_need_members_that_take_them() -> None:
    model = ensemble(estimator=KNeighborsRegressor())
    assert model.fit(X, y).score(X, y) > 0.5
    with pytest.raises(ValueError, match=r"sample_weight needs.*KNeighborsRegressor's fit"):
        model.fit(X, y, np.ones(len(y)))
    with pytest.raises(ValueError, match=r"non-zero|sample_weight of 0"):
        ensemble().fit(X, y, np.zeros(len(y)))


def test_predict_before_fit() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ensemble().predict(X)


def test_predict_with_another_number_of_columns() -> None:
    with pytest.raises(
        ValueError, match="X has 2 features, but SigmoidMLPEnsembleRegressor is expecting 4"
    ):
        ensemble().fit(X, y).predict(X[:, :2])


def test_column_vector_is_taken_as_one_output_with_one_warning() -> None:
    with pytest.warns(DataConversionWarning, match="column-vector") as caught:
        model = ensemble().fit(X, y[:, np.newaxis])
    assert sum(one.category is DataConversionWarning for one in caught) == 1
    np.testing.assert_array_equal(model.predict(X), ensemble().fit(X, y).predict(X))
