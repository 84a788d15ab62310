"""
Beside a Gaussian process
=========================

A Gaussian process is the usual choice for smooth functions with error bars. This example compares
the two on Friedman's first problem. The network has its defaults, and the Gaussian process the
usual kernel, with a length scale for each input and noise. On a hundred rows and fewer the Gaussian
process is faster, and the network has the lower error. On more rows the errors and the coverage are
about the same. But the time of a Gaussian process grows with the cube of the number of rows, so
with 600 rows it is the slower one.
"""

# %%
# Five inputs, and noise of standard deviation 1. So no model can have an RMSE below 1.

from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.datasets import make_friedman1
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.metrics import root_mean_squared_error

from sklearn_mlp import SigmoidMLPRegressor

models = {
    "Gaussian process": GaussianProcessRegressor(
        ConstantKernel() * RBF(np.ones(5)) + WhiteKernel(), normalize_y=True, random_state=0
    ),
    "network": SigmoidMLPRegressor(random_state=0),
}
X_new, y_new = make_friedman1(2_000, n_features=5, noise=1.0, random_state=1)

rows = []
for n in [50, 100, 200, 400, 600]:
    X, y = make_friedman1(n, n_features=5, noise=1.0, random_state=0)
    for name, model in models.items():
        before = perf_counter()
        model.fit(X, y)
        seconds = perf_counter() - before
        mean, std = model.predict(X_new, return_std=True)
        error = root_mean_squared_error(y_new, mean)
        covered = (abs(y_new - mean) < 1.96 * std).mean()
        rows.append((name, n, seconds, error, covered))
table = pd.DataFrame(rows, columns=["model", "rows", "seconds", "RMSE", "within 95 %"])
table.round(3)

# %%
# In pictures
# -----------

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, column in zip(axes, ["seconds", "RMSE", "within 95 %"]):
    for name, part in table.groupby("model", sort=False):
        ax.plot(part["rows"], part[column], "o-", label=name)
    ax.set(title=column, xlabel="rows", xscale="log")
    ax.set_xticks([50, 100, 200, 400], labels=["50", "100", "200", "400"])
    ax.minorticks_off()
axes[0].set(yscale="log")
axes[1].axhline(1, color="grey", linestyle=":", label="noise")
axes[2].axhline(0.95, color="grey", linestyle=":")
axes[2].set(ylim=(0.8, 1))
axes[1].legend()
plt.show()
