"""The default with and without the choice of inputs before training.

For each table: the root mean square error of the prediction of fresh rows, without their noise and
in deviations of the function; the mean log density of fresh rows; and the processor seconds of a
fit.

    python -m benchmarks.forward_selection [--seeds 2] [--sizes 40x10 ...]
"""

import argparse
import time
import warnings
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.solvers import forward_selection

SIZES = ("40x10", "100x20", "80x40", "200x80", "150x300")
NOISES = (0.3, 1.0)
N_TEST = 1_000


def friedman(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    U = norm.cdf(X)
    bends = 10 * np.sin(np.pi * U[:, 0] * U[:, 1]) + 20 * (U[:, 2] - 0.5) ** 2
    return bends + 10 * U[:, 3] + 5 * U[:, 4]


def steps(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return 2.0 * (X[:, 0] > -0.5) - (X[:, 1] > 0.2) + (X[:, 2] > 0)


def product(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return X[:, 0] * X[:, 1] + 0.5 * X[:, 2]


def few_lines(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return X[:, :5] @ random.normal(size=5)


def all_lines(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return X @ random.normal(size=X.shape[1])


def all_units(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    W = random.normal(size=(X.shape[1], 4)) * 2 / np.sqrt(X.shape[1])
    return np.tanh(X @ W) @ random.normal(size=4)


def nothing(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return np.zeros(len(X))


FUNCTIONS: tuple[Callable[[np.ndarray, np.random.RandomState], np.ndarray], ...] = (
    friedman, steps, product, few_lines, all_lines, all_units, nothing,
)  # fmt: skip


def measured(X: np.ndarray, f: np.ndarray, noise: float, n: int, seed: int) -> list[float]:
    """The error, the log density and the seconds of a fit to the first n rows."""
    y = f + noise * np.random.RandomState(seed + 1).normal(size=len(f))
    start = time.process_time()
    model = SigmoidMLPRegressor(random_state=seed).fit(X[:n], y[:n])
    seconds = time.process_time() - start
    mean, std = model.predict(X[n:], return_std=True)
    error = np.sqrt(np.mean((mean - f[n:]) ** 2))
    return [error, norm.logpdf(y[n:], mean, std).mean(), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="ROWSxCOLUMNS")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    never = patch.object(forward_selection, "LEAST_INPUTS", np.inf)
    for size in chosen.sizes:
        n, n_columns = map(int, size.split("x"))
        for function in FUNCTIONS:
            results = []
            for seed in range(chosen.seeds):
                random = np.random.RandomState(seed)
                X = random.normal(size=(n + N_TEST, n_columns))
                f = function(X, random)
                f = (f - f.mean()) / (f.std() or 1.0)
                for noise in NOISES:
                    with threadpool_limits(1):
                        with never:
                            without = measured(X, f, noise, n, seed)
                        results.append([*without, *measured(X, f, noise, n, seed)])
            e0, d0, s0, e1, d1, s1 = np.mean(results, axis=0)
            print(
                f"{size:8} {function.__name__:10} error {e0:.3f} -> {e1:.3f}, "
                f"log density {d0:.3f} -> {d1:.3f}, {s0:.1f} s -> {s1:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
