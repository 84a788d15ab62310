"""
Are the error bars right?
=========================

Error bars are a claim: of all observations, 95 % should be inside their 95 % intervals. This
example checks the claim on rows that the model has not seen, and then makes a guarantee of it.
"""

# %%
# Noise that grows, with heavy tails
# ----------------------------------
# The target is a sine of the first input. Its noise is five times as large on the right as on the
# left, and has more outliers than Gaussian noise.

import numpy as np

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(2400, 2))
noise = 0.1 + 0.2 * (1 + X[:, 0])
y = np.sin(3 * X[:, 0]) + noise * rng.standard_t(5, size=2400) / np.sqrt(5 / 3)
X_train, X_test, y_train, y_test = X[:400], X[400:], y[:400], y[400:]

# %%
# Nominal and observed coverage
# -----------------------------
# :class:`~sklearn_mlp.inspection.CoverageDisplay` counts how many observations are inside the
# intervals of each nominal coverage. Points on the diagonal are right, below it the intervals are
# too narrow, above it too wide. The grey band is what chance allows.

import matplotlib.pyplot as plt

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.inspection import CoverageDisplay

constant = SigmoidMLPRegressor(noise="constant", random_state=0).fit(X_train, y_train)
varying = SigmoidMLPRegressor(noise="varying", random_state=0).fit(X_train, y_train)

quiet, loud = X_test[:, 0] < -0.5, X_test[:, 0] > 0.5
fig, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
for ax, rows, where in zip(axes, (quiet, loud), ("where it is quiet", "where it is loud")):
    for model, name in ((constant, "constant noise"), (varying, "varying noise")):
        CoverageDisplay.from_estimator(model, X_test[rows], y_test[rows], name=name, ax=ax)
    ax.set_title(where)

# %%
# With constant noise, the intervals are far too wide where it is quiet, and too narrow where it is
# loud. Over all rows together the two nearly cancel, so look at the regions that matter to you.
# With noise that varies, both regions are much closer to the diagonal, and on the safe side of it.

# %%
# A guarantee
# -----------
# `MAPIE <https://mapie.readthedocs.io>`_ turns error bars into conformal intervals. If the rows are
# exchangeable, these cover new observations as often as they say, whatever the noise is like. Its
# ``StdConformityScore`` takes any regressor that has ``return_std``, and scales its error bars
# instead of replacing them: they stay narrow where the noise is small.

from mapie.conformity_scores import StdConformityScore
from mapie.regression import CrossConformalRegressor

conformal = CrossConformalRegressor(
    SigmoidMLPRegressor(noise="varying", random_state=0),
    confidence_level=0.9,
    conformity_score=StdConformityScore(),
)
conformal.fit_conformalize(X_train, y_train)
y_pred, intervals = conformal.predict_interval(X_test)
low, high = intervals[:, 0, 0], intervals[:, 1, 0]
print(f"inside: {np.mean((low <= y_test) & (y_test <= high)):.3f}, asked for: 0.9")

# %%
# The intervals along the first input:

order = np.argsort(X_test[:, 0])
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(X_test[:, 0], y_test, ".", color="0.6", markersize=3, label="observations")
ax.fill_between(
    X_test[order, 0], low[order], high[order], alpha=0.3, label="90 % conformal intervals"
)
ax.plot(X_test[order, 0], y_pred[order], label="prediction")
ax.set(xlabel="x0", ylabel="y")
ax.legend(loc="upper left")
plt.show()
