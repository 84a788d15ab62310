"""Which first-order solver `solver="auto"` should take: L-BFGS or Adam, by number of rows.

Friedman's first problem with noise of a fifth of the signal, default settings: seconds to fit
and R² on 10,000 fresh rows.

    python -m benchmarks.auto_solver
"""

import time
import warnings

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning

from sklearn_mlp import SigmoidMLPRegressor


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    X_test, y_test = make_friedman1(10_000, n_features=20, random_state=99)
    print(f"{'rows':>8}  {'lbfgs: s':>9} {'R²':>7}  {'adam: s':>9} {'R²':>7}")
    for n_samples in (100, 1000, 3000, 10_000, 30_000, 100_000):
        X, y = make_friedman1(n_samples, n_features=20, noise=1.0, random_state=0)
        line = f"{n_samples:>8}"
        for solver in ("lbfgs", "adam"):
            seconds, scores = [], []
            for seed in range(3 if n_samples <= 10_000 else 1):
                start = time.perf_counter()
                model = SigmoidMLPRegressor(solver=solver, random_state=seed).fit(X, y)
                seconds.append(time.perf_counter() - start)
                scores.append(model.score(X_test, y_test))
            line += f"  {np.median(seconds):9.2f} {np.mean(scores):7.4f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
