"""What each constant of the ladder of architectures is worth: the default fit with another value.

Over families of made data: few and many rows, smooth and stepped, straight and pure noise, sums and
functions of functions, useless columns. A column a value: the geometric mean over the families of
the RMSE on fresh rows without noise (of pure noise: with it), relative to the value that the
package has; the mean log-likelihood less that of the package's; coverage of 95 %; and seconds
relative to the package's. For the choice between one hidden layer and two:

    python -m benchmarks.ladder --constants TWO_LAYERS LEAST_ERRORS

    python -m benchmarks.ladder [--constants PATIENCE LEAST_GAIN ...] [--seeds 3]
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_mlp import SigmoidMLPRegressor, committee, training

SWEEPS: dict[str, list[Any]] = {
    "PATIENCE": [6, 12, 60],
    "LEAST_GAIN": [0.0, 0.3, 3.0],
    "TRUSTED": [(0.1, 0.2), (0.25, 0.5), (10.0, 20.0)],
    "LEAST_SHARE": [0.0, 0.1, 1.0],
    "WIDTHS": [(3,), (6,), (12,), (25,), (50,), (3, 6, 12)],
    "TWO_LAYERS": [
        {},
        {12: (6, 6)},
        {12: (6, 6), 25: (10, 10), 50: (16, 16)},
        {3: (4, 4), 6: (5, 5), 12: (6, 6), 25: (10, 10)},
    ],
    "LEAST_ERRORS": [-np.inf, 0.0, 1.0, 3.0],
    "MOST_ERRORS_OF_LINEAR": [-np.inf, -1.0, 1.0, np.inf],
}
"""Other values of each constant; a share of 1 leaves the best network alone."""

FAMILIES = [
    ("friedman", 100, 10, 0.3),
    ("friedman", 400, 10, 0.3),
    ("friedman", 1000, 5, 0.0),
    ("straight", 20, 3, 0.3),
    ("straight", 100, 5, 0.5),
    ("straight", 150, 30, 1.5),
    ("skewed", 80, 5, 0.0),
    ("skewed", 80, 5, 0.1),
    ("bent", 100, 5, 0.5),
    ("step", 300, 4, 0.3),
    ("wave", 300, 3, 0.1),
    ("wave", 200, 2, 0.0),
    ("noise", 30, 5, 1.0),
    ("noise", 100, 5, 1.0),
    ("nested", 300, 5, 0.1),
    ("nested", 1000, 6, 0.3),
    ("ring", 200, 2, 0.1),
    ("gate", 500, 5, 0.3),
    ("product", 300, 6, 0.3),
    ("angle", 300, 4, 0.1),
]
"""What, rows, columns, noise in deviations of the signal."""

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def made(name: str, n_rows: int, n_columns: int, noise: float, seed: int) -> Split:
    """Rows to train on, and fresh ones."""
    rng = np.random.RandomState(seed)
    X = rng.uniform(-1, 1, (n_rows + 1000, n_columns))
    if name == "friedman":
        a, b, c, d, e = (X[:, :5].T + 1) / 2
        signal = 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
    elif name == "straight":
        signal = X @ rng.normal(size=n_columns)
    elif name == "skewed":  # a straight line of inputs whose logarithms are uniform
        X = np.exp(3 * X)
        signal = X @ rng.normal(size=n_columns)
    elif name == "bent":
        line = X @ rng.normal(size=n_columns)
        signal = line + 0.3 * line**2
    elif name == "step":
        signal = 2.0 * (X[:, 0] > 0) + (X[:, 1] > 0.3)
    elif name == "wave":
        signal = np.sin(6 * X[:, 0]) + 0.5 * np.cos(4 * X[:, 1])
    elif name == "nested":
        inner = np.tanh(2 * X[:, 0] + X[:, 1] * X[:, 2])
        signal = np.sin(3 * inner + X[:, 3])
    elif name == "ring":
        signal = np.exp(-8 * (np.hypot(X[:, 0], X[:, 1]) - 0.6) ** 2)
    elif name == "gate":
        signal = np.where(X[:, 0] > 0, np.sin(3 * X[:, 1]), 2 * X[:, 2] ** 2 - 1)
    elif name == "product":
        signal = X[:, 0] * X[:, 1] * X[:, 2]
    elif name == "angle":  # Friedman's third problem
        a, b, c, d = ((X[:, :4] + 1) / 2 * [100, 520, 1, 10] + [0, 40, 0, 1]).T
        signal = np.arctan((np.pi * b * c - 1 / (np.pi * b * d)) / (a + 1))
    else:
        signal = np.zeros(len(X))
    signal /= signal.std() or 1.0
    y = signal + noise * rng.normal(size=len(X))
    fresh = y if name == "noise" else signal
    return X[:n_rows], y[:n_rows], X[n_rows:], fresh[n_rows:]


@contextmanager
def constant(name: str, value: Any) -> Iterator[None]:
    """The package with another value of a constant, wherever it is known by name."""
    rooms = [room for room in (committee, training) if hasattr(room, name)]
    before = getattr(committee, name)
    for room in rooms:
        setattr(room, name, value)
    try:
        yield
    finally:
        for room in rooms:
            setattr(room, name, before)


def measured(n_seeds: int) -> np.ndarray:
    """RMSE, log-likelihood, coverage and seconds of each family, shape (n_families, 4)."""
    figures = []
    for name, n_rows, n_columns, noise in FAMILIES:
        for seed in range(n_seeds):
            X, y, X_test, y_test = made(name, n_rows, n_columns, noise, seed)
            start = time.perf_counter()
            model = SigmoidMLPRegressor(random_state=seed).fit(X, y)
            seconds = time.perf_counter() - start
            mean, std = model.predict(X_test, return_std=True)
            e = (y_test - mean) / std
            log_likelihood = np.mean(-0.5 * e**2 - np.log(std) - 0.5 * np.log(2 * np.pi))
            rmse = max(float(np.sqrt(np.mean((y_test - mean) ** 2))), 1e-3)  # below, all is well
            figures.append((rmse, log_likelihood, np.mean(np.abs(e) < 1.96), seconds))
    return np.array(figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constants", nargs="+", default=list(SWEEPS), choices=list(SWEEPS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):
        ours = measured(arguments.seeds)
        print(f"as it is: coverage {ours[:, 2].mean():.3f}, {ours[:, 3].mean():.2f} s a fit")
        for name in arguments.constants:
            for value in SWEEPS[name]:
                with constant(name, value):
                    other = measured(arguments.seeds)
                rmse, seconds = np.exp(np.log((other / ours)[:, [0, 3]]).mean(axis=0))
                gain = (other - ours)[:, 1].mean()
                print(
                    f"{name} = {value} in place of {getattr(committee, name)}: RMSE x {rmse:.3f}, "
                    f"log-likelihood {gain:+.3f}, coverage {other[:, 2].mean():.3f}, "
                    f"seconds x {seconds:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
