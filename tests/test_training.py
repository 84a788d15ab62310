"""How training is begun, by which rule, and what becomes of several attempts."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import d2_pinball_score, r2_score

from sklearn_mlp import SigmoidMLPRegressor, growth, memory, training
from sklearn_mlp.data import Given, prepare
from sklearn_mlp.losses import make_loss
from sklearn_mlp.network import Network
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers import (
    LBFGS,
    Adam,
    EvidenceMaximization,
    GradientDescent,
    HeldOutContinuation,
    HeldOutDescent,
    LevenbergMarquardt,
    MinibatchSolver,
    Solver,
    StochasticGradientDescent,
)
from sklearn_mlp.training import Plan, Start, choose_rule, score_and_loss
from tests import reference
from tests.helpers import fitted, flat

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3)) * [1, 10, 0.1] + [0, 5, 2]
y = np.sin(X[:, 0]) + X[:, 1]
SIZES = (3, 5, 1)
P = 26  # parameters of that network


def regressor(**parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(**{"hidden_layer_sizes": (5,), "random_state": 0, **parameters})


# Where it begins ----------------------------------------------------------------------------


def test_without_weights_it_begins_at_random() -> None:
    start = Start.of(regressor(), one_epoch=True)
    assert (start.weights, start.left_off, start.moments) == (None, None, None)
    assert (start.loss_curve, start.n_iter, start.t, start.one_epoch) == ([], 0, 0, True)
    assert Start() == Start.of(regressor(), one_epoch=False)


def test_after_a_fit_it_begins_with_its_weights_and_its_history() -> None:
    model = fitted(regressor(solver="adam", max_iter=3), X, y)
    start = Start.of(model, one_epoch=False)
    assert start.weights is model.weights_
    assert start.loss_curve == model.loss_curve_
    assert start.loss_curve is not model.loss_curve_
    assert (start.n_iter, start.t) == (0, 150)  # iterations are counted by fit, rows for good
    assert start.left_off is None


def test_after_partial_fit_it_begins_with_all_that_was_left_off() -> None:
    model = regressor(solver="adam")
    for part in (slice(0, 20), slice(20, 50)):
        model.partial_fit(X[part], y[part])
    start = Start.of(model, one_epoch=True)
    assert (start.n_iter, start.t) == (2, 50)
    assert isinstance(start.left_off, training.LeftOff)
    assert isinstance(start.left_off.solver, Adam)
    assert start.moments is not None
    np.testing.assert_allclose(start.moments[0].mean, X.mean(axis=0))
    np.testing.assert_allclose(start.moments[1].std, [y.std()])
    # A failure must not have drawn from what is kept.
    rng = start.random_state(7)
    drawn = rng.uniform(size=1000)
    np.testing.assert_array_equal(start.random_state(7).uniform(size=1000), drawn)


def test_a_fit_with_a_warm_start_leaves_nothing_off() -> None:
    model = regressor(solver="adam", max_iter=2).partial_fit(X, y)
    start = Start.of(model, one_epoch=False)
    assert start.left_off is None
    assert start.random_state(7).uniform() == np.random.RandomState(7).uniform()


def plan(start: Start, loss: str = "squared_error", **parameters: Any) -> Plan:
    """To train on the data above."""
    estimator, loss_ = regressor(**parameters), make_loss(loss, huber_delta=1, quantile=0.5)
    rng = np.random.RandomState(0)
    data = prepare(
        estimator, Given(X, np.abs(y)), None, loss=loss_, rng=rng, is_first=True, moments=None
    )
    network = Network(SIZES, estimator.activation)
    rule = choose_rule(estimator, network, 50, one_epoch=False)
    return Plan(network, data, loss_, rule, start, rng)


def test_given_weights_compute_the_same_in_the_units_of_training() -> None:
    given = rng.normal(size=P)
    the_plan = plan(Start(weights=reference.split(given, SIZES)))
    w, units = the_plan.first_weights(), the_plan.data.units
    Z = (X - units.inputs.mean) / units.inputs.scale
    z = reference.predict(w, Z, SIZES, "sigmoid")
    np.testing.assert_allclose(
        z * units.outputs.scale + units.outputs.mean,
        reference.predict(given, X, SIZES, "sigmoid"),
        rtol=1e-10, atol=1e-10,
    )  # fmt: skip
    again = the_plan.first_weights(attempt=1)  # only the first attempt goes on from them
    assert np.abs(again - w).max() > 0.1
    np.testing.assert_array_equal(again, plan(Start()).first_weights())


def test_given_weights_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"have shapes \[\(4, 1\)\].*need \[\(4, 5\), \(6, 1\)\]"):
        plan(Start(weights=[np.zeros((4, 1))])).first_weights()


def test_random_weights_begin_near_the_mean_of_counts() -> None:
    w, squared = (plan(Start(), loss).first_weights() for loss in ("poisson", "squared_error"))
    np.testing.assert_array_equal(w[:20], squared[:20])
    assert w[20] - squared[20] == pytest.approx(np.log(np.abs(y).mean()))  # the output's bias
    np.testing.assert_array_equal(w[21:], squared[21:])


# By which rule ------------------------------------------------------------------------------


def chosen(
    n_rows: int, sizes: tuple[int, ...] = SIZES, *, one_epoch: bool = False, **p: Any
) -> str:
    estimator, network = regressor(**p), Network(sizes, "sigmoid")
    return choose_rule(estimator, network, n_rows, one_epoch=one_epoch).name


def test_auto_is_lm_where_its_products_cost_up_to_4e9() -> None:
    most = int(4e9 / P**2) - P  # P² (n + P) = 4e9
    assert chosen(most, alpha=1.0) == "lm"
    assert chosen(most + 1, alpha=1.0) == "adam"
    wide = (3, 400, 1)  # 2,001 parameters: 4,003,001 of each row
    assert chosen(2_001, wide, alpha=1.0) == "lbfgs"
    assert chosen(10_000, wide, alpha=1.0) == "lbfgs"
    assert chosen(10_001, wide, alpha=1.0) == "adam"
    # With fewer rows than parameters it is n² (n + P), of 1,097 rows 3.73e9, of 1,150 4.17e9.
    assert chosen(1_097, wide, alpha=1.0) == "lm"
    assert chosen(1_150, wide, alpha=1.0) == "lbfgs"


def test_auto_is_lm_under_the_evidence_where_it_can_begin_on_few_rows() -> None:
    # Five steps over ten rows a parameter, or over all rows, may cost 4e11.
    assert chosen(10**7) == "lm"
    wide = (3, 400, 1)
    assert chosen(17_900, wide) == "lm"  # 5 · 2,001² · (17,900 + 2,001) = 3.98e11
    assert chosen(18_100, wide) == "adam"  # 4.02e11
    assert chosen(10**7, early_stopping=True) == "adam"  # which holds rows out, all the way


@pytest.mark.parametrize(
    ("loss", "alpha", "n_rows", "expected"),
    [
        ("squared_error", "auto", 200, "lm"),
        ("squared_error", 1.0, 200, "lm"),
        ("huber", "auto", 200, "lbfgs"),
        ("huber", 1.0, 200, "lm"),
        ("poisson", "auto", 10_001, "lm"),
        ("gamma", "auto", 200, "lm"),
        ("poisson", 1.0, 200, "lm"),
        ("pinball", 1.0, 200, "lbfgs"),
        ("pinball", "auto", 10_001, "adam"),
    ],
)
def test_auto_takes_a_solver_that_takes_the_loss(
    loss: str, alpha: Any, n_rows: int, expected: str
) -> None:
    assert chosen(n_rows, loss=loss, alpha=alpha) == expected


@pytest.mark.parametrize(
    ("parameters", "n", "said"),
    [
        ({}, 40, "lm: the evidence sets the penalty of networks that are tried in turn\n"),
        ({"hidden_layer_sizes": (3,)}, 40, "lm: a step is affordable, and the evidence sets"),
        (
            {"hidden_layer_sizes": (3,), "alpha": 1.0},
            40,
            "lm: a step of lm over 40 rows and 13 parameters",
        ),
        ({"hidden_layer_sizes": (3,), "loss": "pinball"}, 40, "lbfgs: the loss has no evidence\n"),
        (
            {"hidden_layer_sizes": (100, 100, 100), "max_iter": 2},
            2000,
            "adam: the matrices of a step of lm over 1,800 rows",
        ),
    ],
)
def test_verbose_says_what_auto_takes_and_why(
    parameters: dict[str, Any], n: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(n, 2))
    fitted(SigmoidMLPRegressor(verbose=True, random_state=0, **parameters), rows, rows[:, 0])
    assert capsys.readouterr().out.startswith(said)


def test_rows_are_held_out_for_other_losses_where_parameters_are_more_than_rows() -> None:
    wide = (10, 50, 1)  # 601 parameters
    assert chosen(199, wide, loss="huber") == "lbfgs"
    assert chosen(200, wide, loss="huber") == "adam"
    assert chosen(600, wide, loss="huber") == "adam"
    assert chosen(601, wide, loss="huber") == "lbfgs"


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
def test_a_solver_that_is_named_is_taken(solver: str) -> None:
    for n_rows in (1, 10**9):
        assert chosen(n_rows, solver=solver) == solver


def test_auto_is_adam_in_parts() -> None:
    assert chosen(10, one_epoch=True) == "adam"
    assert chosen(10, one_epoch=True, solver="sgd") == "sgd"


def test_the_estimator_says_which_it_was() -> None:
    assert fitted(regressor(max_iter=1), X, y).solver_ == "lm"
    assert fitted(regressor(max_iter=1, alpha=1.0, loss="pinball"), X, y).solver_ == "lbfgs"
    assert regressor().partial_fit(X, y).solver_ == "adam"


@pytest.mark.parametrize(
    ("parameters", "kind", "alpha"),
    [
        ({"solver": "lm"}, EvidenceMaximization, 0.0),
        ({"solver": "lm", "alpha": 3}, LevenbergMarquardt, 3.0),
        ({"solver": "lbfgs"}, LBFGS, 1e-4),
        ({"solver": "gd", "alpha": 0}, GradientDescent, 0.0),
        ({"solver": "adam"}, Adam, 1e-4),
        ({"solver": "sgd"}, StochasticGradientDescent, 1e-4),
    ],
)
def test_a_rule_is_what_the_parameters_say(
    parameters: dict[str, Any], kind: type[Solver], alpha: float
) -> None:
    estimator = regressor(max_iter=17, n_init=3, **parameters)
    rule = choose_rule(estimator, Network(SIZES, "sigmoid"), 50, one_epoch=False)
    assert (rule.name, rule.alpha) == (parameters["solver"], alpha)
    assert (rule.max_iter, rule.n_init) == (17, 3)
    assert rule.by_evidence == (kind is EvidenceMaximization)
    assert rule.n_parts == (5 if rule.by_evidence else 17)  # at most four ascents and a search
    assert rule.gain == (0.5 if rule.name == "lm" else 1.0)
    assert type(rule.make_solver(np.random.RandomState(0))) is kind
    once = choose_rule(estimator, Network(SIZES, "sigmoid"), 50, one_epoch=True)
    assert (once.max_iter, once.n_init) == (17 if rule.name == "lm" else 1, 1)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"), [(50, "auto", 50), (500, "auto", 200), (50, 7, 7)]
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_minibatches_are_as_the_parameters_say(
    n_rows: int, batch_size: Any, expected: int, shuffle: bool
) -> None:
    estimator = regressor(solver="adam", batch_size=batch_size, shuffle=shuffle)
    rule = choose_rule(estimator, Network(SIZES, "sigmoid"), n_rows, one_epoch=False)
    rng = np.random.RandomState(0)
    solver = rule.make_solver(rng)
    assert isinstance(solver, MinibatchSolver)
    assert solver.batch_size == expected
    assert solver.rng is (rng if shuffle else None)


DEEP = Network([20, 100, 100, 100, 1], "sigmoid")  # 22,401 parameters


def test_where_no_evidence_sets_the_penalty_held_out_rows_do() -> None:
    rule = choose_rule(regressor(max_iter=17), DEEP, 5_000, one_epoch=False)
    assert (rule.name, rule.alpha, rule.held_out, rule.by_evidence) == ("adam", 0.0, 0.1, False)
    assert (rule.n_parts, rule.gain) == (5, 0.5)  # four rounds, of which the best goes on
    solver = rule.make_solver(np.random.RandomState(0))
    assert isinstance(solver, HeldOutDescent)
    assert (solver.learning_rate_init, solver.batch_size, solver.max_iter) == (0.002, 50, 17)


@pytest.mark.parametrize(
    ("parameters", "context"),
    [
        ({"alpha": 1e-4}, {}),
        ({"solver": "adam"}, {}),
        ({"solver": "lbfgs"}, {}),
        ({"solver": "lm"}, {}),
        ({"early_stopping": True}, {}),
        ({}, {"one_epoch": True}),
    ],
)
def test_no_rows_are_held_out_unasked_where_anything_is_set(
    parameters: dict[str, Any], context: dict[str, bool]
) -> None:
    arguments: dict[str, Any] = {"one_epoch": False, **context}
    rule = choose_rule(regressor(**parameters), DEEP, 5_000, **arguments)
    assert rule.held_out == 0.0
    assert not isinstance(rule.make_solver(np.random.RandomState(0)), HeldOutDescent)


def test_rows_are_held_out_for_given_weights_too() -> None:
    rule = choose_rule(regressor(), DEEP, 5_000, one_epoch=False, goes_on=True)
    assert (rule.name, rule.alpha, rule.held_out, rule.n_parts) == ("adam", 0.0, 0.1, 5)
    assert isinstance(rule.make_solver(np.random.RandomState(0)), HeldOutContinuation)


# Memory ---------------------------------------------------------------------------------------


def test_lm_is_refused_where_its_matrices_are_larger_than_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = SigmoidMLPRegressor((3,), solver="lm", random_state=0)
    P = 4 * 3 + 4  # of 3 inputs, for 30 rows
    monkeypatch.setattr(training, "available_memory", lambda: 5 * 8 * P**2 - 1.0)
    X = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(MemoryError, match="over 30 rows and 16 parameters"):
        model.fit(X, X[:, 0])
    assert not hasattr(model, "weights_")
    monkeypatch.setattr(training, "available_memory", lambda: 5 * 8 * P**2 + 0.0)
    fitted(model, X, X[:, 0])


def test_verbose_says_what_does_not_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(growth, "MOST_NUMBERS", 16**2 - 1)
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = fitted(SigmoidMLPRegressor((3,), verbose=True, max_iter=2, random_state=0), X, X[:, 0])
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("adam: the matrices of a step of lm over 270 rows and 16 parameters")
    assert "held-out rows set the penalty" in first
    assert first.endswith("the error bars will be those of the last layer")
    assert model.posterior_kind_ == "last layer"


def test_the_memory_that_is_available_is_what_linux_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  4096 kB\nMemAvailable:   1024 kB\n")
    monkeypatch.setattr(memory, "MEMORY_FILE", file)
    assert memory.available_memory() == 1024**2
    monkeypatch.setattr(memory, "MEMORY_FILE", tmp_path / "nowhere")
    assert memory.available_memory() > 1e8  # what is built in, or infinity


# What comes of it ---------------------------------------------------------------------------


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The keyboard interrupts the attempt of that number, before its first iteration."""
    minimize = training._minimize
    calls: list[None] = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == at:
            raise KeyboardInterrupt
        return minimize(*arguments)

    monkeypatch.setattr(training, "_minimize", interrupted)


