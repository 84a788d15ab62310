"""
More rows than fit into memory
==============================

``partial_fit`` takes the rows as they come. With "adam", the default, a call is one epoch over its
rows, none of which it keeps. With "lm" each call trains fully on its rows, and gives error bars.
You don't need to know the units of inputs and target beforehand.
"""

# %%
# Chunks
# ------
# In practice, read a file, a database or a stream here. The inputs are deliberately in odd units.

import numpy as np
from sklearn.datasets import make_friedman1

units = 10.0 ** np.arange(-4, 6)


def chunks(n_chunks, n_rows):
    """Rows of Friedman's first problem, five of its ten inputs of no use."""
    for seed in range(n_chunks):
        X, y = make_friedman1(n_rows, n_features=10, noise=1.0, random_state=seed)
        yield X * units, y


# %%
# First order
# -----------
# A million rows, 10,000 at a time.

from time import perf_counter

from sklearn.metrics import root_mean_squared_error

from sklearn_mlp import SigmoidMLPRegressor

X_new, y_new = make_friedman1(5_000, n_features=10, noise=1.0, random_state=1_000)
X_new = X_new * units


def learn(model, n_chunks, n_rows):
    """The RMSE on fresh rows after each chunk."""
    errors, before = [], perf_counter()
    for X, y in chunks(n_chunks, n_rows):
        model.partial_fit(X, y)
        errors.append(root_mean_squared_error(y_new, model.predict(X_new)))
    seconds = perf_counter() - before
    print(f"{n_chunks * n_rows:,} rows in {seconds:.1f} s, RMSE {errors[-1]:.3f}")
    return errors


adam = SigmoidMLPRegressor(learning_rate_init=0.005, random_state=0)
errors_adam = learn(adam, 100, 10_000)

# %%
# Second order
# ------------
# "lm" keeps what the rows have said as an expansion of their squared errors, and needs far fewer of
# them. 20,000 will do, 500 at a time.

lm = SigmoidMLPRegressor((20,), solver="lm", random_state=0)
errors_lm = learn(lm, 40, 500)

mean, std = lm.predict(X_new, return_std=True)
print(f"noise {lm.noise_std_:.3f}, from {lm.posterior_n_samples_:,.0f} rows")
print(f"{np.mean(abs(y_new - mean) < 1.96 * std):.1%} of fresh rows within 1.96 std")

# %%
# The error so far
# ----------------

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
ax.loglog(500 * np.arange(1, 41), errors_lm, label='"lm", 500 rows at a time')
ax.loglog(10_000 * np.arange(1, 101), errors_adam, label='"adam", 10,000 rows at a time')
ax.axhline(1, color="grey", linestyle=":", label="noise")
ax.set(xlabel="rows seen", ylabel="RMSE on fresh rows")
ax.set_yticks([1, 2, 3], labels=["1", "2", "3"])
ax.minorticks_off()
ax.legend()
plt.show()
