"""Warnings name the line of the user's that called, whichever way the call came in."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor

X, y = load_diabetes(return_X_y=True)


def unfinished(solver: str = "lbfgs") -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor((3,), solver=solver, max_iter=2, random_state=0)


WAYS_IN: dict[str, Callable[[], Any]] = {
    "fit": lambda: unfinished().fit(X, y),
    "lm": lambda: unfinished("lm").fit(X, y),
    "n_init": lambda: unfinished().set_params(n_init=2).fit(X, y),
    "pipeline": lambda: make_pipeline(StandardScaler(), unfinished()).fit(X, y),
    "search": lambda: GridSearchCV(unfinished(), {"alpha": [1.0]}, cv=2).fit(X, y),
    "cross-validation": lambda: cross_val_score(unfinished(), X, y, cv=2),
    "ensemble": lambda: SigmoidMLPEnsembleRegressor(unfinished(), n_estimators=2).fit(X, y),
    "ensemble in a pipeline": lambda: make_pipeline(
        StandardScaler(), SigmoidMLPEnsembleRegressor(unfinished(), n_estimators=2)
    ).fit(X, y),
    "transformed target": lambda: TransformedTargetRegressor(
        unfinished(), transformer=StandardScaler()
    ).fit(X, y),
}


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_no_convergence_is_said_at_the_line_that_called(way_in: str) -> None:
    call = WAYS_IN[way_in]
    lines, first = inspect.getsourcelines(call)
    with pytest.warns(ConvergenceWarning) as caught:
        call()
    for warning in caught:
        assert warning.filename == __file__
        assert first <= warning.lineno < first + len(lines)


@pytest.mark.parametrize("parameters", [{"solver": "gd"}, {"solver": "lm"}, {"n_init": 2}], ids=str)
def test_an_interruption_is_said_once_at_the_line_that_called(
    parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Monitor.record

    def interrupted(monitor: Monitor, w: Any, loss: float) -> None:
        record(monitor, w, loss)
        if monitor.n_iter == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "record", interrupted)
    model = SigmoidMLPRegressor((3,), max_iter=5, random_state=0, **parameters)
    with pytest.warns(UserWarning, match="interrupted") as caught:
        model.fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]


def test_partial_fit_says_that_it_takes_a_model_away_from_its_minimum() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SigmoidMLPRegressor((3,), random_state=0, max_iter=50).fit(X, y)
    assert model.solver_ == "lm"
    with pytest.warns(UserWarning, match=r"goes on with 'adam'.*'lm'.*call fit") as caught:
        model.partial_fit(X, y)
    assert caught[0].filename == __file__
    model.partial_fit(X, y)  # said once is enough
    chosen = SigmoidMLPRegressor((3,), solver="adam", random_state=0, tol=1.0)
    chosen.fit(X, y).partial_fit(X, y)  # who has chosen the solver knows


def test_partial_fit_from_the_start_says_nothing() -> None:
    model = SigmoidMLPRegressor((3,), random_state=0)
    for part in np.array_split(np.arange(100), 4):
        model.partial_fit(X[part], y[part])
    assert model.solver_ == "adam"
