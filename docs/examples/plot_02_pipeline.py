"""
A pipeline and a grid search
============================

The diabetes data in their own units, with a categorical column and some missing values, like a
real table. The estimator works in a ``Pipeline`` and a ``GridSearchCV`` like any other. It needs
no scaler, and there is little to search for: the evidence sets the penalty, and the default finds
the number of units. Here it scores best in the search.
"""

# %%
# A table with its flaws
# ----------------------

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "a", 2.0: "b"})
rng = np.random.default_rng(0)
X.loc[rng.choice(len(X), 20, replace=False), "bmi"] = np.nan
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
X_train.head()

# %%
# The pipeline
# ------------

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_mlp import SigmoidMLPRegressor

columns = make_column_transformer(
    (OneHotEncoder(drop="if_binary"), make_column_selector(dtype_exclude="number")),
    (SimpleImputer(), make_column_selector(dtype_include="number")),
)
model = make_pipeline(columns, SigmoidMLPRegressor(random_state=1))
model

# %%
# The search
# ----------

import pandas as pd
from sklearn.model_selection import GridSearchCV

grid = {
    "sigmoidmlpregressor__hidden_layer_sizes": ["auto", (), (10,)],
    "columntransformer__simpleimputer__strategy": ["mean", "median"],
}
search = GridSearchCV(model, grid, cv=3).fit(X_train, y_train)
results = pd.DataFrame(search.cv_results_)
results.columns = results.columns.str.replace("param_.*__", "", regex=True)
results[["hidden_layer_sizes", "strategy", "mean_test_score", "std_test_score"]].round(3)

# %%
# The result
# ----------
# The held-out patients, with intervals that should contain 95 % of them. The legend says how many
# they do contain.

import matplotlib.pyplot as plt

from sklearn_mlp.inspection import PredictionIntervalDisplay

for name, value in search.best_params_.items():
    print(f"{name.rpartition('__')[2]}: {value}")
print(f"R² on rows held out: {search.score(X_test, y_test):.2f}")
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
display = PredictionIntervalDisplay.from_estimator(search.best_estimator_, X_test, y_test, ax=ax)
ax.set(xlabel="patients, by prediction", ylabel="progression of the disease")
plt.show()
