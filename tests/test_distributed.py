"""Rows of Dask collections, against the same rows in memory."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor, distributed
from sklearn_mlp.distributed import DaskRows, checked_collections, shares
from sklearn_mlp.losses import SquaredError
from sklearn_mlp.network import Network
from sklearn_mlp.objective import GaussNewtonSums, LossAndGradient, Objective, Predictions
from sklearn_mlp.rows import Budget, Rows
from sklearn_mlp.standardize import Scaling, Units

N = 60
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 3))
Y = X[:, 0] + np.tanh(2 * X[:, 1]) + 0.3 * rng.normal(size=N)
S = rng.uniform(0.5, 2, N)
UNEQUAL = (20, 1, 0, 30, 9)
"""The numbers of rows of partitions: one has a single row, one has none."""
NETWORK = Network([3, 2, 1], "sigmoid")
W = NETWORK.initial_weights(RandomState(0), 1.0)


@pytest.fixture(autouse=True)
def _few_rows_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows would otherwise come to memory."""
    monkeypatch.setattr(distributed, "Budget", partial(Budget, kept=0))


def collections(
    numbers: tuple[int, ...] = UNEQUAL, X: Any = X, y: Any = Y, s: Any = None
) -> tuple[Any, Any, Any]:
    """Dask arrays with so many rows in their partitions."""
    arrays = (
        None if a is None else da.from_array(a, chunks=(numbers, *a.shape[1:])) for a in (X, y, s)
    )
    return tuple(arrays)  # type: ignore[return-value]


def rows_of(*given: Any) -> Rows:
    return checked_collections(SigmoidMLPRegressor(), *given, reset=True)


