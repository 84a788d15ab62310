from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.inspection import LossCurveDisplay

from .conftest import ensemble, fitted, legend_texts, network, sklearns

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = np.column_stack([X[:, 0] + np.sin(X[:, 1]), X[:, 2]]) + 0.3 * rng.normal(size=(40, 2))
y = Y[:, 0]

loss_curve = LossCurveDisplay.from_estimator


def xy(display: Any) -> tuple[FloatArray, FloatArray]:
    """Where the line is."""
    return np.asarray(display.line_.get_xdata()), np.asarray(display.line_.get_ydata())


def test_the_curve_is_the_root_of_twice_the_loss_at_each_iteration(ax: Axes) -> None:
    model = fitted(network(solver="lbfgs"), X, y)
    display = loss_curve(model, ax=ax)
    iterations, rmse = xy(display)
    np.testing.assert_array_equal(iterations, np.arange(1, model.n_iter_ + 1))
    np.testing.assert_allclose(rmse, np.sqrt(2 * np.array(model.loss_curve_)))
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "iteration"


@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("standardize", [True, False])
def test_the_curve_ends_at_the_error_of_the_model(
    targets: FloatArray, standardize: bool, ax: Axes
) -> None:
    model = fitted(network(solver="lbfgs", alpha=0, standardize=standardize), X, 5 * targets)
    display = loss_curve(model, ax=ax)
    unit = 5 * targets.std(axis=0) if standardize else 1.0
    error = np.sqrt(mean_squared_error(5 * targets / unit, model.predict(X) / unit))
    assert xy(display)[1][-1] == pytest.approx(error, rel=1e-6)
    label = "RMSE / standard deviation of y" if standardize else "RMSE"
    assert ax.get_ylabel() == label


def test_scikit_learns_curve_ends_near_the_error_of_its_model(ax: Axes) -> None:
    model = fitted(sklearns(learning_rate_init=0.01, alpha=0, max_iter=300), X, Y)
    display = loss_curve(model, ax=ax)
    error = np.sqrt(mean_squared_error(Y, model.predict(X)))
    assert xy(display)[1][-1] == pytest.approx(error, rel=0.02)
    assert ax.get_ylabel() == "RMSE"


@pytest.mark.parametrize("model", [network(solver="adam"), sklearns()])
def test_the_loss_is_drawn_as_it_is(model: Any, ax: Axes) -> None:
    display = loss_curve(fitted(model, X, y), metric="loss", ax=ax)
    np.testing.assert_array_equal(xy(display)[1], model.loss_curve_)
    assert ax.get_ylabel() == "loss"


@pytest.mark.parametrize(
    ("model", "label"),
    [
        (network(), "SigmoidMLPRegressor, lm"),
        (network(solver="adam"), "SigmoidMLPRegressor, adam"),
        (sklearns(), "MLPRegressor, adam"),
        (make_pipeline(StandardScaler(), sklearns(solver="sgd")), "MLPRegressor, sgd"),
    ],
)
def test_the_legend_names_the_solver_that_was_used(model: Any, label: str, ax: Axes) -> None:
    loss_curve(fitted(model, X, y), evidence=False, ax=ax)
    assert legend_texts(ax) == [label]


def test_the_evidence_is_on_an_axis_on_the_right(ax: Axes) -> None:
    model = fitted(network(max_iter=60), X, y)
    display = loss_curve(model, ax=ax)
    line, right = display.evidence_line_, display.evidence_ax_
    assert line is not None
    assert right is not None
    assert right is not ax
    assert right.get_ylabel() == "highest log evidence so far, per row"
    evidence = np.asarray(line.get_ydata())
    np.testing.assert_array_equal(evidence, model.log_evidence_curve_)
    assert (np.diff(evidence[np.isfinite(evidence)]) >= 0).all()
    assert legend_texts(right)[-1] == "SigmoidMLPRegressor, lm, log evidence"
    assert loss_curve(fitted(network(solver="adam"), X, y)).evidence_line_ is None


