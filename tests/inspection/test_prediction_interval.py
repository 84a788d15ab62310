import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp._typing import FloatArray
from sklearn_mlp.inspection import LossCurveDisplay, PredictionIntervalDisplay

from .conftest import fitted, legend_texts, network

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = np.column_stack([X[:, 0] + np.sin(X[:, 1]), X[:, 2]]) + 0.3 * rng.normal(size=(40, 2))
y = Y[:, 0]
x = X[:, :1]
TABLE = pd.DataFrame(X, columns=["age", "bmi", "pulse"])

from_estimator = PredictionIntervalDisplay.from_estimator
from_predictions = PredictionIntervalDisplay.from_predictions
loss_curve = LossCurveDisplay.from_estimator


class WidensWithX(RegressorMixin, BaseEstimator):
    """Predicts 10 x with a standard deviation of 1 + x², x the first column."""

    def fit(self, X: Any, y: Any) -> Self:
        self.fitted_ = True
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        x = np.asarray(X, dtype=float)[:, 0]
        return (10 * x, 1 + x**2) if return_std else 10 * x


def xy(display: Any) -> tuple[FloatArray, FloatArray]:
    """Where the line is."""
    return np.asarray(display.line_.get_xdata()), np.asarray(display.line_.get_ydata())


def offsets(display: PredictionIntervalDisplay) -> FloatArray:
    """Where the observations are."""
    assert display.scatter_ is not None
    return np.asarray(display.scatter_.get_offsets())


def band_limits(display: PredictionIntervalDisplay, at: FloatArray) -> FloatArray:
    """The lower and the upper edge of a band at some of its corners."""
    assert isinstance(display.band_, PolyCollection)
    corners = display.band_.get_paths()[0].vertices
    heights = [np.asarray(corners)[np.asarray(corners)[:, 0] == position, 1] for position in at]
    return np.array([(h.min(), h.max()) for h in heights])


def bar_limits(display: PredictionIntervalDisplay) -> FloatArray:
    """The x, the lower and the upper end of each bar."""
    assert isinstance(display.band_, LineCollection)
    bars = np.asarray(display.band_.get_segments())
    np.testing.assert_array_equal(bars[:, 0, 0], bars[:, 1, 0])
    return np.column_stack([bars[:, 0], bars[:, 1, 1]])


# Intervals: a model of one feature ----------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.5, 0.95])
def test_the_band_is_the_mean_and_z_standard_deviations(ax: Axes, coverage: float) -> None:
    at = np.array([-1.0, 0.0, 2.0])
    model = WidensWithX().fit(None, None)
    display = from_estimator(model, at[:, None], coverage=coverage, ax=ax)
    half_width = norm.ppf(0.5 + coverage / 2) * (1 + at**2)
    expected = np.column_stack([10 * at - half_width, 10 * at + half_width])
    np.testing.assert_allclose(band_limits(display, at), expected, rtol=1e-12)


def test_a_gap_in_the_data_is_drawn_from_predictions_inside_it(ax: Axes) -> None:
    gap = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    display = from_estimator(WidensWithX().fit(None, None), gap, ax=ax)
    drawn, means = xy(display)
    assert (np.diff(drawn) >= 0).all()
    assert drawn[[0, -1]].tolist() == [-2, 2]
    assert ((drawn > -1) & (drawn < 1)).sum() > 50
    np.testing.assert_allclose(means, 10 * drawn)


def test_observations_are_points_where_they_were_made(ax: Axes) -> None:
    display = from_estimator(BayesianRidge().fit(x, y), x, y, ax=ax)
    order = np.argsort(x[:, 0])
    np.testing.assert_array_equal(offsets(display), np.column_stack([x[:, 0], y])[order])


