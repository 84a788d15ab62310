"""
One network and five
====================

The error bars of one network describe one solution. Outside the data there are many solutions.
The members of an ensemble differ only in their random start, and show some of them. Where there
are data, all members agree, and the band is the noise. In the gap two waves are possible: some
members follow one, some the other, and the band of the mixture contains both. Beyond the ends of
the data, most of the band comes from the members' own error bars. (The default for one estimator is
already a mean of several networks. Here each member has twenty units, to be one network.)
"""

# %%
# A wave with a gap in it
# -----------------------

import numpy as np

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor

rng = np.random.default_rng(1)
X = np.concatenate([rng.uniform(0, 3, 20), rng.uniform(6, 10, 40)])[:, np.newaxis]
y = np.sin(1.5 * X[:, 0]) + 0.1 * rng.normal(size=60)

member = SigmoidMLPRegressor((20,))
model = SigmoidMLPEnsembleRegressor(member, n_estimators=5, random_state=0).fit(X, y)

# %%
# One, five, and the mixture
# --------------------------

import matplotlib.pyplot as plt

from sklearn_mlp.inspection import PredictionIntervalDisplay

grid = np.linspace(-2, 12, 400)[:, np.newaxis]
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), sharey=True, layout="constrained")


def band(model, ax):
    """The mean and the interval of 95 % around it."""
    mean, std = model.predict(grid, return_std=True)
    PredictionIntervalDisplay.from_predictions(mean, std, x=grid[:, 0], ax=ax)


band(model.estimators_[0], axes[0])
for one in model.estimators_:
    axes[1].plot(grid, one.predict(grid))
band(model, axes[2])
for ax, title in zip(axes, ["One network", "The means of five", "Their mixture"]):
    ax.plot(X, y, ".", color="black", markersize=3)
    ax.plot(grid, np.sin(1.5 * grid), "k--", linewidth=1)
    ax.set(title=title, xlabel="x", ylabel="", ylim=(-4, 4))
    if ax.get_legend():
        ax.get_legend().remove()
plt.show()

# %%
# The two parts of it
# -------------------
# By the law of total variance: the members' own variances, and their disagreement.

# sphinx_gallery_thumbnail_number = 2
means, stds = zip(*(one.predict(grid, return_std=True) for one in model.estimators_))
admitted = np.sqrt(np.mean(np.square(stds), axis=0))
disagreement = np.std(means, axis=0)

figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.plot(grid, admitted, label="their own error bars")
ax.plot(grid, disagreement, label="disagreement")
ax.axhline(0.1, color="grey", linestyle=":", label="noise")
ax.plot(X, np.zeros(60), "|", color="black", label="data")
ax.set(xlabel="x", ylabel="standard deviation", ylim=(-0.05, 1.5))
ax.legend()
plt.show()
