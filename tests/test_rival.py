"""The rival by first order: when it is trained, when it is taken, and what remains of the other."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

from sklearn_mlp import SigmoidMLPRegressor, committee, growth, rival, training
from sklearn_mlp.noise import gain_and_error
from sklearn_mlp.solvers import HeldOutDescent
from sklearn_mlp.training import Fit
from tests.helpers import fitted

N_ROWS = 1_500


@pytest.fixture
def small_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ladder of one and two units that begins on some 400 rows, as if more were expensive."""
    monkeypatch.setattr(training, "WIDTHS", (1, 2))
    monkeypatch.setattr(committee, "WIDTHS", (1, 2))
    monkeypatch.setattr(training, "LADDER_ROWS", 400)
    monkeypatch.setattr(training, "LADDER_COST", 7e4)
    monkeypatch.setattr(growth, "WIDEST_COST", 0)
    monkeypatch.setattr(growth, "MEAN_COST", 0)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Fit, Fit]]:
    """The rivals of the fits that follow, each with what it was compared with."""
    pairs, is_better = list[tuple[Fit, Fit]](), rival._is_better

    def remember(new: Fit, old: Fit) -> bool:
        pairs.append((new, old))
        return is_better(new, old)

    monkeypatch.setattr(rival, "_is_better", remember)
    return pairs


def waves(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A sum of four waves, which needs more than two units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS + 1_000, 4))
    return X, np.sin(2 * X).sum(axis=1) + rng.normal(scale=0.1, size=len(X))


