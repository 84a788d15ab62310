"""
More rows than fit into memory
==============================

``partial_fit`` takes the rows as they come, some thousands at a time, and keeps none of them. The
error on fresh rows falls chunk by chunk to the noise level. The z-scores of inputs and target are
those of all rows so far, so you don't need to know their units beforehand.
"""

# %%
# Chunks
# ------
# In practice, read a file, a database or a stream here. The inputs are deliberately in odd units.

import numpy as np
from sklearn.datasets import make_friedman1

units = 10.0 ** np.arange(-4, 6)


def chunks(n_chunks, n_rows=10_000):
    """Rows of Friedman's first problem, five of its ten inputs of no use."""
    for seed in range(n_chunks):
        X, y = make_friedman1(n_rows, n_features=10, noise=1.0, random_state=seed)
        yield X * units, y


# %%
# Training
# --------
# Each call is one epoch over its rows, by "adam". In all there are a million rows.

from time import perf_counter

from sklearn.metrics import root_mean_squared_error

from sklearn_mlp import SigmoidMLPRegressor

X_new, y_new = make_friedman1(5_000, n_features=10, noise=1.0, random_state=1_000)
X_new = X_new * units

model = SigmoidMLPRegressor(learning_rate_init=0.005, random_state=0)
errors, before = [], perf_counter()
for X, y in chunks(100):
    model.partial_fit(X, y)
    errors.append(root_mean_squared_error(y_new, model.predict(X_new)))
print(f"{model.t_:,} rows in {perf_counter() - before:.1f} s, RMSE {errors[-1]:.3f}")

# %%
# The error so far
# ----------------

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
ax.loglog(10_000 * np.arange(1, 101), errors)
ax.axhline(1, color="grey", linestyle=":", label="noise")
ax.set(xlabel="rows seen", ylabel="RMSE on fresh rows")
ax.set_yticks([1, 2, 3], labels=["1", "2", "3"])
ax.minorticks_off()
ax.legend()
plt.show()
