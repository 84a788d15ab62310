"""R² on fresh rows of four functions, for five models with their default settings."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor

N_ROWS, N_FRESH, N_COLUMNS, NOISE = 300, 2_000, 5, 0.3


def data(function, seed):
    """Rows of a function whose values have a mean of 0 and a deviation of 1, without noise."""
    X = np.random.default_rng(seed).uniform(size=(N_ROWS + N_FRESH, N_COLUMNS))
    y = function(X)
    return X, (y - y.mean()) / y.std()


functions = {
    "a line": lambda X: X.sum(axis=1),
    "smooth (Friedman 1)": lambda X: (
        10 * np.sin(np.pi * X[:, 0] * X[:, 1])
        + 20 * (X[:, 2] - 0.5) ** 2
        + 10 * X[:, 3]
        + 5 * X[:, 4]
    ),
    "waves": lambda X: np.sin(8 * X[:, 0]) + np.cos(6 * X[:, 1]),
    "steps": lambda X: (X > 0.5) @ np.arange(1, 6),
}
kernel = ConstantKernel() * RBF(np.ones(N_COLUMNS)) + WhiteKernel()
models = {
    "SigmoidMLPRegressor()": SigmoidMLPRegressor(random_state=0),
    "MLPRegressor(), scaled": make_pipeline(StandardScaler(), MLPRegressor(random_state=0)),
    "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    "Gaussian process": GaussianProcessRegressor(kernel, normalize_y=True, random_state=0),
    "BayesianRidge()": BayesianRidge(),
}

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for i, (name, model) in enumerate(models.items()):
    scores = []
    for seed, function in enumerate(functions.values()):
        X, y = data(function, seed)
        noise = NOISE * np.random.default_rng(seed).normal(size=N_ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X[:N_ROWS], y[:N_ROWS] + noise)
        scores.append(model.score(X[N_ROWS:], y[N_ROWS:]))
    ax.bar(np.arange(4) + 0.16 * (i - 2), np.maximum(scores, 0), 0.16, label=name)
ax.set(ylabel="R² on fresh rows", ylim=(0, 1.02))
ax.set_xticks(range(4), labels=functions)
ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize="small")
