"""A fit of more data than the process may have memory: a mapped file, and Parquet read by Dask.

    python -m benchmarks beyond_memory [--megabytes 4000] [--limit 1500] [--folder FOLDER]
                                       [--kinds mapped parquet] [--solvers lm adam] [--cgroup]

It writes X of so many MB, block by block: Friedman's first function of 20 columns in float64, with
noise. Each fit has a process of its own, with one thread. The system ends an allocation with an
error if it takes the process over the limit. The limit (``RLIMIT_DATA``) counts the memory that
the process allocates. It does not count the pages of a mapped file that happen to be in memory:
they belong to the file, and the system drops them when it needs room. With ``--cgroup`` the fit
runs in a memory control group of that limit as well, which counts these pages too. That needs the
right to make one (root).

The files are deleted in the end. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.problem_map import friedman
from sklearn_mlp import SigmoidMLPRegressor

N_COLUMNS = 20
NOISE, DEVIATION = 1.0, 4.9
"""Standard deviations of the noise, and of the target without it."""
PARTITION = 100_000
"""Rows of a block, and of a Parquet file: 16 MB."""
KINDS = ("mapped", "parquet")
SETTINGS: dict[str, dict[str, Any]] = {
    "lm": {"hidden_layer_sizes": (5,), "alpha": 1e-4, "max_iter": 2},
    "adam": {"hidden_layer_sizes": (50,), "alpha": 1e-4, "max_iter": 1},
}
"""What each solver is given: two iterations over all rows, or one epoch."""
EVERY = 0.005
"""Seconds between two looks at the memory."""


class Job(NamedTuple):
    """A fit in a process of its own.

    Attributes
    ----------
    kind : {"mapped", "parquet"}
    solver : {"lm", "adam"}
    folder : Path
        The data.
    limit : int
        The memory of the process, in MB.
    group : str
        The folder of a control group that holds the process to it; "" for none.
    """

    kind: str
    solver: str
    folder: Path
    limit: int
    group: str = ""


# The data -----------------------------------------------------------------------------------


def block(i: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of X and y: those of block `i`."""
    rng = np.random.default_rng(i)
    X = rng.random((n_rows, N_COLUMNS))
    return X, friedman(X, np.empty(0)) + NOISE * rng.standard_normal(n_rows)


def blocks(n_rows: int) -> list[tuple[int, int]]:
    """The first row and the end of each block."""
    return [(start, min(start + PARTITION, n_rows)) for start in range(0, n_rows, PARTITION)]


def write_mapped(folder: Path, n_rows: int) -> None:
    """X.npy and y.npy."""
    opened: Callable[..., Any] = np.lib.format.open_memmap
    X = opened(folder / "X.npy", "w+", float, (n_rows, N_COLUMNS))
    y = opened(folder / "y.npy", "w+", float, (n_rows,))
    for i, (start, stop) in enumerate(blocks(n_rows)):
        X[start:stop], y[start:stop] = block(i, stop - start)


def write_parquet(folder: Path, n_rows: int) -> None:
    """A file for each block."""
    import pandas as pd

    for i, (start, stop) in enumerate(blocks(n_rows)):
        X, y = block(i, stop - start)
        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(N_COLUMNS)]).assign(y=y)
        frame.to_parquet(folder / f"part{i:05}.parquet", compression=None)


WRITERS = {"mapped": write_mapped, "parquet": write_parquet}


def read(kind: str, folder: Path) -> tuple[Any, Any]:
    """X and y. Nothing is read yet."""
    if kind == "mapped":
        X, y = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "Xy")
        return X, y
    import dask.dataframe as dd

    frame = dd.read_parquet(folder)
    return frame.drop(columns="y"), frame["y"]


def forget(folder: Path) -> None:
    """Have the system drop the files from its cache, so that who reads them is who holds them."""
    os.sync()  # what is not written yet is not dropped
    with suppress(OSError):  # all files, where the right to do so is there
        Path("/proc/sys/vm/drop_caches").write_text("1")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# A control group ----------------------------------------------------------------------------