def test_rows_without_an_observation_extend_the_curve_only(ax: Axes) -> None:
    wider = np.append(x, [[-9.0], [9.0]], axis=0)
    display = from_estimator(BayesianRidge().fit(x, y), wider, [*y, np.nan, np.nan], ax=ax)
    assert xy(display)[0][[0, -1]].tolist() == [-9, 9]
    assert len(offsets(display)) == len(y)
    alone = from_estimator(BayesianRidge().fit(x, y), x, y, ax=ax)
    assert display.observed_coverage_ == alone.observed_coverage_


@pytest.mark.parametrize(
    "model",
    [
        network(solver="lm"),
        GaussianProcessRegressor(alpha=0.1),
        BayesianRidge(),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), BayesianRidge())),
    ],
    ids=["network", "Gaussian process", "Bayesian ridge", "pipeline"],
)
def test_any_regressor_with_return_std_is_drawn(model: Any, ax: Axes) -> None:
    fitted(model, x, y)
    display = from_estimator(model, x, y, ax=ax)
    mean, std = model.predict(x, return_std=True)
    margin = norm.ppf(0.975) * std
    np.testing.assert_allclose(
        band_limits(display, x[:, 0]), np.column_stack([mean - margin, mean + margin]), rtol=1e-9
    )
    assert display.observed_coverage_ == np.mean(np.abs(y - mean) <= margin)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_a_column_of_a_data_frame_names_the_axis(container: Any, ax: Axes) -> None:
    table = container({"dose": x[:, 0]})
    model = fitted(network(solver="lm"), table, y)
    display = from_estimator(model, table, pd.Series(y, name="response"), ax=ax)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("dose", "response")
    assert len(xy(display)[0]) > len(x)


def test_float32_data_stay_float32(ax: Axes) -> None:
    class Checks(WidensWithX):
        def predict(self, X: Any, return_std: bool = False) -> Any:
            assert X.dtype == np.float32
            return super().predict(X, return_std)

    from_estimator(Checks().fit(None, None), x.astype(np.float32), y, ax=ax)


@pytest.mark.parametrize("X", [np.ones((1, 1)), np.ones((5, 1))], ids=["one row", "one value"])
def test_a_single_place_has_bars_as_a_curve_would_not_be_seen(X: FloatArray, ax: Axes) -> None:
    display = from_estimator(WidensWithX().fit(None, None), X, np.full(len(X), 9.0), ax=ax)
    z = norm.ppf(0.975)
    np.testing.assert_allclose(
        bar_limits(display), np.tile([1, 10 - 2 * z, 10 + 2 * z], (len(X), 1))
    )


# Intervals: several features ----------------------------------------------------------------


def test_rows_of_several_features_stand_in_the_order_of_their_predictions(ax: Axes) -> None:
    model = BayesianRidge().fit(X, y)
    display = from_estimator(model, X, y, ax=ax)
    mean, std = model.predict(X, return_std=True)
    order = np.argsort(mean)
    ranks, means = xy(display)
    np.testing.assert_array_equal(ranks, np.arange(1, len(y) + 1))
    np.testing.assert_array_equal(means, mean[order])
    np.testing.assert_array_equal(offsets(display), np.column_stack([ranks, y[order]]))
    assert display.ax_.get_xlabel() == "rank of the prediction"
    low, high = band_limits(display, ranks[[0]] + 0.5)[0]  # a step, half-way to its neighbour
    z = norm.ppf(0.975)
    assert low == pytest.approx((mean - z * std)[order[:2]].min())
    assert high == pytest.approx((mean + z * std)[order[:2]].max())


@pytest.mark.parametrize("feature", ["bmi", 1, -2])
def test_a_chosen_feature_has_a_bar_a_row_as_the_others_vary(feature: Any, ax: Axes) -> None:
    model = BayesianRidge().fit(TABLE, y)
    display = from_estimator(model, TABLE, y, feature=feature, ax=ax)
    mean, std = model.predict(TABLE, return_std=True)
    margin = norm.ppf(0.975) * std
    expected = np.column_stack([X[:, 1], mean - margin, mean + margin])
    np.testing.assert_allclose(bar_limits(display), expected[np.argsort(X[:, 1])])
    np.testing.assert_array_equal(np.sort(xy(display)[1]), np.sort(mean))
    assert display.line_.get_linestyle() == "None"
    assert display.ax_.get_xlabel() == "bmi"


