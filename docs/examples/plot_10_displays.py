"""
Looking into a network
======================

Four pictures of one small network: its weights as a diagram, where its units work, what each input
does to the prediction, and the loss it descended. To be seen: the input "a", which enters the
target as a sigmoid of a tenth of it, moves the predictions least; and no unit is saturated.
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
# The sigmoid, its slope, and above them the arguments that the units get from these data.

ActivationDisplay.from_estimator(model, X)
plt.show()

# %%
# The derivative of the prediction by each input, a point a row.

SensitivityDisplay.from_estimator(model, X)
plt.show()

# %%
# The article's mountain: the loss over the plane in which descent moved most, and its path.

descent = SigmoidMLPRegressor((5,), solver="gd", learning_rate_init=0.3, random_state=0)
LossSurfaceDisplay.from_estimator(descent, X, y, kind="surface")
plt.show()
