"""First-order training whose penalty held-out rows set."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.adam import Adam
from sklearn_mlp.solvers.held_out import LayerwiseAdam, Round
from tests.helpers import fitted, flat

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4)) * [1, 10, 0.1, 1] + [0, 5, 2, 0]
y = np.sin(X[:, 0]) + 0.1 * X[:, 1] + 0.1 * rng.normal(size=300)
TRAINED_ON, HELD_OUT = train_test_split(np.arange(300), test_size=0.1, random_state=0)


def regressor(**parameters: Any) -> SigmoidMLPRegressor:
    """One that holds rows out: no evidence sets the penalty of the Huber loss."""
    return SigmoidMLPRegressor(**{"loss": "huber", "random_state": 0, **parameters})


def layerwise(network: Network, **parameters: Any) -> LayerwiseAdam:
    settings = {"penalty": 0.0, "factors": np.ones(network.layer_sizes[0])}
    settings |= {"learning_rate_init": 0.01, "batch_size": 10, "max_iter": 1, "rng": None}
    return LayerwiseAdam(0.9, 0.999, 1e-8, network=network, **{**settings, **parameters})


# The step -----------------------------------------------------------------------------------


def test_with_one_coef_a_layer_the_step_is_adams() -> None:
    network, gradients = Network([1, 1, 1], "sigmoid"), rng.normal(size=(5, 4))
    w = rng.normal(size=4)
    v, solver = w.copy(), layerwise(network)
    adam = Adam(0.9, 0.999, 1e-8, learning_rate_init=0.01, batch_size=10, max_iter=1, rng=None)
    for g in gradients:
        solver.step(w, g.copy(), 4)
        adam.step(v, g.copy(), 4)
    np.testing.assert_allclose(w, v, rtol=1e-12)


def test_the_first_step_is_in_proportion_to_the_gradient_within_a_layer() -> None:
    network = Network([3, 1], "identity")
    w, g = np.zeros(4), np.array([5.0, 3.0, 4.0, 0.0])
    layerwise(network).step(w, g.copy(), 4)
    # m / √v is sign(g) of the bias, and g / √mean(g²) of the coefs, whose mean square is 25 / 3.
    expected = -0.01 * np.r_[1, g[1:] / np.sqrt(25 / 3)]
    np.testing.assert_allclose(w, expected, rtol=1e-6)


def test_the_penalty_pulls_coefs_and_not_biases() -> None:
    network = Network([2, 1], "identity")
    w = np.array([3.0, 1.0, -1.0])
    layerwise(network, penalty=2.0).step(w, np.zeros(3), 3)
    np.testing.assert_allclose(w, [3.0, 0.99, -0.99], rtol=1e-6)


def test_the_mean_of_the_weights_is_judged() -> None:
    network = Network([1, 1], "identity")
    solver, w = layerwise(network, factors=np.array([4.0])), np.array([1.0, 2.0])
    solver.n_averaged, means = 4, w.copy()
    for g in rng.normal(size=(6, 2)):
        solver.step(w, g.copy(), 2)
        means += (w - means) / 4
    np.testing.assert_allclose(solver.judged(w), means * [1, 4], rtol=1e-12)


# The rounds ---------------------------------------------------------------------------------


def test_the_next_factors_are_the_slopes_along_the_inputs() -> None:
    rows = Rows(rng.normal(size=(20, 3)), rng.normal(size=(20, 1)))
    network, slopes = Network([3, 1], "identity"), np.array([3.0, -4.0, 0.0])
    rule = layerwise(network, factors=np.array([1.0, 2.0, 0.5]))
    monitor = Monitor(tol=0.0, n_iter_no_change=1)
    monitor.best_weights = np.r_[7.0, slopes]  # of a linear function, for the inputs as they are
    this = Round(rule, Objective(network, rows, 0.0), monitor.best_weights, monitor)
    expected = np.abs(slopes) / np.sqrt(25 / 3)
    np.testing.assert_allclose(this.next_factors(), np.maximum(expected, 1e-3), rtol=1e-12)


@pytest.mark.slow
def test_noisy_linear_data_of_many_columns_are_fitted_about_as_well_as_by_ridge() -> None:
    r = np.random.default_rng(0)
    X, beta = r.uniform(size=(3_000, 100)), r.normal(size=100)
    signal = X @ beta / (np.linalg.norm(beta) / np.sqrt(12))  # of variance 1
    y = signal + r.normal(size=3_000)
    model = SigmoidMLPRegressor((100, 100, 100), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X[:2_000], y[:2_000])
    ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(X[:2_000], y[:2_000])
    ours, theirs = (r2_score(signal[2_000:], m.predict(X[2_000:])) for m in (model, ridge))
    assert ours > theirs - 0.05  # 1e-4 as the penalty is 0.6 below
    # The score is that of the fitted model on the rows that scikit-learn's split holds out.
    held_out = train_test_split(np.arange(2_000), test_size=0.1, random_state=0)[1]
    assert model.best_validation_score_ == max(model.validation_scores_)
    score = r2_score(y[held_out], model.predict(X[held_out]))
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-6)


def test_held_out_rows_are_not_trained_on() -> None:
    other = y.copy()
    other[HELD_OUT] = 100.0 * rng.normal(size=len(HELD_OUT))
    one, two = (fitted(regressor(max_iter=1), X, t) for t in (y, other))  # it keeps one epoch
    np.testing.assert_array_equal(flat(one), flat(two))
    assert one.validation_scores_ != two.validation_scores_
    other = y.copy()
    other[TRAINED_ON[0]] += 1
    assert (flat(fitted(regressor(max_iter=1), X, other)) != flat(one)).any()


def test_all_rounds_together_make_max_iter_epochs_at_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fitted(regressor(max_iter=9, verbose=True), X, y)
    printed = capsys.readouterr().out
    first, second, *_ = printed.splitlines()
    assert first == "adam: the loss has no evidence, so held-out rows set the penalty"
    assert second == "30 of 300 rows are held out, round 1 of 4"
    lines = [line for line in printed.splitlines()[1:] if line.split()[:1] != ["epoch"]]
    assert 1 <= sum(line.split()[0].isdigit() and "rows" not in line for line in lines if line) <= 9


def test_a_round_takes_a_fifth_of_the_epochs_and_the_best_goes_on_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Round.run
    n_epochs: list[int] = []

    def recorded(self: Round, n: int, monitor: Monitor) -> None:
        n_epochs.append(n)
        run(self, n, monitor)

    monkeypatch.setattr(Round, "run", recorded)
    fitted(regressor(max_iter=20), X, y)
    *rounds, rest = n_epochs
    assert set(rounds) == {4}
    assert rest == 20 - sum(rounds)


def test_what_still_rises_has_not_converged() -> None:
    with pytest.warns(ConvergenceWarning, match="adam has not converged in"):
        regressor(max_iter=4).fit(X, y)


def test_an_interruption_keeps_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    step = LayerwiseAdam.step
    calls: list[None] = []

    def interrupted(self: LayerwiseAdam, *arguments: Any) -> None:
        calls.append(None)
        if len(calls) > 200:
            raise KeyboardInterrupt
        step(self, *arguments)

    monkeypatch.setattr(LayerwiseAdam, "step", interrupted)
    with pytest.warns(UserWarning, match="interrupted after 4 iterations"):
        model = regressor().fit(X, y)  # 45 minibatches of 6 of the 270 rows
    assert model.best_validation_score_ == max(model.validation_scores_)


# From given weights -------------------------------------------------------------------------


def test_training_goes_on_from_given_weights_and_loses_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = fitted(regressor(max_iter=40), X, y)
    model.set_params(warm_start=True, verbose=True)
    for _ in range(2):
        before = model.best_validation_score_
        fitted(model, X, y)
        assert model.best_validation_score_ >= before - 1e-9  # of the same held-out rows
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "held-out rows set the penalty, and training goes on from the given weights" in first
    assert second.startswith("30 of 300 rows are held out")
    assert model.solver_ == "adam"


def test_the_best_weights_are_kept_if_no_round_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(regressor(max_iter=60), X, y)
    before = flat(model)
    # Steps that only harm: up the gradient.
    step = LayerwiseAdam.step
    monkeypatch.setattr(LayerwiseAdam, "step", lambda self, w, g, n: step(self, w, -g, n))
    fitted(model.set_params(warm_start=True), X, y)
    np.testing.assert_allclose(flat(model), before, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_given_weights_that_fit_the_noise_are_regularised() -> None:
    r = np.random.default_rng(0)
    X, others, fresh = r.normal(size=(3, 500, 30))
    y = X[:, 0] + r.normal(size=500)
    parameters: dict[str, Any] = {"hidden_layer_sizes": (100, 100, 100), "random_state": 0}
    model = SigmoidMLPRegressor(solver="lbfgs", alpha=0.0, max_iter=300, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    overfitted = r2_score(fresh[:, 0], model.predict(fresh))
    model.set_params(solver="auto", alpha="auto", warm_start=True, max_iter=200)
    fitted(model, others, others[:, 0] + r.normal(size=500))
    assert model.solver_ == "adam"
    assert r2_score(fresh[:, 0], model.predict(fresh)) > overfitted


@pytest.mark.parametrize("kind", ["sparse", "float32", "weighted", "two outputs"])
@pytest.mark.slow
def test_it_takes_what_the_other_solvers_take(kind: str) -> None:
    dense = fitted(regressor(max_iter=10), X, y)
    if kind == "sparse":
        model = fitted(regressor(max_iter=10), sp.csr_array(X), y)
        np.testing.assert_allclose(model.predict(X), dense.predict(X), rtol=1e-3)
    elif kind == "float32":
        model = fitted(regressor(max_iter=10), X.astype(np.float32), y)
        assert model.weights_[0].dtype == np.float32
        np.testing.assert_allclose(model.predict(X.astype(np.float32)), dense.predict(X), atol=1e-2)
    elif kind == "weighted":
        model = fitted(regressor(max_iter=10), X, y, sample_weight=np.full(300, 2.0))
        np.testing.assert_allclose(model.predict(X), dense.predict(X), atol=1e-2)
    else:
        model = fitted(regressor(), X, np.c_[y, -y])
        assert model.score(X, np.c_[y, -y]) > 0.5


def test_poisson_counts() -> None:
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    model = fitted(regressor(loss="poisson"), X, counts)
    assert r2_score(np.exp(X[:, 0]), model.predict(X)) > 0.5
