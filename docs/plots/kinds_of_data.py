"""Three kinds of data that need a setting: outliers, counts, and noise that varies."""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_mlp import SigmoidMLPRegressor

rng = np.random.default_rng(0)
figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
x = rng.uniform(-3, 3, size=150)
grid = np.linspace(-3, 3, 200)


def prediction(y, **settings):
    """The mean on the grid, and the standard deviation if the loss has one."""
    model = SigmoidMLPRegressor(random_state=0, max_iter=1_000, **settings).fit(x[:, np.newaxis], y)
    return model.predict(
        grid[:, np.newaxis], return_std=settings.get("loss", "squared_error") == "squared_error"
    )


y = np.sin(x) + 0.1 * rng.normal(size=150)
y[::15] += 12
axes[0].plot(grid, prediction(y, hidden_layer_sizes=(3,))[0], "C7--", label="squared error")
axes[0].plot(grid, prediction(y, hidden_layer_sizes=(3,), loss="huber"), "C0", label="Huber loss")
axes[0].set(title="Outliers", ylim=(-1.6, 3.2))

counts = rng.poisson(np.exp(1 + np.sin(x)))
mean = prediction(counts, loss="poisson")
axes[1].plot(grid, mean, "C0", label="Poisson loss")
axes[1].set(title="Counts")

noisy = np.sin(x) + (0.05 + 0.2 * (x + 3)) * rng.normal(size=150)
mean, std = prediction(noisy, noise="auto")
axes[2].fill_between(grid, mean - 1.96 * std, mean + 1.96 * std, color="C0", alpha=0.2)
axes[2].plot(grid, mean, "C0", label='noise="auto"')
axes[2].set(title="Noise that varies")

for ax, values in zip(axes, (y, counts, noisy), strict=True):
    ax.plot(x, values, ".", color="black", markersize=3)
    ax.legend(loc="upper left", fontsize="small")