def test_a_chosen_feature_is_a_curve_where_the_others_are_constant(ax: Axes) -> None:
    sweep = TABLE.assign(age=0.0, pulse=1.0)
    model = BayesianRidge().fit(TABLE, y)
    display = from_estimator(model, sweep, feature="bmi", ax=ax)
    assert isinstance(display.band_, PolyCollection)
    np.testing.assert_array_equal(xy(display)[0], np.sort(X[:, 1]))


def test_the_kind_can_be_chosen(ax: Axes) -> None:
    model = BayesianRidge().fit(X, y)
    bars = from_estimator(model, X, y, kind="bars", ax=ax)
    assert len(bar_limits(bars)) == len(y)
    band = from_estimator(model, X, y, feature=0, kind="band", ax=ax)
    assert isinstance(band.band_, PolyCollection)


@pytest.mark.parametrize("to_sparse", [sp.csr_array, sp.coo_matrix, sp.csc_matrix])
def test_sparse_data_are_drawn_like_dense_ones(to_sparse: Any, ax: Axes) -> None:
    model = fitted(network(solver="lm"), X, y)
    sparse = from_estimator(model, to_sparse(X), y, feature=2, ax=ax)
    dense = from_estimator(model, X, y, feature=2, ax=ax)
    np.testing.assert_allclose(bar_limits(sparse), bar_limits(dense))
    assert dense.ax_.get_xlabel() == "x2"


def test_a_list_of_rows_is_drawn_like_an_array(ax: Axes) -> None:
    model = BayesianRidge().fit(X, y)
    a = from_estimator(model, X.tolist(), y.tolist(), feature=0, ax=ax)
    b = from_estimator(model, X, y, feature=0, ax=ax)
    np.testing.assert_array_equal(bar_limits(a), bar_limits(b))


def test_names_of_the_fit_hold_for_an_array(ax: Axes) -> None:
    model = fitted(network(solver="lm"), TABLE, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        display = from_estimator(model, X, feature="pulse", ax=ax)
    np.testing.assert_array_equal(xy(display)[0], np.sort(X[:, 2]))


@pytest.mark.parametrize("output", [0, 1, -1])
def test_one_of_several_outputs_is_drawn(output: int, ax: Axes) -> None:
    model = fitted(network(solver="lm"), X, Y)
    targets = pd.DataFrame(Y, columns=["left", "right"])
    display = from_estimator(model, X, targets, output=output, ax=ax)
    mean = model.predict(X)[:, output]
    np.testing.assert_array_equal(xy(display)[1], np.sort(mean))
    np.testing.assert_array_equal(offsets(display)[:, 1], Y[np.argsort(mean), output])
    assert display.ax_.get_ylabel() == ["left", "right"][output]


def test_a_single_row_has_a_bar(ax: Axes) -> None:
    display = from_estimator(BayesianRidge().fit(X, y), X[:1], y[:1], ax=ax)
    assert len(bar_limits(display)) == len(offsets(display)) == 1


# Intervals: coverage, labels, style ---------------------------------------------------------


def test_the_legend_tells_the_share_covered(ax: Axes) -> None:
    # Half-widths of 1.96: two of the three are inside.
    display = from_predictions([0.0, 1, 2], [1.0, 1, 1], y_true=[1.9, 1.0, 4.0], ax=ax)
    assert display.observed_coverage_ == pytest.approx(2 / 3)
    expected = ["prediction", "95 % intervals cover 66.7 %", "observation"]
    assert legend_texts(display.ax_) == expected


def test_an_observation_on_the_edge_is_covered(ax: Axes) -> None:
    display = from_predictions([0.0], [0.0], y_true=[0.0], ax=ax)
    assert display.observed_coverage_ == 1


def test_intervals_of_a_good_model_cover_as_many_as_they_say(ax: Axes) -> None:
    std = rng.uniform(0.1, 1, 20_000)
    mean = rng.normal(size=std.size)
    truth = mean + std * rng.normal(size=std.size)
    display = from_predictions(mean, std, y_true=truth, coverage=0.8, ax=ax)
    assert display.observed_coverage_ == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("coverage", "label"), [(0.95, "95 % interval"), (0.57, "57 % interval"), (0.999, "99.9 %")]
)
def test_without_observations_there_is_no_share(coverage: float, label: str, ax: Axes) -> None:
    display = from_predictions([0.0, 1], [1.0, 1], coverage=coverage, ax=ax)
    assert display.observed_coverage_ is None
    assert display.scatter_ is None
    assert legend_texts(display.ax_)[1].startswith(label)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rank of the prediction", "y")


