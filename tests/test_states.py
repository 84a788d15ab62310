"""What an estimator lives through: whatever the order of the calls, it is unfitted or fitted.

Fits that fail, or that are interrupted at any call of a function, leave it as it was.
"""

import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_mlp
from sklearn_mlp import SigmoidMLPRegressor

try:
    import sklearn.callback  # noqa: F401
except ImportError:
    has_callbacks = False
else:
    has_callbacks = True

PACKAGE = str(Path(sklearn_mlp.__file__).parent)
SOLVERS = ["lm", "lbfgs", "adam", "sgd", "gd"]

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 2))
Y = np.abs(np.sin(2 * X[:, 0]) + X[:, 1]) + 0.1
S = rng.uniform(0.5, 2, size=20)

MORE = rng.normal(size=(60, 2))
NOISY = np.abs(MORE[:, 0] + (1 + MORE[:, 1]) ** 2 * rng.normal(size=60)) + 0.1
"""With fewer than 50 rows noise="auto" is constant."""

DATA: dict[str, tuple[Any, ...]] = {
    "dense": (X, Y),
    "weighted": (X, Y, S),
    "sparse": (sp.csr_array(X), Y),
    "float32": (X.astype(np.float32), Y),
    "frame": (pd.DataFrame(X, columns=["a", "b"]), Y),
    "one column": (X[:, :1].copy(), Y),
    "noise that varies": (MORE, NOISY),
    "two outputs": (X, np.column_stack([Y, 3 * Y[::-1]])),
}
BAD: dict[str, tuple[Any, ...]] = {
    "NaN in y": (X, np.full(20, np.nan)),
    "infinity in X": (np.full((20, 2), np.inf), Y),
    "fewer targets": (X, Y[:5]),
    "no row": (X[:0], Y[:0]),
    "negative weights": (X, Y, -S),
}
CHANGES: list[dict[str, Any]] = [
    *({"solver": solver} for solver in SOLVERS),
    *({"hidden_layer_sizes": hidden} for hidden in [(), (3,), (2, 2), "auto"]),
    *({"alpha": alpha} for alpha in [0.1, "auto"]),
    *({"activation": activation} for activation in ["sigmoid", "relu"]),
    *({"loss": loss} for loss in ["squared_error", "huber", "poisson"]),
    *({"warm_start": warm_start} for warm_start in [False, True]),
    *({"standardize": standardize} for standardize in [False, True]),
    *({"early_stopping": early_stopping} for early_stopping in [False, True]),
    *({"noise": noise} for noise in ["auto", "constant", "varying"]),
    *({"n_init": n_init} for n_init in [1, 2]),
]
DIVERGING = {
    "activation": "identity", "learning_rate_init": 1e200, "solver": "sgd",
    "loss": "squared_error", "hidden_layer_sizes": (3,), "warm_start": False, "noise": "constant",
}  # fmt: skip


class FailureError(Exception):
    """A callback's own."""


