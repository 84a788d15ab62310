"""What every fit must do, whatever the solver, the loss and the kind of rows.

Each law is here once. The fits are of few iterations on few rows: how well a solver does is
tested with the solver.
"""

import pickle
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, mean_poisson_deviance, r2_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor
from tests.helpers import fitted, flat

# The cases ----------------------------------------------------------------------------------


class Case(NamedTuple):
    """A solver, and a loss that it takes."""

    solver: str
    loss: str
    alpha: Any = 0.1

    def regressor(self, **parameters: Any) -> SigmoidMLPRegressor:
        """A small network that is trained for a few iterations."""
        few = {
            "hidden_layer_sizes": (3,), "max_iter": 4, "tol": 0.0, "batch_size": 8,
            "learning_rate_init": 0.1 if self.solver == "gd" else 0.02, "random_state": 0,
        }  # fmt: skip
        return SigmoidMLPRegressor(**{**self._asdict(), **few, **parameters})

    @property
    def by_evidence(self) -> bool:
        return self.solver == "lm" and self.alpha == "auto"

    @property
    def has_posterior(self) -> bool:
        return self.loss == "squared_error" or (self.loss, self.solver) == ("poisson", "lm")

    @property
    def of_noise(self) -> str:
        """The attribute that says how large it is."""
        return "noise_std_" if self.loss == "squared_error" else "dispersion_"

    @property
    def link(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def score(self, y: np.ndarray, prediction: np.ndarray) -> float:
        """What held-out rows are scored by."""
        if self.loss in ("huber", "pinball"):
            return float(d2_pinball_score(y, prediction, alpha=0.5))
        return float(r2_score(y, prediction))


LOSSES = ["squared_error", "huber", "poisson", "pinball"]
IN_PARTS = [Case(solver, loss) for solver in ("adam", "sgd", "gd") for loss in LOSSES]
LBFGS = [Case("lbfgs", loss) for loss in LOSSES]
LM = [Case("lm", loss) for loss in LOSSES if loss != "pinball"]
EVIDENCE = Case("lm", "squared_error", "auto")
CASES = [*IN_PARTS, *LBFGS, *LM, EVIDENCE]


def name_of(value: Any) -> str | None:
    if isinstance(value, Case):
        return f"{value.solver}-{value.loss}" + ("-evidence" if value.by_evidence else "")
    return None


every_case = pytest.mark.parametrize("case", CASES, ids=name_of)
every_case_in_parts = pytest.mark.parametrize("case", IN_PARTS, ids=name_of)


# The rows -----------------------------------------------------------------------------------

N = 24
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 3)) * (rng.uniform(size=(N, 3)) < 0.7) + [0, 0, 1]
S = rng.uniform(0.5, 2, size=N)


class Data(NamedTuple):
    """What is handed to fit."""

    X: Any
    y: Any
    sample_weight: Any = None


def target(case: Case, X: np.ndarray = X) -> np.ndarray:
    """Numbers, or counts for the Poisson loss."""
    signal = np.sin(2 * X[:, 0]) + X[:, 1]
    noise = np.random.default_rng(1)
    if case.loss == "poisson":
        return noise.poisson(np.exp(signal)).astype(float)
    return signal + 0.3 * noise.standard_t(3, size=len(X))


def two_targets(case: Case) -> np.ndarray:
    y = target(case)
    return np.column_stack([y, 3 * y[::-1] + 1])