def test_many_rows_are_thinned_and_all_count(ax: Axes) -> None:
    mean = np.arange(5_000.0)
    truth = np.where(mean < 1_000, mean, mean + 9)
    display = from_predictions(mean, np.ones(5_000), y_true=truth, subsample=100, ax=ax)
    assert len(offsets(display)) == len(xy(display)[0]) == 100
    assert xy(display)[0][[0, -1]].tolist() == [1, 5_000]
    assert display.observed_coverage_ == 0.2


def test_all_rows_are_drawn_if_asked_for(ax: Axes) -> None:
    mean = np.arange(1_500.0)
    display = from_predictions(mean, mean, y_true=mean, subsample=None, ax=ax)
    assert len(offsets(display)) == 1_500


def test_a_curve_is_drawn_whole_and_only_its_observations_thinned(ax: Axes) -> None:
    at = np.arange(500.0)
    display = from_predictions(at, at, y_true=at, x=at, subsample=50, ax=ax)
    assert len(xy(display)[0]) == 500
    assert len(offsets(display)) == 50


def test_names_of_columns_become_labels(ax: Axes) -> None:
    display = from_predictions(
        [0.0, 1],
        [1.0, 1],
        y_true=pd.Series([1.0, 1], name="price"),
        x=pd.Series([1.0, 2], name="size"),
        ax=ax,
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("size", "price")
    display.feature_name, display.target_name = "size (m²)", "price (€)"
    display.plot(Figure().subplots())
    labels = display.ax_.get_xlabel(), display.ax_.get_ylabel()
    assert labels == ("size (m²)", "price (€)")


def test_two_models_on_the_same_axes_have_names_and_colours_of_their_own(ax: Axes) -> None:
    a = from_estimator(BayesianRidge().fit(x, y), x, y, name="ridge", ax=ax)
    b = from_estimator(fitted(network(solver="lm"), x, y), x, name="network", ax=ax)
    assert a.ax_ is b.ax_ is ax
    assert a.line_.get_color() != b.line_.get_color()
    texts = legend_texts(ax)
    assert {"ridge", "network", "network: 95 % interval"} < set(texts)
    assert any(text.startswith("ridge: 95 % intervals cover") for text in texts)


@pytest.mark.parametrize("kind", ["band", "bars"])
def test_the_band_has_the_colour_of_the_line_and_styles_can_be_chosen(kind: Any, ax: Axes) -> None:
    display = from_predictions(
        [0.0, 1],
        [1.0, 1],
        y_true=[0.0, 1],
        kind=kind,
        line_kwargs={"c": "tab:red"},
        band_kwargs={"alpha": 0.5},
        scatter_kwargs={"c": [0.0, 1.0], "marker": "x", "linewidths": 1},
        ax=ax,
    )
    red = (0xD6 / 255, 0x27 / 255, 0x28 / 255, 0.5)
    colours = display.band_.get_edgecolor() if kind == "bars" else display.band_.get_facecolor()
    np.testing.assert_allclose(np.asarray(colours)[0], red)


def test_the_legend_has_room_of_its_own_above_the_data(ax: Axes) -> None:
    display = from_predictions([0.0, 1, 2], [1.0, 1, 1], y_true=[0.0, 1, 2], ax=ax)
    # Matplotlib types a figure that may be none.
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    legend = ax.get_legend()
    assert legend is not None
    bottom_of_legend = ax.transData.inverted().transform(legend.get_window_extent())[0, 1]
    # The deviations may be none, and here are given.
    assert bottom_of_legend > 2 + norm.ppf(0.975) * display.y_std[0]  # type: ignore[index]


def test_limits_that_were_set_are_kept(ax: Axes) -> None:
    ax.set_ylim(-7, 7)
    from_predictions([0.0, 1], [1.0, 1], ax=ax)
    assert ax.get_ylim() == (-7, 7)


# Intervals: errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), LinearRegression()),
        TransformedTargetRegressor(BayesianRidge()),
        StandardScaler(),
    ],
    ids=["no return_std", "pipeline", "wrapper", "no predict"],
)
def test_a_model_that_does_not_know_its_uncertainty_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="intervals need a regressor whose predict takes return_"):
        from_estimator(model.fit(X, y), X, y)