def test_an_interrupted_start_leaves_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fitted(regressor(solver="adam", max_iter=5), X, y)
    interrupt(monkeypatch, at=2)
    with pytest.warns(UserWarning, match="interrupted after 5 iterations"):
        model = regressor(solver="adam", max_iter=5, n_init=3).fit(X, y)
    np.testing.assert_array_equal(flat(model), flat(first))


def test_an_interruption_of_the_first_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, at=1)
    model = regressor(solver="adam", max_iter=5, n_init=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "weights_")


def test_an_epoch_of_partial_fit_need_not_converge() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor(solver="sgd").partial_fit(X, y)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "pinball"])
def test_held_out_rows_are_scored_as_scikit_learn_scores(loss: str) -> None:
    w, s = 0.1 * rng.normal(size=P), rng.uniform(0.5, 2, size=50)
    target = np.abs(y)[:, np.newaxis]
    score, mean_loss = score_and_loss(
        Network(SIZES, "sigmoid"),
        Rows(X, target, s),
        make_loss(loss, huber_delta=1, quantile=0.8),
        w,
    )
    z = reference.predict(w, X, SIZES, "sigmoid")
    prediction = np.exp(z) if loss == "poisson" else z
    if loss in ("huber", "pinball"):
        quantile = 0.8 if loss == "pinball" else 0.5
        expected = d2_pinball_score(target, prediction, alpha=quantile, sample_weight=s)
    else:
        expected = r2_score(target, prediction, sample_weight=s)
    assert score == pytest.approx(expected, rel=1e-12)
    if loss == "squared_error":
        assert mean_loss == pytest.approx(np.average((z - target)[:, 0] ** 2, weights=s) / 2)


def test_a_prediction_that_overflows_scores_worst() -> None:
    w = np.zeros(P)
    w[20] = 1000.0  # the bias of the output
    poisson = make_loss("poisson", huber_delta=1, quantile=0.5)
    with np.errstate(over="ignore"):
        score, _ = score_and_loss(Network(SIZES, "sigmoid"), Rows(X, np.ones((50, 1))), poisson, w)
    assert score == -np.inf
