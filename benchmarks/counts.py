"""Counts and amounts: the evidence beside the best of ten penalties by cross-validation.

    python -m benchmarks counts [--seeds 5] [--losses poisson gamma]

The targets are drawn from a known mean, by Poisson's or the gamma distribution. The same network of
10 units is fitted with ``alpha="auto"``, the default, and with the best of ten values of `alpha` by
5-fold cross-validation of the deviance. A third column has all defaults, which find the width.
Columns: the mean deviance of the predictions from the *true* means of 2,000 fresh rows, for the
evidence, the defaults, the search, and a constant; the seconds of the defaults, and how many times
as long the search takes. Means over the seeds.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sklearn_mlp import SigmoidMLPRegressor

DEVIANCES = {"poisson": mean_poisson_deviance, "gamma": mean_gamma_deviance}
ALPHAS = np.logspace(-3, 3, 10)
PROBLEMS = ((100, 3, 3.0), (300, 5, 0.5), (1_000, 5, 3.0), (1_000, 5, 30.0), (2_000, 8, 3.0))
"""Rows, columns, and the mean where all else is 0."""
HIDDEN = (10,)
SHAPE = 4.0
"""Of the gamma distribution: its variance is the squared mean / SHAPE."""


def make_data(n: int, n_columns: int, level: float, loss: str, seed: int) -> tuple[Any, ...]:
    """X, its targets, fresh X and their true means."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n + 2_000, n_columns))
    mean = level * np.exp(np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2])
    y = rng.poisson(mean) if loss == "poisson" else rng.gamma(SHAPE, mean / SHAPE)
    return X[:n], y[:n].astype(float), X[n:], mean[n:]


def measure(loss: str, problem: tuple[int, int, float], seed: int) -> list[float]:
    """The four deviances and the two times."""
    X, y, X_new, mean_new = make_data(*problem, loss, seed)
    base: dict[str, Any] = {"loss": loss, "random_state": seed}
    search = GridSearchCV(
        SigmoidMLPRegressor(HIDDEN, **base),
        {"alpha": ALPHAS},
        scoring=f"neg_mean_{loss}_deviance",
        cv=5,
    )
    models = SigmoidMLPRegressor(HIDDEN, **base), SigmoidMLPRegressor(**base), search
    predictions, seconds = [], []
    for model in models:
        start = time.perf_counter()
        predictions.append(model.fit(X, y).predict(X_new))
        seconds.append(time.perf_counter() - start)
    predictions.append(np.full(len(X_new), y.mean()))
    return [*(DEVIANCES[loss](mean_new, p) for p in predictions), seconds[1], seconds[2]]


def main(argv: Sequence[str]) -> None:
    """Print a line for each problem."""
    parser = argparse.ArgumentParser("python -m benchmarks counts", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--losses", nargs="+", choices=list(DEVIANCES), default=list(DEVIANCES))
    given = parser.parse_args(argv)
    print(f"{'':24}{'evidence':>10}{'defaults':>10}{'search':>10}{'constant':>10}"
          f"{'seconds':>10}{'search':>10}")  # fmt: skip
    for loss in given.losses:
        for problem in PROBLEMS:
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore", ConvergenceWarning)
                records = [measure(loss, problem, seed) for seed in range(given.seeds)]
            *deviances, ours, theirs = np.mean(records, axis=0)
            n, n_columns, level = problem
            print(f"{loss:8}{n:6,} x {n_columns}, {level:4g}"
                  + "".join(f"{d:10.4f}" for d in deviances)
                  + f"{ours:10.2f}{theirs / ours:9.1f}x", flush=True)  # fmt: skip
