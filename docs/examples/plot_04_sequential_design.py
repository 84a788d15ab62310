"""
Where to measure next
=====================

Suppose that you look for the maximum of an unknown function, and that each measurement is
expensive. Error bars say where the maximum may be. Measure where the *expected improvement* over
the best value so far is largest, fit again, and repeat. (This is Bayesian optimisation, with a
network instead of a Gaussian process.) The measurements gather at the higher peak, and the band
becomes narrow there.
"""

# %%
# An unknown function
# -------------------

import numpy as np


def measure(x):
    """Two peaks, the higher of them at 7.86, and noise."""
    return np.sin(x) + 0.1 * x + 0.05 * rng.normal(size=np.shape(x))


rng = np.random.default_rng(0)
grid = np.linspace(0, 10, 400)

# %%
# Expected improvement
# --------------------
# For a normal distribution it has a closed form. The search needs a model that is unsure away from
# the data. Five networks are: they agree where there are data, and disagree elsewhere. With eight
# measurements the evidence would mistake the peaks for noise, so the penalty is a number here.

from scipy.stats import norm

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor


def expected_improvement(mean, std, best):
    """The mean of max(y - best, 0)."""
    z = (mean - best) / std
    return std * (z * norm.cdf(z) + norm.pdf(z))


member = SigmoidMLPRegressor((4,), solver="lm", alpha=0.001, max_iter=1_000)
model = SigmoidMLPEnsembleRegressor(member, random_state=0)
x = np.array([0.4, 1.5, 2.6, 3.7, 4.8, 5.9, 6.6, 9.4])
y = measure(x)

# %%
# Eight more
# ----------

import matplotlib.pyplot as plt

from sklearn_mlp.inspection import PredictionIntervalDisplay

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), sharey=True, layout="constrained")
for step in range(9):
    model.fit(x[:, np.newaxis], y)
    mean, std = model.predict(grid[:, np.newaxis], return_std=True)
    chosen = grid[np.argmax(expected_improvement(mean, std, y.max()))]
    if step in (0, 2, 8):
        ax = axes[(0, 2, 8).index(step)]
        PredictionIntervalDisplay.from_predictions(mean, std, x=grid, ax=ax)
        ax.plot(grid, np.sin(grid) + 0.1 * grid, "k--", linewidth=1, label="truth")
        ax.plot(x, y, "o", color="black", markersize=4, label="measured")
        ax.axvline(chosen, color="C3", linewidth=1, label="next")
        ax.set(title=f"after {len(x)} measurements", ylim=(-1.2, 4))
        ax.get_legend().remove()
    x, y = np.append(x, chosen), np.append(y, measure(chosen))
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5)
plt.show()

print(f"the best of all measurements: {y.max():.2f} at x = {x[y.argmax()]:.2f}")