KINDS: dict[str, Callable[[Case], Data]] = {
    "dense": lambda case: Data(X, target(case)),
    "float32": lambda case: Data(X.astype(np.float32), target(case)),
    "sparse": lambda case: Data(sp.csr_array(X), target(case)),
    "frame": lambda case: Data(pd.DataFrame(X, columns=list("abc")), target(case)),
    "weighted": lambda case: Data(X, target(case), S),
    "two outputs": lambda case: Data(X, two_targets(case)),
    "one column": lambda case: Data(X[:, :1].copy(), target(case)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def fit(case: Case, kind: str = "dense") -> SigmoidMLPRegressor:
    """A fit that several tests look at."""
    return fitted(case.regressor(), *KINDS[kind](case))


def answers(model: SigmoidMLPRegressor, X: Any) -> Any:
    """Predictions, with error bars where there are any."""
    return model.predict(X, return_std=True) if hasattr(model, "noise_std_") else model.predict(X)


HISTORY = (
    "loss_", "best_loss_", "loss_curve_", "log_evidence_curve_", "validation_scores_",
    "validation_loss_curve_", "best_validation_score_", "n_iter_", "t_",
)  # fmt: skip
OF_POSTERIOR = (
    "alpha_", "log_marginal_likelihood_", "n_effective_parameters_",
    "feature_importances_", "posterior_kind_", "posterior_n_samples_",
)  # fmt: skip
OTHERS = (
    "solver_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_", "feature_names_in_",
)  # fmt: skip


def assert_same_fit(one: SigmoidMLPRegressor, other: SigmoidMLPRegressor) -> None:
    """Two estimators are fitted alike, to the last bit."""
    np.testing.assert_array_equal(flat(one), flat(other))
    for name in (*HISTORY, *OTHERS, *OF_POSTERIOR, "noise_std_", "dispersion_"):
        np.testing.assert_equal(getattr(one, name, None), getattr(other, name, None), name)


# What a fit leaves behind -------------------------------------------------------------------


@every_kind
@every_case
def test_predictions_have_the_shape_of_y_and_the_dtype_of_x(case: Case, kind: str) -> None:
    data, model = KINDS[kind](case), fit(case, kind)
    prediction, gradient = model.predict(data.X), model.input_gradient(data.X)
    n_features = data.X.shape[1]
    assert prediction.shape == data.y.shape
    assert gradient.shape == (*data.y.shape, n_features)
    dtype = np.float32 if kind == "float32" else np.float64
    assert {W.dtype for W in model.weights_} == {np.dtype(dtype)}
    assert prediction.dtype == gradient.dtype == dtype
    assert np.isfinite(prediction).all()
    assert np.isfinite(gradient).all()
    if case.link == "exp":
        assert (prediction > 0).all()


@every_kind
@every_case
def test_the_fitted_attributes_agree_with_each_other(case: Case, kind: str) -> None:
    data, model = KINDS[kind](case), fit(case, kind)
    n_features, n_outputs = data.X.shape[1], 1 if data.y.ndim == 1 else data.y.shape[1]
    assert [W.shape for W in model.weights_] == [(n_features + 1, 3), (4, n_outputs)]
    for W, coefs, intercepts in zip(model.weights_, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_array_equal(W, np.vstack([intercepts, coefs]))
    assert model.solver_ == case.solver
    assert model.out_activation_ == case.link
    assert (model.n_layers_, model.n_outputs_, model.n_features_in_) == (3, n_outputs, n_features)
    assert model.n_iter_ == len(model.loss_curve_) > 0
    assert len(model.log_evidence_curve_ or model.loss_curve_) == len(model.loss_curve_)
    assert model.t_ == N * model.n_iter_
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ is not None
    assert model.best_loss_ <= min(model.loss_curve_) * (1 + 1e-12)
    assert model.validation_scores_ is None
    assert model.validation_loss_curve_ is None
    assert model.best_validation_score_ is None
    names = getattr(model, "feature_names_in_", None)
    assert (list(names) if names is not None else None) == (
        list("abc") if kind == "frame" else None
    )


@every_kind
@every_case
def test_error_bars_are_there_where_a_posterior_is(case: Case, kind: str) -> None:
    data, model = KINDS[kind](case), fit(case, kind)
    assert {hasattr(model, name) for name in (case.of_noise, *OF_POSTERIOR)} == {case.has_posterior}
    if not case.has_posterior:
        instead = "solver='lm'" if case.loss == "poisson" else "loss='squared_error'"
        with pytest.raises(ValueError, match=rf"'{case.loss}'.*{instead}"):
            model.predict(data.X, return_std=True)
        return
    prediction, std = model.predict(data.X, return_std=True)
    np.testing.assert_array_equal(prediction, model.predict(data.X))
    assert std.shape == prediction.shape
    assert std.dtype == prediction.dtype
    assert (std >= 0.999 * np.float32(model.predict_noise_std(data.X))).all()
    n_outputs = model.n_outputs_
    of_noise = getattr(model, case.of_noise)
    assert np.shape(of_noise) == (() if n_outputs == 1 else (n_outputs,))
    assert model.feature_importances_.shape == (data.X.shape[1],)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert 0 < model.n_effective_parameters_ < flat(model).size
    assert list(model.alpha_) == [
        f"{kind}_[{i}]" for i in (0, 1) for kind in ("coefs", "intercepts")
    ]


@pytest.mark.parametrize("kind", ["dense", "two outputs"])
@every_case
def test_the_input_gradient_is_the_derivative_of_the_prediction(case: Case, kind: str) -> None:
    model, gradient = fit(case, kind), fit(case, kind).input_gradient(X)
    for j, step in enumerate(1e-5 * np.eye(3)):
        expected = (model.predict(X + step) - model.predict(X - step)) / 2e-5
        np.testing.assert_allclose(gradient[..., j], expected, rtol=1e-6, atol=1e-7)


@every_kind
@every_case
def test_a_round_trip_predicts_the_same_bits(case: Case, kind: str) -> None:
    data, model = KINDS[kind](case), fit(case, kind)
    again = pickle.loads(pickle.dumps(model))
    assert_same_fit(again, model)
    np.testing.assert_array_equal(answers(again, data.X), answers(model, data.X))


@every_kind
@every_case
def test_a_fit_changes_no_data(case: Case, kind: str) -> None:
    data, before = KINDS[kind](case), KINDS[kind](case)
    model = fitted(case.regressor(), *data)
    model.predict(data.X)
    model.input_gradient(data.X)
    for ours, theirs in zip(data, before, strict=True):
        if sp.issparse(ours):
            ours, theirs = ours.toarray(), theirs.toarray()
        np.testing.assert_array_equal(ours, theirs)


# Again --------------------------------------------------------------------------------------


@every_kind
@every_case
def test_a_second_fit_is_a_fresh_fit(case: Case, kind: str) -> None:
    model = case.regressor(max_iter=2)
    fitted(model, X[:, :2], two_targets(case))  # of other columns and outputs
    if case in IN_PARTS:
        model.partial_fit(X[:, :2], two_targets(case))
    assert_same_fit(fitted(model.set_params(max_iter=4), *KINDS[kind](case)), fit(case, kind))


@every_case
def test_another_solver_leaves_nothing_of_the_one_before(case: Case) -> None:
    model = pickle.loads(pickle.dumps(fit(EVIDENCE)))
    model.set_params(**case.regressor().get_params())
    assert_same_fit(fitted(model, *KINDS["dense"](case)), fit(case))


@every_kind
@every_case
def test_a_clone_is_unfitted_and_fits_to_the_same_bits(case: Case, kind: str) -> None:
    twin = clone(fit(case, kind))
    assert not [name for name in vars(twin) if name.endswith("_")]
    with pytest.raises(NotFittedError, match="not fitted yet"):
        twin.predict(KINDS[kind](case).X)
    assert_same_fit(fitted(twin, *KINDS[kind](case)), fit(case, kind))


@pytest.mark.nightly
@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
def test_the_number_of_threads_changes_no_bit(solver: str) -> None:
    many = np.random.default_rng(0).normal(size=(20_000, 5))
    model = Case(solver, "squared_error").regressor(
        hidden_layer_sizes=(30, 20) if solver != "lm" else (3,), max_iter=2, batch_size=200
    )
    weights = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            weights.append(flat(fitted(model, many, np.sin(many[:, 0]))))
    np.testing.assert_array_equal(weights[0], weights[1])


# The same data in another dress -------------------------------------------------------------


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, sp.coo_matrix])
@every_case
def test_sparse_rows_give_what_dense_rows_give(case: Case, container: Any) -> None:
    model = fitted(case.regressor(), container(X), target(case))
    assert_same_fit(model, fit(case))
    np.testing.assert_array_equal(model.predict(container(X)), model.predict(X))
    np.testing.assert_allclose(
        model.input_gradient(container(X)), model.input_gradient(X), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@every_case
def test_a_frame_gives_what_an_array_gives_and_its_names(case: Case, frame: Any) -> None:
    data = frame(dict(zip("abc", X.T, strict=True)))
    model = fitted(case.regressor(), data, target(case))
    assert list(model.feature_names_in_) == list("abc")
    np.testing.assert_array_equal(flat(model), flat(fit(case)))
    np.testing.assert_array_equal(model.predict(data), fit(case).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(data[list("cba")])


@pytest.mark.parametrize("n_outputs", [1, 2])
@every_case
def test_an_integer_weight_is_as_good_as_copies(case: Case, n_outputs: int) -> None:
    y = target(case) if n_outputs == 1 else two_targets(case)
    s = np.random.default_rng(1).integers(0, 4, size=N)
    # In one batch, as the parts of another number of rows are others.
    model = case.regressor(batch_size=1000)
    weighted = answers(fitted(model, X, y, s), X)
    copied = answers(fitted(model, X.repeat(s, axis=0), y.repeat(s, axis=0)), X)
    np.testing.assert_allclose(weighted, copied, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", [c for c in CASES if not c.by_evidence], ids=name_of)
def test_weights_count_beside_each_other_and_the_penalty(case: Case) -> None:
    # Half of each weight and of the penalty is the same loss: it is divided by the weights' sum.
    halved = fitted(case.regressor(alpha=case.alpha / 2), X, target(case), np.full(N, 0.5))
    np.testing.assert_allclose(halved.predict(X), fit(case).predict(X), rtol=1e-6, atol=1e-9)


@every_case
def test_float32_is_near_float64(case: Case) -> None:
    double = fitted(case.regressor(), X.astype(np.float32).astype(np.float64), target(case))
    np.testing.assert_allclose(
        fit(case, "float32").predict(X), double.predict(X), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("case", [*LBFGS, *LM], ids=name_of)
def test_float32_comes_to_the_minimum_of_the_loss_in_float64(case: Case) -> None:
    # Without hidden layers there is one minimum, to which all descents come.
    y = target(case)
    model = case.regressor(
        hidden_layer_sizes=(), alpha=1.0, max_iter=2000, tol=1e-4, standardize=False
    )
    w = flat(fitted(model, X.astype(np.float32), y)).astype(np.float64)

    def objective(w: np.ndarray) -> float:
        z = w[0] + X @ w[1:]
        data = {
            "squared_error": lambda: np.mean((z - y) ** 2) / 2,
            "huber": lambda: np.mean(
                np.where(abs(z - y) < 1.35, (z - y) ** 2 / 2, 1.35 * (abs(z - y) - 0.675))
            ),
            "poisson": lambda: mean_poisson_deviance(y, np.exp(z)) / 2,
            "pinball": lambda: mean_pinball_loss(y, z),
        }[case.loss]()
        return float(data + (w[1:] @ w[1:]) / (2 * N))

    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 10_000, "maxfev": 10_000}
    least = minimize(objective, w, method="Nelder-Mead", options=options).fun
    assert least <= objective(w) < 1.001 * least


@every_case
def test_the_order_of_the_outputs_is_kept(case: Case) -> None:
    # The evidence draws starts of its own: without hidden layers they come to the same end.
    hidden = () if case.by_evidence else (3,)
    max_iter = 1000 if case.by_evidence else 3
    sizes = [3, *hidden, 2]
    rng = np.random.default_rng(2)
    weights = [0.3 * rng.normal(size=(a + 1, b)) for a, b in pairwise(sizes)]
    predictions = []
    for order in (slice(None), slice(None, None, -1)):
        model = case.regressor(hidden_layer_sizes=hidden, max_iter=max_iter, warm_start=True)
        model.weights_ = [*weights[:-1], weights[-1][:, order]]
        fitted(model, X, two_targets(case)[:, order])
        predictions.append(model.predict(X)[:, order])
    tolerance = 1e-5 if case.by_evidence else 1e-7
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", [0, 1])
@every_case
def test_the_units_of_the_data_do_not_matter(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale, shift = 10.0 ** rng.uniform(-6, 6, 3), 10.0 ** rng.uniform(-3, 3, 3)
    y_scale, y_shift = 10.0 ** rng.uniform(-6, 6), 10.0 ** rng.uniform(-3, 3)
    if case.loss == "poisson":  # counts have the unit that they have
        y_scale, y_shift = 1.0, 0.0
    moved_X = scale * (X + shift)
    moved = fitted(case.regressor(), moved_X, y_scale * (target(case) + y_shift))
    expected = fit(case).predict(X)
    np.testing.assert_allclose(
        moved.predict(moved_X) / y_scale - y_shift,
        expected, rtol=0, atol=1e-6 * np.abs(expected).max(),
    )  # fmt: skip


# Awkward data -------------------------------------------------------------------------------


@every_case
def test_a_constant_feature_is_ignored(case: Case) -> None:
    constant = np.column_stack([X, np.full(N, 0.1)])
    model = fitted(case.regressor(), constant, target(case))
    elsewhere = constant.copy()
    elsewhere[:, 3] = 1e6
    np.testing.assert_array_equal(model.coefs_[0][3], 0)
    np.testing.assert_array_equal(model.predict(elsewhere), model.predict(constant))


@every_case
def test_a_constant_target_is_predicted(case: Case) -> None:
    model = fitted(case.regressor(), X, np.full(N, 0.1))
    if case.link == "identity":
        np.testing.assert_allclose(model.predict(10 * X), 0.1, rtol=1e-14)
    else:  # raw targets have to be learnt
        assert_learns_counts(case, model, X, 0.1)


@every_case
def test_one_row_is_predicted_everywhere(case: Case) -> None:
    row = X[:1], np.maximum(target(case)[:1], 1.0)
    model = fitted(case.regressor(), *row)
    if case.link == "identity":
        np.testing.assert_allclose(model.predict(X), row[1][0], rtol=1e-14)
    else:  # it has no inputs left, and one number to learn
        assert np.ptp(model.predict(X)) < 1e-12
        assert_learns_counts(case, model, X, row[1][0])


def assert_learns_counts(
    case: Case, model: SigmoidMLPRegressor, X: np.ndarray, count: float
) -> None:
    """The loss falls; the solvers that know of curvature come near within the few iterations."""
    assert model.loss_ < model.loss_curve_[0]
    if case.solver in ("lbfgs", "lm"):
        np.testing.assert_allclose(model.predict(X), count, rtol=0.2)


@every_case
def test_columns_may_repeat_each_other(case: Case) -> None:
    twice = np.hstack([X, X])
    assert np.isfinite(fitted(case.regressor(), twice, target(case)).predict(twice)).all()


@every_case
def test_a_column_vector_of_targets_is_flattened_with_a_warning(case: Case) -> None:
    model = case.regressor()
    with pytest.warns(DataConversionWarning, match="column-vector"):
        fitted(model, X, target(case)[:, np.newaxis])
    assert_same_fit(model, fit(case))


# What bad data get --------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y", "sample_weight"])
@every_case
def test_numbers_that_are_none_are_refused_by_name(case: Case, where: str, bad: float) -> None:
    data = {"X": X.copy(), "y": target(case), "sample_weight": np.ones(N)}
    data[where].flat[7] = bad
    with pytest.raises(ValueError, match=rf"(?i){where}.*contains (NaN|infinity)"):
        case.regressor().fit(**data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda y: (X[:0], y[:0]), "0 sample"),
        (lambda y: (X[0], y), "Expected 2D array"),
        (lambda y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda y: (X, y, np.ones(N - 1)), "sample_weight"),
        (lambda y: (X, y, -np.ones(N)), "Negative values"),
        (lambda y: (X, y, np.zeros(N)), "(?i)zero|weight of 0"),
        (lambda y: (X.astype(complex), y), "Complex data"),
        (lambda y: (np.vstack([[[1.7e308, 0, 0], [-1.7e308, 0, 0]], X[2:]]), y), "too large"),
    ],
)
@every_case
def test_wrong_data_are_refused(
    case: Case, wrong: Callable[[np.ndarray], tuple[Any, ...]], message: str
) -> None:
    model = case.regressor()
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*wrong(target(case)))
    assert vars(model) == before


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_words_as_targets_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="could not convert string to float"):
        case.regressor().fit(X, ["a"] * N)


@every_case
def test_predictions_need_the_columns_of_the_fit(case: Case) -> None:
    expecting = "X has 2 features, but SigmoidMLPRegressor is expecting 3"
    for method in (fit(case).predict, fit(case).input_gradient):
        with pytest.raises(ValueError, match=expecting):
            method(X[:, :2])


@pytest.mark.parametrize("warm_start", [False, True])
@every_case
def test_a_failure_leaves_the_estimator_as_it_was(case: Case, warm_start: bool) -> None:
    frame, y, _ = KINDS["frame"](case)
    model = fitted(case.regressor(warm_start=warm_start), frame, y)
    before = dict(vars(model))
    failures: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
        ({}, (frame, np.full(N, np.nan)), "NaN"),
        ({}, (frame[list("ba")], y), "feature names" if warm_start else ""),
        ({"hidden_layer_sizes": (0,)}, (frame, y), "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": (2,)}, (frame, y), "have shapes" if warm_start else ""),
    ]
    if case in IN_PARTS:
        diverging = {"activation": "identity", "learning_rate_init": 1e200}
        failures.append((diverging, (frame, y), "diverged in epoch"))
    for parameters, data, message in failures:
        if not message:  # a fresh fit is free to do so
            continue
        old = {name: getattr(model, name) for name in parameters}
        with pytest.raises(ValueError, match=message):
            model.set_params(**parameters).fit(*data)
        model.set_params(**old)
        assert list(vars(model)) == list(before)
        assert all(vars(model)[name] is before[name] for name in before)


