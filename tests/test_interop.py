"""What other tools make of a model predicts what the model predicts."""

import importlib
import subprocess
import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor, interop
from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES, from_sklearn, to_onnx, to_sklearn

with warnings.catch_warnings():
    # Of what they import themselves; of matplotlib, shap asks for a colour map's old way.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import onnxruntime
    import shap
    import skl2onnx
    import skops.io

Array = NDArray[np.floating[Any]]

rng = np.random.default_rng(0)
Z = rng.normal(size=(80, 4))
X = Z.astype(np.float32).astype(np.float64)  # the same numbers in either precision
RAW = (Z * [1, 1e3, 1e-3, 1] + [0, 1e6, 5, 1000]).astype(np.float32).astype(np.float64)
y = np.sin(2 * Z[:, 0]) + Z[:, 1] * Z[:, 2] + 0.1 * rng.normal(size=80)
Y = np.column_stack([y, 1e6 * Z[:, 3] - 1e5 * y])

ACTIVATIONS = ["sigmoid", "tanh", "relu", "softplus", "identity"]
HIDDEN = [(), (5,), (5, 3)]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(hidden: tuple[int, ...] = (5,), **parameters: Any) -> SigmoidMLPRegressor:
    """A small network that is quickly trained, by "lm" with a given penalty."""
    settings = {"solver": "lm", "alpha": 1.0, "max_iter": 10, "random_state": 0, **parameters}
    return SigmoidMLPRegressor(hidden, **settings)


def ensemble(member: Any = None) -> SigmoidMLPEnsembleRegressor:
    return SigmoidMLPEnsembleRegressor(member or network(), n_estimators=3, random_state=0)


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


# scikit-learn -------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", "logistic", "tanh", "relu", "identity"])
def test_mlp_regressor_predicts_the_same(
    activation: str, hidden: tuple[int, ...], targets: Array
) -> None:
    model = network(hidden, activation=activation).fit(RAW, targets)
    mlp = to_sklearn(model)
    scale = targets.std(axis=0)
    np.testing.assert_allclose(mlp.predict(RAW) / scale, model.predict(RAW) / scale, atol=1e-9)
    assert mlp.score(RAW, targets) == pytest.approx(model.score(RAW, targets), rel=1e-9)


def test_mlp_regressor_of_float32_weights_predicts_in_float32() -> None:
    model = network(solver="adam").fit(X.astype(np.float32), y)
    prediction = to_sklearn(model).predict(X.astype(np.float32))
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, model.predict(X.astype(np.float32)), atol=1e-5)


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_mlp_regressor_has_what_a_fitted_one_has(solver: str, early_stopping: bool) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    mlp = to_sklearn(network(solver=solver, early_stopping=early_stopping).fit(frame, y))
    fitted = MLPRegressor(**mlp.get_params()).fit(frame, y)
    of_the_solver = {"_optimizer", "_coef_indptr", "_intercept_indptr"}  # made when they train
    assert fitted.__dict__.keys() - of_the_solver <= mlp.__dict__.keys()
    np.testing.assert_array_equal(mlp.feature_names_in_, list("abcd"))
    for name in ("n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
        assert getattr(mlp, name) == getattr(fitted, name)
    assert [W.shape for W in mlp.coefs_] == [W.shape for W in fitted.coefs_]
    assert repr(mlp) == repr(fitted)


@pytest.mark.parametrize(
    ("solver", "theirs"),
    [("lm", "lbfgs"), ("lbfgs", "lbfgs"), ("adam", "adam"), ("sgd", "sgd"), ("gd", "sgd")],
)
def test_mlp_regressor_can_be_trained_further(solver: str, theirs: str) -> None:
    model = network(solver=solver).fit(X, y)
    before = model.predict(X)
    mlp = to_sklearn(model)
    assert mlp.solver == theirs
    if theirs != "lbfgs":
        assert not np.array_equal(mlp.partial_fit(X, y).predict(X), before)
    assert not np.array_equal(mlp.set_params(warm_start=True).fit(X, y).predict(X), before)
    np.testing.assert_array_equal(model.predict(X), before)  # its weights are its own


def test_mlp_regressor_of_weights_set_by_hand() -> None:
    model = SigmoidMLPRegressor(2, activation="identity")
    model.weights_ = [np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [2.0], [3.0]])]
    assert to_sklearn(model).predict([[5.0]]) == 1 + 2 * 5 + 3 * 1


