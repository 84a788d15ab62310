"""To and from what other tools read: scikit-learn's own network, ONNX, and skops files.

- :func:`to_sklearn` gives a fitted :class:`~sklearn.neural_network.MLPRegressor` that predicts
  the same, for all that knows scikit-learn's classes and no others; :func:`from_sklearn` comes
  back from one.
- :func:`to_onnx` gives an ONNX model, error bars included where there are any. Once this module
  has been imported, in whichever order, ``skl2onnx.to_onnx`` converts the estimators too, alone
  or at the end of a pipeline.
- :data:`SKOPS_TRUSTED_TYPES` is what ``skops.io.load`` has to be told to trust.

An ONNX model of the error bars has no triangular solve to offer. With L of A = L Lᵀ, the
precision of the posterior, and M = L⁻ᵀ, taken once, the variance of a prediction with the
derivatives j by the parameters is

    c (1/β + j A⁻¹ jᵀ) = c (1/β + ‖v‖²),    v = j M = Σ_l (δ_l M_l0 + (a_{l-1} ⊗ δ_l) M_l),

with M_l0 and M_l the rows of M that belong to the biases and the coefs of layer l, and a and δ
from the forward and the backward pass (see :mod:`~sklearn_mlp.network`).

Examples
--------
A model in a skops file is read without running what a pickle could hide, but for the types
that one says are to be trusted:

>>> import skops.io
>>> from sklearn_mlp import SigmoidMLPRegressor
>>> from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES
>>> model = SigmoidMLPRegressor((), random_state=0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
>>> file = skops.io.dumps(model)
>>> skops.io.loads(file, trusted=SKOPS_TRUSTED_TYPES).predict([[3.0]]).round(3)
array([3.])
"""

import copy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.linalg.lapack import dtrtri
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._typing import FloatArray
from .ensemble import SigmoidMLPEnsembleRegressor
from .network import Network
from .regressor import SigmoidMLPRegressor
from .solvers import Adam, StochasticGradientDescent
from .training import LeftOff, make_solver

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "from_sklearn",
    "register_onnx_converter",
    "to_onnx",
    "to_sklearn",
]

SKOPS_TRUSTED_TYPES = [
    # The estimators.
    "sklearn_mlp.ensemble.SigmoidMLPEnsembleRegressor",
    "sklearn_mlp.regressor.SigmoidMLPRegressor",
    # What "lm" knows of the weights, for the error bars, and the units that it is in.
    "sklearn_mlp.evidence.Posterior",
    "sklearn_mlp.standardize.Scaling",
    "sklearn_mlp.standardize.Units",
    # Where "adam", "sgd" and "gd" left off, for partial_fit to go on.
    "sklearn_mlp.regressor.LeftOff",
    "sklearn_mlp.solvers.adam.Adam",
    "sklearn_mlp.solvers.gradient_descent.GradientDescent",
    "sklearn_mlp.solvers.gradient_descent.StochasticGradientDescent",
    "sklearn_mlp.standardize.Moments",
]
"""The types of this package that a fitted estimator is made of: ``skops.io.load``'s `trusted`.

All of them hold numbers and settings; none runs anything when it is loaded.
"""


# scikit-learn -------------------------------------------------------------------------------

TO_SKLEARN = {
    "sigmoid": "logistic",
    "logistic": "logistic",
    "tanh": "tanh",
    "relu": "relu",
    "identity": "identity",
}
"""scikit-learn's names of the activations that it has."""