# The sums -------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, N), max_size=6), st.booleans())
def test_any_partitions_have_the_sums_of_the_rows(cuts: list[int], weighted: bool) -> None:
    edges = [0, *sorted(cuts), N]
    numbers = tuple(np.diff(edges).tolist())
    s = S if weighted else None
    apart, together = rows_of(*collections(numbers, s=s)), Rows(X, Y[:, np.newaxis], s)
    assert isinstance(apart, DaskRows)
    assert apart.n_rows == N
    assert apart.total_weight == pytest.approx(together.total_weight, rel=1e-14)
    units = Units(Scaling.of(together.moments()[0], np.float64), Scaling.identity(1))
    one, other = apart.in_units(units), together.in_units(units)
    for kernel in (
        LossAndGradient(NETWORK, W, SquaredError(), one.dtype),
        GaussNewtonSums(NETWORK, W, SquaredError()),
    ):
        for a, b in zip(one.sum(kernel), other.sum(kernel), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    for a, b in zip(apart.moments(), together.moments(), strict=True):
        np.testing.assert_allclose(a.mean, b.mean, rtol=1e-12)
        np.testing.assert_allclose(a.std, b.std, rtol=1e-12)
    predictions = Predictions(NETWORK, NETWORK.layers(W))
    np.testing.assert_allclose(one.gather(predictions), other.gather(predictions), rtol=1e-12)


def test_what_comes_to_this_process_does_not_grow_with_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def measured(tasks: list[Any]) -> Any:
        found = compute(tasks)
        sizes.append(len(pickle.dumps(found)))
        return found

    compute = distributed.compute
    many = collections((N,) * 5, np.tile(X, (5, 1)), np.tile(Y, 5))
    every = [rows_of(*collections()), rows_of(*many)]
    monkeypatch.setattr(distributed, "compute", measured)
    for rows in every:
        Objective(NETWORK, rows, 0.0).gauss_newton(W)
        Objective(NETWORK, rows, 0.0).value_and_gradient(W)
    assert sizes[:2] == sizes[2:]


# Some of the rows -----------------------------------------------------------------------------


def targets(rows: Rows) -> list[float]:
    return sorted(rows.whole().targets[0])


def test_a_split_has_every_row_once() -> None:
    rest, part = rows_of(*collections()).split(0.25, RandomState(0))
    assert sorted(targets(rest) + targets(part)) == sorted(Y)
    assert part.n_rows == pytest.approx(N / 4, abs=len(UNEQUAL))


def test_few_random_rows_are_among_more() -> None:
    rows = rows_of(*collections())
    order = rows.random_order(RandomState(0))
    few, more = (set(targets(rows.first_of(order, n))) for n in (10, 30))
    assert few < more < set(Y)


def test_the_share_of_a_partition_is_right_on_average() -> None:
    seeds = RandomState(0).randint(2**31 - 1, size=4_000)
    drawn = shares(seeds, [1, 2, 3, 5] * 1_000, 0.3)
    assert sum(drawn) == pytest.approx(0.3 * 11_000, rel=0.03)


def test_rows_are_taken_by_their_positions() -> None:
    index = np.array([0, 19, 20, 21, 50, 59])
    np.testing.assert_array_equal(rows_of(*collections()).take(index).y[:, 0], Y[index])


def test_each_epoch_sees_every_row_once_and_in_an_order_of_the_seed() -> None:
    rows = rows_of(*collections())

    def see(seen: list[float], part: Rows) -> list[float]:
        batches = part.minibatches(4, RandomState(len(seen)))
        return seen + [y for batch in batches for y in batch.targets[0]]

    nothing: list[float] = []
    one, again = (rows.pass_through(nothing, see, RandomState(0)) for _ in range(2))
    assert one == again
    assert one != list(Y)
    assert sorted(one) == sorted(Y)


# Fits -----------------------------------------------------------------------------------------

EXACT = [
    {"solver": "lm", "alpha": 1.0},
    {"solver": "lm", "hidden_layer_sizes": ()},  # by the evidence
    {"solver": "lbfgs", "alpha": 1.0, "tol": 1e-10, "max_iter": 2_000},
    {"solver": "gd", "max_iter": 30, "learning_rate_init": 0.1},
    {"solver": "gd", "max_iter": 30, "learning_rate_init": 0.1, "loss": "huber"},
    {"solver": "gd", "max_iter": 30, "learning_rate_init": 0.1, "standardize": False},
]


@pytest.mark.filterwarnings("ignore:.*not converged")
@pytest.mark.parametrize("p", EXACT, ids=lambda p: "-".join(map(str, p.values())))
@pytest.mark.parametrize("s", [None, S], ids=["", "weighted"])
@pytest.mark.slow
def test_a_fit_is_that_of_the_rows_in_memory(p: dict[str, Any], s: Any) -> None:
    parameters: dict[str, Any] = {"hidden_layer_sizes": (2,), "random_state": 0} | p
    model = SigmoidMLPRegressor(**parameters)
    inside = SigmoidMLPRegressor(**model.get_params()).fit(X, Y, s)
    dX, dy, ds = collections(s=s)
    model.fit(dX, dy, ds)
    # L-BFGS compares values of the loss, whose rounding tells weights apart down to its root.
    tolerance = 2 * 2.0**-26 if p["solver"] == "lbfgs" else 1e-8
    for a, b in zip(model.weights_, inside.weights_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * float(np.linalg.norm(b)))
    assert model.score(dX, dy, ds) == pytest.approx(r2_score(Y, inside.predict(X), sample_weight=s))
    if model.loss == "squared_error":
        std = model.predict(X, return_std=True)[1]
        np.testing.assert_allclose(std, inside.predict(X, return_std=True)[1], rtol=tolerance)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:.*not converged")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_minibatches_within_partitions(solver: str, early_stopping: bool) -> None:
    p: dict[str, Any] = {"solver": solver, "max_iter": 100, "learning_rate_init": 0.03}
    p |= {"early_stopping": early_stopping, "n_iter_no_change": np.inf}
    model = SigmoidMLPRegressor((2,), random_state=0, **p)
    one, again = (model.fit(*collections()).predict(X) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert r2_score(Y, one) > 0.7


def test_few_rows_come_to_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "Budget", Budget)
    model = SigmoidMLPRegressor(random_state=0)
    inside = SigmoidMLPRegressor(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.fit(*collections()).predict(X), inside.predict(X))


@pytest.mark.filterwarnings("ignore:.*not converged")
@pytest.mark.slow
def test_rows_may_come_as_frames_or_be_of_unknown_number() -> None:
    model = SigmoidMLPRegressor((2,), alpha=1.0, max_iter=20, random_state=0)
    expected = SigmoidMLPRegressor(**model.get_params()).fit(X, Y).predict(X)
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y)
    frame = dd.from_pandas(table, npartitions=4)
    inputs = frame.drop(columns="y")
    model.fit(inputs, frame["y"])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    lazy: Any = model.predict(inputs)
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-8)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame)
    unknown = inputs.to_dask_array()
    assert np.isnan(unknown.shape[0])
    np.testing.assert_allclose(model.fit(unknown, Y).predict(X), expected, rtol=1e-8)
    other = dd.from_pandas(table["y"], npartitions=2)  # of known divisions, which can be aligned
    model.fit(inputs, other)
    np.testing.assert_allclose(np.asarray(model.predict(inputs)), expected, rtol=1e-8)


