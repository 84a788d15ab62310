"""ONNX Runtime predicts what the model predicts, error bars included."""

import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.interop import register_onnx_converter, to_onnx
from tests import reference

from .conftest import Array, Data, MakeEnsemble, MakeModel

with warnings.catch_warnings():
    # Both import libraries that warn.
    warnings.simplefilter("ignore", DeprecationWarning)
    import onnxruntime
    import skl2onnx

ACTIVATIONS = ["sigmoid", "tanh", "relu", "softplus", "identity"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def run(onnx: Any, inputs: NDArray[Any]) -> list[Array]:
    """The outputs of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    runtime = onnxruntime.InferenceSession(onnx.SerializeToString(), options)
    outputs: list[Array] = runtime.run(None, {"X": inputs})
    return outputs


def assert_close(outputs: list[Array], expected: Any, rtol: float) -> None:
    """Outputs of shape (n_samples, n_outputs), to within rtol of each and of its deviation."""
    for output, e in zip(outputs, np.atleast_2d(expected), strict=True):
        e = e.reshape(len(e), -1)
        assert output.shape == e.shape
        np.testing.assert_array_less(abs(output - e), rtol * (abs(e) + e.std(axis=0)) + 1e-300)


# to_onnx ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 6e-8), (np.float64, 1e-9)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.slow
def test_onnx_predicts_the_same_with_its_error_bars(
    activation: str,
    hidden: tuple[int, ...],
    targets: Array,
    dtype: Any,
    rtol: float,
    data: Data,
    network: MakeModel,
) -> None:
    """From columns in any units. Half a unit in the last digit of float32 is 6e-8."""
    raw = data.raw
    model = network(hidden, activation=activation).fit(raw, targets)
    outputs = run(to_onnx(model, return_std=True, dtype=dtype), raw.astype(dtype))
    assert [output.dtype for output in outputs] == [dtype, dtype]
    assert_close(outputs, model.predict(raw, return_std=True), rtol)
    assert_close(run(to_onnx(model, dtype=dtype), raw.astype(dtype)), [model.predict(raw)], rtol)


def test_onnx_of_a_linear_model_has_the_closed_form_of_its_error_bars(
    data: Data, network: MakeModel
) -> None:
    model = network((), alpha=0.0).fit(data.X, data.y)
    A = np.column_stack([np.ones(80), data.X])
    w, (square,), *_ = np.linalg.lstsq(A, data.y)
    variance = square / (80 - 5) * (1 + np.einsum("ni,ij,nj->n", A, np.linalg.inv(A.T @ A), A))
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), data.X)
    assert_close(outputs, [A @ w, np.sqrt(variance)], 1e-9)


@pytest.mark.parametrize("few_rows", [False, True])
@pytest.mark.slow
def test_onnx_has_the_error_bars_that_the_evidence_sets(
    few_rows: bool, data: Data, network: MakeModel
) -> None:
    hidden = (60,) if few_rows else (5,)  # fewer than parameters
    model = network(hidden, alpha="auto", max_iter=40).fit(data.raw, data.Y)
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), data.raw)
    assert_close(outputs, model.predict(data.raw, return_std=True), 1e-8)


@pytest.mark.parametrize("hidden_layer_sizes", [(3,), "auto"])
@pytest.mark.slow
def test_onnx_has_noise_that_varies(
    hidden_layer_sizes: Any, targets: Array, data: Data, network: MakeModel
) -> None:
    model = network(hidden_layer_sizes, alpha="auto", noise="varying").fit(data.X, targets)
    assert model.noise_ == "varying"
    far = np.vstack([data.X, 100 * data.X])  # where the noise is cut to its range
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), far)
    assert_close(outputs, model.predict(far, return_std=True), 1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_far_from_the_data_is_finite_and_the_same(
    activation: str, data: Data, network: MakeModel
) -> None:
    model = network(activation=activation).fit(data.X, data.y)
    far = np.vstack([1e6 * data.X, -1e6 * data.X])
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), far)
    assert np.isfinite(outputs).all()
    assert_close(outputs, model.predict(far, return_std=True), 1e-7)


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_onnx_takes_any_number_of_rows(n_rows: int, data: Data, network: MakeModel) -> None:
    onnx = to_onnx(network((5, 3)).fit(data.X, data.Y), return_std=True)
    outputs = run(onnx, data.X[:n_rows].astype(np.float32))
    assert [output.shape for output in outputs] == [(n_rows, 2)] * 2


def test_onnx_names_its_inputs_and_outputs(data: Data, network: MakeModel) -> None:
    onnx = to_onnx(network().fit(data.X, data.y), return_std=True, target_opset=15)
    assert [value.name for value in onnx.graph.input] == ["X"]
    assert [value.name for value in onnx.graph.output] == ["y", "std"]
    assert max(opset.version for opset in onnx.opset_import) <= 15


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
def test_onnx_of_what_each_solver_trains(solver: str, data: Data, network: MakeModel) -> None:
    model = network(solver=solver).fit(data.raw.astype(np.float32), data.y)
    expected = model.predict(data.raw)  # in float64
    assert_close(run(to_onnx(model), data.raw.astype(np.float32)), [expected], 6e-8)


def test_onnx_of_an_exponential_output(data: Data, network: MakeModel) -> None:
    counts = np.round(np.exp(data.y - data.y.mean()))
    model = network(loss="poisson", solver="lbfgs", max_iter=20).fit(data.X, counts)
    (prediction,) = run(to_onnx(model, dtype=np.float64), data.X)
    np.testing.assert_allclose(prediction.ravel(), model.predict(data.X), rtol=1e-9)


def test_onnx_of_weights_set_by_hand(weights_set_by_hand: SigmoidMLPRegressor) -> None:
    (prediction,) = run(to_onnx(weights_set_by_hand), np.array([[5.0]], np.float32))
    assert prediction == [[1 + 2 * 5 + 3 * 1]]


def test_dtype_must_be_a_floating_one(data: Data, network: MakeModel) -> None:
    with pytest.raises(ValueError, match="float32 or float64, got int64"):
        to_onnx(network().fit(data.X, data.y), dtype=np.int64)


def test_to_onnx_refuses_models_that_are_not_fitted() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        to_onnx(SigmoidMLPRegressor())


def test_to_onnx_refuses_other_estimators(data: Data) -> None:
    other: Any = LinearRegression().fit(data.X, data.y)
    with pytest.raises(TypeError, match="EnsembleRegressor, got LinearRegression"):
        to_onnx(other)


def test_without_skl2onnx_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, data: Data, network: MakeModel
) -> None:
    model = network().fit(data.X, data.y)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="requires skl2onnx") as error:
        to_onnx(model)
    assert 'pip install "sklearn-mlp[onnx]"' in str(error.value)


# Posteriors of any shape --------------------------------------------------------------------


@dataclass(frozen=True)
class RootPosterior:
    """A posterior that is given by the root M of its covariance."""

    w: Array
    M: Array
    beta: Array
    calibration: Array

    def covariance_root(self) -> Array:
        return self.M

    def std(self, J: Array) -> Array:
        """The definition, for derivatives of shape (n_samples, n_outputs, n_parameters)."""
        A_inverse = self.M @ self.M.T
        variance = np.einsum("nkp,pq,nkq->nk", J, A_inverse, J)
        return np.sqrt(self.calibration * (1 / self.beta + variance))


@pytest.mark.parametrize("rank", [1, 3, 60])
@pytest.mark.parametrize("known", ["all parameters", "all but the first layer", "the last layer"])
@pytest.mark.slow
def test_onnx_takes_a_covariance_of_any_rank_and_any_part_of_the_parameters(
    rank: int,
    known: str,
    data: Data,
    network: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estimator = network((5, 3)).fit(data.raw, data.Y)
    model = estimator._model
    sizes, w = model.network.layer_sizes, model.posterior.w
    M = np.random.default_rng(0).normal(size=(len(w), rank))
    n_fixed = {"all parameters": 0, "all but the first layer": 1, "the last layer": 2}[known]
    M[: sum((n_in + 1) * n_out for n_in, n_out in model.network.shapes[:n_fixed])] = 0
    M[:: len(w) // 4] = 0  # single parameters too
    posterior = RootPosterior(w, M, beta=np.array([1.0, 4.0]), calibration=np.array([1.0, 2.0]))
    changed = replace(model, posterior=posterior, noise=None)
    monkeypatch.setattr(estimator, "_model", changed)

    inputs, outputs = model.units.inputs, model.units.outputs
    Z = (data.raw - inputs.mean) / inputs.scale
    J = reference.complex_step(lambda w: reference.predict(w, Z, sizes, "sigmoid"), w)
    expected = outputs.scale * posterior.std(J)
    _, std = run(to_onnx(estimator, return_std=True, dtype=np.float64), data.raw)
    np.testing.assert_allclose(std, expected, rtol=1e-9)


def test_onnx_leaves_out_the_layers_that_the_posterior_holds_fixed(
    data: Data, network: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = network((5, 3)).fit(data.X, data.y)
    model = estimator._model
    last = np.zeros((len(model.posterior.w), 4))
    last[-4:] = np.eye(4)
    posterior = RootPosterior(model.posterior.w, last, np.ones(1), np.ones(1))
    changed = replace(model, posterior=posterior)
    whole = to_onnx(estimator, return_std=True)
    monkeypatch.setattr(estimator, "_model", changed)
    operations = [node.op_type for node in to_onnx(estimator, return_std=True).graph.node]
    assert "Reshape" not in operations  # no products of inputs and derivatives
    assert len(operations) < len(whole.graph.node)


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_onnx_has_error_bars_where_the_model_has_them(
    solver: str, loss: str, data: Data, network: MakeModel
) -> None:
    model = network(solver=solver, loss=loss).fit(data.X, data.y)
    if loss == "huber":
        with pytest.raises(ValueError, match=r"error bars.*loss='squared_error'"):
            to_onnx(model, return_std=True)
    else:
        outputs = run(to_onnx(model, return_std=True, dtype=np.float64), data.X)
        assert_close(outputs, model.predict(data.X, return_std=True), 1e-9)


def test_onnx_has_the_error_bars_of_the_last_layer(
    targets: Array, data: Data, network: MakeModel
) -> None:
    model = network((30, 60), solver="adam", early_stopping=True).fit(data.raw, targets)
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), data.raw)
    assert model.posterior_kind_ == "last layer"
    assert_close(outputs, model.predict(data.raw, return_std=True), 1e-8)


def test_onnx_of_weights_set_by_hand_has_no_error_bars(
    weights_set_by_hand: SigmoidMLPRegressor,
) -> None:
    with pytest.raises(ValueError, match="error bars"):
        to_onnx(weights_set_by_hand, return_std=True)


@pytest.mark.nightly
def test_onnx_of_the_default_network_has_the_error_bars_of_its_mixture(
    targets: Array, data: Data
) -> None:
    model = SigmoidMLPRegressor(random_state=0).fit(data.raw, targets)
    assert len(model._model.posterior.members) > 1
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), data.raw)
    assert_close(outputs, model.predict(data.raw, return_std=True), 1e-8)


# Ensembles ----------------------------------------------------------------------------------


def test_onnx_of_an_ensemble_is_the_mixture(
    targets: Array, data: Data, ensemble: MakeEnsemble
) -> None:
    raw = data.raw
    model = ensemble().fit(raw, targets)
    for dtype, rtol in [(np.float32, 6e-8), (np.float64, 1e-9)]:
        outputs = run(to_onnx(model, return_std=True, dtype=dtype), raw.astype(dtype))
        assert_close(outputs, model.predict(raw, return_std=True), rtol)
    assert_close(run(to_onnx(model), raw.astype(np.float32)), [model.predict(raw)], 6e-8)


def test_onnx_of_an_ensemble_of_others_is_refused(data: Data, ensemble: MakeEnsemble) -> None:
    model = ensemble(LinearRegression()).fit(data.X, data.y)
    with pytest.raises(TypeError, match="this one is of LinearRegression"):
        to_onnx(model)


def test_onnx_of_an_ensemble_without_error_bars_has_none(
    data: Data, network: MakeModel, ensemble: MakeEnsemble
) -> None:
    model = ensemble(network(solver="adam", loss="huber")).fit(data.X, data.y)
    with pytest.raises(ValueError, match="error bars"):
        to_onnx(model, return_std=True)


# skl2onnx -----------------------------------------------------------------------------------


@pytest.fixture
def _registered() -> None:
    register_onnx_converter()


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.slow
def test_skl2onnx_converts_a_pipeline(
    activation: str, targets: Array, data: Data, network: MakeModel
) -> None:
    X = data.X
    model = make_pipeline(StandardScaler(), network(activation=activation)).fit(X, targets)
    options = {SigmoidMLPRegressor: {"return_std": True}}
    expected = model.predict(X, return_std=True)
    onnx = skl2onnx.to_onnx(model, X[:1], options=options)
    assert_close(run(onnx, X), expected, 1e-9)
    onnx = skl2onnx.to_onnx(model, X[:1].astype(np.float32), options=options)
    # The scaler's z-scores are float32.
    assert_close(run(onnx, X.astype(np.float32)), expected, 3e-6)
    (prediction,) = run(skl2onnx.to_onnx(model, X[:1]), X)
    assert_close([prediction], expected[:1], 1e-9)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("kind", ["alone", "ensemble"])
def test_skl2onnx_converts_the_estimators_alone(
    kind: str, data: Data, network: MakeModel, ensemble: MakeEnsemble
) -> None:
    model: Any = network() if kind == "alone" else ensemble()
    model.fit(data.X, data.Y)
    onnx = skl2onnx.to_onnx(model, data.X[:1])
    assert_close(run(onnx, data.X), [model.predict(data.X)], 1e-9)


@pytest.mark.usefixtures("_registered")
def test_skl2onnx_converts_whole_numbers_and_columns_of_their_own(
    data: Data, network: MakeModel
) -> None:
    counts = np.random.default_rng(0).integers(0, 9, size=(80, 2))
    model = network().fit(counts, data.y)
    expected = [model.predict(counts)]
    assert_close(run(skl2onnx.to_onnx(model, counts[:1]), counts), expected, 6e-8)
    frame = pd.DataFrame(counts.astype(np.float64), columns=["a", "b"])
    onnx = skl2onnx.to_onnx(model, frame[:1])
    runtime = onnxruntime.InferenceSession(onnx.SerializeToString())
    columns = {name: frame[[name]].to_numpy() for name in frame}
    assert_close(runtime.run(None, columns), expected, 1e-9)


@pytest.mark.usefixtures("_registered")
def test_skl2onnx_refuses_models_that_are_not_fitted(data: Data) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        skl2onnx.to_onnx(SigmoidMLPRegressor(), data.X[:1])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("code", "registered"),
    [
        ("import skl2onnx, sklearn_mlp.interop", False),
        ("import sklearn_mlp.interop, skl2onnx", False),
        ("import sklearn_mlp.interop as i; [i.register_onnx_converter() for _ in range(2)]", True),
    ],
    ids=["skl2onnx first", "skl2onnx second", "called, and called again"],
)
def test_converters_are_registered_by_a_call_and_by_no_import(code: str, registered: bool) -> None:
    code += (
        "\nimport sklearn_mlp; from skl2onnx import _supported_operators as known\n"
        "map = known.sklearn_operator_name_map\n"
        f"assert (sklearn_mlp.SigmoidMLPRegressor in map) is {registered}\n"
        f"assert (sklearn_mlp.SigmoidMLPEnsembleRegressor in map) is {registered}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_optional_libraries_are_not_imported_before_they_are_used() -> None:
    code = (
        "import sys; before = list(sys.meta_path); import sklearn_mlp.interop\n"
        "assert not {'onnx', 'onnxruntime', 'skl2onnx', 'skops'} & sys.modules.keys()\n"
        "assert sys.meta_path == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
