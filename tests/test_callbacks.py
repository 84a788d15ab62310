"""scikit-learn's callbacks, or a clear error where scikit-learn has none."""

import pickle
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.network import Network
from tests import helpers

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:
    ProgressBar = ScoringMonitor = None

with_callbacks = pytest.mark.skipif(ScoringMonitor is None, reason="needs scikit-learn 1.9")
without_callbacks = pytest.mark.skipif(ScoringMonitor is not None, reason="for older scikit-learn")

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
y = np.sin(X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=60)

SOLVERS = ["gd", "sgd", "adam", "lbfgs", "lm"]
FEW = {"max_iter": 8, "tol": 0.0}


def regressor(**parameters: Any) -> SigmoidMLPRegressor:
    defaults = {"hidden_layer_sizes": (4,), "alpha": 0.1, "random_state": 0}
    return SigmoidMLPRegressor(**{**defaults, **parameters})


def fitted(model: Any, *data: Any) -> Any:
    """The model after a fit that need not converge, of these data by default."""
    return helpers.fitted(model, *(data or (X, y)))


class Recorder:
    """Notes the tasks, and stops after so many iterations of an attempt or at its end."""

    def __init__(self, stop_at: int | None = None, stop: bool = False) -> None:
        self.stop_at, self.stop = stop_at, stop
        self.events: list[tuple[str, str]] = []
        self.models: list[Any] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self.events.append(("setup", context.task_name))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        self.events.append(("end", context.task_name))
        if context.task_name != "iteration":
            return self.stop
        if fitted_estimator is not None:
            self.models.append(fitted_estimator)
        return self.stop_at is not None and context.task_id + 1 >= self.stop_at

    def count(self, *event: str) -> int:
        # An event alone stands for those of any context.
        return self.events.count(event)  # type: ignore[arg-type]