def test_predictions_are_lazy_and_know_what_they_are() -> None:
    model = SigmoidMLPRegressor((2,), alpha=1.0, random_state=0).fit(X, np.column_stack([Y, -Y]))
    for given_X in (X, X.astype(np.float32)):
        lazy_X = da.from_array(given_X, chunks=(UNEQUAL, 2))
        mean, std = model.predict(lazy_X, return_std=True)
        found = (*model.predict(given_X, return_std=True), model.input_gradient(given_X))
        lazily: tuple[Any, ...] = (mean, std, model.input_gradient(lazy_X))
        for lazy, exact in zip(lazily, found, strict=True):
            assert (lazy.shape, lazy.dtype) == (exact.shape, exact.dtype)
            np.testing.assert_allclose(lazy.compute(), exact, rtol=1e-12, atol=1e-12)
    of_before: Any = model.predict(da.from_array(X))
    before = model.predict(X)
    model.fit(X, np.column_stack([Y, Y]))
    np.testing.assert_allclose(of_before.compute(), before, rtol=1e-12)


@pytest.mark.nightly
def test_quantiles_and_the_noise_are_lazy_too() -> None:
    wide = np.tile(X, (4, 1)) + 0.01 * rng.normal(size=(4 * N, 3))
    y = wide[:, 0] + (0.1 + np.abs(wide[:, 1])) * rng.normal(size=len(wide))
    p: dict[str, Any] = {"noise": "varying", "random_state": 0}
    model = SigmoidMLPRegressor((), **p).fit(wide, y)
    ensemble = SigmoidMLPEnsembleRegressor(SigmoidMLPRegressor((), **p), n_estimators=2)
    for fitted in (model, ensemble.fit(wide, np.column_stack([y, -y]))):
        lazy_X: Any = da.from_array(X, chunks=(UNEQUAL, 2))
        quantiles: Any = fitted.predict_quantiles(lazy_X, [0.1, 0.9])
        noise: Any = fitted.predict_noise_std(lazy_X)
        exact = (fitted.predict_quantiles(X, [0.1, 0.9]), fitted.predict_noise_std(X))
        for lazily, expected in zip((quantiles, noise), exact, strict=True):
            assert (lazily.shape, lazily.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(lazily.compute(), expected, rtol=1e-9)


def noisy_rows(n: int) -> tuple[Any, Any, Any]:
    """Rows whose noise grows with the first input, and their weights."""
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(n, 3))
    y = X[:, 1] - 2 * X[:, 2] + (0.1 + X[:, 0]) * rng.normal(size=n)
    return X, y, rng.uniform(0.5, 2, n)


@pytest.mark.nightly
@pytest.mark.parametrize("hidden", [(), (2,)])
@pytest.mark.parametrize("noise", ["auto", "varying"])
def test_the_noise_varies_where_the_rows_are(hidden: tuple[int, ...], noise: str) -> None:
    X, y, s = noisy_rows(600)
    numbers = (250, 0, 1, 349)
    model = SigmoidMLPRegressor(hidden, noise=noise, random_state=0)
    apart = clone(model).fit(*collections(numbers, X, y, s))
    together = model.fit(X, y, s)
    assert apart.noise_ == together.noise_ == "varying"
    assert apart.log_marginal_likelihood_ == pytest.approx(together.log_marginal_likelihood_)
    for one, other in (
        (apart.predict(X), together.predict(X)),
        (apart.predict_noise_std(X), together.predict_noise_std(X)),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_sample_tells_the_noise_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, s = noisy_rows(4_000)
    every = SigmoidMLPRegressor((), noise="varying", random_state=0).fit(X, y, s)
    monkeypatch.setattr(distributed, "Budget", partial(Budget, kept=0, sample=1_500 * 4))
    apart = clone(every).fit(*collections((1_000,) * 4, X, y, s))
    truth, found = 0.1 + X[:, 0], apart.predict_noise_std(X)
    assert np.sqrt(np.mean((found / truth - 1) ** 2)) < 0.15
    assert apart.noise_std_ == pytest.approx(np.sqrt(np.mean(truth**2)), rel=0.1)


def test_after_first_order_the_noise_may_vary_there_too() -> None:
    X, y, _ = noisy_rows(600)
    model = SigmoidMLPRegressor((), solver="lbfgs", alpha=1e-3, max_iter=500, tol=1e-12)
    apart = clone(model).fit(*collections((300, 300), X, y))
    together = model.fit(X, y)
    assert apart.noise_ == together.noise_ == "varying"
    np.testing.assert_allclose(apart.predict_noise_std(X), together.predict_noise_std(X), rtol=1e-3)


@pytest.mark.nightly
def test_an_ensemble_takes_them() -> None:
    member = SigmoidMLPRegressor((2,), alpha=1.0)
    model = SigmoidMLPEnsembleRegressor(member, n_estimators=2, random_state=0)
    inside = SigmoidMLPEnsembleRegressor(member, n_estimators=2, random_state=0).fit(X, Y)
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y), npartitions=3)
    model.fit(frame[["a", "b", "c"]], frame["y"])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    found: tuple[Any, Any] = model.predict(frame[["a", "b", "c"]], return_std=True)
    for lazy, exact in zip(found, inside.predict(X, return_std=True), strict=True):
        np.testing.assert_allclose(lazy.compute(), exact, rtol=1e-7)


