"""
The article, from end to end
============================

The article learns a function of four inputs with five sigmoid units, by gradient descent. This
example does the same in a few lines, with the article's data, weights, prediction and training. Its
result: gradient descent comes close to the function, and still improves after 2,000 epochs. The
default training *finds* the function, because the network can represent it exactly.
"""

# %%
# :doc:`/article` explains everything, equation by equation.
#
# The data
# --------
# Five thousand rows of
# :math:`y = \sigma(0.1\,a) + 0.4\,\sigma(b) - 0.2\,\sigma(c) + \sigma(d)`.

from sklearn_mlp.datasets import make_hyperplane

X, y = make_hyperplane(5_000, random_state=0, return_X_y=True)
X_new, y_new = make_hyperplane(1_000, random_state=1, return_X_y=True)
make_hyperplane(5, random_state=0)  # without return_X_y it is a table

# %%
# The forward pass
# ----------------
# The article prints its first weights, and their prediction for one input: -0.3672341. Weights that
# you set are used as they are.

import numpy as np

from sklearn_mlp import SigmoidMLPRegressor

start = [
    np.array(
        [
            [-0.35488876, -0.23659869, -0.33867314, 0.36387468, 0.32611655],
            [-0.26065506, -1.05467748, 0.18559385, 0.25842844, -0.40552946],
            [-0.08049153, -0.62635345, 0.52101412, -0.08069795, -0.83872539],
            [-0.72111432, -0.29579596, -0.27537176, 0.66396855, 0.20578943],
            [0.52081198, -0.68363231, 0.01350068, -0.11467529, 0.26864561],
        ]
    ),
    np.array(
        [[0.03878111], [0.70394749], [-0.84874312], [0.50273702], [-0.8350314], [-0.26286314]]
    ),
]
untrained = SigmoidMLPRegressor((5,))
untrained.weights_ = start
untrained.predict([[0.003, 0.19, 0.1, 0.39]])

# %%
# Training
# --------
# The article's gradient descent starts from these weights, on raw data. The default draws its own
# weights, and uses second derivatives.

descent = SigmoidMLPRegressor(
    (5,),
    solver="gd",
    learning_rate_init=0.2,
    max_iter=2_000,
    tol=0,
    n_iter_no_change=2_000,
    alpha=0,
    standardize=False,
    warm_start=True,
)
descent.weights_ = start

default = SigmoidMLPRegressor((5,), random_state=0)

# %%
# Score both on rows that neither has seen.

import warnings
from time import perf_counter

from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error

for name, model in [("gradient descent", descent), ("default", default)]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 2,000 epochs are not enough
        before = perf_counter()
        model.fit(X, y)
    seconds = perf_counter() - before
    error = root_mean_squared_error(y_new, model.predict(X_new))
    print(f"{name:17} RMSE {error:.1e} after {seconds:.1f} s")

# %%
# What is left to learn
# ---------------------
# The errors of the predictions on the fresh rows. The errors of gradient descent have a structure:
# there is something left to learn. The errors of the default are rounding errors.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
curve = np.sqrt(2 * np.array(descent.loss_curve_))
axes[0].loglog(np.arange(1, len(curve) + 1), curve)
axes[0].axhline(0.0514, color="grey", linestyle=":")
axes[0].text(20, 0.056, "where the\narticle stops", va="bottom", color="grey")
axes[0].set(title="Gradient descent", xlabel="epoch", ylabel="RMSE")
for ax, name, model in zip(axes[1:], ["Gradient descent", "Default"], [descent, default]):
    ax.scatter(y_new, model.predict(X_new) - y_new, s=4)
    ax.set(title=name, xlabel="y", ylabel="error")
plt.show()
