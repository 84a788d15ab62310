"""R² on the diabetes data: this package beside MLPRegressor and gradient-boosted trees.

The landing page draws this figure when it is built. For the README:

    python docs/plots/diabetes.py docs/images/diabetes.png
"""

import sys
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor

models = {
    "MLPRegressor()": MLPRegressor(random_state=0),
    "MLPRegressor(), scaled inputs": make_pipeline(StandardScaler(), MLPRegressor(random_state=0)),
    "HistGradientBoostingRegressor()": HistGradientBoostingRegressor(random_state=0),
    "SigmoidMLPRegressor()": SigmoidMLPRegressor(random_state=0),
}
X, y = load_diabetes(return_X_y=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # MLPRegressor, after its 200 epochs
    scores = [cross_val_score(model, X, y).mean() for model in models.values()]

figure, ax = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
bars = ax.barh(list(models), scores, color=["C7", "C7", "C7", "C0"])
ax.bar_label(bars, [f"{score:.2f}" for score in scores], padding=3, fontweight="bold")
ax.axvline(0, color="black", linewidth=0.8)
ax.set(xlabel="R² (1 is perfect, 0 is always the mean)", xlim=(-3.8, 1.2))
ax.spines[["top", "right"]].set_visible(False)

if len(sys.argv) == 2 and sys.argv[1].endswith(".png"):
    figure.savefig(sys.argv[1], dpi=150)
