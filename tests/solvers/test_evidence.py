import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import LaplacePosterior, WeightGroups, calibrated, laplace
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.ascent import SURE_ESTIMATES, Ascent, linear_posterior
from sklearn_mlp.solvers.between_rows import bends_where_rows_are, has_spikes, is_tame
from sklearn_mlp.solvers.evidence import (
    BEHIND,
    SMALL_WEIGHTS,
    EvidenceMaximization,
    between_rows,
    chooses_among_many,
)
from sklearn_mlp.solvers.variable_projection import VariableProjection
from tests import reference
from tests.helpers import fitted

X, y = load_diabetes(return_X_y=True)
Z = StandardScaler().fit_transform(X)


def lm(hidden: tuple[int, ...] = (5,), **parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(hidden, solver="lm", **{"random_state": 0, **parameters})


# Exact references --------------------------------------------------------------------------


def closed_form(Z: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """MacKay's iteration for a linear model with a flat intercept, written densely."""
    D = np.column_stack([np.ones(len(Z)), Z])
    alpha, beta = 1.0, 1.0
    for _ in range(10_000):
        A = beta * D.T @ D + alpha * np.diag(np.append(0.0, np.ones(Z.shape[1])))
        covariance = np.linalg.inv(A)
        w = beta * covariance @ D.T @ t
        gamma = Z.shape[1] - alpha * np.trace(covariance[1:, 1:])
        alpha = gamma / (w[1:] @ w[1:])
        beta = (len(t) - gamma - 1) / np.sum((t - D @ w) ** 2)
    A = beta * D.T @ D + alpha * np.diag(np.append(0.0, np.ones(Z.shape[1])))
    covariance = np.linalg.inv(A)
    std = np.sqrt(1 / beta + np.einsum("ni,ij,nj->n", D, covariance, D))
    return D @ (beta * covariance @ D.T @ t), std, gamma, beta


def test_without_hidden_layers_it_is_the_closed_form_evidence_iteration() -> None:
    t = (y - y.mean()) / y.std()
    mean, std, gamma, beta = closed_form(Z, t)
    model = lm(()).fit(X, y)
    ours, our_std = model.predict(X, return_std=True)
    np.testing.assert_allclose(ours, mean * y.std() + y.mean(), rtol=1e-8)
    np.testing.assert_allclose(our_std, std * y.std(), rtol=1e-8)
    assert model.noise_std_ == pytest.approx(y.std() / np.sqrt(beta), rel=1e-8)
    assert model.n_effective_parameters_ == pytest.approx(gamma + 1, rel=1e-8)


def test_without_hidden_layers_it_is_bayesian_ridge_but_for_the_intercept() -> None:
    flat = {"alpha_1": 0, "alpha_2": 0, "lambda_1": 0, "lambda_2": 0}
    theirs = BayesianRidge(**flat, tol=1e-12, max_iter=10_000).fit(Z, y)
    mean, std = theirs.predict(Z, return_std=True)
    ours, our_std = lm(()).fit(X, y).predict(X, return_std=True)
    np.testing.assert_allclose(ours, mean, rtol=0, atol=1e-3 * y.std())
    np.testing.assert_allclose(our_std, std, rtol=5e-3)


def test_the_posterior_of_a_linear_function_is_that_of_the_closed_form() -> None:
    t = (y - y.mean()) / y.std()
    mean, _, gamma, beta = closed_form(Z, t)
    objective = Objective(Network([10, 20, 5, 1], "sigmoid"), Rows(Z, t[:, np.newaxis]), 0.0)
    posterior = linear_posterior(objective)
    np.testing.assert_allclose(Z @ posterior.w[1:] + posterior.w[0], mean, atol=1e-5)
    assert posterior.n_effective_parameters == pytest.approx(gamma + 1, rel=1e-4)
    assert posterior.beta[0] == pytest.approx(beta, rel=1e-5)


# What it is for ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_the_articles_function_itself_is_found(seed: int) -> None:
    X, y = make_hyperplane(3000, random_state=seed, return_X_y=True)
    model = SigmoidMLPRegressor((5,), random_state=seed).fit(X, y)
    fresh, truth = make_hyperplane(1000, random_state=100 + seed, return_X_y=True)
    assert np.sqrt(np.mean((model.predict(fresh) - truth) ** 2)) < 1e-12


def test_the_noise_is_found_within_five_percent() -> None:
    X, y = make_friedman1(1000, noise=1.0, random_state=0)
    model = fitted(lm((10,)), X, y)
    assert model.noise_std_ == pytest.approx(1.0, rel=0.05)


def test_noise_of_each_output_is_its_own() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    Y = np.column_stack([np.sin(X[:, 0]), X[:, 0] * X[:, 1]])
    Y += rng.normal(size=Y.shape) * [0.1, 0.4]
    model = fitted(lm((10,)), X, Y)
    np.testing.assert_allclose(model.noise_std_, [0.1, 0.4], rtol=0.06)
    mean, std = model.predict(X[:7], return_std=True)
    assert mean.shape == std.shape == (7, 2)


@pytest.mark.slow
def test_intervals_cover_what_they_should_and_widen_outside_the_data() -> None:
    covered, wider = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-2, 2, size=(150, 1))
        new = rng.uniform(-2, 2, size=(200, 1))
        model = fitted(lm((8,)), x, np.sin(2 * x[:, 0]) + 0.2 * rng.normal(size=150))
        mean, std = model.predict(new, return_std=True)
        target = np.sin(2 * new[:, 0]) + 0.2 * rng.normal(size=200)
        covered.append(np.abs(target - mean) < 1.96 * std)
        outside = model.predict([[-6.0], [6.0]], return_std=True)[1]
        wider.append(outside.min() > 1.5 * std.mean())
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(wider) > 0.9


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_relevance_puts_real_features_before_noise(seed: int) -> None:
    X, y = make_friedman1(500, n_features=50, noise=1.0, random_state=seed)
    model = fitted(lm(), X, y)
    relevance = model.feature_importances_
    assert relevance.sum() == pytest.approx(1)
    assert relevance[:5].min() > 4 * relevance[5:].max()
    selected = SelectFromModel(model, prefit=True, max_features=5, threshold=-np.inf)
    np.testing.assert_array_equal(np.flatnonzero(selected.get_support()), range(5))


def test_relevance_is_how_far_an_input_moves_the_prediction() -> None:
    rng = np.random.default_rng(0)
    X, s = rng.normal(size=(100, 3)) * [1, 10, 0.1], rng.uniform(0.5, 2, 100)
    Y = np.column_stack([np.sin(X[:, 0]), 7 * X[:, 2]]) + 0.1 * rng.normal(size=(100, 2))
    model = fitted(lm((4,)), X, Y, s)
    w = np.concatenate([W.ravel() for W in model.weights_])
    slopes = np.array([
        reference.complex_step(lambda x: reference.predict(w, x, (3, 4, 2), "sigmoid"), x)
        for x in X
    ])  # fmt: skip
    mean_X, mean_Y = np.average(X, axis=0, weights=s), np.average(Y, axis=0, weights=s)
    std_X = np.sqrt(np.average((X - mean_X) ** 2, axis=0, weights=s))
    std_Y = np.sqrt(np.average((Y - mean_Y) ** 2, axis=0, weights=s))
    slopes *= std_X / std_Y[:, np.newaxis]
    expected = np.sqrt(np.average((slopes**2).sum(axis=1), axis=0, weights=s))
    np.testing.assert_allclose(model.feature_importances_, expected / expected.sum(), rtol=1e-8)


def test_a_fixed_penalty_has_error_bars_too() -> None:
    model = lm((), alpha=3.0).fit(X, y)
    D = np.column_stack([np.ones(len(Z)), Z])
    M = np.linalg.inv(D.T @ D + 3.0 * np.diag(np.append(0.0, np.ones(10))))
    w = M @ D.T @ y
    variance = np.sum((y - D @ w) ** 2) / (len(y) - np.trace(M @ D.T @ D))
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, D @ w, rtol=1e-7)
    expected = np.sqrt(variance * (1 + np.einsum("ni,ij,nj->n", D, M, D)))
    np.testing.assert_allclose(std, expected, rtol=1e-7)


