from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.inspection import SensitivityDisplay

from .. import reference

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
COEFS = np.array([2.0, -0.5, 3.0])  # times the deviations, the second leads and the last is least
Y_LINEAR = X @ COEFS + 1
Y_CURVED = np.sin(X[:, 0]) + 0.01 * X[:, 1] ** 2
TABLE = pd.DataFrame(X, columns=["age", "bmi", "pulse"])

from_estimator = SensitivityDisplay.from_estimator


def network(*hidden: int, **parameters: Any) -> Any:
    return SigmoidMLPRegressor(hidden, **{"random_state": 0, **parameters})


def linear(data: Any = X) -> Any:
    return network(solver="lm", alpha=0).fit(data, Y_LINEAR)


def curved(data: Any = X) -> Any:
    return network(4, solver="lm", alpha=0.1, max_iter=30, tol=1.0).fit(data, Y_CURVED)


def names(display: SensitivityDisplay) -> list[str]:
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def strip(display: SensitivityDisplay, place: int) -> FloatArray:
    """Where the points of a strip are."""
    return np.asarray(display.scatters_[place].get_offsets())


def colours(display: SensitivityDisplay, place: int) -> FloatArray:
    """What the points of a strip are coloured by."""
    return np.asarray(display.scatters_[place].get_array())


# The derivatives ----------------------------------------------------------------------------


