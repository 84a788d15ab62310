"""Seconds of training until the error on the training rows is at most a target.

The error is the RMSE in deviations of the target. Four problems: the article's; Friedman's first;
20,000 rows of 100 inputs without noise; and 200,000 rows of 20 inputs with noise, where the target
is just above its level. Everybody gets the same z-scores.

For each contender and seed, the least number of iterations whose whole fit comes to the target is
looked for on a grid that grows by a quarter: every third number is tried, then the two below the
first that is enough. These fits do not count, and they leave all that is compiled compiled. A
contender is out once a fit takes more than ``--limit`` seconds. Then the fits that are enough are
timed, the contenders by turns, each turn from another seed's start. A fit ends with the
predictions for its rows. Adam runs at the rates 1e-3 and 1e-2, and the faster counts.

    python -m benchmarks time_to_target
    python -m benchmarks.time_to_target [--turns 3] [--threads 1] [--limit 1] [--quick]
"""

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import make_friedman1
from threadpoolctl import threadpool_limits

from benchmarks.peers import (
    Train,
    estimator,
    estimator_adam,
    estimator_lbfgs,
    first_order,
    full_batch,
    levenberg_marquardt,
    set_threads,
)
from benchmarks.timing import Record, ratio
from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.network import Network

RATES = (1e-3, 1e-2)
"""Learning rates of Adam."""

BATCH_SIZE = 200
"""What "auto" is in MLPRegressor, and in ours."""

LM_PARAMETERS = 1_500
"""Levenberg-Marquardt runs below so many, and so does the default, which is it there."""

DEFAULT_ROWS = 20_000
"""The default runs up to so many rows."""

SEEDS = 3
"""Starts; the turns go round them."""

