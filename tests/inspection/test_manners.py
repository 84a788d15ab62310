"""What all displays have in common, whatever they draw."""

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor, inspection
from sklearn_mlp.inspection import (
    ActivationDisplay,
    CoverageDisplay,
    LossCurveDisplay,
    LossSurfaceDisplay,
    NetworkDisplay,
    PredictionIntervalDisplay,
    SensitivityDisplay,
)

from .conftest import fitted, network

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
y = np.sin(X[:, 0]) + 0.1 * X[:, 1] + 0.1 * rng.normal(size=40)
TABLE = pd.DataFrame(X, columns=["age", "bmi", "pulse"])


def surface() -> LossSurfaceDisplay:
    return LossSurfaceDisplay(
        x=[0.0, 1.0],
        y=[0.0, 1.0],
        loss=np.eye(2),
        path=[[0.0, 0.0], [1.0, 0.0]],
        path_loss=[1.0, 0.0],
    )


class Kind(NamedTuple):
    """A display, and what the tests need to know of it."""

    from_estimator: Callable[..., Any]
    """Takes an estimator, data and options."""
    plain: Callable[[], Any]
    """Makes one of arrays, not drawn yet."""
    content: Callable[[Any], Any]
    """The numbers that are drawn."""
    style: str
    """The option that styles lines."""
    width: Callable[[Any], float]
    """The width of these."""


def weights_of(display: Any) -> NDArray[Any]:
    return np.concatenate([np.ravel(W) for W in display.weights])


def line_data(display: Any) -> NDArray[Any]:
    return np.asarray(display.line_.get_ydata())


KINDS = {
    "ActivationDisplay": Kind(
        ActivationDisplay.from_estimator,
        lambda: ActivationDisplay(z=[0.0, 1.0], value=[0.0, 1.0], slope=[1.0, 1.0]),
        lambda display: display.arguments,
        "line_kwargs",
        lambda display: display.line_.get_linewidth(),
    ),
    "CoverageDisplay": Kind(
        lambda model, X, **options: CoverageDisplay.from_estimator(model, X, y, **options),
        lambda: CoverageDisplay(nominal=[0.5, 0.9], observed=[0.4, 0.8]),
        lambda display: display.observed,
        "line_kwargs",
        lambda display: display.line_.get_linewidth(),
    ),
    "LossCurveDisplay": Kind(
        lambda model, X, **options: LossCurveDisplay.from_estimator(model, **options),
        lambda: LossCurveDisplay(curve=[1.0, 0.5]),
        line_data,
        "line_kwargs",
        lambda display: display.line_.get_linewidth(),
    ),
    "LossSurfaceDisplay": Kind(
        lambda model, X, **options: LossSurfaceDisplay.from_estimator(
            model, X, y, resolution=3, **options
        ),
        surface,
        lambda display: display.loss,
        "path_kwargs",
        lambda display: display.path_.get_linewidth(),
    ),
    "NetworkDisplay": Kind(
        NetworkDisplay.from_estimator,
        lambda: NetworkDisplay(weights=[np.ones((51, 40)), np.ones((41, 1))]),
        weights_of,
        "edge_kwargs",
        lambda display: display.edges_[0].get_linewidth()[0],
    ),
    "PredictionIntervalDisplay": Kind(
        PredictionIntervalDisplay.from_estimator,
        lambda: PredictionIntervalDisplay(y_pred=[0.0, 1.0], y_std=[1.0, 1.0]),
        lambda display: np.concatenate([display.y_pred, display.y_std]),
        "line_kwargs",
        lambda display: display.line_.get_linewidth(),
    ),
    "SensitivityDisplay": Kind(
        SensitivityDisplay.from_estimator,
        lambda: SensitivityDisplay(sensitivities=[[1.0, 2.0], [3.0, 4.0]]),
        lambda display: display.sensitivities,
        "marker_kwargs",
        lambda display: display.rms_markers_.get_linewidth(),
    ),
}

every_display = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def regressor(**parameters: Any) -> Any:
    """A network that has all that displays ask for."""
    return network(**{"solver": "lm", "alpha": 0.1, "max_iter": 5, **parameters})


