"""The models that later versions must load. To write them: python -m tests.models.make.

Run it with the oldest supported releases, whose files newer ones read, and only for a new version.
Each model is a skops file. What it predicted when it was saved is beside it, as JSON.
"""

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import skops.io
from numpy.random import RandomState

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor, __version__

HERE = Path(__file__).parent
ROWS = np.linspace(-1, 1, 18).reshape(6, 3)
"""The rows that are predicted."""


def data() -> tuple[Any, Any]:
    """Rows of a bent function, whose noise grows with the first input."""
    rng = RandomState(0)
    X = rng.uniform(-1, 1, (80, 3))
    noise = (0.05 + 0.1 * (X[:, 0] + 1)) * rng.normal(size=80)
    return X, np.sin(2 * X[:, 1]) + X[:, 2] + noise


def models() -> dict[str, Any]:
    """A fitted model of each kind, by name."""
    X, y = data()
    counts = RandomState(1).poisson(np.exp(X[:, 1] + 1))
    one: dict[str, Any] = {"random_state": 0, "max_iter": 50, "tol": 1.0}
    few = SigmoidMLPRegressor((2,), **one)
    return {
        "default": SigmoidMLPRegressor(random_state=0).fit(X, y),
        "varying": SigmoidMLPRegressor((2,), noise="varying", random_state=0).fit(X, y),
        "outputs": few.set_params(solver="lm").fit(X, np.column_stack([y, -(y**2)])),
        "last_layer": SigmoidMLPRegressor((10, 10), solver="adam", early_stopping=True, **one).fit(
            X, y
        ),
        "counts": SigmoidMLPRegressor((2,), loss="poisson", random_state=0).fit(X, counts),
        "stream": SigmoidMLPRegressor((2,), solver="lm", **one).partial_fit(X, y),
        "ensemble": SigmoidMLPEnsembleRegressor(
            SigmoidMLPRegressor((2,), solver="lbfgs", **one), n_estimators=2, random_state=0
        ).fit(X, y),
    }


def predicted(model: Any) -> list[Any]:
    """Its predictions and their standard deviations."""
    mean, std = model.predict(ROWS, return_std=True)
    return [mean.tolist(), std.tolist()]


if __name__ == "__main__":
    for name, model in models().items():
        path = HERE / f"{__version__}_{name}.skops"
        skops.io.dump(model, path, compression=ZIP_DEFLATED)
        path.with_suffix(".json").write_text(json.dumps(predicted(model)))