def to_sklearn(model: SigmoidMLPRegressor) -> MLPRegressor:
    """The same network as a fitted :class:`~sklearn.neural_network.MLPRegressor`.

    It predicts the same, and has what a fitted one has. For tools that know scikit-learn's
    classes and no others: exporters to PMML, C or SQL, compilers, explainers.

    Parameters
    ----------
    model : SigmoidMLPRegressor
        Fitted.

    Returns
    -------
    sklearn.neural_network.MLPRegressor
        With copies of the weights.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If it is no SigmoidMLPRegressor.
    ValueError
        If its activation is "softplus", or its output is that of the Poisson loss and this
        scikit-learn is older than 1.7: MLPRegressor does not have them.

    See Also
    --------
    from_sklearn : The way back.

    Notes
    -----
    What MLPRegressor does not know is left behind: the error bars, and `standardize`, so that
    *training it further* is on the raw data and, for most, needs a StandardScaler in front and
    :meth:`fit` anew. Its parameters are the model's, with "lm" as "lbfgs" and "gd" as "sgd"
    without momentum (neither has a counterpart), ``alpha="auto"`` as 1e-4, and the losses "huber"
    and "pinball" as "squared_error".

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
    _check_type(model, SigmoidMLPRegressor)
    check_is_fitted(model)
    if model.activation not in TO_SKLEARN:
        raise ValueError(
            f"MLPRegressor has no activation {model.activation!r}; "
            f"the activations that it has too are {list(TO_SKLEARN)}."
        )
    out_activation = getattr(model, "out_activation_", "identity")
    parameters = _parameters_for_sklearn(model)
    if out_activation != "identity" and "loss" not in parameters:
        raise ValueError(
            f"MLPRegressor has no loss {model.loss!r} in this release: update scikit-learn."
        )
    mlp = MLPRegressor(**parameters)
    mlp.coefs_ = [W.copy() for W in model.coefs_]
    mlp.intercepts_ = [b.copy() for b in model.intercepts_]
    mlp.n_layers_ = len(model.weights_) + 1
    mlp.n_outputs_ = len(model.intercepts_[-1])
    mlp.n_features_in_ = len(model.coefs_[0])
    mlp.out_activation_ = out_activation
    if hasattr(model, "feature_names_in_"):
        mlp.feature_names_in_ = model.feature_names_in_.copy()
    # Weights may have been set by hand, without a history; NaN is a loss that nobody knows.
    mlp.loss_ = getattr(model, "loss_", np.nan)
    mlp.loss_curve_ = list(getattr(model, "loss_curve_", []))
    mlp.best_loss_ = getattr(model, "best_loss_", np.inf)
    mlp.validation_scores_ = copy.copy(getattr(model, "validation_scores_", None))
    mlp.best_validation_score_ = getattr(model, "best_validation_score_", None)
    mlp.n_iter_ = getattr(model, "n_iter_", 0)
    mlp.t_ = getattr(model, "t_", 0)
    # What MLPRegressor keeps for training that goes on.
    mlp._random_state = check_random_state(mlp.random_state)
    mlp._no_improvement_count = 0
    mlp._best_coefs = [W.copy() for W in mlp.coefs_]
    mlp._best_intercepts = [b.copy() for b in mlp.intercepts_]
    return mlp


def _parameters_for_sklearn(model: SigmoidMLPRegressor) -> dict[str, Any]:
    """The parameters that MLPRegressor has (its `loss` is as new as 1.7), as it knows them."""
    ours = model.get_params()
    parameters = {name: copy.deepcopy(ours[name]) for name in MLPRegressor().get_params()}
    parameters["activation"] = TO_SKLEARN[model.activation]
    if model.alpha == "auto":
        parameters["alpha"] = 1e-4
    if model.loss in ("huber", "pinball"):
        parameters.update({"loss": "squared_error"} if "loss" in parameters else {})
    solver = getattr(model, "solver_", model.solver)
    if solver == "gd":
        parameters.update(solver="sgd", learning_rate="constant", momentum=0.0)
    else:
        parameters["solver"] = "lbfgs" if solver in ("auto", "lm") else solver
    return parameters


def from_sklearn(mlp: MLPRegressor) -> SigmoidMLPRegressor:
    """The same network as a fitted :class:`SigmoidMLPRegressor`.

    It predicts the same, and can be trained further: by `partial_fit`, which goes on where
    that of the MLPRegressor would, or with ``warm_start=True`` by `fit`, from these weights and
    with any solver.

    Parameters
    ----------
    mlp : sklearn.neural_network.MLPRegressor
        Fitted.

    Returns
    -------
    SigmoidMLPRegressor
        With copies of the weights, the same parameters, and ``standardize=False``, so that
        the loss and `alpha` are in the units that the MLPRegressor has them in.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the MLPRegressor is not fitted.
    TypeError
        If it is no MLPRegressor.

    See Also
    --------
    to_sklearn : The way back.

    Examples
    --------
    Trained by "lm" from where "lbfgs" left it, a network says how sure it is:

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
    >>> y_mean, y_std = model.fit(X, y).predict(X, return_std=True)
    >>> print(f"{(abs(y - y_mean) < 2 * y_std).mean():.1f} of the targets are that near")
    1.0 of the targets are that near
    """
    _check_type(mlp, MLPRegressor)
    check_is_fitted(mlp)
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
    model.best_validation_score_ = getattr(mlp, "best_validation_score_", None)
    model.validation_loss_curve_ = None  # MLPRegressor keeps scores alone
    model.n_iter_, model.t_ = mlp.n_iter_, mlp.t_
    model.n_outputs_, model.n_layers_ = mlp.n_outputs_, mlp.n_layers_
    model.out_activation_ = mlp.out_activation_
    if hasattr(mlp, "_optimizer"):
        model._left_off = _left_off(mlp, model)
    return model


def _left_off(mlp: MLPRegressor, model: SigmoidMLPRegressor) -> LeftOff:
    """Where the MLPRegressor's optimizer left off, for `partial_fit` to go on."""
    theirs, n_layers = mlp._optimizer, len(mlp.coefs_)
    rng = copy.deepcopy(mlp._random_state)
    ours = make_solver(model, mlp.solver, sys.maxsize, 1, rng)

    def flat(arrays: Sequence[FloatArray]) -> FloatArray:  # the coefs, then the intercepts
        layers = _with_biases(arrays[:n_layers], arrays[n_layers:])
        return np.concatenate([W.ravel() for W in layers])

    if isinstance(ours, Adam):
        ours.t, ours.m, ours.v = theirs.t, flat(theirs.ms), flat(theirs.vs)
    elif isinstance(ours, StochasticGradientDescent):
        ours.velocity, ours.samples_seen = flat(theirs.velocities), mlp.t_
        if mlp.learning_rate == "adaptive":
            lowered = theirs.learning_rate_init / theirs.learning_rate
            ours.n_stalls = round(np.log(lowered) / np.log(5))
    return LeftOff(ours, rng, None, mlp._no_improvement_count)


