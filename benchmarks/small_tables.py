"""Small tables: how stable the default is, and its error and its time on diabetes.

    python -m benchmarks small [--fits 100]

- *Order*: the share of fits that predict the same, to 0.01 deviations of y, from the same rows in
  another order. The tables have 120 to 500 rows and 5 to 10 columns, of Friedman's first function,
  a linear one and a step, with noise of 0.3 deviations. Compared are 1,000 fresh rows.
- *Units*: the relative change of the error bars if y is measured in other units.
- *Diabetes*: R² by 5-fold cross-validation, and the CPU time of a fit relative to that of
  MLPRegressor on z-scores, fitted in turn.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks import peers
from benchmarks.problem_map import PROBLEMS
from benchmarks.tabular import scaled
from sklearn_mlp import SigmoidMLPRegressor

NOISE = 0.3
"""Deviation of the noise, in those of the function."""

ROWS, COLUMNS = (120, 500), (5, 10)
"""The fewest and the most."""

N_FRESH = 1_000
SAME = 0.01
"""Predictions that differ by less, in deviations of y, are the same."""

UNITS = 1e5
"""How many of the other units of y are one of the first."""

TURNS = 5
"""Fits of each model whose times are compared."""


def make_table(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X and y of a table, and fresh rows. The problems take turns."""
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(ROWS[0], ROWS[1] + 1))
    n_columns = int(rng.integers(COLUMNS[0], COLUMNS[1] + 1))
    problem = PROBLEMS[sorted(PROBLEMS)[seed % len(PROBLEMS)]]
    X = rng.uniform(size=(n_rows + N_FRESH, n_columns))
    f = problem(X, rng.normal(size=n_columns))
    y = f[:n_rows] + NOISE * f.std() * rng.normal(size=n_rows)
    return X[:n_rows], y, X[n_rows:]


def default(seed: int = 0) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(random_state=seed)


def change_with_order(seed: int) -> float:
    """The largest change of a prediction, in deviations of y, if the rows change places."""
    X, y, fresh = make_table(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    before, after = default(seed).fit(X, y), default(seed).fit(X[order], y[order])
    return float(np.abs(after.predict(fresh) - before.predict(fresh)).max() / y.std())


def change_with_units(seed: int) -> float:
    """The largest relative change of an error bar if y is in other units."""
    X, y, fresh = make_table(seed)
    std = default(seed).fit(X, y).predict(fresh, return_std=True)[1]
    other = default(seed).fit(X, UNITS * y).predict(fresh, return_std=True)[1] / UNITS
    return float(np.abs(other / std - 1).max())


def seconds(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """The CPU time of a fit."""
    start = time.process_time()
    model.fit(X, y)
    return time.process_time() - start


def diabetes() -> None:
    """Print the R² of the default, and the time of its fits."""
    X, y = load_diabetes(return_X_y=True)
    plain = cross_val_score(default(), X, y, cv=5)
    shuffled = [
        cross_val_score(default(), X, y, cv=KFold(5, shuffle=True, random_state=seed)).mean()
        for seed in range(3)
    ]
    print(
        f"diabetes: R2 {plain.mean():.3f} in 5 folds; with shuffled rows, 3 times, "
        f"{', '.join(f'{r2:.3f}' for r2 in shuffled)}",
        flush=True,
    )
    ratios = []
    seconds(scaled(MLPRegressor(max_iter=1)), X, y)  # what is loaded only once
    for seed in range(TURNS):
        theirs = seconds(scaled(MLPRegressor(random_state=seed)), X, y)
        ratios.append(seconds(default(seed), X, y) / theirs)
    print(
        f"diabetes: a fit takes {np.median(ratios):.1f} times ({min(ratios):.1f} to "
        f"{max(ratios):.1f}) as long as MLPRegressor on z-scores",
        flush=True,
    )


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks small", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--fits", type=int, default=100, metavar="N", help="tables in two orders")
    given = parser.parse_args(arguments)
    peers.set_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(machine, flush=True)
    with threadpool_limits(1):
        diabetes()
        units = [change_with_units(seed) for seed in range(max(1, given.fits // 10))]
        print(f"units: error bars change by up to {max(units):.1e} of themselves", flush=True)
        order = np.array([change_with_order(seed) for seed in range(given.fits)])
        print(
            f"order: {np.mean(order < SAME):.0%} of {given.fits} fits predict the same; the "
            f"largest changes are {np.sort(order)[::-1][:5].round(4).tolist()} deviations of y, "
            f"their median is {np.median(order):.1e}"
        )