def test_a_curve_without_and_one_with_evidence_share_a_legend(ax: Axes) -> None:
    loss_curve(fitted(network(solver="gd"), X, y), name="gd", ax=ax)
    display = loss_curve(fitted(network(solver="lm"), X, y), name="lm", ax=ax)

    assert display.evidence_ax_ is not None
    assert legend_texts(display.evidence_ax_) == ["gd", "lm", "lm, log evidence"]
    assert ax.get_legend() is None


def test_an_evidence_that_is_never_known_is_not_drawn(ax: Axes) -> None:
    display = LossCurveDisplay(curve=[2.0, 1.0], evidence_curve=[np.nan, np.nan]).plot(ax)
    assert display.evidence_ax_ is None


def test_an_evidence_longer_than_the_training_is_refused(ax: Axes) -> None:
    with pytest.raises(ValueError, match="evidence_curve has 3 values for 2 iterations"):
        LossCurveDisplay(curve=[2.0, 1.0], evidence_curve=[1.0, 2.0, 3.0]).plot(ax)


def test_a_wrapper_that_standardises_y_has_a_relative_error(ax: Axes) -> None:
    scaled = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), sklearns()), transformer=StandardScaler()
    )
    loss_curve(fitted(scaled, X, y), ax=ax)
    loss_curve(fitted(network(solver="adam"), X, y), ax=ax)
    assert ax.get_ylabel() == "RMSE / standard deviation of y"
    assert legend_texts(ax) == ["MLPRegressor, adam", "SigmoidMLPRegressor, adam"]
    other = loss_curve(fitted(TransformedTargetRegressor(sklearns()), X, y), ax=Figure().subplots())
    assert other.ax_.get_ylabel() == "RMSE"


def test_the_relative_error_of_rows_held_out_is_on_the_same_axis(ax: Axes) -> None:
    model = fitted(network(solver="adam", early_stopping=True, validation_fraction=0.3), X, y)
    display = loss_curve(model, ax=ax)
    assert display.validation_ax_ is ax
    held_out = display.validation_line_
    assert held_out is not None
    expected = np.sqrt(2 * np.array(model.validation_loss_curve_))
    np.testing.assert_allclose(np.asarray(held_out.get_ydata()), expected)
    assert held_out.get_color() == display.line_.get_color()
    assert held_out.get_linestyle() == "--"
    name = "SigmoidMLPRegressor, adam"
    assert legend_texts(ax) == [name, f"{name}, rows held out"]


@pytest.mark.parametrize("metric", ["loss", "rmse"])
@pytest.mark.parametrize("standardize", [False, True])
def test_losses_of_rows_held_out_are_on_the_axis_of_the_training(
    metric: Any, standardize: bool, ax: Axes
) -> None:
    model = network(solver="adam", early_stopping=True, standardize=standardize)
    display = loss_curve(fitted(model, X, Y), metric=metric, ax=ax)
    assert display.validation_ax_ is ax
    assert display.validation_line_ is not None
    shown = np.asarray(display.validation_line_.get_ydata())
    losses = np.array(model.validation_loss_curve_)
    # Two outputs: the loss is the sum of theirs, the RMSE is that of their mean.
    np.testing.assert_allclose(shown, losses if metric == "loss" else np.sqrt(losses))


def test_scores_alone_become_the_relative_error_where_that_is_drawn(ax: Axes) -> None:
    theirs = sklearns(solver="adam", early_stopping=True, validation_fraction=0.3)
    model = fitted(TransformedTargetRegressor(theirs, transformer=StandardScaler()), X, y)
    display = loss_curve(model, ax=ax)
    assert display.validation_ax_ is ax
    assert display.validation_line_ is not None
    expected = np.sqrt(1 - np.array(model.regressor_.validation_scores_))
    np.testing.assert_allclose(np.asarray(display.validation_line_.get_ydata()), expected)


def test_the_relative_error_is_the_root_of_what_r2_leaves() -> None:
    prediction = y + 0.1 * X[:, 1]
    relative = np.sqrt(mean_squared_error(y, prediction)) / y.std()
    assert np.sqrt(1 - r2_score(y, prediction)) == pytest.approx(relative)


