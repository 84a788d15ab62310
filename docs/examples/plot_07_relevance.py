"""
Inputs that do not matter
=========================

Friedman's first problem has five inputs. Here it gets twenty-five more that have nothing to do
with y. Training by the evidence finds out which inputs matter. ``feature_importances_`` separates
the five from the rest, and ``SelectFromModel`` can use it. The network that has seen all thirty
inputs is as good as one that was given the right five.
"""

# %%
# The data and the fit
# --------------------

import numpy as np
from sklearn.datasets import make_friedman1

from sklearn_mlp import SigmoidMLPRegressor

X, y = make_friedman1(500, n_features=30, noise=1.0, random_state=0)
X_new, y_new = make_friedman1(2_000, n_features=30, noise=1.0, random_state=1)
model = SigmoidMLPRegressor(random_state=0).fit(X, y)

# %%
# The importances
# ---------------
# How far each input moves the predictions, summing to one. The first five matter.

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.bar(np.arange(30), model.feature_importances_, color=5 * ["C0"] + 25 * ["C7"])
ax.set(xlabel="input", ylabel="importance")
plt.show()

# %%
# Selection
# ---------
# ``SelectFromModel`` keeps the inputs above the mean importance.

from sklearn.feature_selection import SelectFromModel
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

selector = SelectFromModel(model, prefit=True)
print("kept:", np.flatnonzero(selector.get_support()))

# %%
# R² on fresh rows. Because of the noise it is at most 0.96. ``MLPRegressor``, with its default
# penalty, cannot ignore the useless inputs.

few = selector.transform(X)
models = {
    "all thirty": (model, X_new),
    "the selected": (
        SigmoidMLPRegressor(random_state=0).fit(few, y),
        selector.transform(X_new),
    ),
    "MLPRegressor, all thirty": (
        make_pipeline(
            StandardScaler(),
            MLPRegressor(
                hidden_layer_sizes=(8,),
                solver="lbfgs",
                max_iter=10_000,
                max_fun=100_000,
                random_state=0,
            ),
        ).fit(X, y),
        X_new,
    ),
}
for name, (fitted, inputs) in models.items():
    print(f"{name:25} {fitted.score(inputs, y_new):.3f}")