def test_a_linear_model_has_its_coefficients_times_the_deviations(ax: Axes) -> None:
    display = from_estimator(linear(), X, ax=ax)
    expected = COEFS * X.std(axis=0)
    np.testing.assert_allclose(
        np.asarray(display.sensitivities), np.tile(expected, (60, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(display.rms_, np.abs(expected), rtol=1e-6)
    assert display.order_.tolist() == np.argsort(-np.abs(expected)).tolist() == [1, 0, 2]


def test_in_raw_units_a_linear_model_has_its_coefficients(ax: Axes) -> None:
    display = from_estimator(linear(), X, scaled=False, ax=ax)
    np.testing.assert_allclose(
        np.asarray(display.sensitivities), np.tile(COEFS, (60, 1)), rtol=1e-6
    )
    assert display.order_.tolist() == [2, 0, 1]
    assert ax.get_xlabel() == "change of the prediction\nper unit of the feature"


def test_a_curved_model_has_the_derivative_at_each_row(ax: Axes) -> None:
    model = curved()
    display = from_estimator(model, X, scaled=False, ax=ax)
    w = np.concatenate([W.ravel() for W in model.weights_])
    steps = [1e-30j * np.eye(3)[j] for j in range(3)]
    expected = np.column_stack(
        [reference.predict(w, X + h, (3, 4, 1), "sigmoid").imag / 1e-30 for h in steps]
    )
    np.testing.assert_allclose(np.asarray(display.sensitivities), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(display.rms_, np.sqrt((expected**2).mean(axis=0)))


def test_a_feature_that_does_not_vary_moves_nothing(ax: Axes) -> None:
    model = linear()
    display = from_estimator(model, np.column_stack([X[:, :2], np.full(60, 0.1)]), ax=ax)
    assert display.rms_[2] == 0
    assert (colours(display, 2) == 0.5).all()


@pytest.mark.parametrize("to_sparse", [sp.csr_array, sp.coo_matrix])
def test_sparse_data_are_drawn_like_dense_ones(to_sparse: Any, ax: Axes) -> None:
    model = curved()
    sparse, dense = from_estimator(model, to_sparse(X), ax=ax), from_estimator(model, X, ax=ax)
    np.testing.assert_allclose(sparse.rms_, dense.rms_)
    np.testing.assert_allclose(colours(sparse, 0), colours(dense, 0))


def test_one_of_several_outputs_is_drawn(ax: Axes) -> None:
    Y = np.column_stack([Y_LINEAR, X @ [0.0, 0.0, 9.0]])
    model = network(solver="lm", alpha=0).fit(X, Y)
    display = from_estimator(model, X, output=1, scaled=False, ax=ax)
    np.testing.assert_allclose(display.rms_, [0, 0, 9], atol=1e-6)
    assert ax.get_xlabel() == "change of output 1\nper unit of the feature"
    last = from_estimator(model, X, output=-1, scaled=False, ax=ax)
    np.testing.assert_array_equal(last.rms_, display.rms_)


# Pipelines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_std=False),
        MinMaxScaler((-1, 3)),
        MaxAbsScaler(),
        RobustScaler(),
        "passthrough",
        make_pipeline(StandardScaler(), MinMaxScaler()),
    ],
    ids=str,
)
def test_behind_a_scaler_the_derivative_is_by_the_columns_of_x(
    scaler: Any, scaled: bool, ax: Axes
) -> None:
    steps = [step for _, step in scaler.steps] if hasattr(scaler, "steps") else [scaler]
    pipeline = make_pipeline(*steps, network(solver="lm", alpha=0)).fit(TABLE, Y_LINEAR)
    display = from_estimator(pipeline, TABLE, scaled=scaled, ax=ax)
    expected = np.abs(COEFS) * (X.std(axis=0) if scaled else 1)
    np.testing.assert_allclose(display.rms_, expected, rtol=1e-6)
    assert names(display) == list(TABLE.columns[np.argsort(-expected)])
    np.testing.assert_array_equal(display.values, X)


def test_a_pipeline_in_a_pipeline_is_followed(ax: Axes) -> None:
    inner = make_pipeline(MinMaxScaler(), network(solver="lm", alpha=0))
    pipeline = make_pipeline(StandardScaler(), inner).fit(X, Y_LINEAR)
    display = from_estimator(pipeline, X, scaled=False, ax=ax)
    np.testing.assert_allclose(display.rms_, np.abs(COEFS), rtol=1e-6)


def test_behind_another_step_the_derivative_is_by_what_it_gives(ax: Axes) -> None:
    steps = StandardScaler(), PolynomialFeatures(2, include_bias=False), MinMaxScaler()
    pipeline = make_pipeline(*steps, network(solver="lm", alpha=1e-3))
    pipeline.fit(TABLE[["age", "bmi"]], 3 * ((TABLE["age"] - X[:, 0].mean()) / X[:, 0].std()) ** 2)
    display = from_estimator(pipeline, TABLE[["age", "bmi"]], scaled=False, ax=ax)
    assert display.feature_names == ["age", "bmi", "age^2", "age bmi", "bmi^2"]
    np.testing.assert_allclose(display.rms_, [0, 0, 3, 0, 0], atol=2e-2)
    z = (X[:, :2] - X[:, :2].mean(axis=0)) / X[:, :2].std(axis=0)
    np.testing.assert_allclose(np.asarray(display.values)[:, 2], z[:, 0] ** 2)


def test_a_step_without_names_leaves_numbers(ax: Axes) -> None:
    pipeline = make_pipeline(FunctionTransformer(np.tanh), network(2, solver="adam", tol=1.0))
    display = from_estimator(pipeline.fit(X, Y_LINEAR), X, ax=ax)
    assert sorted(names(display)) == ["x0", "x1", "x2"]
    display = from_estimator(pipeline.fit(TABLE, Y_LINEAR), TABLE, ax=ax)
    assert sorted(names(display)) == ["age", "bmi", "pulse"]  # those of the table that it gives


def test_a_scaler_that_clips_is_no_straight_line(ax: Axes) -> None:
    pipeline = make_pipeline(MinMaxScaler(clip=True), network(solver="lm", alpha=0))
    display = from_estimator(pipeline.fit(TABLE, Y_LINEAR), TABLE, scaled=False, ax=ax)
    np.testing.assert_allclose(display.rms_, np.abs(COEFS) * np.ptp(X, axis=0), rtol=1e-6)


# Targets and ensembles ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "transformer", [None, StandardScaler(), MinMaxScaler((-1, 3)), RobustScaler()], ids=str
)
def test_behind_scaled_targets_the_derivative_is_of_what_is_predicted(
    transformer: Any, ax: Axes
) -> None:
    inner = make_pipeline(StandardScaler(), network(solver="lm", alpha=0))
    model = TransformedTargetRegressor(inner, transformer=transformer)
    display = from_estimator(model.fit(X, Y_LINEAR), X, scaled=False, ax=ax)
    expected = np.tile(COEFS, (60, 1))
    np.testing.assert_allclose(np.asarray(display.sensitivities), expected, rtol=1e-6)


def test_each_of_several_scaled_targets_has_its_own_scale(ax: Axes) -> None:
    Y = np.column_stack([Y_LINEAR, 100 * Y_LINEAR])
    model = TransformedTargetRegressor(
        network(solver="lm", alpha=0), transformer=StandardScaler()
    ).fit(X, Y)
    for output, factor in ((0, 1), (1, 100)):
        display = from_estimator(model, X, output=output, scaled=False, ax=ax)
        np.testing.assert_allclose(display.rms_, factor * np.abs(COEFS), rtol=1e-6)


def test_targets_that_are_not_scaled_are_refused() -> None:
    model = TransformedTargetRegressor(
        network(2, solver="adam", tol=1.0), func=np.exp, inverse_func=np.log, check_inverse=False
    )
    with pytest.raises(ValueError, match="FunctionTransformer does not scale the targets"):
        from_estimator(model.fit(X, Y_CURVED), X)


@pytest.mark.slow
def test_an_ensemble_has_the_mean_of_the_derivatives(ax: Axes) -> None:
    member = network(4, solver="lm", alpha=0.1, max_iter=30, tol=1.0)
    for estimator in (member, make_pipeline(MinMaxScaler(), member)):
        model = SigmoidMLPEnsembleRegressor(estimator, 3, random_state=0).fit(TABLE, Y_CURVED)
        display = from_estimator(model, TABLE, scaled=False, ax=ax)
        h = 1e-5 * X.std(axis=0)
        expected = np.column_stack(
            [
                (model.predict(TABLE + step) - model.predict(TABLE - step)) / (2 * h[j])
                for j, step in enumerate(np.diag(h))
            ]
        )
        np.testing.assert_allclose(
            np.asarray(display.sensitivities), expected, rtol=1e-4, atol=1e-6
        )
        assert sorted(names(display)) == ["age", "bmi", "pulse"]


def test_members_that_mix_the_columns_have_no_mean() -> None:
    member = make_pipeline(PolynomialFeatures(2), network(2, solver="adam", tol=1.0))
    model = SigmoidMLPEnsembleRegressor(member, 2, random_state=0).fit(X, Y_LINEAR)
    with pytest.raises(
        ValueError, match=r"PolynomialFeatures does not .*ensemble.estimators_\[0\]"
    ):
        from_estimator(model, X)
    before = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        SigmoidMLPEnsembleRegressor(network(2, solver="adam", tol=1.0), 2, random_state=0),
    )
    assert len(names(from_estimator(before.fit(X, Y_LINEAR), X, ax=Figure().subplots()))) == 9