# What is refused ------------------------------------------------------------------------------


@pytest.fixture
def fitted() -> Iterator[SigmoidMLPRegressor]:
    """A model, which a failed fit must leave as it was."""
    model = SigmoidMLPRegressor((), solver="gd", max_iter=20, tol=10.0, random_state=0).fit(X, Y)
    before = model.predict(X)
    yield model
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["X", "y", "sample_weight"])
def test_the_partition_of_what_is_no_number_is_named(
    fitted: SigmoidMLPRegressor, value: float, where: str
) -> None:
    arrays = {"X": X.copy(), "y": Y.copy(), "sample_weight": S.copy()}
    arrays[where][55] = value
    with pytest.raises(ValueError, match=f"Partition 4 .*{where} contains"):
        fitted.fit(*collections(UNEQUAL, *arrays.values()))


def test_a_partition_that_cannot_be_computed_is_named(fitted: SigmoidMLPRegressor) -> None:
    def read(i: int) -> Any:
        if i == 2:
            raise OSError("the disk has gone")
        return X[:20]

    parts = [da.from_delayed(delayed(read)(i), (20, 3), float) for i in range(3)]
    with pytest.raises(RuntimeError, match=r"Partition 2 .*: OSError: the disk has gone"):
        fitted.fit(da.concatenate(parts), da.from_array(Y, chunks=20))


def test_a_partition_that_fails_in_the_middle_of_a_fit(
    fitted: SigmoidMLPRegressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def read(i: int) -> Any:
        nonlocal calls
        calls += i == 1
        if i == 1 and calls > 4:
            raise OSError("the disk has gone")
        return X[:30]

    none = da.from_delayed(delayed(np.empty)((0, 3)), (np.nan, 3), float)
    parts = [da.from_delayed(delayed(read)(i), (30, 3), float) for i in range(2)]
    dX = da.concatenate([none, *parts], allow_unknown_chunksizes=True)
    dy = da.from_array(Y, chunks=((0, 30, 30),))
    with pytest.raises(RuntimeError, match=r"Partition 2 .*the disk has gone"):
        fitted.set_params(tol=0.0).fit(dX, dy)


def test_partitions_must_correspond(fitted: SigmoidMLPRegressor) -> None:
    dX, dy, _ = collections()
    with pytest.raises(ValueError, match="X has 60, and y has 59"):
        fitted.fit(dX, Y[:-1])
    with pytest.raises(ValueError, match=r"X has 5 partitions, and y has 1.*rechunk"):
        fitted.fit(dX, da.from_array(Y[:-1]))
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3, sort=False).clear_divisions()
    with pytest.raises(ValueError, match="X has 3 partitions, and y has 5"):
        fitted.fit(frame, dy)
    with pytest.raises(ValueError, match=r"Partition 0 .*X has 20 rows there, and y has 30"):
        fitted.fit(frame, da.from_array(Y, chunks=((30, 20, 10),)))


def test_what_cannot_be_fitted_is_refused(fitted: SigmoidMLPRegressor) -> None:
    words = pd.DataFrame(X, columns=["a", "b", "c"]).astype({"a": str}).assign(a="word")
    with pytest.raises(ValueError, match=r"Partition 0 .*could not convert"):
        fitted.fit(dd.from_pandas(words, npartitions=2), Y)
    with pytest.raises(ValueError, match="All rows have a sample_weight of 0"):
        fitted.fit(*collections(s=np.zeros(N)))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        fitted.fit(da.from_array(Y), Y)
    with pytest.raises(ValueError, match="requires non-negative y"):
        fitted.set_params(loss="poisson").fit(*collections())