GRID = list(itertools.accumulate(range(60), lambda n, _: n + max(1, n // 4), initial=1))
"""Numbers of iterations, up to a million."""


class Problem(NamedTuple):
    """Rows as z-scores, the hidden layers to learn them by, and the RMSE to come to."""

    name: str
    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...]
    targets: tuple[float, ...]


def z_scores(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def tanh_network(n_rows: int, n_inputs: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Ten tanh units of normal inputs, and noise in deviations of what they give."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_inputs))
    V = 2 * rng.standard_normal((n_inputs, 10)) / np.sqrt(n_inputs)
    y = np.tanh(X @ V + rng.standard_normal(10)) @ rng.standard_normal(10)
    return X, y + noise * y.std() * rng.standard_normal(n_rows)


def problems(quick: bool) -> list[Problem]:
    """The four, or small versions of them."""
    level = 0.5 / np.sqrt(1.25)
    wide = (20,) if quick else (50,)
    sizes = (2_000, 500, 2_000, 4_000) if quick else (10_000, 2_000, 20_000, 200_000)
    article = make_hyperplane(sizes[0], random_state=0, return_X_y=True)
    friedman = make_friedman1(sizes[1], n_features=10, noise=0.0, random_state=0)
    clean, noisy = tanh_network(sizes[2], 100, 0.0), tanh_network(sizes[3], 20, 0.5)
    raw = [
        ("article", article, (5,), (1e-2, 1e-3, 1e-4, 1e-5)),
        ("Friedman 1", friedman, (20,), (5e-2, 1e-2)),
        (f"{sizes[2]:,} x 100", clean, wide, (0.2, 0.1)),
        (f"{sizes[3]:,} x 20, noisy", noisy, wide, (1.05 * level, 1.01 * level)),
    ]
    return [
        Problem(name, z_scores(np.asarray(X)), z_scores(np.asarray(y)), hidden, targets)
        for name, (X, y), hidden, targets in raw
    ]


def ours(problem: Problem) -> dict[str, list[Train]]:
    """Each contender of ours, at each rate it may be run at."""
    _, X, y, hidden, _ = problem
    make: Any = partial(estimator, SigmoidMLPRegressor, X, y, hidden_layer_sizes=hidden)
    adam: Any = partial(estimator_adam, SigmoidMLPRegressor, X, y, hidden, batch=BATCH_SIZE)
    contenders = {
        "ours lbfgs": [estimator_lbfgs(SigmoidMLPRegressor, X, y, hidden)],
        "ours adam": [adam(learning_rate=rate) for rate in RATES],
    }
    if few_parameters(problem):
        contenders["ours lm"] = [make(solver="lm", alpha=0.0, tol=0.0)]
        if len(X) <= DEFAULT_ROWS:
            contenders["ours default"] = [make()]
    return contenders


def theirs(problem: Problem) -> dict[str, list[Train]]:
    """Each peer, at each rate it may be run at."""
    _, X, y, hidden, _ = problem
    at_rates = [first_order(X, y, hidden, batch=BATCH_SIZE, learning_rate=rate) for rate in RATES]
    contenders = {name: [trains[name] for trains in at_rates] for name in at_rates[0]}
    others = full_batch(X, y, hidden)
    if few_parameters(problem):
        others |= levenberg_marquardt(X, y, hidden)
    return contenders | {name: [train] for name, train in others.items()}


def few_parameters(problem: Problem) -> bool:
    sizes = [problem.X.shape[1], *problem.hidden, 1]
    return Network(sizes, "sigmoid").n_parameters < LM_PARAMETERS


class Fits:
    """Fits of more and more iterations by one contender from one seed, each made once."""

    def __init__(self, train: Train, y: np.ndarray, seed: int) -> None:
        self.train, self.y, self.seed = train, y, seed
        self.made: dict[int, tuple[float, float]] = {}
        train(1, seed)

    def __getitem__(self, iterations: int) -> tuple[float, float]:
        """Seconds and RMSE."""
        if iterations not in self.made:
            start = time.perf_counter()
            predictions = self.train(iterations, self.seed)
            seconds = time.perf_counter() - start
            error = np.sqrt(np.mean((predictions - self.y) ** 2))
            self.made[iterations] = seconds, float(error)
        return self.made[iterations]

    def enough(self, target: float, limit: float) -> int | None:
        """The iterations that come to the target, None if none do within the limit."""
        for i in range(0, len(GRID), 3):
            seconds, error = self[GRID[i]]
            if error <= target:
                least = next(n for n in GRID[max(i - 2, 0) : i + 1] if self[n][1] <= target)
                return least if self[least][0] <= limit else None
            if seconds > limit or not np.isfinite(error):
                return None
        return None


def enough(
    trains: list[Train], problem: Problem, seed: int, limit: float
) -> list[Callable[[], object] | None]:
    """For each target, the fit that comes to it soonest."""
    fits = [Fits(train, problem.y, seed) for train in trains]
    soonest: list[Callable[[], object] | None] = []
    for target in problem.targets:
        found = [(f, n) for f in fits if (n := f.enough(target, limit)) is not None]
        if found:
            best, n = min(found, key=lambda fit: fit[0][fit[1]][0])
            soonest.append(partial(best.train, n, seed))
        else:
            soonest.append(None)
    return soonest


def timed(
    contenders: dict[str, list[Callable[[], object] | None]], turns: int
) -> dict[str, list[float]]:
    """Seconds in each turn, infinite where its seed does not come to the target."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns):
        for name, by_seed in contenders.items():
            fit = by_seed[turn % len(by_seed)]
            start = time.perf_counter()
            if fit is not None:
                fit()
            seconds[name].append(np.inf if fit is None else time.perf_counter() - start)
    return seconds


def run(turns: int, threads: int, *, quick: bool, limit: float | None = None) -> list[Record]:
    """The seconds of every contender to every target.

    They are infinite in turns whose seed does not come to the target, and empty where none does.
    """
    set_threads(threads)
    limit = limit or (0.2 if quick else 1.0)
    seeds = range(1 if quick else min(SEEDS, turns))
    records = []
    with threadpool_limits(threads):
        for problem in problems(quick):
            own = ours(problem)
            contenders = own | theirs(problem)
            fits = {
                name: [enough(trains, problem, seed, limit) for seed in seeds]
                for name, trains in contenders.items()
            }
            for i, target in enumerate(problem.targets):
                to_target = {name: [fit[i] for fit in by_seed] for name, by_seed in fits.items()}
                case = f"{problem.name}, RMSE {target:.3g}"
                for name, seconds in timed(to_target, turns).items():
                    taken = seconds if np.isfinite(seconds).any() else []
                    records.append(Record("time to target", case, name, name in own, taken))
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, help="seconds of the longest fit")
    parser.add_argument("--quick", action="store_true", help="few rows, one seed")
    arguments = parser.parse_args()
    records = run(arguments.turns, arguments.threads, quick=arguments.quick, limit=arguments.limit)
    print("Seconds to the target (median); times as fast as the best peer (median, range)")
    for case, group in itertools.groupby(records, key=lambda record: record.case):
        print(case)
        best = {}
        of_case = list(group)
        for record in of_case:
            print(f"    {record.contender:<26}", end="")
            print(f"{np.median(record.values):9.4f}" if record.values else f"{'-':>9}")
        for side in (True, False):
            reached = [r.values for r in of_case if r.ours == side and r.values]
            if reached:
                best[side] = np.min(reached, axis=0)
        if len(best) == 2:
            print(f"    {'our best':<26} {ratio(best[False], best[True])}", flush=True)


if __name__ == "__main__":
    main()