def one_unit(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A function that one unit is enough for."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS + 1_000, 4))
    y = np.tanh(X @ [1.0, -0.5, 0.3, 0.0]) + rng.normal(scale=0.1, size=len(X))
    return X, y


@pytest.mark.usefixtures("small_ladder")
def test_a_rival_with_more_units_is_taken_where_they_are_needed() -> None:
    X, y = waves()
    model = SigmoidMLPRegressor(random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    assert model.solver_ == "adam"
    assert [W.shape[1] for W in model.weights_] == [50, 1]
    assert r2_score(y[N_ROWS:], model.predict(X[N_ROWS:])) > 0.9  # two units: 0.4
    mean, std = model.predict(X[N_ROWS:], return_std=True)
    assert 0.9 < np.mean(np.abs(y[N_ROWS:] - mean) < 1.96 * std) < 0.99
    assert model.log_evidence_curve_ is None
    assert len(model.validation_scores_) == model.n_iter_


@pytest.mark.usefixtures("small_ladder")
def test_architectures_says_that_the_rival_was_taken(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = waves()
    model = SigmoidMLPRegressor(random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    *before, taken = model.architectures_
    assert {network["hidden_layer_sizes"] for network in before} == {(1,), (2,)}
    assert all(network["share"] == 0 for network in before)
    assert (taken["hidden_layer_sizes"], taken["n_rows"], taken["share"]) == ((50,), 1_350, 1)
    assert all(np.isnan(taken[k]) for k in ("log_evidence", "leave_one_out"))
    model.summary()
    line = next(row for row in capsys.readouterr().out.splitlines() if "held-out" in row)
    assert line.split() == ["50", "1,350", "by", "held-out", "rows", "100%"]


@pytest.mark.usefixtures("small_ladder")
def test_a_rival_that_is_no_better_changes_nothing(
    compared: list[tuple[Fit, Fit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = one_unit()
    alone = SigmoidMLPRegressor(solver="lm", random_state=0).fit(X, y)
    monkeypatch.setattr(training, "AMPLE_ROWS", 1_000)
    with_rival = SigmoidMLPRegressor(random_state=0).fit(X, y)
    assert len(compared) == 1
    np.testing.assert_array_equal(with_rival.predict(X), alone.predict(X))


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.usefixtures("small_ladder")
def test_errors_are_compared_on_the_held_out_rows(
    n_outputs: int, compared: list[tuple[Fit, Fit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same units, and for the network that has seen them as if it had not."""
    seen: list[tuple[np.ndarray, ...]] = []

    def spy(new: np.ndarray, old: np.ndarray, s: np.ndarray) -> tuple[float, float]:
        seen.append((new, old, s))
        return gain_and_error(new, old, s)

    monkeypatch.setattr("sklearn_mlp.rival.gain_and_error", spy)
    X, y = waves()
    y = 1e3 * (y + 5)
    Y = np.column_stack([y, X[:, 0] ** 2])[:, :n_outputs]
    s = np.random.default_rng(1).uniform(0.5, 2, len(y))
    target = Y if n_outputs > 1 else Y.ravel()
    fitted(SigmoidMLPRegressor(noise="constant", random_state=0), X, target, s)
    ((new, old),), ((before, after, weights),) = compared, seen
    held_out = new.plan.data.held_out
    assert held_out is not None
    index = held_out.index
    assert index is not None
    own, scale = new.plan.data.units, old.plan.data.units.outputs.scale
    Z = (X[index] - own.inputs.mean) / own.inputs.scale
    layers = new.plan.network.layers(new.trained.w.astype(float))
    hidden = 1 / (1 + np.exp(-(layers[0][0] + Z @ layers[0][1:])))
    prediction = (layers[1][0] + hidden @ layers[1][1:]) * own.outputs.scale + own.outputs.mean
    expected = (((prediction - Y[index]) / scale) ** 2).sum(axis=1)
    np.testing.assert_allclose(after, expected, rtol=1e-4)
    counted = s[index] / s.mean()
    np.testing.assert_allclose(weights / weights.mean(), counted / counted.mean(), rtol=1e-6)
    model = SigmoidMLPRegressor(noise="constant", solver="lm", random_state=0)
    lm = fitted(model, X, target, s).predict(X[index]).reshape(len(index), -1)
    plain = (((lm - Y[index]) / scale) ** 2).sum(axis=1)
    assert (before >= plain * (1 - 1e-6)).all()  # leaving out a row raises its error
    assert (before < 1.5 * plain + 1e-6).all()  # a little


@pytest.mark.usefixtures("small_ladder")
def test_errors_as_they_are_count_where_none_by_leaving_out_can_be_trusted(
    compared: list[tuple[Fit, Fit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without noise, where the leverage of every row can be 1 by its numbers."""
    monkeypatch.setattr("sklearn_mlp.noise.MOST_LEVERAGE", -1.0)
    seen: list[np.ndarray] = []

    def spy(new: np.ndarray, old: np.ndarray, s: np.ndarray) -> tuple[float, float]:
        seen.append(new)
        return gain_and_error(new, old, s)

    monkeypatch.setattr("sklearn_mlp.rival.gain_and_error", spy)
    X, y = waves()
    model = SigmoidMLPRegressor(noise="constant", random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    ((new, old),) = compared
    assert model.solver_ == "adam"
    held_out = new.plan.data.held_out
    assert held_out is not None
    assert held_out.index is not None
    lm = SigmoidMLPRegressor(noise="constant", solver="lm", random_state=0)
    lm.fit(X[:N_ROWS], y[:N_ROWS])
    errors = (lm.predict(X[held_out.index]) - y[held_out.index]) / old.plan.data.units.outputs.scale
    np.testing.assert_allclose(seen[0], errors**2, rtol=1e-6, atol=1e-9)


def test_a_given_network_has_a_rival_where_it_begins_on_few_rows(
    compared: list[tuple[Fit, Fit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rival has the same units. Without levels it wins against training on 20 rows."""
    monkeypatch.setattr(training, "AUTO_LM_COST", 1)
    monkeypatch.setattr(training, "rows_to_begin_with", lambda *_: 20)
    monkeypatch.setattr(growth, "levels", lambda *_: [])
    X, y = waves()
    model = fitted(SigmoidMLPRegressor((10,), random_state=0), X[:N_ROWS], y[:N_ROWS])
    ((new, _),) = compared
    assert new.plan.network.layer_sizes == (4, 10, 1)
    assert model.solver_ == "adam"
    assert not hasattr(model, "architectures_")


@pytest.mark.parametrize(
    "settings",
    [{"solver": "lm"}, {"loss": "poisson"}, {"alpha": 0.1}, {"early_stopping": True}],
    ids=str,
)
@pytest.mark.usefixtures("small_ladder")
def test_who_asks_for_something_else_gets_no_rival(
    settings: dict[str, Any], compared: list[tuple[Fit, Fit]]
) -> None:
    X, y = waves()
    fitted(SigmoidMLPRegressor(random_state=0, max_iter=20, **settings), X, np.exp(y / 4))
    assert not compared


@pytest.mark.usefixtures("small_ladder")
def test_an_interrupted_rival_leaves_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = waves()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(HeldOutDescent, "minimize", interrupt)
    with pytest.warns(UserWarning, match="interrupted; the best model so far is kept"):
        model = SigmoidMLPRegressor(random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    assert model.solver_ == "lm"
    assert model.noise_ == "constant"  # which is found after the mean, and was not looked for
    assert np.isfinite(model.predict(X, return_std=True)[1]).all()


@pytest.mark.usefixtures("small_ladder")
def test_a_rival_that_its_own_limit_ends_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = waves()
    monkeypatch.setattr("sklearn_mlp.regressor.most_epochs", lambda _: 120)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = SigmoidMLPRegressor(random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    assert model.solver_ == "adam"
    assert model.n_iter_ <= 120


@pytest.mark.usefixtures("small_ladder")
def test_a_rival_that_diverges_leaves_the_other() -> None:
    X, y = waves()
    model = SigmoidMLPRegressor(learning_rate_init=1e300, random_state=0)
    model.fit(X[:N_ROWS], y[:N_ROWS])
    assert model.solver_ == "lm"


@pytest.mark.parametrize("is_better", [True, False])
@pytest.mark.usefixtures("small_ladder")
def test_only_the_one_that_is_taken_warns(is_better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = waves()
    monkeypatch.setattr(rival, "_is_better", lambda *_: is_better)
    name = "adam" if is_better else "lm"
    model = SigmoidMLPRegressor(max_iter=8, noise="constant", random_state=0)
    with pytest.warns(ConvergenceWarning, match=f"{name} has not converged in") as caught:
        model.fit(X[:N_ROWS], y[:N_ROWS])
    assert len(caught) == 1


def test_many_rows_are_seen_by_the_rival_a_few_times() -> None:
    assert rival.most_epochs(1_500) > 200  # the default of max_iter
    assert rival.most_epochs(40_000) == 100
    assert rival.most_epochs(10_000_000) == rival.LEAST_EPOCHS


@pytest.mark.usefixtures("small_ladder")
def test_of_more_rows_the_rival_sees_some(
    compared: list[tuple[Fit, Fit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rival, "MOST_PASSES", 200_000)
    monkeypatch.setattr(rival, "LEAST_EPOCHS", 200)
    X, y = waves()
    model = SigmoidMLPRegressor(random_state=0).fit(X[:N_ROWS], y[:N_ROWS])
    ((new, _),) = compared
    assert new.plan.data.held_out is not None
    assert (new.plan.data.rows.n_rows, new.plan.data.held_out.n_rows) == (900, 100)
    seen, held_out = new.plan.data.rows.index, new.plan.data.held_out.index
    assert seen is not None
    assert held_out is not None
    assert len(np.union1d(seen, held_out)) == 1_000
    assert model.architectures_[-1]["n_rows"] == 900
    assert r2_score(y[N_ROWS:], model.predict(X[N_ROWS:])) > 0.9


@pytest.mark.usefixtures("small_ladder")
def test_a_collection_on_a_cluster_has_a_rival_too() -> None:
    da = pytest.importorskip("dask.array")
    X, y = waves()
    X, y = X[:N_ROWS], y[:N_ROWS]
    model = SigmoidMLPRegressor(random_state=0)
    model.fit(da.from_array(X, chunks=(500, 4)), da.from_array(y, chunks=500))
    assert model.solver_ == "adam"
    assert r2_score(y, model.predict(X)) > 0.9


@pytest.mark.usefixtures("small_ladder")
def test_verbose_says_what_the_rival_is(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = waves()
    SigmoidMLPRegressor(random_state=0, verbose=True).fit(X[:N_ROWS], y[:N_ROWS])
    out = capsys.readouterr().out
    assert "50 units by first order; 150 of 1,500 rows are held out, round 1 of 4" in out
    assert "\nfitted: 50 hidden units; solver adam" in out