@pytest.mark.nightly
def test_dask_is_not_imported_without_need() -> None:
    code = (
        "import sys, sklearn_mlp\n"
        "model = sklearn_mlp.SigmoidMLPRegressor((), alpha=1.0)\n"
        "model.fit([[0.], [1.], [2.]], [0., 1., 2.]).predict([[1.]])\n"
        "print('dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# A cluster ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """The client of two worker processes."""
    cluster = pytest.importorskip("distributed").LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    with cluster, cluster.get_client() as client:
        yield client


@contextmanager
def client_of_threads() -> Iterator[Any]:
    """The client of a worker in this process."""
    cluster = pytest.importorskip("distributed").LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    )
    # A client that goes with its cluster leaves itself as the scheduler of the whole process.
    unchanged = dask.config.set(scheduler=dask.config.get("scheduler", None))
    with unchanged, cluster, cluster.get_client() as client:
        yield client


@pytest.mark.nightly
@pytest.mark.usefixtures("client")
def test_a_search_and_an_ensemble_run_on_the_workers() -> None:
    candidates = {"alpha": [1e-3, 1.0, 1e3]}
    model = SigmoidMLPRegressor((2,), solver="lbfgs", tol=1e-2, random_state=0)
    search = GridSearchCV(model, candidates, cv=2)
    here = clone(search).fit(X, Y)
    with joblib.parallel_config("dask"):
        search.fit(X, Y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(search.cv_results_[name], here.cv_results_[name], rtol=1e-6)
    assert search.best_params_ == here.best_params_
    np.testing.assert_allclose(search.predict(X), here.predict(X), rtol=1e-6)
    ensemble = SigmoidMLPEnsembleRegressor(model, n_estimators=2, n_jobs=2, random_state=0)
    alone = clone(ensemble).fit(X, Y)
    with joblib.parallel_config("dask"):
        ensemble.fit(X, Y)
    np.testing.assert_allclose(ensemble.predict(X), alone.predict(X), rtol=1e-6)


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("goes", ["client", "cluster"])
@pytest.mark.parametrize("when", ["between passes", "during a pass"])
@pytest.mark.slow
def test_a_fit_ends_when_its_client_goes_away(
    fitted: SigmoidMLPRegressor,
    persisted: bool,
    goes: str,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute, n_passes = distributed.compute, 0

    def until_it_goes(tasks: list[Any]) -> Any:
        nonlocal n_passes
        n_passes += 1
        if n_passes == 4 and when == "between passes":
            gone.close()
        elif n_passes == 4:
            threading.Timer(0.01, gone.close).start()
            tasks = [delayed(slowly)(task) for task in tasks]
        return compute(tasks)

    dX, dy, _ = collections()
    message = "The Dask client has been closed, or its cluster"
    with client_of_threads() as client:
        gone = client if goes == "client" else client.cluster
        if persisted:
            dX, dy = client.persist([dX, dy])
        monkeypatch.setattr(distributed, "compute", until_it_goes)
        with pytest.raises(RuntimeError, match=message):
            fitted.set_params(tol=0.0).fit(dX, dy)
    assert n_passes == 4


def slowly(x: Any) -> Any:
    time.sleep(1)
    return x


@pytest.mark.filterwarnings("ignore:.*not converged")
def test_error_bars_that_are_asked_for_later_need_no_client() -> None:
    model = SigmoidMLPRegressor((2,), solver="gd", max_iter=2, random_state=0)
    inside = clone(model).fit(X, Y)
    with client_of_threads():
        model.fit(*collections()[:2])
    found, expected = (m.predict(X, return_std=True) for m in (model, inside))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:.*not converged")
@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler")  # older Dask
def test_a_fit_survives_the_death_of_a_worker(client: Any) -> None:
    p: dict[str, Any] = {"solver": "gd", "max_iter": 25, "learning_rate_init": 0.1}
    model = SigmoidMLPRegressor((2,), random_state=0, **p)
    with dask.config.set(scheduler="threads"):
        inside = SigmoidMLPRegressor(**model.get_params()).fit(*collections())
    dX, dy = client.persist(collections()[:2])
    victim = int(next(iter(client.run(os.getpid).values())))
    killed: list[int] = []
    compute = distributed.compute

    def kill_one(tasks: list[Any]) -> Any:
        if len(model_passes) == 5 and not killed:
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
        model_passes.append(None)
        return compute(tasks)

    model_passes: list[None] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "compute", kill_one)
        model.fit(dX, dy)
    assert killed == [victim]
    for a, b in zip(model.weights_, inside.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
