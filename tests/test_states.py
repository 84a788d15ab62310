"""Random sequences of calls: an estimator is wholly fitted, or not at all, and never in between."""

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor

SOLVERS = ("auto", "lm", "lbfgs", "adam", "sgd", "gd")
SEEN = np.linspace(-1, 1, 15).reshape(5, 3)


def data(seed: int, n_columns: int, n_rows: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns))
    return X, np.sin(X[:, 0]) + 0.1 * rng.normal(size=n_rows)


class Calls(RuleBasedStateMachine):
    """An estimator, and what it has predicted when it was last changed."""

    def __init__(self) -> None:
        super().__init__()
        self.model = SigmoidMLPRegressor()
        self.expected: Any = None

    @initialize(solver=st.sampled_from(SOLVERS), warm=st.booleans(), seed=st.integers(0, 3))
    def begin(self, solver: str, warm: bool, seed: int) -> None:
        self.model = SigmoidMLPRegressor(
            (2,), solver=solver, warm_start=warm, max_iter=4, random_state=seed
        )

    def call(self, do: Callable[..., Any], *arguments: Any) -> None:
        """A call that may change the model; its arguments stay as they are."""
        copies = [a.copy() for a in arguments]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            do(*arguments)
        for before, after in zip(copies, arguments, strict=True):
            np.testing.assert_array_equal(before, after)

    def rows(self) -> Any:
        """Rows to predict, of as many columns as the model was fitted to."""
        return SEEN[:, : self.model.n_features_in_]

    def remember(self) -> None:
        self.expected = self.model.predict(self.rows())

    @property
    def is_fitted(self) -> bool:
        return self.expected is not None

    # What changes it --------------------------------------------------------------------------

    @rule(seed=st.integers(0, 9), n_columns=st.sampled_from([2, 3]))
    def fit(self, seed: int, n_columns: int) -> None:
        if self.model.warm_start and self.is_fitted:
            n_columns = self.model.n_features_in_
        self.call(self.model.fit, *data(seed, n_columns))
        self.remember()

    @precondition(lambda self: self.model.solver in ("auto", "lm", "adam", "sgd"))
    @rule(seed=st.integers(0, 9))
    def partial_fit(self, seed: int) -> None:
        n_columns = self.model.n_features_in_ if self.is_fitted else 3
        try:
            self.call(self.model.partial_fit, *data(seed, n_columns))
        except ValueError as error:  # "lm" goes on from "lm" alone
            if not (self.is_fitted and "on an unfitted copy" in str(error)):
                raise
            return
        self.remember()

    @rule(solver=st.sampled_from(SOLVERS))
    def set_solver(self, solver: str) -> None:
        self.model.set_params(solver=solver)

    @rule(activation=st.sampled_from(["sigmoid", "tanh"]))
    def set_activation(self, activation: str) -> None:
        if not self.model.warm_start:  # it would go on from weights for another activation
            self.model.set_params(activation=activation)

    @rule()
    def clone(self) -> None:
        self.model, self.expected = clone(self.model), None

    @rule()
    def pickle(self) -> None:
        self.model = pickle.loads(pickle.dumps(self.model))

    # What must not ----------------------------------------------------------------------------

    @rule(bad=st.sampled_from(["nan", "columns", "lengths", "parameter"]))
    def fail(self, bad: str) -> None:
        X, y = data(0, self.model.n_features_in_ if self.is_fitted else 3)
        if bad == "nan":
            X[3, 1] = np.nan
        elif bad == "columns":
            X = X[:, :0]
        elif bad == "lengths":
            y = y[:-1]
        else:
            self.model.set_params(max_iter=-1)
        with pytest.raises(ValueError):
            self.call(self.model.fit, X, y)
        self.model.set_params(max_iter=4)

    @rule()
    def fail_in_the_middle(self) -> None:
        def raise_error(*_: Any) -> None:
            raise MemoryError

        X, y = data(1, self.model.n_features_in_ if self.is_fitted else 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Monitor, "record", raise_error)
            with pytest.raises(MemoryError):
                self.call(self.model.fit, X, y)

    @rule(after=st.integers(1, 6))
    def interrupt(self, after: int) -> None:
        """From the keyboard: the best so far counts, if there is anything."""
        calls, record = [0], Monitor.record

        def interrupted(*arguments: Any) -> None:
            calls[0] += 1
            if calls[0] == after:
                raise KeyboardInterrupt
            record(*arguments)

        X, y = data(2, self.model.n_features_in_ if self.is_fitted else 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Monitor, "record", interrupted)
            try:
                self.call(self.model.fit, X, y)
            except KeyboardInterrupt:
                return  # as it was
        self.remember()

    # What always holds ------------------------------------------------------------------------

    @invariant()
    def it_is_fitted_wholly_or_not_at_all(self) -> None:
        model = self.model
        if not self.is_fitted:
            assert [name for name in vars(model) if name.endswith("_")] == []
            with pytest.raises(NotFittedError):
                model.predict(SEEN)
            return
        np.testing.assert_array_equal(model.predict(self.rows()), self.expected)
        assert np.isfinite(self.expected).all()
        assert model.weights_[0].shape[0] == model.n_features_in_ + 1
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy.predict(self.rows()), self.expected)


Calls.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
test_calls = Calls.TestCase