class Plain:
    """Asks for nothing and stops at nothing."""

    def setup(self, estimator: Any, context: Any) -> None: ...
    def teardown(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_end(self, estimator: Any, context: Any) -> None: ...


class Timer(Plain):
    """The time between the beginning and the end of each iteration."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock, self.begun = clock, 0
        self.times: list[int] = []

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.begun = self.clock()

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        if context.task_name == "iteration":
            self.times.append(self.clock() - self.begun)


class Failing(Recorder):
    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        raise RuntimeError("of the callback's own")


# Without them -------------------------------------------------------------------------------


@without_callbacks
@pytest.mark.parametrize("model", [SigmoidMLPRegressor(), SigmoidMLPEnsembleRegressor()])
def test_older_scikit_learn_says_what_callbacks_need(model: Any) -> None:
    needs = rf"callbacks need scikit-learn 1\.9 or later, this is {sklearn.__version__}"
    with pytest.raises(ImportError, match=needs):
        model.set_callbacks(Recorder())


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_without_callbacks_leaves_no_trace_of_them(solver: str) -> None:
    model = fitted(regressor(solver=solver, **FEW))
    assert not [name for name in vars(model) if "callback" in name]


# What they are told -------------------------------------------------------------------------


@with_callbacks
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_iteration_is_a_task_with_the_model_as_it_is(solver: str) -> None:
    recorder = Recorder()
    model = fitted(regressor(solver=solver, **FEW).set_callbacks(recorder))
    assert model.n_iter_ == 8
    assert recorder.events[:2] == [("setup", "fit"), ("begin", "fit")]
    assert recorder.events[-2:] == [("end", "fit"), ("teardown", "fit")]
    assert recorder.events[2:-2] == [("begin", "iteration"), ("end", "iteration")] * 8
    for n, so_far in enumerate(recorder.models, 1):
        assert so_far.n_iter_ == len(so_far.loss_curve_) == n
        assert so_far.loss_ == so_far.loss_curve_[-1] == pytest.approx(model.loss_curve_[n - 1])
        alone = fitted(clone(regressor(solver=solver, **{**FEW, "max_iter": n})))
        if solver != "gd":  # it goes one step further after its last loss
            np.testing.assert_allclose(so_far.predict(X), alone.predict(X), rtol=1e-6, atol=1e-9)


@with_callbacks
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", ["auto", 0.1])
def test_callbacks_change_nothing(solver: str, alpha: Any) -> None:
    alone = fitted(regressor(solver=solver, alpha=alpha, n_init=2, max_iter=30))
    watched = regressor(solver=solver, alpha=alpha, n_init=2, max_iter=30)
    fitted(watched.set_callbacks(Recorder()))
    np.testing.assert_array_equal(watched.predict(X), alone.predict(X))
    assert watched.loss_curve_ == alone.loss_curve_


@with_callbacks
@pytest.mark.parametrize("solver", SOLVERS)
def test_what_begins_ends_also_where_training_converges(solver: str) -> None:
    recorder = Recorder()
    model = regressor(
        hidden_layer_sizes=(), solver=solver, learning_rate_init=0.1, max_iter=500
    ).set_callbacks(recorder)
    model.fit(X, y)
    assert recorder.count("begin", "iteration") == recorder.count("end", "iteration")
    assert len(recorder.models) == model.n_iter_ < 500


@with_callbacks
def test_the_attempts_of_the_evidence_are_tasks_around_the_iterations() -> None:
    recorder = Recorder()
    fitted(regressor(solver="lm", alpha="auto", max_iter=5).set_callbacks(recorder))
    attempt = [("begin", "ascent"), *[("begin", "iteration"), ("end", "iteration")] * 5]
    assert recorder.events[2:-2] == [*attempt, ("end", "ascent")] * 3


@with_callbacks
@pytest.mark.parametrize("alpha", ["auto", 0.1])
def test_the_starts_of_n_init_are_tasks(alpha: Any) -> None:
    recorder = Recorder()
    model = regressor(solver="lm", alpha=alpha, max_iter=5, n_init=2)
    fitted(model.set_callbacks(recorder))
    assert recorder.count("begin", "start") == recorder.count("end", "start") == 2
    assert recorder.count("end", "ascent") == (6 if alpha == "auto" else 0)
    assert recorder.count("end", "iteration") == 5 * (6 if alpha == "auto" else 2)


@with_callbacks
def test_the_search_for_an_exact_function_is_a_task() -> None:
    recorder = Recorder()
    model = SigmoidMLPRegressor(5, random_state=0).set_callbacks(recorder)
    model.fit(*make_hyperplane(2000, random_state=0, return_X_y=True))
    assert model.loss_ < 1e-24
    assert recorder.count("begin", "search") == recorder.count("end", "search") == 1
    assert recorder.count("begin", "start") == recorder.count("end", "start") >= 1
    for name in ("ascent", "iteration"):
        assert recorder.count("begin", name) == recorder.count("end", name)
    assert min(so_far.loss_ for so_far in recorder.models) == pytest.approx(model.loss_)


@with_callbacks
@pytest.mark.parametrize("solver", ["gd", "adam", "lbfgs"])
def test_an_iteration_takes_the_time_that_it_takes(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time is told by forward passes: a clock tells of all else that the machine does, too.
    passes: list[None] = []
    forward = Network.forward

    def counted(network: Network, *arguments: Any) -> Any:
        passes.append(None)
        return forward(network, *arguments)

    monkeypatch.setattr(Network, "forward", counted)
    timer = Timer(lambda: len(passes))
    many = np.random.default_rng(0).normal(size=(5000, 3))
    fitted(regressor(solver=solver, max_iter=20).set_callbacks(timer), many, many[:, 0])
    assert len(timer.times) == 20
    assert min(timer.times) > 0
    assert sum(timer.times) > 0.9 * len(passes)


@with_callbacks
def test_partial_fit_tells_of_its_epoch() -> None:
    recorder = Recorder()
    model = regressor(solver="adam").set_callbacks(recorder)
    model.partial_fit(X, y).partial_fit(X, y)
    once = [("begin", "iteration"), ("end", "iteration")]
    name = "partial-fit"
    assert recorder.events == 2 * [
        ("setup", name), ("begin", name), *once, ("end", name), ("teardown", name),
    ]  # fmt: skip
    np.testing.assert_array_equal(recorder.models[-1].predict(X), model.predict(X))
    assert recorder.models[-1].loss_curve_ == model.loss_curve_


@with_callbacks
def test_callbacks_of_partial_fit_see_what_the_estimator_becomes() -> None:
    recorder = Recorder()
    model = regressor(solver="adam").set_callbacks(recorder)
    for _ in range(3):
        model.partial_fit(X, y)
    seen = recorder.models[-1]
    assert (seen.n_iter_, seen.t_) == (model.n_iter_, model.t_) == (3, 180)
    assert seen.loss_curve_ == model.loss_curve_
    np.testing.assert_array_equal(seen.predict(X), model.predict(X))


@with_callbacks
def test_a_model_half_way_has_not_the_error_bars_of_the_last_fit() -> None:
    recorder = Recorder()
    model = fitted(regressor(solver="lm", **FEW))
    fitted(model.set_callbacks(recorder))
    with pytest.raises(ValueError, match="return_std needs"):
        recorder.models[0].predict(X, return_std=True)
    assert (model.predict(X, return_std=True)[1] > 0).all()


@with_callbacks
def test_under_early_stopping_the_model_is_the_best_so_far() -> None:
    recorder = Recorder()
    model = regressor(
        hidden_layer_sizes=(50,), solver="adam", learning_rate_init=0.05, early_stopping=True,
        validation_fraction=0.3, max_iter=300,
    ).set_callbacks(recorder)  # fmt: skip
    model.fit(X, y)
    np.testing.assert_array_equal(recorder.models[-1].predict(X), model.predict(X))
    assert recorder.models[-1].best_validation_score_ == model.best_validation_score_
    assert recorder.models[-1].validation_loss_curve_ == model.validation_loss_curve_


@with_callbacks
def test_the_data_are_those_that_were_given_less_those_held_out() -> None:
    class Data(Plain):
        # Takes what it asks for by name, as the protocol lets it.
        def on_fit_task_end(  # type: ignore[override]
            self, estimator: Any, context: Any, *, X: Any, y: Any, metadata: Any
        ) -> None:
            self.seen = X, y, metadata

    data, table, s = Data(), pd.DataFrame(X, columns=list("abc")), np.arange(1.0, 61.0)
    fitted(regressor(**FEW).set_callbacks(data), table, y, s)
    assert data.seen[0] is table
    assert data.seen[1] is y
    assert data.seen[2]["sample_weight"] is s
    fitted(regressor(**FEW, early_stopping=True).set_callbacks(data), table, y, s)
    assert list(data.seen[0].columns) == list("abc")
    assert len(data.seen[0]) == len(data.seen[1]) == 54
    np.testing.assert_array_equal(data.seen[2]["sample_weight"], data.seen[0].index + 1)
    fitted(regressor(**FEW).set_callbacks(data), X.tolist(), y.tolist())
    assert data.seen[2] is None


# Stopping -----------------------------------------------------------------------------------


@with_callbacks
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_callback_stops_the_fit_and_the_model_is_the_one_that_it_saw(solver: str) -> None:
    recorder = Recorder(stop_at=3)
    model = regressor(solver=solver).set_callbacks(recorder)
    model.fit(X, y)  # without a warning
    assert model.n_iter_ == len(model.loss_curve_) == len(recorder.models) == 3
    assert model.loss_ == pytest.approx(recorder.models[-1].loss_, rel=1e-4)  # on the grid or off
    np.testing.assert_allclose(model.predict(X), recorder.models[-1].predict(X), rtol=1e-12)
    if solver == "lm":
        assert (model.predict(X, return_std=True)[1] > 0).all()
    model.set_callbacks().set_params(warm_start=True, max_iter=1000)
    assert fitted(model).score(X, y) > 0.5


@with_callbacks
def test_an_adaptive_learning_rate_does_not_go_on_after_a_stop() -> None:
    model = regressor(solver="sgd", learning_rate="adaptive", n_iter_no_change=1, tol=1.0)
    assert model.set_callbacks(Recorder(stop_at=4)).fit(X, y).n_iter_ == 4


@with_callbacks
def test_a_stop_of_the_iterations_ends_the_attempt_and_one_of_the_attempts_the_fit() -> None:
    for stop, attempts in ((False, 3), (True, 1)):
        recorder = Recorder(stop_at=5, stop=stop)
        model = regressor(solver="lm", alpha="auto").set_callbacks(recorder).fit(X, y)
        assert recorder.count("end", "ascent") == attempts
        assert len(recorder.models) == 5 * attempts
        assert model.n_iter_ == 5
        assert (model.predict(X, return_std=True)[1] > 0).all()
        assert np.isfinite(model.log_marginal_likelihood_)


@with_callbacks
def test_n_init_is_stopped_too() -> None:
    recorder = Recorder(stop_at=5, stop=True)
    model = regressor(solver="adam", n_init=4).set_callbacks(recorder).fit(X, y)
    assert recorder.count("end", "start") == 1
    assert model.n_iter_ == 5


@with_callbacks
def test_the_search_for_an_exact_function_is_stopped_too() -> None:
    class SoGood(Recorder):
        def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
            super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)
            return fitted_estimator is not None and fitted_estimator.loss_ < 1e-10

    recorder = SoGood()
    model = SigmoidMLPRegressor(5, random_state=0).set_callbacks(recorder)
    model.fit(*make_hyperplane(2000, random_state=0, return_X_y=True))
    assert recorder.count("end", "search") == 1
    assert 1e-24 < model.loss_ < 1e-9
    assert recorder.count("end", "ascent") == 1


@with_callbacks
def test_a_stop_under_early_stopping_keeps_the_best_weights() -> None:
    recorder = Recorder(stop_at=5)
    model = regressor(solver="lbfgs", early_stopping=True).set_callbacks(recorder).fit(X, y)
    assert len(model.validation_scores_) == 5
    np.testing.assert_array_equal(model.predict(X), recorder.models[-1].predict(X))


@with_callbacks
@pytest.mark.parametrize(
    "model",
    [regressor(), SigmoidMLPEnsembleRegressor(regressor(max_iter=2000), n_estimators=2)],
)
def test_an_error_in_a_callback_leaves_the_estimator_unfitted_and_the_others_torn_down(
    model: Any,
) -> None:
    recorder = Recorder()
    model = clone(model).set_callbacks(recorder, Failing())
    with pytest.raises(RuntimeError, match="of the callback's own"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert recorder.events[-1] == ("teardown", "fit")
    assert not [name for name in vars(model) if "callback_fit" in name or "teardown" in name]
    assert fitted(model.set_callbacks()).predict(X).shape == (60,)


@with_callbacks
def test_data_that_are_refused_are_refused_as_ever() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="NaN"):
        regressor().set_callbacks(recorder).fit(X + np.nan, y)
    assert recorder.count("setup", "fit") == recorder.count("teardown", "fit")


# scikit-learn's own -------------------------------------------------------------------------


@with_callbacks
@pytest.mark.parametrize("solver", SOLVERS)
def test_scoring_monitor_scores_every_iteration(solver: str) -> None:
    monitor = ScoringMonitor(scoring="r2")
    table = pd.DataFrame(X, columns=list("abc"))  # whose names the models know
    model = fitted(regressor(solver=solver, **FEW).set_callbacks(monitor), table, y)
    log = monitor.get_logs().data_as_pandas
    scores = log[log["task_name"] == "iteration"]["r2"]
    assert len(scores) == 8
    assert log[log["task_name"] == "fit"]["r2"].item() == pytest.approx(model.score(table, y))


@with_callbacks
def test_scoring_monitor_weighs_the_rows() -> None:
    monitor, s = ScoringMonitor(scoring="r2"), np.arange(1.0, 61.0)
    model = fitted(regressor(**FEW).set_callbacks(monitor), X, y, s)
    assert monitor.get_logs().data[0]["r2"] == pytest.approx(model.score(X, y, s))


def bar() -> Any:
    return ProgressBar(max_propagation_depth=None)


@with_callbacks
@pytest.mark.parametrize("parameters", [{"solver": s} for s in SOLVERS] + [{"alpha": "auto"}])
def test_progress_bar(parameters: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    fitted(regressor(**parameters, n_init=2, max_iter=20).set_callbacks(bar()))
    out = capsys.readouterr().out
    assert "SigmoidMLPRegressor - fit" in out
    assert "SigmoidMLPRegressor - start #1" in out
    assert "100%" in out


@with_callbacks
def test_the_progress_bars_of_an_ensemble_fit_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ensemble = SigmoidMLPEnsembleRegressor(regressor(**FEW), 2, random_state=0)
    fitted(ensemble.set_callbacks(bar()))
    lines = capsys.readouterr().out.splitlines()
    members = [line for line in lines if "Ensemble - member | SigmoidMLPRegressor - fit #" in line]
    assert len(members) == 2
    for line in members:
        assert "100%" in line
        assert "…" not in line


@with_callbacks
def test_callbacks_go_through_a_pipeline_and_a_grid_search(
    capsys: pytest.CaptureFixture[str],
) -> None:
    monitor = ScoringMonitor(scoring="r2")
    inner = make_pipeline(StandardScaler(), regressor(**FEW).set_callbacks(monitor))
    search = GridSearchCV(inner, {"sigmoidmlpregressor__alpha": [0.1, 1.0]}, cv=2)
    fitted(search.set_callbacks(bar()))
    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "iteration").sum() == (2 * 2 + 1) * search.best_estimator_[
        1
    ].n_iter_
    assert "Pipeline - fit-final-estimator | SigmoidMLPRegressor - fit" in capsys.readouterr().out


@pytest.mark.nightly
@with_callbacks
def test_a_grid_search_in_other_processes(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = ScoringMonitor(scoring="r2")
    model = regressor(solver="adam", max_iter=3, tol=0.0, learning_rate_init=0.1)
    model.set_callbacks(monitor)
    search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    time.sleep(0.2)  # the last scores are on their way
    assert len(monitor.get_logs().data) == 4 * (3 + 1)


@pytest.mark.nightly
@with_callbacks
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_callbacks_of_an_ensemble(n_jobs: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = ScoringMonitor(scoring="r2")
    members = regressor(solver="lbfgs", max_iter=2000)
    ensemble = SigmoidMLPEnsembleRegressor(members, n_estimators=2, n_jobs=n_jobs, random_state=0)
    alone = clone(ensemble).fit(X, y)
    ensemble.set_callbacks(monitor, bar()).fit(X, y)
    np.testing.assert_array_equal(ensemble.predict(X), alone.predict(X))
    out = capsys.readouterr().out
    assert "Ensemble - member | SigmoidMLPRegressor - fit #1" in out
    scores = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert scores == [pytest.approx(ensemble.score(X, y))]
    assert not [name for name in vars(ensemble.estimators_[0]) if "callback" in name]


@with_callbacks
def test_an_estimator_with_callbacks_is_cloned_and_pickled_with_them() -> None:
    model = fitted(regressor(**FEW).set_callbacks(ScoringMonitor(scoring="r2")))
    assert clone(model)._skl_callbacks == model._skl_callbacks
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@with_callbacks
def test_only_callbacks_are_taken() -> None:
    with pytest.raises(TypeError, match="FitCallback"):
        regressor().set_callbacks(print)