@every_case_in_parts
@pytest.mark.parametrize("max_iter", [1, 4])
def test_divergence_names_the_epoch_and_what_to_lower(case: Case, max_iter: int) -> None:
    model = case.regressor(activation="identity", learning_rate_init=1e200, max_iter=max_iter)
    with pytest.raises(ValueError, match=r"epoch \d+.*Lower learning_rate_init \(now 1e\+200\)"):
        model.fit(X, target(case))
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(NotFittedError):
        model.predict(X)


# How it ends --------------------------------------------------------------------------------


@every_case
def test_not_converged_is_a_warning_that_says_what_to_raise(case: Case) -> None:
    model = case.regressor(max_iter=2)
    with pytest.warns(
        ConvergenceWarning, match=rf"{case.solver} has not converged in 2 .*max_iter"
    ):
        model.fit(X, target(case))
    assert model.n_iter_ == len(model.loss_curve_) == 2


class Interruption:
    """Ctrl-C as the weights of an iteration are recorded, and all that was recorded by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.weights: list[np.ndarray] = []
        self.losses: list[float] = []
        record = Monitor.record

        def interrupted(monitor: Monitor, w: np.ndarray, loss: float) -> None:
            if len(self.losses) == at:
                raise KeyboardInterrupt
            record(monitor, w, loss)
            self.weights.append(w.copy())
            self.losses.append(loss)

        monkeypatch.setattr(Monitor, "record", interrupted)


@every_case
def test_an_interruption_keeps_the_best_weights(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Interruption(monkeypatch, at=3)
    model = case.regressor(max_iter=100, standardize=False, learning_rate_init=0.05)
    with pytest.warns(UserWarning, match="interrupted after 3 iterations; the best weights"):
        model.fit(X, target(case))
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert hasattr(model, case.of_noise) == case.has_posterior
    if not case.by_evidence:  # which keeps the last, as its objective changes on the way
        best = told.weights[int(np.argmin(told.losses))]
        np.testing.assert_array_equal(flat(model), best)


@every_case
def test_an_interruption_before_the_first_iteration_is_none_of_ours(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = pickle.loads(pickle.dumps(fit(case)))
    before = dict(vars(model))
    Interruption(monkeypatch, at=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, target(case))
    assert all(vars(model)[name] is before[name] for name in before)


# Rows that decide when to stop --------------------------------------------------------------


@every_case
def test_early_stopping_keeps_the_weights_that_scored_best(case: Case) -> None:
    rest, held_out = train_test_split(np.arange(N), test_size=0.4, random_state=0)
    y = target(case)[rest]
    # After three iterations, the model predicts the held-out rows perfectly, and then no more.
    best = fitted(case.regressor(max_iter=3), X[rest], y)
    y_val = best.predict(X[held_out])
    model = case.regressor(max_iter=50, early_stopping=True, n_iter_no_change=5)
    fitted(model, X[rest], y, X_val=X[held_out], y_val=y_val)
    assert model.best_loss_ is None
    assert model.validation_scores_ is not None
    assert model.validation_loss_curve_ is not None
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    score = case.score(y_val, model.predict(X[held_out]))
    assert score == pytest.approx(model.best_validation_score_, rel=1e-9)
    assert model.validation_scores_[-1] < model.best_validation_score_
    if not case.by_evidence:  # which has several ascents, of which the last may be the best
        np.testing.assert_allclose(flat(model), flat(best), rtol=1e-9)
        assert score == pytest.approx(1)
        assert model.n_iter_ == int(np.argmax(model.validation_scores_)) + 1 + 6


def stopping_early(case: Case) -> SigmoidMLPRegressor:
    return case.regressor(
        max_iter=20, early_stopping=True, n_iter_no_change=2, validation_fraction=0.4
    )


@pytest.mark.parametrize("weighted", [False, True])
@every_case
def test_rows_given_to_stop_by_are_as_good_as_rows_held_out(case: Case, weighted: bool) -> None:
    y, s = target(case), S if weighted else None
    rest, held_out = train_test_split(np.arange(N), test_size=0.4, random_state=0)
    # What the split draws from the seed, the initial weights must not.
    drawn = np.random.RandomState(0)
    train_test_split(np.arange(N), test_size=0.4, random_state=drawn)
    expected = fitted(stopping_early(case), X, y, s)
    given = fitted(
        stopping_early(case).set_params(random_state=drawn),
        X[rest], y[rest], None if s is None else s[rest],
        X_val=X[held_out], y_val=y[held_out], sample_weight_val=None if s is None else s[held_out],
    )  # fmt: skip
    assert_same_fit(given, expected)


# Going on -----------------------------------------------------------------------------------


@every_case
def test_a_warm_start_goes_on_where_the_last_fit_ended(case: Case) -> None:
    model = fitted(case.regressor(warm_start=True), X, target(case))
    loss, before = model.loss_, list(model.loss_curve_)
    fitted(model, X, target(case))
    n = len(before)
    assert model.loss_curve_[:n] == before
    assert model.n_iter_ == len(model.loss_curve_) - n
    assert model.t_ == N * len(model.loss_curve_)
    assert model.loss_curve_[n] < loss + 0.01
    if not case.by_evidence:  # which has another penalty by then
        assert model.loss_ < loss


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_two_warm_halves_of_a_descent_without_memory_are_the_whole(
    loss: str, standardize: bool
) -> None:
    case = Case("gd", loss)
    common = {"learning_rate_init": 0.1, "standardize": standardize}
    at_once = fitted(case.regressor(**common, max_iter=20), X, target(case))
    model = case.regressor(**common, max_iter=10, warm_start=True)
    fitted(fitted(model, X, target(case)), X, target(case))
    np.testing.assert_allclose(model.predict(X), at_once.predict(X), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.loss_curve_, at_once.loss_curve_, rtol=1e-8)


@every_case
def test_several_starts_keep_the_best(case: Case) -> None:
    rng = np.random.RandomState(0)
    one_by_one = [fitted(case.regressor(random_state=rng), X, target(case)) for _ in range(3)]
    by_evidence = case.has_posterior and case.solver == "lm"
    quality = [m.log_marginal_likelihood_ if by_evidence else -m.loss_ for m in one_by_one]
    best = one_by_one[int(np.argmax(quality))]
    model = fitted(case.regressor(random_state=np.random.RandomState(0), n_init=3), X, target(case))
    assert len(set(quality)) == 3
    assert_same_fit(model, best)


@every_case_in_parts
def test_partial_fit_goes_on_after_a_round_trip_as_if_there_had_been_none(case: Case) -> None:
    model = case.regressor(learning_rate="invscaling")
    parts = np.array_split(np.arange(N), 3)
    for part in parts:
        model.partial_fit(X[part], target(case)[part])
    again = pickle.loads(pickle.dumps(model))
    for other in (model, again):
        for part in parts:
            other.partial_fit(X[part], target(case)[part])
    assert_same_fit(again, model)
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.t_ == 2 * N


@every_case_in_parts
def test_partial_fit_learns(case: Case) -> None:
    model = case.regressor(learning_rate_init=0.5 if case.solver == "gd" else 0.02)
    parts = np.array_split(np.arange(N), 2)
    for _ in range(20):
        for part in parts:
            model.partial_fit(X[part], target(case)[part])
    assert np.mean(model.loss_curve_[-8:]) < 0.9 * np.mean(model.loss_curve_[:8])


@every_case_in_parts
def test_a_failure_of_partial_fit_leaves_the_estimator_as_it_was(case: Case) -> None:
    model = case.regressor(activation="identity").partial_fit(X, target(case))
    twin = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, np.full(N, np.nan))
    rate, size = model.learning_rate_init, model.batch_size
    model.set_params(learning_rate_init=1e200, batch_size=4)
    with pytest.raises(ValueError, match="diverged"):
        model.partial_fit(X, target(case))
    model.set_params(learning_rate_init=rate, batch_size=size)
    for other in (model, twin):
        other.partial_fit(X, target(case))
    assert_same_fit(model, twin)


@every_case_in_parts
def test_a_fit_ends_what_partial_fit_began(case: Case) -> None:
    model, fresh = case.regressor().partial_fit(100 * X, target(case)), case.regressor()
    for each in (model, fresh):
        fitted(each.set_params(solver="lbfgs"), X, target(case))
        each.set_params(solver=case.solver).partial_fit(X, target(case))
    assert_same_fit(model, fresh)
