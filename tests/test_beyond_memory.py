"""Rows in files that are larger than the memory: ``python -m benchmarks beyond_memory``, too."""

import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from numpy.random import RandomState
from numpy.testing import assert_array_equal

from benchmarks import __main__, beyond_memory
from sklearn_mlp import SigmoidMLPRegressor, distributed
from sklearn_mlp import rows as rows_module
from sklearn_mlp.distributed import checked_collections
from sklearn_mlp.rows import Budget, Rows

N_FILES, N_ROWS = 6, 50


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_FILES * N_ROWS, 9))
    return pd.DataFrame(X, columns=list("abcdefghi")).assign(y=X[:, 0] + np.sin(X[:, 1]))


@pytest.fixture
def kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows would otherwise come to memory."""
    monkeypatch.setattr(distributed, "Budget", partial(Budget, kept=0))


@pytest.mark.usefixtures("kept_apart")
def test_the_target_is_a_column_of_the_same_parquet_files(tmp_path: Path) -> None:
    # One column of small files: dask.dataframe would read several files of it in one partition.
    frame = table()
    for i in range(N_FILES):
        part = frame.iloc[i * N_ROWS : (i + 1) * N_ROWS]
        part.to_parquet(tmp_path / f"{i}.parquet")
    read = dd.read_parquet(tmp_path)
    X, y = read.drop(columns="y"), read["y"]
    model = SigmoidMLPRegressor((3,), solver="lbfgs", tol=1e-2, random_state=0)
    predicted = model.fit(X, y).predict(X[list("abcdefghi")])
    assert predicted.numblocks == (N_FILES,)
    in_memory = model.fit(frame.drop(columns="y"), frame["y"]).predict(frame.drop(columns="y"))
    np.testing.assert_allclose(predicted.compute(), in_memory, rtol=1e-6)


@pytest.mark.usefixtures("kept_apart")
@pytest.mark.parametrize("by_dask", [False, True])
@pytest.mark.slow
def test_a_mapped_file_is_fitted_like_an_array(by_dask: bool, tmp_path: Path) -> None:
    frame = table()
    X, y = frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()
    np.save(tmp_path / "X.npy", X)
    mapped: Any = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    given = da.from_array(mapped, chunks=(N_ROWS, -1)) if by_dask else mapped
    for solver in ("lm", "lbfgs"):
        model = SigmoidMLPRegressor((3,), solver=solver, alpha=1.0, tol=1e-2, random_state=0)
        in_memory = model.fit(X, y).predict(X)
        predicted = model.fit(given, y).predict(given)
        np.testing.assert_allclose(np.asarray(predicted), in_memory, rtol=1e-6)


@pytest.mark.usefixtures("kept_apart")
def test_a_descent_reads_a_few_partitions_ahead_and_not_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distributed, "READ_AHEAD", 3 * N_ROWS * 2)  # one column, one target
    lock, read, done, ahead = threading.Lock(), 0, 0, []

    def part() -> np.ndarray:
        nonlocal read
        with lock:
            read += 1
            ahead.append(read - done)
        return np.ones((N_ROWS, 1))

    def step(state: int, rows: Rows) -> int:
        nonlocal done
        time.sleep(0.01)  # another thread has the time to read all
        with lock:
            done += 1
        return state + rows.n_rows

    n = 20
    parts = [da.from_delayed(delayed(part, pure=False)(), (N_ROWS, 1), float) for _ in range(n)]
    y = da.zeros(n * N_ROWS, chunks=N_ROWS)
    with dask.config.set(scheduler="threads", num_workers=4):
        rows = checked_collections(
            SigmoidMLPRegressor(), da.concatenate(parts), y, None, reset=True
        )
        read, done, ahead[:] = 0, 0, []
        assert rows.pass_through(0, step, RandomState(0)) == n * N_ROWS
    assert len(ahead) == n
    assert max(ahead) <= 3


@pytest.mark.parametrize("kind", beyond_memory.KINDS)
def test_both_files_have_the_same_rows(kind: str, tmp_path: Path) -> None:
    n_rows = beyond_memory.PARTITION + 10
    beyond_memory.WRITERS[kind](tmp_path, n_rows)
    X, y = (np.asarray(part) for part in beyond_memory.read(kind, tmp_path))
    first, last = beyond_memory.block(0, beyond_memory.PARTITION), beyond_memory.block(1, 10)
    assert_array_equal(X, np.concatenate([first[0], last[0]]))
    assert_array_equal(y, np.concatenate([first[1], last[1]]))


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="the limit and the peak are those of Linux")
def test_the_command_fits_within_the_limit_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: list[Any] = ["beyond_memory", "--megabytes", "32", "--solvers", "adam"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments, "--folder", str(tmp_path)])
    __main__.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines[2::2]] == ["mapped", "parquet"]
    for line in lines[2::2]:
        assert float(line.split("test RMSE ")[1].split()[0]) < beyond_memory.DEVIATION / 2
    assert not any(tmp_path.iterdir())


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_a_fit_that_needs_more_than_the_limit_says_so(tmp_path: Path) -> None:
    beyond_memory.write_mapped(tmp_path, 1_000)
    found = beyond_memory.in_a_process(beyond_memory.Job("mapped", "adam", tmp_path, 1))
    assert set(found) == {"error"}


def test_a_mapped_file_is_shuffled_in_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every row once, in a random order, and few places of the file at a time."""
    monkeypatch.setattr(rows_module, "RUN", 20)  # numbers: 10 rows of X and y
    monkeypatch.setattr(rows_module, "POOL", 400)  # 200 rows
    np.save(tmp_path / "X.npy", np.arange(1005.0)[:, np.newaxis])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    rows = Rows(np.asarray(X), np.zeros((1005, 1)), budget=Budget(kept=0))
    orders = [
        np.concatenate([batch.inputs[1] for batch in rows.minibatches(7, RandomState(seed))])
        for seed in (0, 0, 1)
    ]
    assert_array_equal(np.sort(orders[0]), np.arange(1005))
    assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).mean() > 0.9
    assert len(set(orders[0][:150] // 10)) <= 21  # runs, of the 101 that there are
    assert abs(np.corrcoef(orders[0][:150], np.arange(150))[0, 1]) < 0.4


def test_held_out_rows_of_a_mapped_file_keep_its_order(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.arange(100.0)[:, np.newaxis])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    for part in Rows(X, np.zeros((100, 1))).split(0.3, RandomState(0)):
        assert (np.diff(part.whole().inputs[1]) > 0).all()