# What is drawn ------------------------------------------------------------------------------


def test_a_strip_a_feature_with_the_largest_on_top(ax: Axes) -> None:
    model = curved(TABLE)
    display = from_estimator(model, TABLE, ax=ax)
    D = np.asarray(display.sensitivities)
    assert (np.diff(display.rms_[display.order_]) <= 0).all()
    assert names(display) == [TABLE.columns[j] for j in display.order_]
    assert ax.get_ylim() == (2.5, -0.5)
    for place, j in enumerate(display.order_):
        np.testing.assert_array_equal(strip(display, place)[:, 0], D[:, j])
        assert (np.abs(strip(display, place)[:, 1] - place) < 0.5).all()
    assert display.bars_ is None


def test_points_in_the_same_place_stand_side_by_side(ax: Axes) -> None:
    display = SensitivityDisplay(sensitivities=np.ones((9, 1))).plot(ax)
    heights = strip(display, 0)[:, 1]
    assert len(set(heights)) == 9
    assert heights.mean() == pytest.approx(0)


def test_points_are_coloured_from_the_low_values_to_the_high(ax: Axes) -> None:
    display = from_estimator(linear(), X, ax=ax)
    for place, j in enumerate(display.order_):
        low, high = np.percentile(X[:, j], [5, 95])
        np.testing.assert_allclose(
            colours(display, place), np.clip((X[:, j] - low) / (high - low), 0, 1)
        )
    assert display.colorbar_ is not None
    assert [t.get_text() for t in display.colorbar_.ax.get_yticklabels()] == ["low", "high"]
    assert display.colorbar_.ax.get_ylabel() == "value of the feature"


def test_a_feature_that_is_mostly_nought_is_coloured_over_its_range(ax: Axes) -> None:
    values = np.r_[np.zeros(99), 1.0][:, None]
    display = SensitivityDisplay(sensitivities=np.ones((100, 1)), values=values).plot(ax)
    np.testing.assert_array_equal(colours(display, 0), values[:, 0])


@pytest.mark.parametrize("style", [{}, {"color": "red"}])
def test_without_values_or_with_a_colour_there_is_no_colour_bar(
    style: dict[str, Any], ax: Axes
) -> None:
    values = np.ones((4, 2)) if style else None
    display = SensitivityDisplay(sensitivities=np.ones((4, 2)), values=values)
    display.plot(ax, scatter_kwargs=style)
    assert display.colorbar_ is None
    expected = to_rgba(style.get("color", "C0"))
    np.testing.assert_array_equal(display.scatters_[0].get_facecolor(), [expected])


def test_the_root_mean_square_is_marked_with_the_sign_of_the_mean(ax: Axes) -> None:
    display = SensitivityDisplay(sensitivities=[[3.0, -1.0], [4.0, 1.0 / 2]]).plot(ax)
    assert display.rms_markers_ is not None
    expected = [np.sqrt(12.5), -np.sqrt(0.625)]
    np.testing.assert_allclose(np.asarray(display.rms_markers_.get_xdata()), expected)
    np.testing.assert_array_equal(display.rms_markers_.get_ydata(), [0, 1])
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["RMS, with the sign of the mean"]


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_root_mean_square_of_any_size_is_finite(size: float, ax: Axes) -> None:
    display = SensitivityDisplay(sensitivities=[[3 * size], [4 * size]])
    assert display.plot(ax, kind="bar").rms_[0] == pytest.approx(size * np.sqrt(12.5))