@pytest.mark.parametrize("metric", ["rmse", "loss"])
def test_other_scores_are_on_an_axis_on_the_right(metric: Any, ax: Axes) -> None:
    model = fitted(sklearns(solver="adam", early_stopping=True, validation_fraction=0.3), X, y)
    display = loss_curve(model, metric=metric, ax=ax)
    right, held_out = display.validation_ax_, display.validation_line_
    assert right is not None
    assert held_out is not None
    assert right is not ax
    assert right.get_ylabel() == "R² on the rows held out"
    assert right.get_yscale() == "linear"
    np.testing.assert_array_equal(held_out.get_ydata(), model.validation_scores_)
    assert len(legend_texts(right)) == 2


def test_models_on_the_same_axes_share_the_axis_on_the_right() -> None:
    one, another = Figure().subplots(2, sharex=True)
    models = [
        fitted(sklearns(solver="adam", early_stopping=True, activation=activation), X, y)
        for activation in ("tanh", "relu")
    ]
    a, b = (loss_curve(model, metric="loss", ax=one) for model in models)
    c = loss_curve(models[0], metric="loss", ax=another)
    assert a.validation_ax_ is b.validation_ax_
    assert c.validation_ax_ is not a.validation_ax_
    assert a.validation_ax_ is not None
    assert len(legend_texts(a.validation_ax_)) == 4
    assert a.line_.get_color() != b.line_.get_color()
    assert len(one.figure.axes) == 4


def test_scores_of_the_last_fit_stand_at_the_last_iterations(ax: Axes) -> None:
    model = network(solver="adam", early_stopping=True, validation_fraction=0.3, warm_start=True)
    fitted(fitted(model, X, y), X, y)
    display = loss_curve(model, ax=ax)
    assert display.validation_line_ is not None
    at = np.asarray(display.validation_line_.get_xdata())
    assert at[-1] == len(model.loss_curve_) > len(at) == len(model.validation_scores_)


def test_the_rows_held_out_can_be_left_out(ax: Axes) -> None:
    model = fitted(network(solver="adam", early_stopping=True, validation_fraction=0.3), X, y)
    display = loss_curve(model, validation=False, ax=ax)
    assert display.validation_line_ is None
    assert display.validation_ax_ is None


def test_a_single_iteration_is_a_marker(ax: Axes) -> None:
    display = loss_curve(fitted(network(solver="lbfgs", max_iter=1), X, y), ax=ax)
    assert display.line_.get_marker() == "o"
    ticks = ax.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_a_loss_of_nought_needs_no_logarithm(ax: Axes) -> None:
    LossCurveDisplay(curve=[0.0, 0.0]).plot(ax)
    assert ax.get_yscale() == "linear"
    LossCurveDisplay(curve=[1.0, 0.0]).plot(ax)
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize("top", [1.2, 8.0, 50.0, 1e9])
def test_ticks_are_plain_numbers_and_several(top: float, ax: Axes) -> None:
    LossCurveDisplay(curve=[top, 1.0]).plot(ax)
    # Matplotlib types a figure that may be none.
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    texts = [label.get_text() for label in ax.get_yticklabels()]
    bottom, top = ax.get_ylim()
    assert sum(bottom <= float(text) <= top for text in texts) >= 2
    assert not any(label.get_text() for label in ax.get_yticklabels(minor=True))


def test_styles_of_the_curves_can_be_chosen(ax: Axes) -> None:
    display = LossCurveDisplay(curve=[2.0, 1.0], validation_curve=[3.0, 2.0]).plot(
        ax, line_kwargs={"lw": 5}, validation_kwargs={"color": "red"}
    )
    assert display.validation_line_ is not None
    assert display.line_.get_linewidth() == 5
    assert display.validation_line_.get_color() == "red"


def test_units_that_cannot_be_compared_are_not_drawn_on_the_same_axes(ax: Axes) -> None:
    loss_curve(fitted(sklearns(), X, y), ax=ax)
    with pytest.raises(ValueError, match="cannot be compared with: draw this model on axes of its"):
        loss_curve(fitted(network(solver="adam"), X, y), ax=ax)
    assert len(ax.lines) == 1


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (LinearRegression(), "LinearRegression"),
        (MLPClassifier(hidden_layer_sizes=(2,), max_iter=2), "MLPClassifier, adam"),
        (sklearns(solver="lbfgs"), "MLPRegressor, lbfgs"),
    ],
)
def test_a_model_without_a_loss_curve_is_refused(model: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"There is no loss curve of {name}: it needs"):
        loss_curve(fitted(model, X, y > 0))