def _with_biases(coefs: Sequence[FloatArray], intercepts: Sequence[FloatArray]) -> list[FloatArray]:
    """The matrix of each layer, bias row first."""
    return [np.vstack([b, W]) for W, b in zip(coefs, intercepts, strict=True)]


def _check_type(model: Any, *types: type) -> None:
    if not isinstance(model, types):
        names = " or ".join(f"{t.__module__.split('.')[0]}'s {t.__name__}" for t in types)
        raise TypeError(f"Expected {names}, got {type(model).__name__}.")


# ONNX ---------------------------------------------------------------------------------------


def to_onnx(
    model: SigmoidMLPRegressor | SigmoidMLPEnsembleRegressor,
    *,
    return_std: bool = False,
    dtype: DTypeLike = np.float32,
    target_opset: int | None = None,
) -> "ModelProto":
    """The model in ONNX, for ONNX Runtime and whatever else reads it.

    Parameters
    ----------
    model : SigmoidMLPRegressor or SigmoidMLPEnsembleRegressor
        Fitted; an ensemble of SigmoidMLPRegressor.
    return_std : bool, default=False
        Whether to give the standard deviation of a new observation too, as
        ``predict(X, return_std=True)`` does.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Of the input and of the outputs.
    target_opset : int, optional
        The version of the operators, by default the newest that skl2onnx has been tested with.

    Returns
    -------
    onnx.ModelProto
        Its input is "X" of shape (n_samples, n_features); its outputs are "y" and, if
        `return_std`, "std", both of shape (n_samples, n_outputs).

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If it is neither of these models, or an ensemble of others.
    ValueError
        If `return_std` is asked of what was trained by a solver that has no posterior, or if
        `dtype` is neither of these.
    ImportError
        Without skl2onnx.

    See Also
    --------
    register_onnx_converter : How pipelines with these models are converted.

    Notes
    -----
    **The arithmetic is in double precision whatever `dtype` is**: float32 inputs are taken as
    the numbers that they are, and only the results are rounded. The first layer acts on raw
    data, where it subtracts large numbers from one another; in float32, predictions from columns
    whose mean is a thousand times their standard deviation would be off by 5e-4 standard
    deviations, in place of 1e-7. It takes as long as NumPy does in float64. Where nothing but
    float32 will do, ``skl2onnx.to_onnx(to_sklearn(model), X[:1])`` has that, for one output.

    For the standard deviation, the model holds a matrix of P × P numbers for P parameters (of
    each member), and working it out takes n_samples × P numbers of memory for the widest
    layer: split long inputs.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> from sklearn_mlp import SigmoidMLPRegressor
    >>> from sklearn_mlp.interop import to_onnx
    >>> X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> model = SigmoidMLPRegressor((3,), solver="lm", alpha=1.0, random_state=0).fit(X, X[:, 0])
    >>> file = to_onnx(model, return_std=True).SerializeToString()
    >>> runtime = onnxruntime.InferenceSession(file)
    >>> y, std = runtime.run(["y", "std"], {"X": X})
    >>> y.shape, bool(np.allclose(y[:, 0], model.predict(X), atol=1e-5))
    ((50, 1), True)
    """
    _check_type(model, SigmoidMLPRegressor, SigmoidMLPEnsembleRegressor)
    check_is_fitted(model)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}.")
    register_onnx_converter()
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    tensor = FloatTensorType if np.dtype(dtype) == np.float32 else DoubleTensorType
    return skl2onnx.to_onnx(
        model,
        initial_types=[("X", tensor([None, _n_features(model)]))],
        options={id(model): {"return_std": return_std}},
        target_opset=target_opset,
    )


