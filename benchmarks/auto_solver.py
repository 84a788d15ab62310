"""What ``solver="auto"`` should take: each solver by number of rows, with early stopping or not.

Friedman's first problem among useless inputs, with noise of a fifth of the signal, default
settings: seconds to fit, and R² on 10,000 fresh rows without noise. "lm" is left out where
one of its steps costs more than ten times what "auto" allows.

    python -m benchmarks.auto_solver [--features 20] [--rows 300 3000 30000]
"""

import argparse
import time
import warnings

from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.training import AUTO_LM_COST

CONTENDERS = [("lm", False), ("lbfgs", False), ("lbfgs", True), ("adam", False), ("adam", True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 3000, 30_000])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X_test, y_test = make_friedman1(10_000, n_features=arguments.features, random_state=99)
    n_parameters = 50 * (arguments.features + 1) + 51
    names = [solver + (", early" if early else "") for solver, early in CONTENDERS]
    print(f"{'rows':>8}" + "".join(f"{name:>20}" for name in names) + "   (seconds, R²)")
    for n_samples in arguments.rows:
        X, y = make_friedman1(n_samples, arguments.features, noise=1.0, random_state=0)
        line = f"{n_samples:>8}"
        for solver, early in CONTENDERS:
            if solver == "lm" and n_parameters**2 * (n_samples + n_parameters) > 10 * AUTO_LM_COST:
                line += f"{'-':>20}"
                continue
            start = time.perf_counter()
            model = SigmoidMLPRegressor(solver=solver, early_stopping=early, random_state=0)
            model.fit(X, y)
            seconds = time.perf_counter() - start
            line += f"{seconds:>11.2f} {model.score(X_test, y_test):>8.4f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
