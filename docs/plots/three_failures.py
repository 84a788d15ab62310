"""Predictions against true values of new rows for a good fit and three that went wrong."""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_mlp import SigmoidMLPRegressor

rng = np.random.default_rng(0)


def draw(n, low=-3.0, high=3.0):
    """Rows of a sine wave with noise."""
    x = rng.uniform(low, high, size=(n, 1))
    return x, 2 * np.sin(x[:, 0]) + 0.5 * x[:, 0] + 0.2 * rng.normal(size=n)


X, y = draw(150)
spoilt = y.copy()
spoilt[::10] += 15
model = SigmoidMLPRegressor(random_state=0).fit(X, y)
cases = {
    "A good fit": (model, draw(300)),
    "Outliers in training": (SigmoidMLPRegressor(random_state=0).fit(X, spoilt), draw(300)),
    "Too strong a penalty": (
        SigmoidMLPRegressor((8,), alpha=300, random_state=0).fit(X, y),
        draw(300),
    ),
    "New rows are elsewhere": (model, draw(300, 2, 5)),
}

figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), sharex=True, sharey=True, layout="constrained")
for ax, (title, (fitted, (X_new, y_new))) in zip(axes, cases.items(), strict=True):
    ax.plot([-4.5, 4.5], [-4.5, 4.5], color="grey", linewidth=1)
    ax.plot(fitted.predict(X_new), y_new, ".", markersize=3)
    ax.set(title=title, xlabel="prediction", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
axes[0].set_ylabel("true value")
