"""
Looking into a network
======================

Four pictures of one small network: its weights as a diagram, the range in which its units work,
the effect of each input on the prediction, and the loss that training descended. The input "a"
enters the target only as the sigmoid of a tenth of it, and moves the predictions least. No unit
is saturated.
"""

# %%
# The article's data and network. Weights are shown for z-scores of the data, so that those of
# one layer can be compared. The wider a line, the more it contributes to the output; the darker an
# input, the more relevant it is.

import matplotlib.pyplot as plt

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.inspection import (
    ActivationDisplay,
    LossSurfaceDisplay,
    NetworkDisplay,
    SensitivityDisplay,
)

table = make_hyperplane(1_000, noise=0.02, random_state=0)
X, y = table.drop(columns="value"), table["value"]
model = SigmoidMLPRegressor((5,), random_state=0).fit(X, y)

NetworkDisplay.from_estimator(model, output_names=["value"])
plt.show()

# %%
# The sigmoid and its slope, and above them the arguments of the units on these data.

ActivationDisplay.from_estimator(model, X)
plt.show()

# %%
# The derivative of the prediction with respect to each input. Each point is a row.

SensitivityDisplay.from_estimator(model, X)
plt.show()

# %%
# The article's mountain: the loss over the plane in which training moved most, and the path of
# training.

descent = SigmoidMLPRegressor((5,), solver="gd", learning_rate_init=0.3, random_state=0)
LossSurfaceDisplay.from_estimator(descent, X, y, kind="surface")
plt.show()
