"""
How many units
==============

By default you don't choose the number of units. Small networks are trained first, then wider ones,
until those are no better, and also networks with two small hidden layers. ``architectures_`` says
what each of them came to. The model is the weighted mean of those with one hidden layer, unless two
are clearly better. Here it predicts as well as a network of the best width, which you don't know
beforehand, and better than one that is too narrow or too wide.
"""

# %%
# The fit
# -------
# Friedman's first problem, with ten inputs of which five matter, and noise of standard deviation 1.

import pandas as pd
from sklearn.datasets import make_friedman1

from sklearn_mlp import SigmoidMLPRegressor

X, y = make_friedman1(200, noise=1.0, random_state=0)
model = SigmoidMLPRegressor(random_state=0).fit(X, y)

# %%
# What was tried
# --------------
# Each row is a network, at the highest evidence of its training or at the end. The "share" is its
# weight in the mean. The table shows the network of each size with the highest evidence. Twelve
# units have twice the parameters of six, but the data determine only a third more of them.

tried = pd.DataFrame(model.architectures_)
rungs = list(dict.fromkeys(tried["hidden_layer_sizes"]))
tried["units"] = tried.pop("hidden_layer_sizes").map(str)
best = tried.groupby("units", sort=False)["log_evidence"].idxmax()
tried.loc[best].set_index("units").round(2)

# %%
# One size each
# -------------
# R² on fresh rows, of one network of each size, and of the mean. Because of the noise it is at
# most 0.96.

X_new, y_new = make_friedman1(2_000, noise=1.0, random_state=1)
for units in rungs:
    one = SigmoidMLPRegressor(units, random_state=0).fit(X, y)
    print(f"{units!s:8} units  {one.score(X_new, y_new):.3f}")
print(f"the default     {model.score(X_new, y_new):.3f}")

# %%
# A picture of it
# ---------------
# Two measures of how probable the data are under each network. The area of a circle is the share.
# Only networks that do well by both measures have one. Some ascents come to a poor solution, and
# some wide networks fit the noise: they look good by leaving out rows, and not by the evidence.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, column in zip(axes, ["log_evidence", "leave_one_out"]):
    at = tried["units"].map([str(units) for units in rungs].index)
    ax.scatter(at, tried[column], s=8, color="grey")
    ax.scatter(at, tried[column], s=1_500 * tried["share"], alpha=0.4)
    ax.set(title=column, xlabel="units")
    ax.set_xticks(range(len(rungs)), labels=rungs)
plt.show()
