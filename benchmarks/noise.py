"""Error bars where the noise is known: coverage, log density and CRPS, constant beside varying.

    python -m benchmarks noise [--seeds 20] [--sets NAME ...] [--rows 500]

Each data set is drawn anew for each seed. SigmoidMLPRegressor is fitted to it with constant noise
and with the default, "auto", in turn in one process, and judged on 2,000 fresh rows. All figures
are means over the seeds. Columns:

- "varying": in how many of the data sets the noise was taken to vary;
- "log p": the mean log density of a row; "CRPS": the continuous ranked probability score, lower is
  better (Gneiting & Raftery, 2007). Both are of the predictive distribution, by closed form;
- "50 %", "80 %", "95 %": the share of rows inside the central interval;
- "95 % by fifths": the same for the rows with the least to the most noise;
- "noise": the root mean square error of ``predict_noise_std``, in units of the noise's root mean
  square;
- "seconds": processor time, and for "auto" the ratio to "constant".
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmarks.scores import crps, log_density
from sklearn_mlp import SigmoidMLPRegressor

N_FRESH = 2_000
LEVELS = (0.5, 0.8, 0.95)
KINDS = ("constant", "auto")

Noise = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""From X to the noise's standard deviation and a draw of it."""


def gaussian(std: Callable[[np.ndarray], np.ndarray]) -> Noise:
    """Gaussian noise with this standard deviation."""

    def draw(X: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return std(X), std(X) * rng.normal(size=len(X))

    return draw


def student(X: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Student's t with 3 degrees of freedom, of standard deviation 0.3."""
    std = np.full(len(X), 0.3)
    return std, std / np.sqrt(3) * rng.standard_t(3, size=len(X))


class Problem(NamedTuple):
    """A function with a noise.

    Attributes
    ----------
    noise : callable
    n_columns : int
    n_rows : int or None
        None takes the number that was asked for.
    reach : float
        The fresh rows reach so many times as far as the training rows.
    """

    noise: Noise
    n_columns: int = 3
    n_rows: int | None = None
    reach: float = 1.0


GROWING = gaussian(lambda X: 0.1 + 0.3 * (np.clip(X[:, 0], -1, 1) + 1))
TWO = gaussian(lambda X: np.where(X[:, 0] > 0, 0.5, 0.1))
CONSTANT = gaussian(lambda X: np.full(len(X), 0.3))

PROBLEMS = {
    "constant": Problem(CONSTANT),
    "constant, 60 rows": Problem(CONSTANT, n_rows=60),
    "constant, 10 columns": Problem(CONSTANT, n_columns=10),
    "growing": Problem(GROWING),
    "growing, 2,000 rows": Problem(GROWING, n_rows=2_000),
    "two regimes": Problem(TWO),
    "two regimes, 2,000 rows": Problem(TWO, n_rows=2_000),
    "Student-t, 3 degrees": Problem(student),
    "growing, 30 rows": Problem(GROWING, n_rows=30),
    "extrapolation": Problem(GROWING, reach=1.5),
}


def draw(problem: Problem, n: int, reach: float, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """X, y and the standard deviation of the noise."""
    X = rng.uniform(-reach, reach, size=(n, problem.n_columns))
    std, e = problem.noise(X, rng)
    return X, np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + X[:, 2] + e, std


def measure(problem: Problem, n_rows: int, seed: int) -> dict[str, dict[str, Any]]:
    """The figures of both kinds on one data set."""
    rng = np.random.default_rng(seed)
    X, y, _ = draw(problem, problem.n_rows or n_rows, 1.0, rng)
    fresh, y_fresh, std = draw(problem, N_FRESH, problem.reach, rng)
    fifth = np.searchsorted(np.quantile(std, [0.2, 0.4, 0.6, 0.8]), std)
    figures = {}
    for kind in KINDS:
        model = SigmoidMLPRegressor(noise=kind, random_state=seed)
        start = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - start
        mixture = model._with_posterior().mixture(fresh)
        inside = []
        for level in LEVELS:
            low, high = model.predict_quantiles(fresh, [0.5 - level / 2, 0.5 + level / 2]).T
            inside.append((low <= y_fresh) & (y_fresh <= high))
        error = model.predict_noise_std(fresh) - std
        figures[kind] = {
            "varying": float(model.noise_ == "varying"),
            "log p": float(log_density(mixture, y_fresh).mean()),
            "crps": float(crps(mixture, y_fresh).mean()),
            "levels": [float(i.mean()) for i in inside],
            "fifths": [float(inside[-1][fifth == i].mean()) for i in np.unique(fifth)],
            "noise": float(np.sqrt(np.mean(error**2) / np.mean(std**2))),
            "seconds": seconds,
        }
    return figures


def line(name: str, kind: str, found: list[dict[str, dict[str, Any]]]) -> str:
    """A row of the table."""
    mean = {
        key: np.mean([one[kind][key] for one in found], axis=0)
        for key in found[0][kind]
        if key not in ("varying", "fifths")
    }
    n_varying = sum(one[kind]["varying"] for one in found)
    levels = " ".join(f"{level:5.3f}" for level in mean["levels"])
    same = {len(one[kind]["fifths"]) for one in found}
    fifths = np.mean([one[kind]["fifths"] for one in found], axis=0) if len(same) == 1 else []
    ratio = np.median([one[kind]["seconds"] / one["constant"]["seconds"] for one in found])
    return (
        f"{name:24s} {kind:9s} {n_varying:3.0f}/{len(found):<3d} {mean['log p']:7.3f} "
        f"{mean['crps']:6.3f} {levels}  {' '.join(f'{c:4.2f}' for c in fifths):24s} "
        f"{mean['noise']:5.2f} {mean['seconds']:6.2f} {ratio:5.2f}"
    )


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks noise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sets", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--rows", type=int, default=500)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"{'':34s} varying   log p   CRPS  50 %  80 %  95 %  {'95 % by fifths':24s} noise "
        "seconds ratio"
    )
    with threadpool_limits(1):
        for name in given.sets:
            found = [measure(PROBLEMS[name], given.rows, seed) for seed in range(given.seeds)]
            for kind in KINDS:
                print(line(name, kind, found), flush=True)