def linear_rows(n_rows: int, noise: float, n_outputs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a linear function of five inputs, whose deviation is 1, with noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5))
    C = rng.normal(size=(5, n_outputs))
    t = X @ (C / np.linalg.norm(C, axis=0)) + noise * rng.normal(size=(n_rows, n_outputs))
    return X, t if n_outputs > 1 else t[:, 0]


def constant_network(hidden: tuple[int, ...], X: np.ndarray, y: np.ndarray) -> SigmoidMLPRegressor:
    """A model whose next fit begins where all weights are 0."""
    model = fitted(lm(hidden, warm_start=True, max_iter=1), X, y).set_params(max_iter=200)
    model.weights_ = [np.zeros_like(W) for W in model.weights_]
    return model


@pytest.mark.parametrize("hidden", [(10, 10), (10, 10, 10)])
@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.slow
def test_a_deep_network_does_not_stay_a_constant_where_a_line_is_more_probable(
    hidden: tuple[int, ...], noise: float, n_outputs: int
) -> None:
    X, y = linear_rows(1_050, noise, n_outputs)
    model = fitted(constant_network(hidden, X[:50], y[:50]), X[:50], y[:50])
    line = BayesianRidge if n_outputs == 1 else Ridge
    expected = line().fit(X[:50], y[:50]).score(X[50:], y[50:])
    assert model.score(X[50:], y[50:]) > 0.7 * expected  # a constant has 0


