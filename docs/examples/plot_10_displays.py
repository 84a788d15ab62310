"""
Looking into a network
======================

What the fit of a small network has found, and pictures of it: how training went, its weights as a
diagram, the range in which its units work, the effect of each input on the prediction, the
prediction with its intervals, and the loss that training descended. The input "a"
enters the target only as the sigmoid of a tenth of it, and moves the predictions least. No unit
is saturated.
"""

# %%
# The article's data and network, and a summary of the fit.

import matplotlib.pyplot as plt

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.inspection import (
    ActivationDisplay,
    LossCurveDisplay,
    LossSurfaceDisplay,
    NetworkDisplay,
    PredictionIntervalDisplay,
    SensitivityDisplay,
)

table = make_hyperplane(1_000, noise=0.02, random_state=0)
X, y = table.drop(columns="value"), table["value"]
model = SigmoidMLPRegressor((5,), random_state=0).fit(X, y)
model.summary()

# %%
# How training went. It maximises the evidence, and not the fit to the training rows: the error may
# rise where the penalty does, while the evidence rises.

LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# Weights are shown for z-scores of the data, so that those of one layer can be compared. The wider
# a line, the more it contributes to the output; the darker an input, the more relevant it is.

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
# The predictions and their intervals along one input. The other inputs vary too, so that
# observations scatter. Of so many rows the running medians are drawn. The legend counts each row in
# its own interval.

PredictionIntervalDisplay.from_estimator(model, X, y, feature="b")
plt.show()

# %%
# The article's mountain: the loss over the plane in which training moved most, and the path of
# training.

descent = SigmoidMLPRegressor((5,), solver="gd", learning_rate_init=0.3, random_state=0)
LossSurfaceDisplay.from_estimator(descent, X, y, kind="surface")
plt.show()
