"""
What the solvers do
===================

One network, one seed, four training rules. Gradient descent over all rows ("gd") is slow.
Minibatches ("adam") and quasi-Newton ("lbfgs") need a hundred iterations or more to come close to
the noise level. Levenberg-Marquardt ("lm") needs ten. Here all but "gd" end close to the noise
level. So on noisy data an exact solver gains the last few per cent, and has nothing to tune.
"""

# %%
# Friedman's first problem: five inputs, and noise of standard deviation 1.

import warnings
from time import perf_counter

from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error

from sklearn_mlp import SigmoidMLPRegressor

X, y = make_friedman1(2_000, n_features=5, noise=1.0, random_state=0)
X_new, y_new = make_friedman1(2_000, n_features=5, noise=1.0, random_state=1)

models = {
    "gd": SigmoidMLPRegressor(solver="gd", learning_rate_init=0.3),
    "adam": SigmoidMLPRegressor(solver="adam", learning_rate_init=0.01),
    "lbfgs": SigmoidMLPRegressor(solver="lbfgs"),
    "lm": SigmoidMLPRegressor(solver="lm"),
}
for solver, model in models.items():
    model.set_params(hidden_layer_sizes=(10,), random_state=0, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # gd is not there after 500 epochs
        before = perf_counter()
        model.fit(X, y)
    seconds = perf_counter() - before
    error = root_mean_squared_error(y_new, model.predict(X_new))
    print(
        f"{solver:5}  {model.n_iter_:3} iterations, {seconds:.1f} s, RMSE on fresh rows {error:.3f}"
    )

# %%
# The curves
# ----------
# The training error at each iteration, in standard deviations of y. Here an iteration of "adam"
# is ten steps, and an iteration of "lm" takes longer than one of the others. Compare the seconds
# above. The dotted red line is what "lm" maximises, the log evidence, on the axis on the right.

import matplotlib.pyplot as plt

from sklearn_mlp.inspection import LossCurveDisplay

figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.axhline(1 / y.std(), color="grey", linestyle=":", label="noise")
for solver, model in models.items():
    LossCurveDisplay.from_estimator(model, name=solver, ax=ax)
ax.set(xscale="log")
plt.show()
