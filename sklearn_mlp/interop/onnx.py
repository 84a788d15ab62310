"""Convert to ONNX, error bars included.

The graph computes the prediction from the weights that act on raw X. The error bars need the
derivatives j of the prediction by the parameters, and the covariance A⁻¹ = M Mᵀ of the posterior:

    variance = c (1/β + j A⁻¹ jᵀ) = c (1/β + ‖v‖²),    v = j M,

where β is the precision of the noise and c the calibration. If the noise varies, a second network
gives the logarithm of its variance in place of 1/β. The backward pass of
:mod:`~sklearn_mlp.network` gives j layer by layer. With a_{l-1} the inputs of layer l (without
the leading 1), δ_l the derivatives by the sums of its units, and M_l0 and M_l the rows of M that
belong to its biases and to its coefs,

    v = Σ_l (δ_l M_l0 + (a_{l-1} ⊗ δ_l) M_l).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils.validation import check_is_fitted

from .._typing import FloatArray
from ..committee import MixturePosterior
from ..ensemble import SigmoidMLPEnsembleRegressor
from ..model import Model, least_std
from ..network import Network
from ..posterior import GaussianPosterior
from ..regressor import SigmoidMLPRegressor
from ._checks import check_fitted

if TYPE_CHECKING:
    from onnx import ModelProto


def to_onnx(
    model: SigmoidMLPRegressor | SigmoidMLPEnsembleRegressor,
    *,
    return_std: bool = False,
    dtype: DTypeLike = np.float32,
    target_opset: int | None = None,
) -> "ModelProto":
    """Convert to ONNX, for ONNX Runtime and other tools that read it.

    Parameters
    ----------
    model : SigmoidMLPRegressor or SigmoidMLPEnsembleRegressor
        Fitted. The members of an ensemble must be SigmoidMLPRegressors.
    return_std : bool, default=False
        Whether the ONNX model also returns the standard deviation of a new observation, as
        ``predict(X, return_std=True)`` does.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        The dtype of the input and of the outputs.
    target_opset : int, optional
        The version of the ONNX operators. The default is the newest that skl2onnx was tested
        with.

    Returns
    -------
    onnx.ModelProto
        The input is "X" of shape (n_samples, n_features). The outputs are "y" and, with
        `return_std`, "std", both of shape (n_samples, n_outputs).

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is neither of the two estimators, or an ensemble of other estimators.
    ValueError
        If `dtype` is neither of the two, or if you ask for `return_std` and the model has no
        error bars.
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    register_onnx_converter : Convert pipelines that contain these estimators.

    Notes
    -----
    **The graph computes in double precision, whatever the dtype**; only the outputs are
    rounded. The first layer acts on raw data, where it subtracts large numbers from each other.
    For columns with a mean of 1,000 times their standard deviation, single precision would be
    wrong by 5e-4 standard deviations, instead of 1e-7. The speed is that of NumPy in float64. If
    you need a graph in single precision, use ``skl2onnx.to_onnx(to_sklearn(model), X[:1])``; it
    converts models with one output.

    With `return_std`, the file holds up to P × P numbers for the P parameters of each model.
    Running it takes n_samples × P numbers of memory: pass long inputs in parts.

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
    check_fitted(model, SigmoidMLPRegressor, SigmoidMLPEnsembleRegressor)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}.")
    register_onnx_converter()
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    tensor = FloatTensorType if np.dtype(dtype) == np.float32 else DoubleTensorType
    n_features = _models(model)[0].network.layer_sizes[0]
    return skl2onnx.to_onnx(
        model,
        initial_types=[("X", tensor([None, n_features]))],
        options={id(model): {"return_std": return_std}},
        target_opset=target_opset,
    )


def register_onnx_converter() -> None:
    """Teach skl2onnx to convert the estimators of this package.

    Call it once before ``skl2onnx.to_onnx`` converts a pipeline with one of them. Calling it
    again does nothing more. :func:`to_onnx` calls it for you.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Convert one of these estimators alone.

    Examples
    --------
    Ask for the standard deviation with skl2onnx's `options`:

    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_mlp import SigmoidMLPRegressor
    >>> from sklearn_mlp.interop import register_onnx_converter
    >>> X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> model = make_pipeline(StandardScaler(), SigmoidMLPRegressor((3,), solver="lm", alpha=1.0))
    >>> register_onnx_converter()
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


# What skl2onnx calls. It passes the arguments by its own names ------------------------------


def _parse(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Declare the outputs of the estimator: y and, if asked for, its standard deviation."""
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