def test_bars_are_as_long_as_the_root_mean_squares(ax: Axes) -> None:
    display = from_estimator(linear(TABLE), TABLE, kind="bar", ax=ax)
    assert display.bars_ is not None
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_array_equal(widths, display.rms_[display.order_])
    assert names(display) == ["bmi", "age", "pulse"]
    assert ax.get_xlabel().startswith("RMS change of the prediction")
    assert (display.scatters_, display.rms_markers_, display.colorbar_) == ([], None, None)


def test_only_the_largest_are_drawn(ax: Axes) -> None:
    display = from_estimator(linear(TABLE), TABLE, max_features=2, ax=ax)
    assert names(display) == ["bmi", "age"]
    assert ax.get_ylabel() == "2 of 3 features"
    assert display.rms_.size == 3
    everything = from_estimator(linear(TABLE), TABLE, max_features=None, ax=Figure().subplots())
    assert len(everything.scatters_) == 3
    assert everything.ax_.get_ylabel() == ""


def test_many_rows_are_thinned_and_all_count(ax: Axes) -> None:
    D = rng.normal(size=(5_000, 1))
    display = SensitivityDisplay(sensitivities=D).plot(ax)
    assert len(strip(display, 0)) == 1_000
    assert display.rms_[0] == pytest.approx(np.sqrt((D**2).mean()))
    assert len(strip(display.plot(Figure().subplots(), subsample=None), 0)) == 5_000


def test_a_long_name_is_shortened_in_its_middle(ax: Axes) -> None:
    display = SensitivityDisplay(sensitivities=[[1.0]], feature_names=["start " * 20 + "the end"])
    (name,) = names(display.plot(ax))
    assert len(name) == 36
    assert name.startswith("start start")
    assert name.endswith("the end")


@pytest.mark.parametrize(("n_features", "height"), [(1, 2.68), (30, 11.0)])
def test_a_new_figure_is_as_high_as_its_features_ask_for(n_features: int, height: float) -> None:
    plt.switch_backend("Agg")
    display = SensitivityDisplay(sensitivities=np.ones((2, n_features))).plot(max_features=None)
    assert display.figure_ is display.ax_.figure
    assert plt.gcf().get_size_inches()[1] == pytest.approx(height)
    plt.close("all")


def test_styles_can_be_chosen(ax: Axes) -> None:
    display = from_estimator(linear(), X, scatter_kwargs={"s": 3}, marker_kwargs={"ms": 9}, ax=ax)
    assert display.rms_markers_ is not None
    assert display.scatters_[0].get_sizes().tolist() == [3]
    assert display.rms_markers_.get_markersize() == 9
    bar = from_estimator(linear(), X, kind="bar", bar_kwargs={"color": "red"}, ax=ax).bars_
    assert bar is not None
    assert bar[0].get_facecolor() == to_rgba("red")


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [LinearRegression(), make_pipeline(StandardScaler(), LinearRegression())]
)
def test_a_model_without_derivatives_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="LinearRegression has no input_gradient: sensitivities"):
        from_estimator(model.fit(X, Y_LINEAR), X)


def test_several_outputs_need_a_choice() -> None:
    model = network(solver="lm", alpha=0).fit(X, np.column_stack([Y_LINEAR, Y_CURVED]))
    with pytest.raises(ValueError, match="has 2 outputs: choose one of them, output=0 to 1"):
        from_estimator(model, X)
    with pytest.raises(ValueError, match="output=2 was asked for, and the model has 2"):
        from_estimator(model, X, output=2)
    with pytest.raises(ValueError, match="output=1 was asked for, and the model has 1"):
        from_estimator(linear(), X, output=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensitivities": [1.0]}, r"sensitivities must have shape .*, got \(1,\)"),
        ({"sensitivities": [[np.nan]]}, "sensitivities must be finite"),
        ({"values": [[1.0]]}, r"values must have the shape of sensitivities, \(1, 2\), got"),
        ({"values": [[np.inf, 1.0]]}, "values must be finite"),
        ({"feature_names": ["a"]}, "There are 1 feature_names for 2 features"),
    ],
)
def test_bad_arrays_are_named(arguments: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        SensitivityDisplay(**{"sensitivities": [[1.0, 2.0]], **arguments}).plot(ax)
    assert not ax.has_data()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "swarm"}, "kind must be one of strip, bar, got 'swarm'"),
        ({"max_features": 0}, "max_features must be at least 1, or None, got 0"),
        ({"subsample": 0}, "subsample must be at least 1, or None, got 0"),
    ],
)
def test_bad_choices_are_named(arguments: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        from_estimator(linear(), X, ax=ax, **arguments)
