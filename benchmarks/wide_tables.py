"""Many rows of many columns, with signal in most of them: the default beside simple peers.

There a step of second order is expensive, and the default trains a rival by first order too
(``sklearn_mlp/rival.py``). For each made table and model: the root mean square error of fresh
predictions, without their noise and in deviations of the function, and the processor seconds of a
fit. The column "lm" is the default without the rival.

    python -m benchmarks.wide_tables [--sizes 20000x100] [--noise 0.3] [--models default lm ...]
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_mlp import SigmoidMLPRegressor

N_TEST = 5_000

Table = tuple[np.ndarray, np.ndarray]
"""X, and the function without noise."""


def steep_units(n: int, d: int, rng: np.random.Generator) -> Table:
    """Ten saturated units of all columns."""
    X = rng.standard_normal((n, d))
    V = 2 * rng.standard_normal((d, 10)) / np.sqrt(d)
    return X, np.tanh(X @ V + rng.standard_normal(10)) @ rng.standard_normal(10)


def soft_units(n: int, d: int, rng: np.random.Generator) -> Table:
    """Thirty soft units of all columns."""
    X = rng.standard_normal((n, d))
    V = 0.7 * rng.standard_normal((d, 30)) / np.sqrt(d)
    return X, np.tanh(X @ V + rng.standard_normal(30)) @ rng.standard_normal(30)


def factors(n: int, d: int, rng: np.random.Generator) -> Table:
    """A function of eight factors, of which each column is a noisy mixture."""
    Z = rng.standard_normal((n, 8))
    X = np.tanh(0.5 * Z @ rng.standard_normal((8, d))) + 0.1 * rng.standard_normal((n, d))
    y = np.sin(2 * Z[:, 0]) + Z[:, 1] * Z[:, 2] + np.abs(Z[:, 3])
    return X, y + 0.5 * Z[:, 4] ** 2 * np.sign(Z[:, 5])


def spectra(n: int, d: int, rng: np.random.Generator) -> Table:
    """Shares of substances, from spectra of their mixtures."""
    C, grid = rng.gamma(2, 1, (n, 6)), np.linspace(0, 1, d)
    middles, widths = rng.random((6, 1)), 0.05 + 0.1 * rng.random((6, 1))
    mixed = C @ np.exp(-(((grid - middles) / widths) ** 2))
    scatter = np.exp(0.1 * rng.standard_normal((n, 1)))
    X = scatter * mixed / (1 + 0.3 * mixed) + 0.01 * rng.standard_normal((n, d))
    return X, C[:, 0] / (C[:, 0] + C[:, 1]) + 0.3 * C[:, 2]


def waves(n: int, d: int, rng: np.random.Generator) -> Table:
    """A sum of waves, each of one column, over half of the columns."""
    X, k = rng.standard_normal((n, d)), d // 2
    phases = X[:, :k] * rng.uniform(0.5, 2, k) + rng.uniform(0, 6, k)
    return X, np.sin(phases) @ rng.standard_normal(k)


def indicators(n: int, d: int, rng: np.random.Generator) -> Table:
    """Columns of 0 and 1: a weight for each, and for 40 pairs."""
    X = (rng.random((n, d)) < rng.uniform(0.1, 0.5, d)).astype(np.float64)
    y = X @ rng.standard_normal(d)
    for _ in range(40):
        i, j = rng.choice(d, 2, replace=False)
        y += 2 * rng.standard_normal() * X[:, i] * X[:, j]
    return X, y


def skewed(n: int, d: int, rng: np.random.Generator) -> Table:
    """Ratios and minima of skewed columns, and a line in twenty others."""
    X = np.exp(0.7 * rng.standard_normal((n, d)))
    y = np.log(X[:, 0] / (X[:, 1] + X[:, 2])) + np.minimum(X[:, 3], X[:, 4])
    return X, y + 0.05 * X[:, 5:25].sum(axis=1)


def trees(n: int, d: int, rng: np.random.Generator) -> Table:
    """A sum of thirty trees of depth three, over twenty columns."""
    X, y = rng.standard_normal((n, d)), np.zeros(n)
    for _ in range(30):
        columns, thresholds = rng.choice(min(d, 20), 3), 0.7 * rng.standard_normal(3)
        y += rng.standard_normal(8)[(X[:, columns] > thresholds) @ np.array([1, 2, 4])]
    return X, y


TABLES: tuple[Callable[[int, int, np.random.Generator], Table], ...] = (
    steep_units, soft_units, factors, spectra, waves, indicators, skewed, trees,
)  # fmt: skip


def catboost() -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(verbose=0, thread_count=1, random_seed=0, allow_writing_files=False)


MODELS: dict[str, Callable[[], Any]] = {
    "default": lambda: SigmoidMLPRegressor(random_state=0),
    "lm": lambda: SigmoidMLPRegressor(solver="lm", random_state=0),
    "MLPRegressor": lambda: make_pipeline(StandardScaler(), MLPRegressor(random_state=0)),
    "HistGB": lambda: HistGradientBoostingRegressor(random_state=0),
    "CatBoost": catboost,
}


def measure(model: Any, X: np.ndarray, f: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The error to the function on the last rows, and the seconds of a fit to the others."""
    start = time.process_time()
    model.fit(X[:-N_TEST], y[:-N_TEST])
    seconds = time.process_time() - start
    errors = model.predict(X[-N_TEST:]) - f[-N_TEST:]
    return float(np.sqrt(np.mean(errors**2))), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["20000x100"])
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':<24}" + "".join(f"{name:>19}" for name in arguments.models))
    for size in arguments.sizes:
        n, d = map(int, size.split("x"))
        for make in TABLES:
            rng = np.random.default_rng(5)
            X, f = make(n + N_TEST, d, rng)
            f = (f - f.mean()) / f.std()
            y = f + arguments.noise * rng.standard_normal(len(f))
            line = f"{make.__name__.replace('_', ' '):<13}{size:>11}"
            for name in arguments.models:
                with threadpool_limits(1):
                    error, seconds = measure(MODELS[name](), X, f, y)
                line += f"{error:>10.4f}{seconds:>7.1f} s"
            print(line, flush=True)


if __name__ == "__main__":
    main()