def _set_shapes(operator: Any) -> None:
    """Set the shapes and types of the outputs: double if any input is, else float."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    types = [variable.type for variable in operator.inputs]
    double = any(isinstance(t, DoubleTensorType) for t in types)
    n_rows = operator.inputs[0].get_first_dimension()
    n_outputs = _models(operator.raw_operator)[0].network.layer_sizes[-1]
    for output in operator.outputs:
        output.type = (DoubleTensorType if double else FloatTensorType)([n_rows, n_outputs])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of the estimator to the graph."""
    from skl2onnx.common.data_types import guess_proto_type

    estimator = operator.raw_operator
    graph = _Graph(scope, container)
    columns = [graph("Cast", X.full_name, to=graph.double) for X in operator.inputs]
    X = graph("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    return_std = _wants_std(container, estimator)
    models = _models(estimator, with_posterior=return_std)
    results = _mixture(graph, models, X, return_std=return_std)
    if return_std:
        is_double = guess_proto_type(operator.outputs[1].type) == graph.double
        results[1] = graph("Max", results[1], least_std(np.float64 if is_double else np.float32))
    for result, output in zip(results, operator.outputs, strict=True):
        graph("Cast", result, to=guess_proto_type(output.type), output=output.full_name)


def _wants_std(options: Any, estimator: Any) -> bool:
    """Whether the standard deviation is asked for; an error if the estimator has none."""
    wanted = bool(options.get_options(estimator, {"return_std": False})["return_std"])
    if wanted and any(m.posterior is None for m in _models(estimator, with_posterior=True)):
        raise ValueError(
            "return_std needs a model with error bars, and this one has none: call fit, with "
            "loss='squared_error'."
        )
    if wanted and any(m.power for m in _models(estimator)):
        raise ValueError(
            "return_std is converted for loss='squared_error' only: convert without it, and take "
            "the error bars from predict."
        )
    return wanted


def _models(estimator: Any, *, with_posterior: bool = False) -> list[Model]:
    """The fitted models of an ensemble's members; of a single estimator its only one."""
    members = [estimator]
    if isinstance(estimator, SigmoidMLPEnsembleRegressor):
        members = estimator.estimators_
    for member in members:
        if not isinstance(member, SigmoidMLPRegressor):
            raise TypeError(
                "Only ensembles of SigmoidMLPRegressor can be converted to ONNX, and this one "
                f"is of {type(member).__name__}."
            )
    return [m._with_posterior() if with_posterior else m._model for m in members]


# The graph ----------------------------------------------------------------------------------


class _Graph:
    """Adds nodes to an ONNX graph by calls: ``c = graph("Add", a, b)``."""

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
        """Add a node, and return the name of its output.

        Inputs that are not names of values, but numbers or arrays, become constants.
        """
        names = [v if isinstance(v, str) else self.constant(v) for v in inputs]
        output = output or self._scope.get_unique_variable_name("sigmoid_mlp")
        node = self._scope.get_unique_operator_name(f"SigmoidMLP{operation}")
        self._container.add_node(operation, names, [output], name=node, **attributes)
        return output

    def constant(self, values: ArrayLike) -> str:
        """Add a constant, of integers or in double precision, and return its name."""
        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("sigmoid_mlp_constant")
        dtype = self._int64 if array.dtype.kind == "i" else self.double
        self._container.add_initializer(name, dtype, array.shape, array.ravel())
        return name


def _mixture(graph: _Graph, models: list[Model], X: str, *, return_std: bool) -> list[str]:
    """ŷ and, if `return_std`, σ of the mixture of the models (see :mod:`.ensemble`)."""
    predictions = [_prediction(graph, model, X) for model in models]
    deviations = [_std(graph, model, X) for model in models] if return_std else []
    if len(models) == 1:
        return predictions + deviations
    share = 1 / len(models)
    mean = graph("Mul", graph("Sum", *predictions), share)
    if not return_std:
        return [mean]
    deviations += [graph("Sub", y, mean) for y in predictions]
    squares = [graph("Mul", d, d) for d in deviations]
    return [mean, graph("Sqrt", graph("Mul", graph("Sum", *squares), share))]


def _prediction(graph: _Graph, model: Model, X: str) -> str:
    """ŷ, from raw X."""
    *hidden, last = model.weights
    h = X
    for W in hidden:
        h = _activate(graph, model.network.activation, _affine(graph, h, W))
    y = _affine(graph, h, last)
    return graph("Exp", y) if model.link == "exp" else y


def _affine(graph: _Graph, a: str, W: FloatArray) -> str:
    """z = a W + b, a layer before its activation."""
    return graph("Add", graph("MatMul", a, W[1:]), W[0])


def _activate(graph: _Graph, activation: str, z: str) -> str:
    """h = f(z)."""
    match activation:
        case "tanh":
            return graph("Tanh", z)
        case "relu":
            return graph("Relu", z)
        case "softplus":
            # max(z, 0) + log(1 + exp(-|z|)), because ONNX Runtime has Softplus only in float32.
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
        case "identity":  # ones, of the shape of z
            slope = graph("Add", graph("Mul", z, 0.0), 1.0)
        case _:
            slope = graph("Mul", h, graph("Sub", 1.0, h))
    return graph("Mul", delta, slope)


# The error bars -----------------------------------------------------------------------------


def _std(graph: _Graph, model: Model, X: str) -> str:
    """σ of each output, in the units of y; of the mean of networks that of their mixture."""
    if not isinstance(model.posterior, MixturePosterior):
        return _std_of_one(graph, model, X)
    mean, terms = _prediction(graph, model, X), []
    for member in model.posterior.members:
        posterior, units = member.posterior, model.units
        own = Model.of_training(
            member.network, posterior.w, units, np.float64, posterior=posterior, noise=model.noise
        )
        off = graph("Sub", _prediction(graph, own, X), mean)
        std = _std_of_one(graph, own, X)
        square = graph("Add", graph("Mul", off, off), graph("Mul", std, std))
        terms.append(graph("Mul", square, member.share))
    return graph("Sqrt", graph("Sum", *terms))


def _std_of_one(graph: _Graph, model: Model, X: str) -> str:
    """√(c (1/β + ‖v‖²)) of each output, in the units of y."""
    network, units = model.network, model.units
    posterior = cast(GaussianPosterior, model.posterior)
    weights = network.layers(posterior.w)
    M = _by_layer(network, posterior.covariance_root())
    inputs = graph("Div", graph("Sub", X, units.inputs.mean), units.inputs.scale)
    a, z = _forward(graph, network.activation, weights, inputs)

    # Below this layer the posterior holds all parameters fixed: v has no terms from there.
    first = next((i for i, M_i in enumerate(M) if M_i.any()), len(z))
    rows = {i: _rows(graph, M[i]) for i in range(first, len(z))}
    rank = M[0].shape[-1]
    variances = []
    for k, noise in enumerate(_noise(graph, model, inputs)):
        v = graph("Add", graph("MatMul", a[-1], M[-1][1:, k]), M[-1][0, k])
        slope: str | FloatArray = weights[-1][1:, k]  # of the output, by the units of layer i
        for i in reversed(range(first, len(z))):
            delta = _times_slope(graph, network.activation, slope, z[i], a[i + 1])
            v = graph("Sum", v, *_terms(graph, a[i], delta, weights[i].shape, rows[i]))
            if i > first:
                slope = graph("MatMul", delta, weights[i][1:].T)
        # ‖v‖² as a product with ones, because ReduceSum differs between versions of the operators.
        square = graph("MatMul", graph("Mul", v, v), np.ones((rank, 1)))
        variances.append(graph("Add", square, noise))
    variance = graph("Concat", *variances, axis=1)
    scale = units.outputs.scale * np.sqrt(posterior.calibration)
    return graph("Mul", graph("Sqrt", variance), scale)


def _noise(graph: _Graph, model: Model, inputs: str) -> Sequence[str | FloatArray]:
    """The variance of the noise of each output, in the units of training."""
    if model.noise is None:
        posterior = cast(GaussianPosterior, model.posterior)
        return list(1 / posterior.beta)
    variances = []
    for one in model.noise.of_outputs:
        weights = one.network.layers(one.posterior.w)
        a, _ = _forward(graph, one.network.activation, weights, inputs)
        u = graph("Max", _affine(graph, a[-1], weights[-1]), one.least)
        varying = graph("Mul", graph("Exp", graph("Min", u, one.most)), 1 - one.constant)
        variances.append(graph("Mul", graph("Add", varying, one.constant), one.scale))
    return variances


def _by_layer(network: Network, M: FloatArray) -> list[FloatArray]:
    """The rows of M that belong to each layer, of shape (n_in + 1, n_out, rank)."""
    positions = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    return [M[p.astype(np.intp)] for p in positions]


def _rows(graph: _Graph, M: FloatArray) -> tuple[str, str]:
    """Constants for a layer's rows of M: those of its biases, and those of its coefs."""
    return graph.constant(M[0]), graph.constant(M[1:].reshape(-1, M.shape[-1]))


def _forward(
    graph: _Graph, activation: str, weights: list[FloatArray], inputs: str
) -> tuple[list[str], list[str]]:
    """The inputs a of each layer, and the sums z of each hidden layer."""
    a, z = [inputs], []
    for W in weights[:-1]:
        z.append(_affine(graph, a[-1], W))
        a.append(_activate(graph, activation, z[-1]))
    return a, z


def _terms(
    graph: _Graph, a: str, delta: str, shape: tuple[int, int], rows: tuple[str, str]
) -> tuple[str, str]:
    """The terms of v from one layer: δ M_l0 and (a ⊗ δ) M_l."""
    n_in, n_out = shape[0] - 1, shape[1]
    column = graph("Reshape", a, np.array([0, n_in, 1]))  # 0 keeps the number of rows
    row = graph("Reshape", delta, np.array([0, 1, n_out]))
    products = graph("Reshape", graph("Mul", column, row), np.array([0, n_in * n_out]))
    of_biases, of_coefs = rows
    return graph("MatMul", delta, of_biases), graph("MatMul", products, of_coefs)