def register_onnx_converter() -> None:
    """Tell skl2onnx how the estimators of this package are converted.

    There is no need to call it: importing :mod:`sklearn_mlp.interop` sees to it that it is
    called as soon as skl2onnx is imported.

    Raises
    ------
    ImportError
        Without skl2onnx.

    Examples
    --------
    The standard deviation is asked for by skl2onnx's `options`:

    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import sklearn_mlp.interop
    >>> from sklearn_mlp import SigmoidMLPRegressor
    >>> X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> model = make_pipeline(StandardScaler(), SigmoidMLPRegressor((3,), solver="lm", alpha=1.0))
    >>> options = {SigmoidMLPRegressor: {"return_std": True}}
    >>> onnx = skl2onnx.to_onnx(model.fit(X, X[:, 0]), X[:1], options=options)
    >>> [output.name for output in onnx.graph.output]
    ['y', 'std']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            'Conversion to ONNX requires skl2onnx: pip install "sklearn-mlp[onnx]"'
        ) from error
    for estimator in (SigmoidMLPRegressor, SigmoidMLPEnsembleRegressor):
        update_registered_converter(
            estimator,
            f"SklearnMlp{estimator.__name__}",
            _set_shapes,
            _convert,
            parser=_parse,
            options={"return_std": [False, True]},
        )


class _WhenImported(MetaPathFinder):
    """Calls :func:`register_onnx_converter` after skl2onnx, which takes a second to import."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "skl2onnx":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                register_onnx_converter()

            # The loader of one import has its method replaced, which types do not foresee.
            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _parse(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Declare the model's outputs. The names of the arguments are skl2onnx's, here and below."""
    from skl2onnx import get_model_alias
    from skl2onnx.common.data_types import guess_tensor_type

    check_is_fitted(model)
    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    names = ["y", "std"] if _wants_std(scope, model) else ["y"]
    for name in names:
        output = scope.declare_local_variable(name, guess_tensor_type(inputs[0].type))
        operator.outputs.append(output)
    return operator.outputs


def _wants_std(options: Any, model: Any) -> bool:
    """Whether the standard deviation is asked for; an error if the model does not know it."""
    wanted = bool(options.get_options(model, {"return_std": False})["return_std"])
    if wanted:
        for member in _members(model):
            if not hasattr(member, "_posterior"):
                raise ValueError(
                    f"return_std needs a model trained by solver='lm', and this one was by "
                    f"{getattr(member, 'solver_', member.solver)!r}, which knows no posterior."
                )
    return wanted


def _members(model: Any) -> list[SigmoidMLPRegressor]:
    """The members of an ensemble; a model alone is its only one."""
    if not isinstance(model, SigmoidMLPEnsembleRegressor):
        return [model]
    for member in model.estimators_:
        if not isinstance(member, SigmoidMLPRegressor):
            raise TypeError(
                "Only ensembles of SigmoidMLPRegressor can be converted to ONNX, and this one "
                f"is of {type(member).__name__}."
            )
    return model.estimators_


def _n_features(model: Any) -> int:
    return len(_members(model)[0].weights_[0]) - 1


def _set_shapes(operator: Any) -> None:
    """Set the shape and the type of the model's outputs: double if its input is, else float."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    types = [variable.type for variable in operator.inputs]
    double = any(isinstance(t, DoubleTensorType) for t in types)
    n_rows = operator.inputs[0].get_first_dimension()
    n_outputs = _members(operator.raw_operator)[0].weights_[-1].shape[1]
    for output in operator.outputs:
        output.type = (DoubleTensorType if double else FloatTensorType)([n_rows, n_outputs])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the model's nodes to the graph."""
    from skl2onnx.common.data_types import guess_proto_type

    model = operator.raw_operator
    graph = _Graph(scope, container)
    columns = [graph("Cast", X.full_name, to=graph.double) for X in operator.inputs]
    X = graph("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    results = _mixture(graph, _members(model), X, return_std=_wants_std(container, model))
    for result, output in zip(results, operator.outputs, strict=True):
        graph("Cast", result, to=guess_proto_type(output.type), output=output.full_name)


class _Graph:
    """A graph that nodes are added to as if they were called: ``c = graph("Add", a, b)``."""

    def __init__(self, scope: Any, container: Any) -> None:
        from onnx import TensorProto

        self._scope, self._container = scope, container
        self.double, self._int64 = TensorProto.DOUBLE, TensorProto.INT64

    def __call__(
        self,
        operation: str,
        *inputs: "str | ArrayLike",
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node; arrays and numbers among its inputs become constants. Returns its output."""
        names = [v if isinstance(v, str) else self.constant(v) for v in inputs]
        output = output or self._scope.get_unique_variable_name("sigmoid_mlp")
        node = self._scope.get_unique_operator_name(f"SigmoidMLP{operation}")
        self._container.add_node(operation, names, [output], name=node, **attributes)
        return output

    def constant(self, values: ArrayLike) -> str:
        """A constant, of double precision or of integers, by its name."""
        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("sigmoid_mlp_constant")
        if array.dtype.kind == "i":
            self._container.add_initializer(name, self._int64, array.shape, array.ravel())
        else:
            self._container.add_initializer(name, self.double, array.shape, array.ravel())
        return name


def _mixture(
    graph: _Graph, members: list[SigmoidMLPRegressor], X: str, *, return_std: bool
) -> list[str]:
    """The predictions of a model, or the mixture of those of several (see :mod:`.ensemble`)."""
    each = [_predictions(graph, member, X, return_std=return_std) for member in members]
    if len(members) == 1:
        return each[0]
    share = 1 / len(members)
    mean = graph("Mul", graph("Sum", *(y for y, *_ in each)), share)
    if not return_std:
        return [mean]
    deviations = [graph("Sub", y, mean) for y, _ in each] + [std for _, std in each]
    squares = [graph("Mul", d, d) for d in deviations]
    return [mean, graph("Sqrt", graph("Mul", graph("Sum", *squares), share))]


def _predictions(
    graph: _Graph, model: SigmoidMLPRegressor, X: str, *, return_std: bool
) -> list[str]:
    """ŷ and, if `return_std`, its standard deviation."""
    *hidden, last = model.weights_
    h = X
    for W in hidden:
        h = _activate(graph, model.activation, _affine(graph, h, W))
    y = _affine(graph, h, last)
    if getattr(model, "out_activation_", "identity") == "exp":
        y = graph("Exp", y)
    return [y, _std(graph, model, X)] if return_std else [y]


def _affine(graph: _Graph, a: str, W: FloatArray) -> str:
    """A layer without its activation."""
    return graph("Add", graph("MatMul", a, W[1:]), W[0])


def _activate(graph: _Graph, activation: str, z: str) -> str:
    """h = f(z)."""
    match activation:
        case "tanh":
            return graph("Tanh", z)
        case "relu":
            return graph("Relu", z)
        case "softplus":  # max(z, 0) + log(1 + exp(-|z|)): ONNX Runtime's own is of float32 alone
            tail = graph("Exp", graph("Neg", graph("Abs", z)))
            return graph("Add", graph("Relu", z), graph("Log", graph("Add", tail, 1.0)))
        case "identity":
            return z
    return graph("Sigmoid", z)


def _times_slope(graph: _Graph, activation: str, delta: str | FloatArray, z: str, h: str) -> str:
    """δ ∘ f'(z), given h = f(z)."""
    match activation:
        case "tanh":
            slope = graph("Sub", 1.0, graph("Mul", h, h))
        case "relu":
            slope = graph("Cast", graph("Greater", z, 0.0), to=graph.double)
        case "softplus":
            slope = graph("Sigmoid", z)
        case "identity":
            slope = graph("Add", graph("Mul", z, 0.0), 1.0)  # a one for each row and unit
        case _:
            slope = graph("Mul", h, graph("Sub", 1.0, h))
    return graph("Mul", delta, slope)


def _std(graph: _Graph, model: SigmoidMLPRegressor, X: str) -> str:
    """√(c (1/β + ‖v‖²)) of each output, in the units of y (see the module's equations)."""
    posterior, units = model._posterior
    sizes = [len(model.weights_[0]) - 1, *(W.shape[1] for W in model.weights_)]
    network = Network(sizes, model.activation)
    weights = network.layers(posterior.w)
    inputs = graph("Div", graph("Sub", X, units.inputs.mean), units.inputs.scale)

    # The forward pass, with what the backward pass needs: of layer l its inputs a and their z.
    passed = [("", inputs)]
    for W in weights[:-1]:
        z = _affine(graph, passed[-1][1], W)
        passed.append((z, _activate(graph, model.activation, z)))

    M = dtrtri(posterior.cholesky, lower=1)[0].T
    numbered = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    positions = [W.astype(np.intp) for W in numbered]  # of each parameter of a layer
    rows = [(graph.constant(M[p[0]]), graph.constant(M[p[1:].ravel()])) for p in positions[:-1]]
    variances = []
    for k, beta in enumerate(posterior.beta):
        p = positions[-1][:, k]
        v = graph("Add", graph("MatMul", passed[-1][1], M[p[1:]]), M[p[0]])
        delta: str | FloatArray = weights[-1][1:, k]
        for i in reversed(range(len(weights) - 1)):
            if i < len(weights) - 2:
                delta = graph("MatMul", delta, weights[i + 1][1:].T)
            delta = _times_slope(graph, model.activation, delta, *passed[i + 1])
            v = graph("Sum", v, *_parts_of_v(graph, passed[i][1], delta, weights[i].shape, rows[i]))
        square = graph("MatMul", graph("Mul", v, v), np.ones((network.n_parameters, 1)))
        variances.append(graph("Add", square, 1 / beta))
    variance = graph("Concat", *variances, axis=1)
    scale = units.outputs.scale * np.sqrt(posterior.calibration)
    return graph("Mul", graph("Sqrt", variance), scale)


def _parts_of_v(
    graph: _Graph, a: str, delta: str, shape: tuple[int, int], rows: tuple[str, str]
) -> tuple[str, str]:
    """δ M_l0 and (a ⊗ δ) M_l of one layer."""
    n_in, n_out = shape[0] - 1, shape[1]
    column = graph("Reshape", a, np.array([0, n_in, 1]))  # 0: as many rows as there are
    row = graph("Reshape", delta, np.array([0, 1, n_out]))
    products = graph("Reshape", graph("Mul", column, row), np.array([0, n_in * n_out]))
    of_biases, of_coefs = rows
    return graph("MatMul", delta, of_biases), graph("MatMul", products, of_coefs)


# Last: by now all is defined that skl2onnx is told of.
if "skl2onnx" in sys.modules:
    register_onnx_converter()
else:
    sys.meta_path.insert(0, _WhenImported())
