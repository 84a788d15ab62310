"""A grid search of 24 candidates in 5 folds: both estimators with the same grid.

python -m benchmarks grid_search
"""

from functools import partial
from typing import Any

from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import Record, interleaved
from sklearn_mlp import SigmoidMLPRegressor

GRID: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(5,), (20,), (50,), (20, 20)],
    "alpha": [1e-4, 1e-2, 1.0],
    "learning_rate_init": [1e-3, 1e-2],
}
"""24 candidates."""


def search(kind: Any, solver: str, max_iter: int) -> GridSearchCV:
    """Behind a scaler, which ours does not need."""
    model = kind(activation="logistic", solver=solver, max_iter=max_iter, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model)
    name = pipeline.steps[-1][0]
    return GridSearchCV(pipeline, {f"{name}__{key}": values for key, values in GRID.items()})


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """The diabetes set, with Adam for 50 epochs and L-BFGS for 50 iterations."""
    X, y = load_diabetes(return_X_y=True)
    records = []
    for solver in ("adam", "lbfgs"):
        max_iter = 5 if quick else 50
        contenders = {
            "ours": partial(search(SigmoidMLPRegressor, solver, max_iter).fit, X, y),
            "MLPRegressor": partial(search(MLPRegressor, solver, max_iter).fit, X, y),
        }
        records += [
            Record("grid search, 24 x 5", f"diabetes, {solver}, {max_iter} iterations", name,
                   name == "ours", list(seconds))
            for name, seconds in interleaved(contenders, min(turns, 3)).items()
        ]  # fmt: skip
    return records
