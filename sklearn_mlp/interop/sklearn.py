"""Convert to and from scikit-learn's own network, :class:`~sklearn.neural_network.MLPRegressor`."""

import copy
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state

from .._typing import FloatArray
from ..regressor import SigmoidMLPRegressor
from ..solvers import Adam, StochasticGradientDescent
from ..training import LeftOff, make_solver
from ._checks import check_fitted

TO_SKLEARN = {
    "sigmoid": "logistic",
    "logistic": "logistic",
    "tanh": "tanh",
    "relu": "relu",
    "identity": "identity",
}
"""The activations that MLPRegressor has too, and their names there."""


def to_sklearn(model: SigmoidMLPRegressor) -> MLPRegressor:
    """Convert to a fitted :class:`~sklearn.neural_network.MLPRegressor`.

    It predicts the same, and has the attributes of a fitted one. Use it with tools that know
    only scikit-learn's classes: exporters to PMML, C or SQL, compilers, explainers.

    Parameters
    ----------
    model : SigmoidMLPRegressor
        Fitted.

    Returns
    -------
    sklearn.neural_network.MLPRegressor
        It holds copies of the weights.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is not a SigmoidMLPRegressor.
    ValueError
        If MLPRegressor does not have the model's activation ("softplus"), or does not have its
        exponential output (``loss="poisson"`` before scikit-learn 1.7).

    See Also
    --------
    from_sklearn : The way back.

    Notes
    -----
    MLPRegressor has no error bars and no `standardize`. If you train the result further, it
    trains on the raw data: put a StandardScaler in front and call `fit` anew.

    Its parameters are the model's, except for those that MLPRegressor does not have:

    - ``solver="lm"`` becomes "lbfgs", and "gd" becomes "sgd" without momentum;
    - ``alpha="auto"`` becomes 1e-4;
    - the losses "huber" and "pinball" become "squared_error".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp import SigmoidMLPRegressor
    >>> from sklearn_mlp.interop import to_sklearn
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> model = SigmoidMLPRegressor((3,), solver="lm", alpha=1.0, random_state=0).fit(X, X[:, 0])
    >>> mlp = to_sklearn(model)
    >>> mlp.activation, [W.shape for W in mlp.coefs_]
    ('logistic', [(2, 3), (3, 1)])
    >>> bool(np.allclose(mlp.predict(X), model.predict(X)))
    True
    """
    check_fitted(model, SigmoidMLPRegressor)
    fitted = model._model
    mlp = MLPRegressor(**_parameters_for_sklearn(model, fitted.network.activation, fitted.link))
    mlp.coefs_ = [W[1:].copy() for W in fitted.weights]
    mlp.intercepts_ = [W[0].copy() for W in fitted.weights]
    mlp.n_layers_ = len(fitted.network.layer_sizes)
    mlp.n_features_in_, mlp.n_outputs_ = fitted.network.layer_sizes[0], len(mlp.intercepts_[-1])
    mlp.out_activation_ = fitted.link
    if hasattr(model, "feature_names_in_"):
        mlp.feature_names_in_ = model.feature_names_in_.copy()
    # A model whose weights were set by hand has no history: its loss is unknown, NaN.
    mlp.loss_ = getattr(model, "loss_", np.nan)
    mlp.loss_curve_ = list(getattr(model, "loss_curve_", []))
    mlp.best_loss_ = getattr(model, "best_loss_", np.inf)
    mlp.validation_scores_ = copy.copy(getattr(model, "validation_scores_", None))
    mlp.best_validation_score_ = getattr(model, "best_validation_score_", None)
    mlp.n_iter_ = getattr(model, "n_iter_", 0)
    mlp.t_ = getattr(model, "t_", 0)
    # MLPRegressor's own private state, which it needs to continue training.
    mlp._random_state = check_random_state(mlp.random_state)
    mlp._no_improvement_count = 0
    mlp._best_coefs = [W.copy() for W in mlp.coefs_]
    mlp._best_intercepts = [b.copy() for b in mlp.intercepts_]
    return mlp


def _parameters_for_sklearn(
    model: SigmoidMLPRegressor, activation: str, link: str
) -> dict[str, Any]:
    """The parameters of the MLPRegressor; an error if it cannot make the same predictions."""
    if activation not in TO_SKLEARN:
        raise ValueError(
            f"MLPRegressor has no activation {activation!r}: only models with one of "
            f"{list(TO_SKLEARN)} can be converted."
        )
    ours = model.get_params()
    # `loss` is among them from scikit-learn 1.7 on.
    parameters = {name: copy.deepcopy(ours[name]) for name in MLPRegressor().get_params()}
    if link != "identity" and "loss" not in parameters:
        raise ValueError(
            f"MLPRegressor has no loss={model.loss!r} in this release of scikit-learn: "
            "update scikit-learn to 1.7 or later."
        )
    parameters["activation"] = TO_SKLEARN[activation]
    if isinstance(model.hidden_layer_sizes, str):  # "auto": what was found
        parameters["hidden_layer_sizes"] = tuple(W.shape[1] for W in model.weights_[:-1])
    if model.alpha == "auto":
        parameters["alpha"] = 1e-4
    if "loss" in parameters and model.loss in ("huber", "pinball"):
        parameters["loss"] = "squared_error"
    solver = getattr(model, "solver_", model.solver)
    if solver == "gd":
        parameters.update(solver="sgd", learning_rate="constant", momentum=0.0)
    else:
        parameters["solver"] = "lbfgs" if solver in ("auto", "lm") else solver
    return parameters