def test_softplus_is_not_among_the_activations_of_mlp_regressor() -> None:
    with pytest.raises(ValueError, match=r"no activation 'softplus'.*'sigmoid'.*'relu'"):
        to_sklearn(network(activation="softplus").fit(X, y))


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
def test_from_sklearn_predicts_the_same(
    activation: str, hidden: tuple[int, ...], targets: Array
) -> None:
    mlp = MLPRegressor(
        hidden_layer_sizes=hidden, activation=activation, max_iter=3, random_state=0
    ).fit(X, targets)
    model = from_sklearn(mlp)
    np.testing.assert_allclose(model.predict(X), mlp.predict(X), rtol=1e-12, atol=1e-12)
    assert model.get_params().items() >= mlp.get_params().items()


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_from_sklearn_has_what_a_fitted_model_has(solver: str, early_stopping: bool) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    mlp = MLPRegressor(hidden_layer_sizes=(5,), solver=solver, max_iter=3, random_state=0)
    model = from_sklearn(mlp.set_params(early_stopping=early_stopping).fit(frame, y))
    fitted = SigmoidMLPRegressor(**mlp.get_params()).fit(frame, y)
    assert fitted.__dict__.keys() == model.__dict__.keys()
    np.testing.assert_array_equal(model.feature_names_in_, list("abcd"))
    assert len(model.loss_curve_) == (1 if solver == "lbfgs" else 3)
    assert [W.shape for W in model.weights_] == [W.shape for W in fitted.weights_]


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate_init": 1e-3, "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
        {"solver": "sgd", "nesterovs_momentum": False, "activation": "tanh"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_partial_fit_goes_on_where_mlp_regressors_would(settings: dict[str, Any]) -> None:
    mlp = MLPRegressor(
        hidden_layer_sizes=(5, 3), max_iter=7, shuffle=False, random_state=0, **settings
    ).fit(X, y)
    mlp.set_params(n_iter_no_change=100)  # they count what stalls a little differently
    model = from_sklearn(mlp)
    for _ in range(3):
        mlp.partial_fit(X, y)
        model.partial_fit(X, y)
    np.testing.assert_allclose(model.predict(X), mlp.predict(X), rtol=1e-10)


def test_warm_start_goes_on_with_any_solver() -> None:
    mlp = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", max_iter=30, random_state=0)
    model = from_sklearn(mlp.fit(X, y))
    at_first = model.score(X, y)
    model.set_params(warm_start=True, solver="lm", alpha=0.1, standardize=True).fit(X, y)
    assert model.score(X, y) > at_first + 0.1
    assert (model.predict(X, return_std=True)[1] > 0).all()


def test_there_and_back_again_are_the_same_weights() -> None:
    model = network((5, 3)).fit(RAW, Y)
    back = from_sklearn(to_sklearn(model))
    for W, again in zip(model.weights_, back.weights_, strict=True):
        np.testing.assert_array_equal(W, again)


def test_an_exponential_output_is_kept_where_scikit_learn_has_it() -> None:
    counts = np.round(np.exp(y - y.mean()))
    model = network(loss="poisson", solver="lbfgs", max_iter=20).fit(X, counts)
    assert model.out_activation_ == "exp"
    if "loss" in MLPRegressor().get_params():
        mlp = to_sklearn(model)
        np.testing.assert_allclose(mlp.predict(X), model.predict(X), rtol=1e-12)
        np.testing.assert_allclose(from_sklearn(mlp).predict(X), model.predict(X), rtol=1e-12)
    else:
        with pytest.raises(ValueError, match="update scikit-learn"):
            to_sklearn(model)
    (onnx_y,) = run(to_onnx(model, dtype=np.float64), X)
    np.testing.assert_allclose(onnx_y.ravel(), model.predict(X), rtol=1e-9)


@pytest.mark.parametrize("loss", ["huber", "pinball"])
def test_a_robust_loss_predicts_the_same_in_scikit_learn(loss: str) -> None:
    model = network(loss=loss, solver="lbfgs", max_iter=20).fit(X, y)
    np.testing.assert_allclose(to_sklearn(model).predict(X), model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("explained", ["our own predict", "MLPRegressor's"])
def test_shap_values_add_up_to_the_prediction(explained: str) -> None:
    model = network().fit(X, y)
    predict = model.predict if explained == "our own predict" else to_sklearn(model).predict
    rows, background = X[:20], X[20:50]
    explainer = shap.KernelExplainer(predict, background)
    values = explainer.shap_values(rows, nsamples=2**4, silent=True)  # all coalitions
    assert explainer.expected_value == pytest.approx(model.predict(background).mean(), rel=1e-9)
    total = explainer.expected_value + values.sum(axis=1)
    np.testing.assert_allclose(total, model.predict(rows), rtol=1e-7, atol=1e-9)


def test_shap_values_of_a_linear_model_are_coef_times_distance_from_the_mean() -> None:
    model = network((), alpha=0.0).fit(X, y)
    explainer = shap.KernelExplainer(to_sklearn(model).predict, X[20:50])
    values = explainer.shap_values(X[:20], nsamples=2**4, silent=True)
    expected = model.coefs_[0][:, 0] * (X[:20] - X[20:50].mean(axis=0))
    np.testing.assert_allclose(values, expected, atol=1e-9)


# ONNX ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 6e-8), (np.float64, 1e-9)])
@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_predicts_the_same_with_its_error_bars(
    activation: str, hidden: tuple[int, ...], targets: Array, dtype: Any, rtol: float
) -> None:
    """From columns in any units. Half a unit in the last digit of float32 is 6e-8."""
    model = network(hidden, activation=activation).fit(RAW, targets)
    outputs = run(to_onnx(model, return_std=True, dtype=dtype), RAW.astype(dtype))
    assert [output.dtype for output in outputs] == [dtype, dtype]
    assert_close(outputs, model.predict(RAW, return_std=True), rtol)
    assert_close(run(to_onnx(model, dtype=dtype), RAW.astype(dtype)), [model.predict(RAW)], rtol)


def test_onnx_of_a_linear_model_has_the_closed_form_of_its_error_bars() -> None:
    model = network((), alpha=0.0).fit(X, y)
    A = np.column_stack([np.ones(80), X])
    w, (square,), *_ = np.linalg.lstsq(A, y)
    variance = square / (80 - 5) * (1 + np.einsum("ni,ij,nj->n", A, np.linalg.inv(A.T @ A), A))
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), X)
    assert_close(outputs, [A @ w, np.sqrt(variance)], 1e-9)


