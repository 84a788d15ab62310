"""How the time of a default fit grows with the rows, and what it comes to.

    python -m benchmarks time_by_rows [--rows N ...] [--columns 20] [--noise 0.3]
                                      [--problems NAME ...] [--models NAME ...] [--seed 0]

The problems are those of the map (problem_map.py), with a deviation of 1 before the noise. Seconds
are those of the processor, of one thread. The factor is that of the seconds over those of the same
model on the rows before: on a third of them, by default. The RMSE is on 10,000 fresh rows without
noise, in deviations of the function. The coverage is that of the 95 % intervals, for fresh rows
with noise. The last column is how many units the network has.

The models are the default, the same with 50 units, and scikit-learn's MLPRegressor as it is, on
standardized columns.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.problem_map import PROBLEMS
from sklearn_mlp import SigmoidMLPRegressor

ROWS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
N_FRESH = 10_000

MODELS: dict[str, Callable[[int], Any]] = {
    "default": lambda seed: SigmoidMLPRegressor(random_state=seed),
    "(50,)": lambda seed: SigmoidMLPRegressor(hidden_layer_sizes=(50,), random_state=seed),
    "MLPRegressor": lambda seed: make_pipeline(StandardScaler(), MLPRegressor(random_state=seed)),
}


class Line(NamedTuple):
    """What a fit took, and what it came to."""

    seconds: float
    rmse: float
    coverage: float
    hidden: tuple[int, ...]


def make_data(
    problem: str, n_rows: int, n_columns: int, noise: float, seed: int
) -> tuple[np.ndarray, ...]:
    """The training rows; fresh rows, their targets without noise, and those with noise."""
    random = np.random.default_rng(seed)
    coefs = random.normal(size=n_columns)
    X = random.uniform(size=(N_FRESH + n_rows, n_columns))
    f = PROBLEMS[problem](X, coefs)
    f /= f[:N_FRESH].std()
    y = f + noise * random.normal(size=len(f))
    return X[N_FRESH:], y[N_FRESH:], X[:N_FRESH], f[:N_FRESH], y[:N_FRESH]


def measure(name: str, problem: str, n_rows: int, n_columns: int, noise: float, seed: int) -> Line:
    """Fit a model to so many rows."""
    X, y, X_new, f_new, y_new = make_data(problem, n_rows, n_columns, noise, seed)
    model = MODELS[name](seed)
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    if name == "MLPRegressor":
        mean, coverage, weights = model.predict(X_new), np.nan, model[-1].coefs_
    else:
        mean, std = model.predict(X_new, return_std=True)
        coverage = float(np.mean(np.abs(y_new - mean) < 1.96 * std))
        weights = model.weights_
    rmse = float(np.sqrt(np.mean((f_new - mean) ** 2)))
    return Line(seconds, rmse, coverage, tuple(W.shape[1] for W in weights[:-1]))


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks time_by_rows", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=["friedman"])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["default"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(machine)
    print(f"{options.columns} columns, noise {options.noise:g}")
    print("problem        rows  model         seconds  factor    RMSE  coverage  units")
    with threadpool_limits(1):
        for problem in options.problems:
            before: dict[str, float] = {}
            for n_rows in options.rows:
                for name in options.models:
                    line = measure(
                        name, problem, n_rows, options.columns, options.noise, options.seed
                    )
                    factor = line.seconds / before.get(name, np.nan)
                    print(
                        f"{problem:9}  {n_rows:9,}  {name:12}  {line.seconds:7.1f}  {factor:6.1f}"
                        f"  {line.rmse:6.4f}  {line.coverage:8.3f}"
                        f"  {', '.join(map(str, line.hidden))}",
                        flush=True,
                    )
                    before[name] = line.seconds