def test_a_network_that_stays_a_constant_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvidenceMaximization, "_ascend_from_linear", lambda *_: None)
    X, y = linear_rows(50, 1.0)
    with pytest.warns(UserWarning, match="All units were switched off"):
        model = constant_network((10, 10), X, y).fit(X, y)
    assert np.ptp(model.predict(X)) < 1e-6 * y.std()
    assert model.n_effective_parameters_ == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_pure_noise_is_a_constant_without_a_warning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(50, 5)), rng.normal(size=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = lm((10, 10)).fit(X, y)
    assert np.ptp(model.predict(X)) < 0.1 * y.std()


def test_a_choice_among_more_than_half_as_many_inputs_as_rows_is_checked() -> None:
    assert chooses_among_many(Network([51, 5, 1], "sigmoid"), 100)
    assert not chooses_among_many(Network([50, 5, 1], "sigmoid"), 100)
    assert not chooses_among_many(Network([99, 5, 1], "sigmoid"), 99)  # too few rows to hold out
    assert not chooses_among_many(Network([99, 1], "sigmoid"), 100)  # it has no such choice


# Its manners -------------------------------------------------------------------------------


def test_error_bars_do_not_depend_on_units() -> None:
    mean, std = fitted(lm((3,)), X, y).predict(X, return_std=True)
    moved = fitted(lm((3,)), 1e3 * X + 7, 1e-4 * y)
    mean_2, std_2 = moved.predict(1e3 * X + 7, return_std=True)
    np.testing.assert_allclose(mean_2 * 1e4, mean, rtol=1e-6)
    np.testing.assert_allclose(std_2 * 1e4, std, rtol=1e-6)


def ascent_from(least: list[float]) -> Ascent:
    """An ascent on noisy data, which is given up with less evidence than `least`."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    t = np.sin(2 * X[:, :1]) + 0.3 * rng.normal(size=(200, 1))
    network = Network([3, 6, 1], "sigmoid")
    objective = Objective(network, Rows(X, t), 0.0)
    w = network.initial_weights(np.random.RandomState(0), SMALL_WEIGHTS)
    monitor = Monitor(tol=0.0, n_iter_no_change=10)
    ascent = Ascent(objective, w, 10.0, 10.0, monitor)
    ascent.least = least
    ascent.run(500)
    return ascent


def test_an_ascent_that_is_behind_is_given_up_and_its_summit_counts() -> None:
    whole = ascent_from([])
    assert whole.monitor.converged
    assert not whole.given_up
    assert (np.diff(whole.highest) >= 0).all()
    for behind_at in (1, SURE_ESTIMATES, SURE_ESTIMATES + 3):
        least = [-np.inf] * (behind_at - 1) + [np.inf]
        part = ascent_from(least)
        assert part.given_up
        assert not part.monitor.converged
        n = max(behind_at, SURE_ESTIMATES)
        assert part.highest == whole.highest[:n]
        assert part.posterior.log_evidence == pytest.approx(part.highest[-1], rel=1e-12)
        assert part.monitor.n_iter < whole.monitor.n_iter
        assert part.monitor.loss_curve == whole.monitor.loss_curve[: part.monitor.n_iter]


def test_an_ascent_that_keeps_up_with_the_best_is_not_given_up() -> None:
    whole = ascent_from([])
    again = ascent_from(whole.highest)
    assert not again.given_up
    np.testing.assert_array_equal(again.point.w, whole.point.w)
    last_holds = ascent_from([whole.highest[SURE_ESTIMATES - 1]] * 2)
    assert not last_holds.given_up


def test_no_ascent_is_given_up_once_each_input_has_a_precision() -> None:
    whole = ascent_from([])
    assert whole.per_input
    late = len(whole.highest) - len(whole.evidences)
    again = ascent_from([-np.inf] * late + [np.inf])
    assert not again.given_up
    assert again.highest == whole.highest
    assert ascent_from([-np.inf] * (late - 1) + [np.inf]).given_up


def test_an_ascent_is_compared_with_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    ascents: list[Ascent] = []
    run = Ascent.run

    def recorded(ascent: Ascent, *args: Any, **options: Any) -> None:
        run(ascent, *args, **options)
        ascents.append(ascent)

    monkeypatch.setattr(Ascent, "run", recorded)
    X, y = make_friedman1(200, n_features=5, noise=0.3, random_state=0)
    model = SigmoidMLPRegressor((12,), random_state=0).fit(X, y)
    assert len(ascents) == 3
    assert any(ascent.given_up for ascent in ascents)
    allowed = BEHIND * np.sqrt(len(y) / 2)
    for i, ascent in enumerate(ascents):
        if not i:
            assert not ascent.given_up
            continue
        best = max(ascents[:i], key=lambda before: before.highest[-1]).highest
        common = len(ascent.highest) - len(ascent.evidences) * ascent.per_input
        behind = [best[min(k, len(best) - 1)] - own for k, own in enumerate(ascent.highest)]
        assert max(behind[SURE_ESTIMATES - 1 : common - 1], default=-np.inf) <= allowed
        assert ascent.given_up == (behind[common - 1] > allowed)
    kept = max(ascents, key=lambda ascent: ascent.highest[-1])
    assert not kept.given_up
    assert model.n_iter_ == kept.monitor.n_iter
    assert model.loss_curve_[:-1] == kept.monitor.loss_curve[:-1]


@pytest.mark.slow
def test_no_ascent_of_the_ladder_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    least: list[float] = []
    run = Ascent.run

    def recorded(ascent: Ascent, *args: Any, **options: Any) -> None:
        least.extend(ascent.least)
        run(ascent, *args, **options)

    monkeypatch.setattr(Ascent, "run", recorded)
    SigmoidMLPRegressor(random_state=0).fit(SMALL, TARGET)
    assert least
    assert max(least) == -np.inf


SMALL = np.random.default_rng(0).normal(size=(40, 3))
TARGET = np.sin(SMALL[:, 0]) + 0.1 * SMALL[:, 1]


@pytest.mark.parametrize("alpha", ["auto", 0.0, 0.1])
@pytest.mark.parametrize(
    ("X", "y", "weights"),
    [
        (SMALL, np.full(40, 3.0), None),
        (SMALL[[0] * 40], TARGET[[0] * 40], None),
        (SMALL[[0, 1] * 20], TARGET[[0, 1] * 20], None),
        (SMALL[:6], TARGET[:6], None),
        (SMALL[:1], TARGET[:1], None),
        (0 * SMALL, TARGET, None),
        (SMALL, np.append(TARGET[1:], 1e9), None),
        (np.vstack([SMALL[1:], [1e9, 0, 0]]), TARGET, None),
        (SMALL, TARGET, (np.arange(40) < 3).astype(float)),
        (SMALL, 1e-300 * TARGET, None),
        (SMALL, 1e300 * TARGET, None),
    ],
    ids=[
        "constant target", "one row repeated", "two rows repeated", "fewer rows than parameters",
        "one row", "columns of zeros", "an outlier in y", "an outlier in X",
        "weights of zero on most rows", "tiny target", "huge target",
    ],
)  # fmt: skip
def test_awkward_data_give_a_finite_model(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, alpha: Any
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The network determines as many parameters")
        model = fitted(lm(alpha=alpha, max_iter=100), X, y, weights)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    assert (std >= 0).all()
    assert model.feature_importances_.sum() == pytest.approx(1)
    if np.ptp(y) == 0:
        np.testing.assert_allclose(mean, y)


def test_the_search_for_an_exact_function_ends_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    n_steps, minimize = [], VariableProjection.minimize

    def counted(solver: Any, objective: Any, w: Any, monitor: Any) -> Any:
        before = monitor.n_iter
        w = minimize(solver, objective, w, monitor)
        n_steps.append(monitor.n_iter - before)
        return w

    monkeypatch.setattr(VariableProjection, "minimize", counted)
    model = SigmoidMLPRegressor((3,), random_state=0).fit(X, np.sin(X[:, 0]))
    assert 0 < sum(n_steps) < 2_000
    assert model.score(X, np.sin(X[:, 0])) > 0.999


def test_interrupted_early_stopping_keeps_the_weights_that_scored_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = make_friedman1(150, n_features=5, noise=3.0, random_state=0)
    record = Monitor.record

    def interrupted(monitor: Monitor, w: Any, loss: float) -> None:
        record(monitor, w, loss)
        if len(monitor.validation_scores) == 60:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "record", interrupted)
    model = SigmoidMLPRegressor((15,), early_stopping=True, n_iter_no_change=100, random_state=0)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert model.validation_scores_ is not None
    assert model.best_validation_score_ is not None
    assert model.validation_scores_[-1] < model.best_validation_score_ - 1e-3
    assert model.score(X[100:], y[100:]) == pytest.approx(model.best_validation_score_, abs=1e-9)


@pytest.mark.parametrize("n_init", [1, 2])
def test_what_an_interruption_keeps_has_all_that_a_finished_fit_has(
    n_init: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 0.3 * X[:, 2] * rng.standard_t(3, size=100)
    record = Monitor.record

    def interrupted(monitor: Monitor, w: Any, loss: float) -> None:
        record(monitor, w, loss)
        if monitor.n_iter == 60:
            raise KeyboardInterrupt

    model = SigmoidMLPRegressor((8,), n_init=n_init, max_iter=1000, random_state=0)
    monkeypatch.setattr(Monitor, "record", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)

    # The last loss is that of the exact rows, ½ the mean square in deviations of y.
    assert model.loss_ == pytest.approx(
        np.mean((model.predict(X) - y) ** 2) / 2 / y.var(), rel=1e-9
    )
    # Error bars are those of a fit that ends there: calibrated by leaving out each row.
    fitted_model = model._model
    assert fitted_model.posterior is not None
    rows = Rows(X, y[:, np.newaxis], units=fitted_model.units)
    objective = Objective(fitted_model.network, rows, 0.0)
    point = Point(fitted_model.posterior.w, objective.gauss_newton(fitted_model.posterior.w))
    assert isinstance(fitted_model.posterior, LaplacePosterior)
    p = fitted_model.posterior
    exact = calibrated(laplace(point, p.groups, p.alpha, p.beta, p.n), objective)
    np.testing.assert_allclose(p.calibration, exact.calibration, rtol=1e-9)
    assert p.log_evidence == pytest.approx(exact.log_evidence, rel=1e-9)
    assert p.calibration[0] > 1
    assert model.feature_importances_.sum() == pytest.approx(1)


# Between the rows -----------------------------------------------------------------------------


def steps(positions: list[float], heights: list[float], slope: float) -> np.ndarray:
    """The weights of a network of one input that adds up sigmoid steps."""
    coefs = np.full(len(positions), slope)
    return np.concatenate([-slope * np.array(positions), coefs, [0.0], heights])


@pytest.mark.parametrize(
    ("positions", "heights", "slope", "tame", "spikes", "bends"),
    [
        ([-0.5, 0.3], [1.0, 1.0], 4.0, True, False, True),
        ([-0.53, 0.32], [1.0, 1.0], 400.0, True, False, False),  # each step between two rows
        ([0.01, 0.04], [100.0, -100.0], 400.0, False, True, False),  # a spike between two rows
        ([0.004, 0.008], [20.0, -20.0], 700.0, True, True, False),  # in its first quarter
    ],
)
def test_weights_that_no_row_has_seen_at_work(
    positions: list[float],
    heights: list[float],
    slope: float,
    tame: bool,
    spikes: bool,
    bends: bool,
) -> None:
    x = np.linspace(-1, 1, 41)[:, np.newaxis]
    objective = Objective(Network([1, 2, 1], "sigmoid"), Rows(x, np.sign(x)), 0.0)
    w = steps(positions, heights, slope)
    assert is_tame(objective, w) == tame
    assert has_spikes(objective, w) == spikes
    assert bends_where_rows_are(objective, w) == bends


def test_an_exact_function_has_the_least_noise_where_no_row_says_where_it_bends() -> None:
    x = np.linspace(-1, 1, 41)[:, np.newaxis]
    Y = np.hstack([np.sign(x), 0 * x])  # the second target is constant
    objective = Objective(Network([1, 2, 2], "sigmoid"), Rows(x, Y), 0.0)
    groups = WeightGroups.by_layer(objective.network, per_input=True)
    sure, alpha = np.full(2, 1e12), np.ones(len(groups.names))

    def between(positions: list[float], heights: list[float], slope: float) -> Any:
        w = steps(positions, heights, slope)
        w = np.append(w[:4], np.column_stack([w[4:], 0 * w[4:]]))
        posterior = laplace(Point(w, objective.gauss_newton(w)), groups, alpha, sure, 41.0)
        return between_rows(posterior, objective)

    seen, unseen = (between([-0.53, 0.32], [1.0, 1.0], slope) for slope in (4.0, 400.0))
    np.testing.assert_array_equal(seen.beta, sure)
    np.testing.assert_allclose(unseen.beta, [1e6 / np.mean(np.sign(x) ** 2), 1e6], rtol=1e-12)
    assert between([0.01, 0.04], [100.0, -100.0], 400.0) is None  # a spike


def test_a_steep_unit_without_a_part_in_the_output_does_not_matter() -> None:
    x = np.linspace(-1, 1, 41)[:, np.newaxis]
    objective = Objective(Network([1, 2, 1], "sigmoid"), Rows(x, x), 0.0)
    w = steps([-0.5, 0.32], [1.0, 0.0], 4.0)
    w[[1, 3]] = -0.32 * 400, 400
    assert bends_where_rows_are(objective, w)
    w[-1] = 1.0
    assert not bends_where_rows_are(objective, w)


@pytest.mark.parametrize("n_rows", [50, 150])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_steps_without_noise_have_no_spikes_between_rows(n_rows: int, seed: int) -> None:
    x = np.random.default_rng(1).uniform(size=(n_rows + 2_000, 1))
    y = 2.0 * (x > 0.3) - (x > 0.6) + (x > 0.5) - 1.5 * (x > 0.7) + (x > 0.4)
    model = fitted(SigmoidMLPRegressor(random_state=seed), x[:n_rows], y[:n_rows, 0])
    y_hat = model.predict(x[n_rows:])
    assert model.score(x[n_rows:], y[n_rows:, 0]) > 0.8
    assert y_hat.min() > -2.0 - 1.5
    assert y_hat.max() < 3.0 + 1.5


@pytest.mark.parametrize("seed", range(3))
def test_error_bars_know_that_a_step_may_be_anywhere_between_two_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.uniform(size=(1650, 1))
    y = (x > 0.3) + 0.7 * (x > 0.55) - 0.5 * (x > 0.8)
    X, fresh, y, truth = x[:150], x[150:], y[:150, 0], y[150:, 0]
    model = fitted(SigmoidMLPRegressor(random_state=seed), X, y)
    mean, std = model.predict(fresh, return_std=True)
    assert np.mean(np.abs(truth - mean) < 1.96 * std) > 0.95
    assert model.score(fresh, truth) > 0.9


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.slow
def test_a_wide_network_does_not_fit_the_noise_of_few_rows(seed: int) -> None:
    """All other ascents ended with R² of -0.7 and -0.9, less probable than a constant."""
    random = np.random.RandomState(seed)
    X = random.randn(550, 100)
    y = random.randn(550) + 0.3 * X[:, 0]
    model = SigmoidMLPRegressor((50,), random_state=0).fit(X[:50], y[:50])
    assert model.score(X[50:], y[50:]) > -0.1
    assert 0.8 < model.noise_std_ < 1.4