def test_onnx_has_the_error_bars_that_the_evidence_sets() -> None:
    model = network(alpha="auto", max_iter=40).fit(RAW, Y)
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), RAW)
    assert_close(outputs, model.predict(RAW, return_std=True), 1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_far_from_the_data_is_finite_and_the_same(activation: str) -> None:
    model = network(activation=activation).fit(X, y)
    far = np.vstack([1e6 * X, -1e6 * X])
    outputs = run(to_onnx(model, return_std=True, dtype=np.float64), far)
    assert np.isfinite(outputs).all()
    assert_close(outputs, model.predict(far, return_std=True), 1e-7)


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_onnx_takes_any_number_of_rows(n_rows: int) -> None:
    onnx = to_onnx(network((5, 3)).fit(X, Y), return_std=True)
    outputs = run(onnx, X[:n_rows].astype(np.float32))
    assert [output.shape for output in outputs] == [(n_rows, 2)] * 2


def test_onnx_names_its_inputs_and_outputs() -> None:
    onnx = to_onnx(network().fit(X, y), return_std=True, target_opset=15)
    assert [value.name for value in onnx.graph.input] == ["X"]
    assert [value.name for value in onnx.graph.output] == ["y", "std"]
    assert max(opset.version for opset in onnx.opset_import) <= 15


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd", "gd"])
def test_onnx_of_what_other_solvers_trained(solver: str) -> None:
    model = network(solver=solver).fit(RAW.astype(np.float32), y)
    expected = model.predict(RAW)  # in float64
    assert_close(run(to_onnx(model), RAW.astype(np.float32)), [expected], 6e-8)
    with pytest.raises(ValueError, match=rf"solver='lm', and this one was by '{solver}'"):
        to_onnx(model, return_std=True)


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
def test_onnx_of_an_ensemble_is_the_mixture(targets: Array) -> None:
    model = ensemble().fit(RAW, targets)
    for dtype, rtol in [(np.float32, 6e-8), (np.float64, 1e-9)]:
        outputs = run(to_onnx(model, return_std=True, dtype=dtype), RAW.astype(dtype))
        assert_close(outputs, model.predict(RAW, return_std=True), rtol)
    assert_close(run(to_onnx(model), RAW.astype(np.float32)), [model.predict(RAW)], 6e-8)


def test_onnx_of_an_ensemble_of_others_is_refused() -> None:
    model = ensemble(LinearRegression()).fit(X, y)
    with pytest.raises(TypeError, match="this one is of LinearRegression"):
        to_onnx(model)
    with pytest.raises(ValueError, match="solver='lm'"):
        to_onnx(ensemble(network(solver="adam")).fit(X, y), return_std=True)


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_skl2onnx_converts_a_pipeline(activation: str, targets: Array) -> None:
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


@pytest.mark.parametrize("model", [network(), ensemble()], ids=["alone", "ensemble"])
def test_skl2onnx_converts_the_estimators_alone(model: Any) -> None:
    model.fit(X, Y)
    assert_close(run(skl2onnx.to_onnx(model, X[:1]), X), [model.predict(X)], 1e-9)


def test_skl2onnx_converts_whole_numbers_and_columns_of_their_own() -> None:
    counts = rng.integers(0, 9, size=(80, 2))
    model = network().fit(counts, y)
    expected = [model.predict(counts)]
    assert_close(run(skl2onnx.to_onnx(model, counts[:1]), counts), expected, 6e-8)
    frame = pd.DataFrame(counts.astype(np.float64), columns=["a", "b"])
    onnx = skl2onnx.to_onnx(model, frame[:1])
    runtime = onnxruntime.InferenceSession(onnx.SerializeToString())
    columns = {name: frame[[name]].to_numpy() for name in frame}
    assert_close(runtime.run(None, columns), expected, 1e-9)


class Fresh(NamedTuple):
    """Imports in a fresh interpreter, and whether the converters are then registered."""

    imports: str
    registered: bool


@pytest.mark.parametrize(
    "fresh",
    [
        Fresh("import sklearn_mlp.interop; import skl2onnx", True),
        Fresh("import skl2onnx; import sklearn_mlp.interop", True),
        Fresh("import sklearn_mlp; import skl2onnx", False),
    ],
    ids=lambda fresh: fresh.imports,
)
def test_converters_are_registered_in_whichever_order(fresh: Fresh) -> None:
    code = (
        f"{fresh.imports}; import sklearn_mlp; from skl2onnx import _supported_operators as known\n"
        "map = known.sklearn_operator_name_map\n"
        f"assert (sklearn_mlp.SigmoidMLPRegressor in map) is {fresh.registered}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_optional_libraries_are_not_imported_before_they_are_used() -> None:
    code = (
        "import sys, sklearn_mlp.interop\n"
        "sys.exit(bool({'onnx', 'onnxruntime', 'skl2onnx', 'skops'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_skl2onnx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network().fit(X, y)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="requires skl2onnx") as error:
        to_onnx(model)
    assert 'pip install "sklearn-mlp[onnx]"' in str(error.value)


def test_without_skl2onnx_its_own_import_error_is_left_alone() -> None:
    finder = interop._WhenImported()
    assert finder.find_spec("skl2onnx", path=["/nowhere"]) is None
    assert finder.find_spec("numpy", path=None) is None


def test_dtype_must_be_a_floating_one() -> None:
    with pytest.raises(ValueError, match="float32 or float64, got int64"):
        to_onnx(network().fit(X, y), dtype=np.int64)


# Both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [to_sklearn, to_onnx])
def test_unfitted_models_are_refused(convert: Any) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        convert(SigmoidMLPRegressor())
    with pytest.raises(ValueError, match="not fitted"):
        from_sklearn(MLPRegressor())


def test_unfitted_models_are_refused_by_skl2onnx() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        skl2onnx.to_onnx(SigmoidMLPRegressor(), X[:1])


def test_other_estimators_are_refused() -> None:
    other = LinearRegression().fit(X, y)
    with pytest.raises(TypeError, match="SigmoidMLPRegressor, got LinearRegression"):
        to_sklearn(other)
    with pytest.raises(TypeError, match="MLPRegressor, got LinearRegression"):
        from_sklearn(other)
    with pytest.raises(TypeError, match="EnsembleRegressor, got LinearRegression"):
        to_onnx(other)


# skops --------------------------------------------------------------------------------------


def through_skops(model: Any) -> Any:
    return skops.io.loads(skops.io.dumps(model), trusted=SKOPS_TRUSTED_TYPES)


def test_error_bars_survive_a_skops_file(tmp_path: Any) -> None:
    model = network().fit(X, Y)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.testing.assert_array_equal(
        loaded.predict(X, return_std=True), model.predict(X, return_std=True)
    )
    assert loaded.noise_std_ == pytest.approx(model.noise_std_, rel=0)


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd"])
def test_partial_fit_goes_on_after_a_skops_file(solver: str) -> None:
    model = network(solver=solver).partial_fit(X[:40], y[:40])
    loaded = through_skops(model)
    loaded.partial_fit(X[40:], y[40:])
    model.partial_fit(X[40:], y[40:])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_ensembles_survive_a_skops_file() -> None:
    model = ensemble().fit(X, y)
    np.testing.assert_array_equal(
        through_skops(model).predict(X, return_std=True), model.predict(X, return_std=True)
    )


def test_no_more_types_are_to_be_trusted_than_there_are_in_models() -> None:
    models: list[Any] = [ensemble().fit(X, y)]
    models += [network(solver=solver).fit(X, y) for solver in ("lbfgs", "adam", "sgd", "gd")]
    needed = [skops.io.get_untrusted_types(data=skops.io.dumps(model)) for model in models]
    assert set().union(*needed) == set(SKOPS_TRUSTED_TYPES)


@pytest.mark.parametrize("name", SKOPS_TRUSTED_TYPES)
def test_trusted_types_exist(name: str) -> None:
    module, _, type_name = name.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), type_name), type)