def drawn(kind: Kind, model: Any, X: Any = X, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind.from_estimator(model, X, **{"ax": Figure().subplots(), **options})


def assert_drawn_alike(kind: Kind, one: Any, another: Any) -> None:
    """Both displays show the same numbers, but for what rounding becomes in a fit."""
    a, b = (np.asarray(kind.content(display)) for display in (one, another))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@every_display
def test_every_display_is_public(kind: Kind) -> None:
    assert type(kind.plain()).__name__ in inspection.__all__


def test_all_public_displays_are_tested_here() -> None:
    assert sorted(KINDS) == sorted(inspection.__all__)


# Where displays are drawn -------------------------------------------------------------------


@every_display
def test_plot_draws_on_the_axes_that_are_given_and_returns_the_display(
    kind: Kind, ax: Axes
) -> None:
    display = kind.plain()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.has_data() or ax.collections


@every_display
def test_from_estimator_draws_on_the_axes_that_are_given(kind: Kind, ax: Axes) -> None:
    display = drawn(kind, fitted(regressor(), X, y), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


@every_display
@pytest.mark.usefixtures("pyplot")
@pytest.mark.slow
def test_without_axes_a_figure_is_made(kind: Kind) -> None:
    for display in (kind.plain().plot(), drawn(kind, fitted(regressor(), X, y), ax=None)):
        assert display.figure_ is display.ax_.figure
        assert plt.fignum_exists(display.figure_.number)
        display.figure_.draw_without_rendering()


@pytest.mark.parametrize(
    "draw",
    [
        ActivationDisplay.from_name,
        lambda: PredictionIntervalDisplay.from_predictions(y, np.abs(y)),
        lambda: surface().plot(kind="surface"),
    ],
    ids=["from_name", "from_predictions", "surface"],
)
@pytest.mark.usefixtures("pyplot")
def test_without_axes_other_ways_make_a_figure_too(draw: Callable[[], Any]) -> None:
    display = draw()
    assert display.figure_ is display.ax_.figure
    assert plt.fignum_exists(display.figure_.number)
    display.figure_.draw_without_rendering()


@every_display
def test_a_part_of_a_figure_can_be_drawn_on(kind: Kind) -> None:
    figure = Figure(layout="constrained")
    part = figure.subfigures(1, 2, squeeze=False)[0, 0]
    display = kind.plain().plot(part.subplots())
    assert display.figure_ is part
    figure.draw_without_rendering()


@every_display
def test_a_display_can_be_drawn_twice(kind: Kind) -> None:
    display = drawn(kind, fitted(regressor(), X, y))
    before = np.array(kind.content(display))
    again = Figure().subplots()
    display.plot(again)
    assert display.ax_ is again
    np.testing.assert_array_equal(kind.content(display), before)


# Styles -------------------------------------------------------------------------------------


@every_display
@pytest.mark.parametrize("name", ["linewidth", "lw"])
def test_a_style_is_known_by_its_name_and_by_its_alias(kind: Kind, name: str, ax: Axes) -> None:
    style = {name: 7}
    display = kind.plain().plot(ax, **{kind.style: style})
    assert kind.width(display) == 7
    assert style == {name: 7}


@every_display
def test_a_style_under_two_names_is_refused(kind: Kind, ax: Axes) -> None:
    with pytest.raises(TypeError, match="aliases"):
        kind.plain().plot(ax, **{kind.style: {"lw": 7, "linewidth": 3}})


@every_display
def test_from_estimator_passes_styles_on(kind: Kind) -> None:
    display = drawn(kind, fitted(regressor(), X, y), **{kind.style: {"lw": 7}})
    assert kind.width(display) == 7


# What is drawn: networks wherever they are ---------------------------------------------------


@every_display
def test_a_pipeline_draws_its_network_on_what_reaches_it(kind: Kind) -> None:
    pipeline = fitted(make_pipeline(StandardScaler(), regressor()), X, y)
    Z = StandardScaler().fit_transform(X)
    assert_drawn_alike(kind, drawn(kind, pipeline), drawn(kind, fitted(regressor(), Z, y), Z))


@every_display
def test_pipelines_in_pipelines_are_opened(kind: Kind) -> None:
    flat = make_pipeline(StandardScaler(), StandardScaler(), regressor())
    nested = make_pipeline(
        make_pipeline("passthrough", StandardScaler()), make_pipeline(StandardScaler(), regressor())
    )
    assert_drawn_alike(kind, drawn(kind, fitted(nested, X, y)), drawn(kind, fitted(flat, X, y)))


@every_display
@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
@pytest.mark.slow
def test_a_search_is_drawn_as_its_best_estimator(kind: Kind, search: Any) -> None:
    options = {"n_iter": 2, "random_state": 0} if search is RandomizedSearchCV else {}
    model = fitted(search(regressor(), {"alpha": [0.1, 9.0]}, cv=2, **options), TABLE, y)
    assert_drawn_alike(kind, drawn(kind, model, TABLE), drawn(kind, model.best_estimator_, TABLE))


@every_display
@pytest.mark.slow
def test_searches_and_pipelines_are_opened_in_any_order(kind: Kind) -> None:
    grid = {"alpha": [0.1]}
    expected = fitted(make_pipeline(StandardScaler(), regressor()), X, y)
    outside = GridSearchCV(
        make_pipeline(StandardScaler(), regressor()), {"sigmoidmlpregressor__alpha": [0.1]}, cv=2
    )
    inside = make_pipeline(StandardScaler(), GridSearchCV(regressor(), grid, cv=2))
    for model in (outside, inside):
        assert_drawn_alike(kind, drawn(kind, fitted(model, X, y)), drawn(kind, expected))


@every_display
def test_an_ensemble_of_one_is_drawn_as_its_member(kind: Kind) -> None:
    model = fitted(SigmoidMLPEnsembleRegressor(regressor(), 1, random_state=0), TABLE, y)
    member = drawn(kind, model.estimators_[0], X)
    assert_drawn_alike(kind, drawn(kind, model, TABLE), member)


@every_display
@pytest.mark.slow
def test_an_ensemble_may_be_inside_others_and_have_others_inside(kind: Kind) -> None:
    def ensemble(member: Any) -> Any:
        return SigmoidMLPEnsembleRegressor(member, 2, random_state=0)

    expected = drawn(kind, fitted(ensemble(make_pipeline(StandardScaler(), regressor())), X, y))
    outside = fitted(make_pipeline(StandardScaler(), ensemble(regressor())), TABLE, y)
    searched = GridSearchCV(ensemble(regressor()), {"n_estimators": [2]}, cv=2)
    assert_drawn_alike(kind, drawn(kind, outside, TABLE), expected)
    in_search = drawn(kind, fitted(searched, TABLE, y), TABLE)
    assert_drawn_alike(kind, in_search, drawn(kind, fitted(ensemble(regressor()), X, y)))


# What is left alone -------------------------------------------------------------------------


@every_display
def test_the_data_and_the_estimator_stay_as_they_are(kind: Kind) -> None:
    model = fitted(regressor(), TABLE, y)
    table, state, weights = TABLE.copy(), set(vars(model)), copy.deepcopy(model.weights_)
    drawn(kind, model, table)
    pd.testing.assert_frame_equal(table, TABLE)
    assert set(vars(model)) == state
    for before, after in zip(weights, model.weights_, strict=True):
        np.testing.assert_array_equal(before, after)


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in KINDS if name != "LossSurfaceDisplay"])
@pytest.mark.parametrize(
    "model",
    [
        SigmoidMLPRegressor(),
        make_pipeline(StandardScaler(), SigmoidMLPRegressor()),
        GridSearchCV(SigmoidMLPRegressor(), {}),
        SigmoidMLPEnsembleRegressor(),
        MLPRegressor(),
        make_pipeline(MLPRegressor()),
        BayesianRidge(),
    ],
    ids=str,
)
def test_what_is_not_fitted_is_refused(name: str, model: Any) -> None:
    with pytest.raises(NotFittedError):
        drawn(KINDS[name], model)