def from_sklearn(mlp: MLPRegressor) -> SigmoidMLPRegressor:
    """Convert a fitted :class:`~sklearn.neural_network.MLPRegressor`.

    The result predicts the same. You can train it further:

    - `partial_fit` continues where `partial_fit` of the MLPRegressor would;
    - `fit` with ``warm_start=True`` starts from these weights, with any solver.

    Parameters
    ----------
    mlp : sklearn.neural_network.MLPRegressor
        Fitted.

    Returns
    -------
    SigmoidMLPRegressor
        It holds copies of the weights and has the same parameters. ``standardize`` is False, so
        that the loss and `alpha` are in the units of the MLPRegressor's.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the MLPRegressor is not fitted.
    TypeError
        If `mlp` is not an MLPRegressor.

    See Also
    --------
    to_sklearn : The way back.

    Examples
    --------
    "lm" continues where "lbfgs" stopped, and adds error bars:

    >>> import numpy as np
    >>> from sklearn.neural_network import MLPRegressor
    >>> from sklearn_mlp.interop import from_sklearn
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = X[:, 0] + rng.normal(scale=0.1, size=50)
    >>> mlp = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0).fit(X, y)
    >>> model = from_sklearn(mlp)
    >>> bool(np.allclose(model.predict(X), mlp.predict(X)))
    True
    >>> model = model.set_params(solver="lm", alpha=1.0, standardize=True, warm_start=True)
    >>> model = model.set_params(max_iter=2000)
    >>> y_mean, y_std = model.fit(X, y).predict(X, return_std=True)
    >>> print(f"{(abs(y - y_mean) < 2 * y_std).mean():.1f} of the targets are within two std")
    1.0 of the targets are within two std
    """
    check_fitted(mlp, MLPRegressor)
    model = SigmoidMLPRegressor(**copy.deepcopy(mlp.get_params()), standardize=False)
    model.weights_ = _with_biases(mlp.coefs_, mlp.intercepts_)
    model.n_features_in_ = mlp.n_features_in_
    if hasattr(mlp, "feature_names_in_"):
        model.feature_names_in_ = mlp.feature_names_in_.copy()
    model.solver_ = mlp.solver
    model.loss_ = float(mlp.loss_)
    model.loss_curve_ = [float(loss) for loss in getattr(mlp, "loss_curve_", [mlp.loss_])]
    model.best_loss_ = getattr(mlp, "best_loss_", model.loss_)
    model.validation_scores_ = copy.copy(getattr(mlp, "validation_scores_", None))
    model.log_evidence_curve_ = None
    model.best_validation_score_ = getattr(mlp, "best_validation_score_", None)
    model.validation_loss_curve_ = None  # MLPRegressor keeps only the scores
    model.n_iter_, model.t_ = mlp.n_iter_, mlp.t_
    model.n_outputs_, model.n_layers_ = mlp.n_outputs_, mlp.n_layers_
    if hasattr(mlp, "_optimizer"):
        model._left_off = _left_off(mlp, model)
    return model


def _left_off(mlp: MLPRegressor, model: SigmoidMLPRegressor) -> LeftOff:
    """The state of the MLPRegressor's optimizer, from which `partial_fit` continues."""
    theirs, n_layers = mlp._optimizer, len(mlp.coefs_)
    rng = copy.deepcopy(mlp._random_state)
    ours = make_solver(model, mlp.solver, sys.maxsize, 1, rng)

    def flat(arrays: Sequence[FloatArray]) -> FloatArray:
        """One vector, laid out as our weights, of their arrays: the coefs, then the intercepts."""
        layers = _with_biases(arrays[:n_layers], arrays[n_layers:])
        return np.concatenate([W.ravel() for W in layers])

    if isinstance(ours, Adam):
        ours.t, ours.m, ours.v = theirs.t, flat(theirs.ms), flat(theirs.vs)
    elif isinstance(ours, StochasticGradientDescent):
        ours.velocity, ours.samples_seen = flat(theirs.velocities), mlp.t_
        if mlp.learning_rate == "adaptive":  # each stall divides the learning rate by 5
            lowered = theirs.learning_rate_init / theirs.learning_rate
            ours.n_stalls = round(np.log(lowered) / np.log(5))
    return LeftOff(ours, rng, None, mlp._no_improvement_count)


def _with_biases(coefs: Sequence[FloatArray], intercepts: Sequence[FloatArray]) -> list[FloatArray]:
    """The weight matrix of each layer, bias row first."""
    return [np.vstack([b, W]) for W, b in zip(coefs, intercepts, strict=True)]