def test_a_loss_that_is_not_the_squared_error_gives_no_rmse(ax: Axes) -> None:
    model = fitted(sklearns(), X, y)
    model.loss = "poisson"
    with pytest.raises(ValueError, match="loss='poisson' gives no RMSE: use metric='loss'"):
        loss_curve(model, ax=ax)
    loss_curve(model, metric="loss", ax=ax)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="metric must be one of rmse, loss, got 'mse'"):
        # The wrong argument is what is tested.
        loss_curve(fitted(network(), X, y), metric="mse")  # type: ignore[arg-type]


# Ensembles ----------------------------------------------------------------------------------


def curves(lines: Any) -> list[FloatArray]:
    return [np.asarray(line.get_ydata()) for line in lines]


def test_an_ensemble_has_a_curve_for_each_member(ax: Axes) -> None:
    model = fitted(ensemble(3, solver="lbfgs"), X, y)
    display = loss_curve(model, ax=ax)
    assert len(display.lines_) == 3
    for member, rmse in zip(model.estimators_, curves(display.lines_), strict=True):
        np.testing.assert_allclose(rmse, np.sqrt(2 * np.array(member.loss_curve_)))
    assert display.line_ is display.lines_[0]
    assert len({line.get_color() for line in display.lines_}) == 1
    assert legend_texts(ax) == ["SigmoidMLPEnsembleRegressor, lbfgs"]
    assert ax.get_ylabel() == "RMSE / standard deviation of y"


def test_members_have_curves_of_rows_held_out(ax: Axes) -> None:
    model = fitted(ensemble(2, solver="adam", early_stopping=True, validation_fraction=0.3), X, y)
    display = loss_curve(model, metric="loss", ax=ax)
    for member, losses in zip(model.estimators_, curves(display.validation_lines_), strict=True):
        np.testing.assert_array_equal(losses, member.validation_loss_curve_)
    name = "SigmoidMLPEnsembleRegressor, adam"
    assert legend_texts(ax) == [name, f"{name}, rows held out"]
    assert len({line.get_color() for line in display.validation_lines_}) == 1
    alone = loss_curve(model, validation=False, ax=Figure().subplots())
    assert alone.validation_lines_ == []


def test_members_in_wrappers_that_standardise_y_have_relative_errors(ax: Axes) -> None:
    member = TransformedTargetRegressor(network(standardize=False), transformer=StandardScaler())
    model = fitted(SigmoidMLPEnsembleRegressor(member, 2, random_state=0), X, y)
    assert len(loss_curve(model, ax=ax).lines_) == 2
    assert ax.get_ylabel() == "RMSE / standard deviation of y"


def test_curves_of_several_lengths_are_drawn(ax: Axes) -> None:
    display = LossCurveDisplay(
        curve=[[3.0, 2.0, 1.0], [2.0]], validation_curve=[[1.5], [2.5]], name="two"
    ).plot(ax)
    assert [list(np.asarray(line.get_xdata())) for line in display.lines_] == [[1, 2, 3], [1]]
    assert [list(np.asarray(line.get_xdata())) for line in display.validation_lines_] == [[3], [1]]
    assert [line.get_marker() for line in display.lines_] == ["None", "o"]
    assert legend_texts(ax) == ["two", "two, rows held out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curve": []}, "curve must have shape"),
        ({"curve": [[1.0], []]}, "curve must have shape"),
        ({"curve": ["a"]}, "curve must be numbers"),
        ({"curve": [[1.0], [2.0]], "validation_curve": [1.0]}, "for each curve, got 1 for 2"),
    ],
)
def test_bad_curves_are_named(arguments: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        LossCurveDisplay(**arguments).plot(ax)
    assert not ax.has_data()