@every_display
def test_a_search_that_has_kept_no_estimator_is_refused(kind: Kind) -> None:
    search = fitted(GridSearchCV(regressor(), {"alpha": [0.1]}, cv=2, refit=False), X, y)
    with pytest.raises(ValueError, match="GridSearchCV has no best_estimator_: fit it, with refit"):
        drawn(kind, search)


@every_display
@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: make_pipeline(StandardScaler(), m)], ids=["alone", "pipeline"]
)
def test_a_model_of_another_kind_is_named(kind: Kind, wrap: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="LinearRegression"):
        drawn(kind, wrap(LinearRegression()).fit(X, y))


# Without matplotlib -------------------------------------------------------------------------


def plot_plain(kind: Kind) -> Any:
    return kind.plain().plot()


DRAWINGS: list[tuple[str, Callable[[], Any]]] = [
    ("ActivationDisplay.from_name", ActivationDisplay.from_name),
    (
        "PredictionIntervalDisplay.from_predictions",
        lambda: PredictionIntervalDisplay.from_predictions(y, np.abs(y)),
    ),
    ("LossSurfaceDisplay.plot", lambda: surface().plot(kind="surface")),
    *((f"{name}.plot", partial(plot_plain, kind)) for name, kind in KINDS.items()),
    *(
        (f"{name}.from_estimator", partial(kind.from_estimator, regressor(), X))
        for name, kind in KINDS.items()
    ),
]


@pytest.mark.parametrize(("caller", "draw"), DRAWINGS)
def test_without_matplotlib_the_error_says_what_to_install(
    caller: str, draw: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=caller) as error:
        draw()
    assert 'pip install "sklearn-mlp[plot]"' in str(error.value)


@pytest.mark.nightly
def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import sys, sklearn_mlp.inspection; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