@contextmanager
def control_group(limit: int) -> Iterator[str]:
    """The folder of a new memory control group of so many MB, of version 1 or 2."""
    first = Path("/sys/fs/cgroup/memory")
    group = (first if first.is_dir() else Path("/sys/fs/cgroup")) / f"beyond_memory_{os.getpid()}"
    group.mkdir()
    try:
        name = "memory.limit_in_bytes" if first.is_dir() else "memory.max"
        (group / name).write_text(str(limit * 1_000_000))
        yield str(group)
    finally:
        group.rmdir()


# One fit ------------------------------------------------------------------------------------


def memory() -> dict[str, float]:
    """What the process has in memory now: its own, the pages of files, and both; in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {
        name: 1.024e-3 * float(fields[key].split()[0])
        for name, key in (("own", "RssAnon"), ("files", "RssFile"), ("resident", "VmRSS"))
    }


class Watch(threading.Thread):
    """Looks at the memory of the process again and again, and keeps the largest values.

    Attributes
    ----------
    peak : dict
        As in :func:`memory`.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self._done = memory(), threading.Event()

    def run(self) -> None:
        """Look, until :meth:`stop`."""
        while not self._done.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Look once."""
        self.peak = {name: max(self.peak[name], now) for name, now in memory().items()}

    def stop(self) -> None:
        """Look for the last time."""
        self._done.set()
        self.join()
        self.look()


def measure(job: Job) -> dict[str, Any]:
    """Fit within the limit. What it took, and how good it is."""
    import resource

    warnings.simplefilter("ignore", ConvergenceWarning)
    if job.group:
        (Path(job.group) / "cgroup.procs").write_text(str(os.getpid()))
    resource.setrlimit(resource.RLIMIT_DATA, 2 * (job.limit * 1_000_000,))
    watch = Watch()
    watch.start()
    X, y = read(job.kind, job.folder)
    model = SigmoidMLPRegressor(solver=job.solver, random_state=0, **SETTINGS[job.solver])
    start, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    watch.stop()
    X_test, y_test = block(1_000_000, 10_000)
    rmse = float(np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2)))
    return {"seconds": seconds, "cpu": cpu, "rmse": rmse, "rows": model.t_, **watch.peak}


def in_a_process(job: Job) -> dict[str, Any]:
    """:func:`measure` in an interpreter of its own."""
    command = [sys.executable, "-m", "benchmarks.beyond_memory", *map(str, job)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"error": last}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# The command --------------------------------------------------------------------------------


def line(job: Job, megabytes: int, found: dict[str, Any]) -> str:
    """A fit in one line."""
    name = f"{job.kind}, {job.solver}, {megabytes:,} MB of X, at most {job.limit:,} MB: "
    if "error" in found:
        return f"{name}failed: {found['error']}"
    return (
        f"{name}{found['own']:,.0f} MB of its own at the peak, {found['files']:,.0f} MB of files "
        f"mapped, {found['resident']:,.0f} MB resident in all; {found['seconds']:.0f} s; "
        f"test RMSE {found['rmse']:.3f} (noise {NOISE:g})"
    )


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks beyond_memory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--megabytes", type=int, default=4_000, help="of X")
    parser.add_argument("--limit", type=int, default=1_500, help="of memory, in MB")
    parser.add_argument("--folder", type=Path, help="where the files are written for a while")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--solvers", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--cgroup", action="store_true", help="count the pages of files too")
    chosen = parser.parse_args(arguments)
    print(machine, flush=True)
    n_rows = chosen.megabytes * 1_000_000 // (8 * N_COLUMNS)
    for kind in chosen.kinds:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
            folder = Path(name)
            start = time.perf_counter()
            WRITERS[kind](folder, n_rows)
            written = time.perf_counter() - start
            print(f"{kind}: {n_rows:,} x {N_COLUMNS} rows written in {written:.0f} s", flush=True)
            for solver in chosen.solvers:
                forget(folder)
                with control_group(chosen.limit) if chosen.cgroup else nullcontext("") as group:
                    job = Job(kind, solver, folder, chosen.limit, group)
                    print(line(job, chosen.megabytes, in_a_process(job)), flush=True)


if __name__ == "__main__":
    kind, solver, folder, limit, group = sys.argv[1:]
    print(json.dumps(measure(Job(kind, solver, Path(folder), int(limit), group))))