def test_a_network_without_a_posterior_is_refused() -> None:
    with pytest.raises(ValueError, match="loss='squared_error'"):
        from_estimator(fitted(network(loss="huber"), X, y), X, y)


def test_a_gaussian_process_before_its_fit_shows_the_prior(ax: Axes) -> None:
    display = from_estimator(GaussianProcessRegressor(), x, ax=ax)
    z = norm.ppf(0.975)
    np.testing.assert_allclose(band_limits(display, x[:, 0]), np.tile([-z, z], (len(x), 1)))


def test_several_outputs_need_a_choice() -> None:
    model = fitted(network(solver="lm"), X, Y)
    with pytest.raises(ValueError, match="y_pred has 2 outputs: choose one of them, output=0 to 1"):
        from_estimator(model, X, Y)
    with pytest.raises(ValueError, match="output=2 was asked for, and y_pred has 2"):
        from_estimator(model, X, Y, output=2)
    with pytest.raises(ValueError, match="output=1 was asked for, and y_pred has 1"):
        from_predictions(y, y, output=1)


@pytest.mark.parametrize(
    ("data", "feature", "message"),
    [
        (TABLE, "weight", "X has no column 'weight'; it has 'age', 'bmi', 'pulse'"),
        (X, "age", "X has no column names, so feature='age' cannot be found"),
        (X, 3, "feature must be 0 to 2, got 3"),
        (X, -4, "feature must be 0 to 2, got -4"),
    ],
)
def test_a_missing_feature_is_named(data: Any, feature: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_estimator(BayesianRidge().fit(data, y), data, y, feature=feature)


def test_a_feature_that_is_not_numeric_is_named() -> None:
    data = pd.DataFrame({"number": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(ValueError, match="the feature 'colour' must be numbers"):
        from_estimator(WidensWithX().fit(None, None), data, feature="colour")
    with pytest.raises(ValueError, match="the feature 'number' must be finite"):
        from_estimator(
            WidensWithX().fit(None, None), data.assign(number=[np.nan, 1.0]), feature="number"
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coverage": 1.0}, "coverage must be between 0 and 1, got 1.0"),
        ({"coverage": 0}, "coverage must be between 0 and 1, got 0"),
        ({"kind": "line"}, "kind must be one of band, bars, running, got 'line'"),
        ({"subsample": 0}, "subsample must be at least 1, or None, got 0"),
        ({"y_std": [1.0, -1.0]}, "y_std has negative values"),
        ({"y_std": [1.0, np.nan]}, "y_std must be finite"),
        ({"y_pred": [1.0, np.inf]}, "y_pred must be finite"),
        ({"y_true": [np.nan, np.inf]}, "y_true must be finite"),
        ({"y_true": ["a", "b"]}, "y_true must be numbers"),
        ({"y_true": [1.0]}, "inconsistent numbers of samples"),
        ({"x": [1.0, 2.0, 3.0]}, "inconsistent numbers of samples"),
        ({"x": [[1.0], [2.0]]}, "x must have shape"),
        ({"y_pred": [], "y_std": []}, "y_pred must have shape"),
        ({"y_pred": 1.0}, "y_pred must have one or two dimensions, got 0"),
    ],
)
def test_bad_predictions_are_named(arguments: dict[str, Any], message: str) -> None:
    ax = Figure().subplots()
    with pytest.raises(ValueError, match=message):
        from_predictions(**{"y_pred": [0.0, 1.0], "y_std": [1.0, 1.0], "ax": ax, **arguments})
    assert not ax.has_data()


def test_bad_data_are_named() -> None:
    model = WidensWithX().fit(None, None)
    with pytest.raises(ValueError, match="X must have two dimensions, got 1"):
        from_estimator(model, X[:, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        from_estimator(model, x, y[:-1])
    with pytest.raises(ValueError, match="kind must be one of auto, band, bars"):
        # The wrong argument is what is tested.
        from_estimator(model, x, kind="line")  # type: ignore[arg-type]


def test_noise_that_varies_has_a_band_that_varies(ax: Axes) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, size=(200, 1))
    target = x[:, 0] + (0.02 + x[:, 0]) * rng.normal(size=200)
    model = fitted(network(noise="varying"), x, target)
    display = from_estimator(model, x, ax=ax)
    at = np.asarray(display.x)[:, np.newaxis]
    drawn = np.asarray(display.y_std)
    np.testing.assert_allclose(drawn, model.predict(at, return_std=True)[1])
    assert drawn.max() > 3 * drawn.min()


# Intervals: many rows of several features -----------------------------------------------------


@pytest.mark.parametrize(("n_rows", "kind"), [(100, LineCollection), (101, PolyCollection)])
def test_many_rows_of_several_features_have_a_band(n_rows: int, kind: type, ax: Axes) -> None:
    rows = np.random.default_rng(1).normal(size=(n_rows, 2))
    display = from_estimator(WidensWithX().fit(None, None), rows, feature=1, ax=ax)
    assert isinstance(display.band_, kind)


def test_running_medians_of_a_line_are_the_line(ax: Axes) -> None:
    at, ones = np.arange(1_000.0), np.ones(1_000)
    display = from_predictions(3 * at, ones, x=at, kind="running", ax=ax)
    drawn, means = xy(display)
    assert len(drawn) == 200
    assert drawn[[0, -1]].tolist() == [25, 974]
    np.testing.assert_allclose(means, 3 * drawn)
    expected = 3 * drawn[:, None] + norm.ppf(0.975) * np.array([-1, 1])
    inner = slice(20, -20)
    np.testing.assert_allclose(band_limits(display, drawn[inner]), expected[inner])


def test_a_running_median_is_that_of_the_tenth_around_it(ax: Axes) -> None:
    means = np.random.default_rng(2).normal(size=200)
    display = from_predictions(means, np.ones(200), x=np.arange(200), kind="running", ax=ax)
    drawn, medians = xy(display)
    assert medians[100] == np.median(means[90:111])
    assert medians[0] == np.median(means[:11])
    assert drawn[100] == 100


def test_the_coverage_beside_running_medians_is_that_of_the_rows(ax: Axes) -> None:
    means = np.where(np.arange(200) % 4, 0.0, 100.0)
    display = from_predictions(
        means, np.ones(200), y_true=means, x=np.arange(200), kind="running", ax=ax
    )
    assert display.observed_coverage_ == 1
    assert "95 % intervals cover 100.0 %, running median" in legend_texts(ax)


def test_differences_of_rounding_are_inside_intervals_that_are_narrower() -> None:
    y_pred = np.linspace(1, 2, 10)
    y = np.nextafter(y_pred, np.inf)
    display = PredictionIntervalDisplay(y_pred=y_pred, y_std=np.full(10, 1e-17), y_true=y)

    assert display.plot(ax=Figure().subplots()).observed_coverage_ == 1