class Callback:
    """Looks at the model in each task, and stops the fit, or fails, after so many of them."""

    def __init__(self, at: int, fails: bool) -> None:
        self.left, self.fails = at, fails

    def setup(self, estimator: Any, context: Any) -> None: ...
    def teardown(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        if fitted_estimator is not None:
            assert all(np.isfinite(W).all() for W in fitted_estimator.weights_)
        self.left -= 1
        if self.left <= 0 and self.fails:
            raise FailureError
        return self.left <= 0


@contextmanager
def no_warnings() -> Iterator[None]:
    """Without those of fits that have not converged, or that were interrupted, and of names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def interruption(at: int) -> Iterator[None]:
    """Ctrl-C as the package calls its function number ``at``; none if that is 0."""
    n_calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal n_calls
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            n_calls += 1
            if n_calls == at:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def copied(data: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part.copy() for part in data)


def assert_unmodified(data: tuple[Any, ...], before: tuple[Any, ...]) -> None:
    for ours, theirs in zip(data, before, strict=True):
        pair = [part.toarray() if sp.issparse(part) else part for part in (ours, theirs)]
        np.testing.assert_array_equal(*pair)


class Life(RuleBasedStateMachine):
    """Calls of one estimator, and what it predicts by then."""

    @initialize(
        solver=st.sampled_from(SOLVERS),
        alpha=st.sampled_from([0.1, "auto"]),
        warm_start=st.booleans(),
    )
    def begin(self, solver: str, alpha: Any, warm_start: bool) -> None:
        self.model = SigmoidMLPRegressor(
            (3,), solver=solver, alpha=alpha, max_iter=3, batch_size=8, random_state=0,
            warm_start=warm_start, noise="constant",
        )  # fmt: skip
        self.expected: np.ndarray | None = None
        self.data = DATA["dense"]

    # What happens ---------------------------------------------------------------------------

    def call(self, method: str, data: tuple[Any, ...], interrupted_at: int = 0) -> None:
        """Call fit or partial_fit, which may refuse the data by a ValueError."""
        before, copies = dict(vars(self.model)), copied(data)
        with no_warnings():
            try:
                with interruption(interrupted_at):
                    getattr(self.model, method)(*data)
            except (ValueError, KeyboardInterrupt, FailureError) as error:
                if isinstance(error, ValueError):
                    self.expect_refusal(method, data, str(error))
                self.assert_is(before)
            else:
                self.data = data
                self.expected = self.model.predict(data[0])
        assert_unmodified(data, copies)

    def expect_refusal(self, method: str, data: tuple[Any, ...], message: str) -> None:
        """No error but those that the documentation names."""
        model = self.model
        known = ["have shapes", "feature names", "features, but", "outputs", "columns of y"]
        if model.loss == "poisson" and model.alpha == "auto":
            known += ["poisson"]
        if model.loss == "huber" and model.solver == "lm" and model.alpha == "auto":
            known += ["for loss='huber' set alpha to a number"]
        if model.noise == "varying":
            known += ["noise='varying'"]
        if method == "partial_fit":
            known += ["early_stopping", "goes on from", "noise='"]
        assert any(words in message for words in known), message

    def assert_is(self, before: dict[str, Any]) -> None:
        after = vars(self.model)
        assert list(after) == list(before)
        assert [name for name in before if after[name] is not before[name]] == []

    @rule(kind=st.sampled_from(list(DATA)))
    def fit(self, kind: str) -> None:
        self.call("fit", DATA[kind])

    @rule()
    def fit_again(self) -> None:
        self.call("fit", self.data)

    @precondition(lambda self: hasattr(self.model, "partial_fit"))
    @rule(kind=st.sampled_from(list(DATA)), n_calls=st.integers(1, 3))
    def partial_fit(self, kind: str, n_calls: int) -> None:
        for _ in range(n_calls):
            self.call("partial_fit", DATA[kind])

    @rule(change=st.sampled_from(CHANGES))
    def set_params(self, change: dict[str, Any]) -> None:
        self.model.set_params(**change)

    @precondition(lambda self: has_callbacks)
    @rule(kind=st.sampled_from(list(DATA)), at=st.integers(1, 12), fails=st.booleans())
    def fit_with_callback(self, kind: str, at: int, fails: bool) -> None:
        self.model.set_callbacks(Callback(at, fails))
        self.call("fit", DATA[kind])
        self.model.set_callbacks()

    @rule()
    def copy(self) -> None:
        twin = clone(self.model)
        assert twin.get_params() == self.model.get_params()
        assert not [name for name in vars(twin) if name.endswith("_")]
        self.model, self.expected = twin, None

    @rule()
    def round_trip(self) -> None:
        self.model = pickle.loads(pickle.dumps(self.model))

    @rule(method=st.sampled_from(["fit", "partial_fit"]), at=st.integers(1, 400))
    def interrupted(self, method: str, at: int) -> None:
        if hasattr(self.model, method):
            self.call(method, self.data, interrupted_at=at)

    @rule(bad=st.sampled_from(list(BAD)), method=st.sampled_from(["fit", "partial_fit"]))
    def bad_data(self, bad: str, method: str) -> None:
        if hasattr(self.model, method):
            self.assert_refused(method, BAD[bad])

    @rule()
    def divergence(self) -> None:
        old = {name: getattr(self.model, name) for name in DIVERGING}
        self.model.set_params(**DIVERGING)
        self.assert_refused("fit", DATA["dense"])
        self.model.set_params(**old)

    @rule(wrong=st.sampled_from([{"max_iter": -1}, {"activation": "sine"}, {"alpha": -1.0}]))
    def wrong_parameter(self, wrong: dict[str, Any]) -> None:
        old = {name: getattr(self.model, name) for name in wrong}
        self.model.set_params(**wrong)
        self.assert_refused("fit", DATA["dense"])
        self.model.set_params(**old)

    def assert_refused(self, method: str, data: tuple[Any, ...]) -> None:
        before = dict(vars(self.model))
        with no_warnings(), pytest.raises(ValueError):
            getattr(self.model, method)(*data)
        self.assert_is(before)

    @precondition(lambda self: self.expected is not None)
    @rule(at=st.one_of(st.none(), st.integers(1, 200)))
    def error_bars(self, at: int | None) -> None:
        """Where they are computed when they are asked for, an interruption only delays them."""
        if at is not None:
            with suppressed(), interruption(at):
                self.model.predict(self.data[0], return_std=True)
        with suppressed():
            mean, std = self.model.predict(self.data[0], return_std=True)
            np.testing.assert_array_equal(mean, self.expected)
            assert std.shape == mean.shape
            assert (std > 0).all()
            assert np.isfinite(std).all()

    # What holds -----------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        with no_warnings():  # names of columns may come and go with partial_fit
            self.is_unfitted_or_fitted()

    def is_unfitted_or_fitted(self) -> None:
        model = self.model
        if self.expected is None:
            assert not [name for name in vars(model) if name.endswith("_")]
            assert not hasattr(model, "weights_")
            with pytest.raises(NotFittedError):
                model.predict(X)
            return
        inputs, y = self.data[:2]
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        sizes = [len(model.weights_[0]) - 1, *(W.shape[1] for W in model.weights_)]
        assert (sizes[0], sizes[-1]) == (model.n_features_in_, model.n_outputs_)
        assert (sizes[0], sizes[-1], len(sizes)) == (inputs.shape[1], n_outputs, model.n_layers_)
        assert all(np.isfinite(W).all() for W in model.weights_)
        assert model.loss_ == model.loss_curve_[-1]
        assert model.n_iter_ > 0
        prediction = model.predict(inputs)
        np.testing.assert_array_equal(prediction, self.expected)
        assert prediction.shape == y.shape
        assert np.isfinite(prediction).all()
        assert np.isfinite(model.score(inputs, y))
        twin = pickle.loads(pickle.dumps(model)) if not vars(model).get("_hindsight") else model
        np.testing.assert_array_equal(twin.predict(inputs), prediction)


@contextmanager
def suppressed() -> Iterator[None]:
    """Without warnings, interruptions, and the error of a model that has no error bars."""
    with no_warnings():
        try:
            yield
        except KeyboardInterrupt:
            pass
        except ValueError as error:
            if "needs a posterior" not in str(error):
                raise


TestLife: Callable[..., Any] = Life.TestCase
TestLife.settings = settings(  # type: ignore[attr-defined]
    max_examples=25, stateful_step_count=12, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
