"""Peak memory of a fit beyond the data themselves, against rows, units and parameters.

Each fit runs in a process of its own; what it adds is the peak of the resident memory over
what was resident with the data in place and the libraries warm.

    python -m benchmarks memory
"""

import subprocess
import sys
import threading
import time
import warnings
from typing import NamedTuple

import numpy as np
import psutil
from sklearn.exceptions import ConvergenceWarning

from benchmarks.timing import Record
from sklearn_mlp import SigmoidMLPRegressor


class Case(NamedTuple):
    """A fit of two iterations."""

    solver: str
    n_samples: int
    n_features: int
    n_units: int

    @property
    def n_parameters(self) -> int:
        """Of a network with one hidden layer and one output."""
        return (self.n_features + 2) * self.n_units + 1

    def __str__(self) -> str:
        shape = f"{self.n_samples:,} x {self.n_features}"
        return f"{self.solver}, {shape}, {self.n_parameters:,} parameters"


LARGE = [
    Case(solver, 2_000_000, 50, 5 if solver == "lm" else 50)
    for solver in ("adam", "sgd", "gd", "lbfgs", "lm")
]
"""Few units for "lm", whose time goes with the square of the parameters."""

ROWS = [Case("lbfgs", n_samples, 20, 50) for n_samples in (10_000, 100_000, 1_000_000)]
UNITS = [Case("adam", 100_000, 20, n_units) for n_units in (5, 50, 500)]
PARAMETERS = [Case("lm", 2_000, 38, n_units) for n_units in (12, 25, 50)]


def measure(case: Case) -> None:
    """Print how many MB one fit adds to the resident memory."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.n_samples, case.n_features))
    y = np.sin(X[:, 0]) + X[:, 1]
    process = psutil.Process()
    SigmoidMLPRegressor((2,), solver=case.solver, max_iter=2).fit(X[:1000], y[:1000])
    model = SigmoidMLPRegressor((case.n_units,), solver=case.solver, max_iter=2)
    before, peak, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    model.fit(X, y)
    done.set()
    watcher.join()
    print((peak - before) / 1e6)


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """What each adds, beside the data, and beside one matrix of parameters by parameters."""
    records = []
    for case in (ROWS[:1] + PARAMETERS[:1]) if quick else (LARGE + ROWS + UNITS + PARAMETERS):
        command = [sys.executable, "-m", "benchmarks.memory", *map(str, case)]
        added = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        data = 8e-6 * case.n_samples * case.n_features
        matrix = 8e-6 * case.n_parameters**2
        for name, megabytes in (("ours", added), ("the data", data), ("P x P", matrix)):
            if name != "P x P" or case.solver == "lm":
                ours = name == "ours"
                records.append(Record("memory", str(case), name, ours, [megabytes], "MB"))
    return records


if __name__ == "__main__":
    measure(Case(sys.argv[1], *map(int, sys.argv[2:])))
