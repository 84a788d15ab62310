"""skops files hold everything of a fitted estimator, and the list of trusted types is exact."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPRegressor, training
from sklearn_mlp.columns import TableEncoder, columns_of
from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES, from_sklearn

from .conftest import Data, MakeEnsemble, MakeModel

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import skops.io

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def through_skops(model: Any) -> Any:
    return skops.io.loads(skops.io.dumps(model), trusted=SKOPS_TRUSTED_TYPES)


def test_error_bars_survive_a_skops_file(tmp_path: Path, data: Data, network: MakeModel) -> None:
    model = network().fit(data.X, data.Y)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.testing.assert_array_equal(
        loaded.predict(data.X, return_std=True), model.predict(data.X, return_std=True)
    )
    assert loaded.noise_std_ == pytest.approx(model.noise_std_, rel=0)


def test_noise_that_varies_survives_a_skops_file(data: Data, network: MakeModel) -> None:
    model = network(noise="varying").fit(data.X, data.Y)
    assert model.noise_ == "varying"
    np.testing.assert_array_equal(
        through_skops(model).predict_noise_std(data.X), model.predict_noise_std(data.X)
    )


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd", "lm"])
def test_partial_fit_continues_after_a_skops_file(
    solver: str, data: Data, network: MakeModel
) -> None:
    alpha = "auto" if solver == "lm" else 1e-4
    model = network(solver=solver, alpha=alpha).partial_fit(data.X[:40], data.y[:40])
    loaded = through_skops(model)
    loaded.partial_fit(data.X[40:], data.y[40:])
    model.partial_fit(data.X[40:], data.y[40:])
    np.testing.assert_array_equal(loaded.predict(data.X), model.predict(data.X))


def test_ensembles_survive_a_skops_file(data: Data, ensemble: MakeEnsemble) -> None:
    model = ensemble().fit(data.X, data.y)
    np.testing.assert_array_equal(
        through_skops(model).predict(data.X, return_std=True),
        model.predict(data.X, return_std=True),
    )


# The list -----------------------------------------------------------------------------------

CONSTRAINTS = SigmoidMLPRegressor._parameter_constraints
SOLVERS, LOSSES = (sorted(CONSTRAINTS[name][0].options) for name in ("solver", "loss"))
NOT_FITTED = [("lm", "pinball")]
"""The solvers with the losses that they refuse."""


def fitted_estimators(data: Data, network: MakeModel, ensemble: MakeEnsemble) -> Iterator[Any]:
    """One of every kind: of each solver, loss and way to fit."""
    X, y = data.X, np.exp(data.y / 2)
    small = {"max_iter": 2, "learning_rate_init": 1e-4}
    for solver in SOLVERS:
        for loss in LOSSES:
            if (solver, loss) not in NOT_FITTED:
                yield network(solver=solver, loss=loss, **small).fit(X, y)
        for settings in (
            {"standardize": False},
            {"early_stopping": True},
            {"n_init": 2},
            {"hidden": ()},
            {"random_state": np.random.RandomState(0)},
        ):
            yield network(**{"solver": solver, **small, **settings}).fit(X, y)
        yield network(solver=solver, **small).fit(X.astype(np.float32), data.Y)
        yield network(hidden=(60,), solver=solver, **small).fit(X, y)  # fewer rows than parameters
    for solver in ("adam", "sgd", "gd"):
        yield network(solver=solver).partial_fit(X, y).partial_fit(X, y)
    yield network(hidden=(60,), solver="adam", early_stopping=True).fit(X, y)  # the last layer
    for solver in ("auto", "lm"):
        yield network(solver=solver, alpha="auto").fit(X, y)
    streamed = network(hidden=(2,), solver="lm", alpha="auto")
    for _ in range(8):  # rows that are gone, and rows that are kept
        yield streamed.partial_fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    for solver in ("lbfgs", "adam", "sgd"):
        mlp = MLPRegressor(hidden_layer_sizes=(5,), solver=solver, max_iter=2, random_state=0)
        yield from_sklearn(mlp.fit(X, y))
    yield network(noise="varying").fit(X, y)
    yield SigmoidMLPRegressor(random_state=0).fit(X, y)
    with pytest.MonkeyPatch.context() as patch:  # a fit that leaves out inputs on its way
        patch.setattr(training, "AUTO_LM_COST", 3e6)
        patch.setattr(training, "FEW_ROWS_COST", 3e6)
        rng = np.random.default_rng(0)
        many = rng.normal(size=(6_000, 6))
        target = np.sin(many[:, 0]) + 0.3 * rng.normal(size=6_000)
        yield SigmoidMLPRegressor((3,), random_state=0).fit(many, target)
    yield ensemble().fit(X, y)
    yield ensemble(network(solver="adam")).fit(X, y)
    table = pd.DataFrame({"x": X[:, 0], "c": np.resize(["a", "b"], len(X))})
    yield TableEncoder(columns_of(table)).fit(table, y)


@pytest.mark.nightly
def test_the_trusted_types_are_those_of_fitted_estimators_and_no_others(
    data: Data, network: MakeModel, ensemble: MakeEnsemble
) -> None:
    files = [skops.io.dumps(model) for model in fitted_estimators(data, network, ensemble)]
    found = set().union(*(skops.io.get_untrusted_types(data=file) for file in files))
    assert found - set(SKOPS_TRUSTED_TYPES) == set()
    assert set(SKOPS_TRUSTED_TYPES) - found == set()
    for file in files:
        skops.io.loads(file, trusted=SKOPS_TRUSTED_TYPES)


def test_a_fitted_search_needs_types_of_scikit_learn_too(data: Data) -> None:
    search = GridSearchCV(SigmoidMLPRegressor(()), {"alpha": ["auto", 1.0]}, cv=2)
    file = skops.io.dumps(search.fit(data.X, data.y))
    others = set(skops.io.get_untrusted_types(data=file)) - set(SKOPS_TRUSTED_TYPES)
    assert "sklearn.metrics._scorer._PassthroughScorer" in others  # the rest is up to the release
    assert all(name.startswith("sklearn.") for name in others)
    loaded = skops.io.loads(file, trusted=[*SKOPS_TRUSTED_TYPES, *others])
    np.testing.assert_array_equal(loaded.predict(data.X), search.predict(data.X))


def test_no_trusted_type_is_listed_twice() -> None:
    assert len(SKOPS_TRUSTED_TYPES) == len(set(SKOPS_TRUSTED_TYPES))


@pytest.mark.parametrize("name", SKOPS_TRUSTED_TYPES)
def test_trusted_types_exist(name: str) -> None:
    module, _, type_name = name.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), type_name), type)
