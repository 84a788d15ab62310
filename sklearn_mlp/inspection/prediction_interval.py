"""Predictions with error bars.

With mean ŷ(x) and standard deviation s(x) of a new observation, the interval drawn is

    ŷ(x) ± z s(x),    z = Φ⁻¹((1 + coverage) / 2).
"""

import inspect
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.utils import check_consistent_length

from .._typing import FloatArray, IntArray, MatrixLike
from ._data import (
    Table,
    check_choice,
    check_most,
    name_of_target,
    one_output,
    thinned,
    varies,
    vector,
)
from ._drawing import (
    BAND,
    BARS,
    LINE,
    MARKERS,
    POINTS,
    Display,
    Style,
    collection_style,
    legend,
    line_style,
    point_style,
)
from ._estimators import Opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection, PathCollection
    from matplotlib.lines import Line2D

MOST_BARS = 100
"""More rows than this are drawn as running medians by default."""

MOST_MEDIANS = 200
"""The most points of a running median."""

LEAST_WINDOW = 15
"""The least number of rows in a running median."""

GRID_SIZE = 400
"""Points at which a model of one feature is drawn, in addition to its data."""


class PredictionIntervalDisplay(Display):
    """Predictions, the intervals around them, and the observations.

    Use :meth:`from_estimator` or :meth:`from_predictions` to create one. The parameters are
    stored as attributes.

    Parameters
    ----------
    y_pred : array-like of shape (n_samples,)
        Predicted means.
    y_std : array-like of shape (n_samples,)
        Standard deviations of a new observation.
    y_true : array-like of shape (n_samples,), default=None
        The observations; NaN where there is none.
    x : array-like of shape (n_samples,), default=None
        What to draw the predictions against; by default, their rank.
    coverage : float, default=0.95
        The nominal coverage of the intervals, between 0 and 1.
    name : str, default=None
        What the legend calls the model.
    feature_name : str, default=None
        The label of the x axis; by default "x" or "rank of the prediction".
    target_name : str, default=None
        The label of the y axis; by default "y".

    Attributes
    ----------
    line_ : matplotlib Line2D
        The means: a line, or a marker for each row if ``kind="bars"``.
    band_ : matplotlib Collection
        The intervals: a band, or a bar for each row.
    scatter_ : matplotlib PathCollection or None
        The observations.
    observed_coverage_ : float or None
        The share of all observations that are inside their interval.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn.metrics.PredictionErrorDisplay : Predictions against observations.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import PredictionIntervalDisplay
    >>> display = PredictionIntervalDisplay(
    ...     y_pred=[1.0, 2.0, 3.0], y_std=[0.5, 0.1, 0.5], y_true=[1.5, 2.5, 3.5]
    ... )
    >>> print(f"{display.plot(ax=Figure().subplots()).observed_coverage_:.3f}")
    0.667
    """

    line_: "Line2D"
    band_: "Collection"
    scatter_: "PathCollection | None"
    observed_coverage_: float | None

    def __init__(
        self,
        *,
        y_pred: ArrayLike,
        y_std: ArrayLike,
        y_true: ArrayLike | None = None,
        x: ArrayLike | None = None,
        coverage: float = 0.95,
        name: str | None = None,
        feature_name: str | None = None,
        target_name: str | None = None,
    ) -> None:
        self.y_pred = y_pred
        self.y_std = y_std
        self.y_true = y_true
        self.x = x
        self.coverage = coverage
        self.name = name
        self.feature_name = feature_name
        self.target_name = target_name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: Literal["band", "bars", "running"] = "band",
        subsample: int | None = 1_000,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
        scatter_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        kind : {"band", "bars", "running"}, default="band"
            A line for the means with a band for the intervals, or a bar for each row. Choose
            bars if other features vary as well, as neighbours on the x axis then need not be
            similar. Of many such rows choose "running": a line and a band of medians, of x,
            the means and the two ends of the intervals, over the tenth of the rows (at least 15)
            around up to 200 points of the x axis. The band is that of a typical row there;
            observations scatter more widely, as far as other features move them. The coverage
            is that of the intervals of the rows themselves. A single row always has a bar.
        subsample : int or None, default=1_000
            The most observations that are drawn, and the most bars, evenly spaced in the order
            of the x axis; None draws all of them. The coverage is that of all of them.
        line_kwargs, band_kwargs, scatter_kwargs : dict, default=None
            Style of the means, the intervals and the observations, passed on to matplotlib.

        Returns
        -------
        self : PredictionIntervalDisplay

        Raises
        ------
        ValueError
            If the coverage is not between 0 and 1, or the arrays are not finite numbers of the
            same length.
        ImportError
            Without matplotlib.
        """
        check_choice("kind", kind, ("band", "bars", "running"))
        check_most("subsample", subsample)
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, got {self.coverage!r}.")
        x, y_pred, y_std, y_true = self._in_order()
        margin = norm.ppf((1 + self.coverage) / 2) * y_std
        observed = np.flatnonzero(np.isfinite(y_true))
        rounding = 4 * np.finfo(np.float64).eps * np.abs(y_pred)  # wider than some intervals
        inside = np.abs(y_true - y_pred)[observed] <= (margin + rounding)[observed]
        self.observed_coverage_ = float(inside.mean()) if inside.size else None

        bars = kind == "bars" or x.size == 1  # a band of one row could not be seen
        rows, points = self._thinned(observed, x.size, bars, subsample)
        low, high = y_pred - margin, y_pred + margin
        curves = [each[rows] for each in (x, y_pred, low, high)]
        running = kind == "running" and not bars
        if running:
            curves = [_running_median(each) for each in (x, y_pred, low, high)]
        at, mean, low, high = curves
        ax = self._axes(ax)
        means, intervals = (MARKERS, BARS) if bars else (LINE, BAND)
        self.line_ = ax.plot(at, mean, **line_style(means, line_kwargs))[0]
        defaults = {"color": self.line_.get_color(), **intervals}
        band_style = collection_style(defaults, band_kwargs)
        if bars:
            self.band_ = ax.vlines(at, low, high, **band_style)
        else:
            step: Literal["mid"] | None = "mid" if self.x is None and not running else None
            self.band_ = ax.fill_between(at, low, high, step=step, **band_style)
        self.scatter_ = None
        if points.size:
            size = 11 * min(1.0, np.sqrt(200 / points.size))
            style = point_style({"s": size, **POINTS}, scatter_kwargs)
            self.scatter_ = ax.scatter(x[points], y_true[points], **style)
        self._annotate(ax, running=running)
        return self._drawn_on(ax)

    def _thinned(
        self, observed: IntArray, n_rows: int, bars: bool, subsample: int | None
    ) -> tuple[IntArray, IntArray]:
        """The rows whose means are drawn, and those whose observations are.

        A curve is drawn whole; what is drawn row by row is thinned with the observations.
        """
        rows = np.arange(n_rows)
        if not bars and self.x is not None:
            return rows, thinned(observed, subsample)
        rows = thinned(rows, subsample)
        return rows, np.intersect1d(rows, observed)

    def _in_order(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The x, means, deviations and observations from left to right; NaN for no observation."""
        y_pred = vector("y_pred", self.y_pred)
        y_std = vector("y_std", self.y_std)
        y_true = np.full(y_pred.size, np.nan)
        if self.y_true is not None:
            y_true = vector("y_true", self.y_true, allow_nan=True)
        x = None if self.x is None else vector("x", self.x)
        check_consistent_length(y_pred, y_std, y_true, x)
        if (y_std < 0).any():
            raise ValueError("y_std has negative values.")
        order = np.argsort(y_pred if x is None else x, kind="stable")
        position = np.arange(1.0, y_pred.size + 1) if x is None else x[order]
        return position, y_pred[order], y_std[order], y_true[order]

    def _annotate(self, ax: "Axes", *, running: bool) -> None:
        """Label the axes and the artists."""
        interval = f"{100 * self.coverage:g} % interval"
        if self.observed_coverage_ is not None:
            interval += f"s cover {100 * self.observed_coverage_:.1f} %"
        if running:
            interval += ", running median"
        self.line_.set_label(self.name or "prediction")
        self.band_.set_label(interval if self.name is None else f"{self.name}: {interval}")
        if self.scatter_ is not None:
            self.scatter_.set_label("observation")
        default = "rank of the prediction" if self.x is None else "x"
        ax.set(xlabel=self.feature_name or default, ylabel=self.target_name or "y")
        legend(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        feature: int | str | None = None,
        output: int | None = None,
        coverage: float = 0.95,
        kind: Literal["auto", "band", "bars", "running"] = "auto",
        subsample: int | None = 1_000,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
        scatter_kwargs: Style = None,
    ) -> Self:
        """Draw the predictions of a regressor and their intervals.

        A model of one feature is drawn as a curve over the range of X. With several features,
        each row of X is drawn: against `feature`, or against the rank of its prediction.

        Parameters
        ----------
        estimator : estimator instance
            A fitted regressor whose ``predict`` takes ``return_std``:
            :class:`~sklearn_mlp.SigmoidMLPRegressor`,
            :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor`,
            :class:`~sklearn.gaussian_process.GaussianProcessRegressor`,
            :class:`~sklearn.linear_model.BayesianRidge` and others. It may be at the end of a
            pipeline or in a search such as :class:`~sklearn.model_selection.GridSearchCV`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The observations; NaN in rows that have none.
        feature : int or str, default=None
            The column of X to draw against, by position or by name.
        output : int, default=None
            Which output of several.
        coverage : float, default=0.95
            The nominal coverage of the intervals, between 0 and 1.
        kind : {"auto", "band", "bars", "running"}, default="auto"
            As in :meth:`plot`. If features other than `feature` vary, "auto" is "bars" up to 100
            rows and "running" above, and else "band".
        subsample : int or None, default=1_000
            The most observations that are drawn; see :meth:`plot`.
        name : str, default=None
            What the legend calls the model.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, band_kwargs, scatter_kwargs : dict, default=None
            Style of the means, the intervals and the observations, passed on to matplotlib.

        Returns
        -------
        display : PredictionIntervalDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted or has no ``return_std``, if it has several outputs
            and `output` is not given, or if X has no such `feature`.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mlp.inspection import PredictionIntervalDisplay
        >>> X = np.linspace(0, 1, 20).reshape(-1, 1)
        >>> y = X[:, 0] + np.tile([-0.1, 0.1], 10)
        >>> display = PredictionIntervalDisplay.from_estimator(
        ...     BayesianRidge().fit(X, y), X, y, ax=Figure().subplots()
        ... )
        >>> display.band_.get_label()
        '95 % intervals cover 100.0 %'
        """
        cls._require_matplotlib("from_estimator")
        check_choice("kind", kind, ("auto", "band", "bars", "running"))
        opened = _knows_its_uncertainty(Opened.of(estimator))
        table = Table.of(X, estimator)
        x, feature_name, one_curve = _against(table, feature)
        y_pred, y_std = _mean_and_std(opened, table.X, output)
        target_name = name_of_target(y, output)
        if y is not None:
            y = one_output("y", y, output)
            check_consistent_length(y_pred, y)
        if x is not None and table.n_columns == 1 and one_curve and kind in ("auto", "band"):
            grid = np.linspace(x.min(), x.max(), GRID_SIZE)
            on_grid = _mean_and_std(opened, table.of_one_column(grid), output)
            x = np.append(x, grid)
            y_pred, y_std = np.append(y_pred, on_grid[0]), np.append(y_std, on_grid[1])
            y = None if y is None else np.append(y, np.full(GRID_SIZE, np.nan))
        if kind == "auto":
            kind = "band" if one_curve else "running" if len(y_pred) > MOST_BARS else "bars"
        display = cls(
            y_pred=y_pred,
            y_std=y_std,
            y_true=y,
            x=x,
            coverage=coverage,
            name=name,
            feature_name=feature_name,
            target_name=target_name,
        )
        return display.plot(
            ax,
            kind=kind,
            subsample=subsample,
            line_kwargs=line_kwargs,
            band_kwargs=band_kwargs,
            scatter_kwargs=scatter_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_pred: ArrayLike,
        y_std: ArrayLike,
        *,
        y_true: ArrayLike | None = None,
        x: ArrayLike | None = None,
        output: int | None = None,
        coverage: float = 0.95,
        kind: Literal["band", "bars", "running"] = "band",
        subsample: int | None = 1_000,
        name: str | None = None,
        feature_name: str | None = None,
        target_name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
        scatter_kwargs: Style = None,
    ) -> Self:
        """Draw predictions whose standard deviations are known.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Predicted means.
        y_std : array-like of the same shape
            Standard deviations of a new observation.
        y_true : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The observations; NaN where there is none.
        x : array-like of shape (n_samples,), default=None
            What to draw the predictions against; by default, their rank.
        output : int, default=None
            Which output of several.
        coverage : float, default=0.95
            The nominal coverage of the intervals, between 0 and 1.
        kind : {"band", "bars", "running"}, default="band"
            A line with a band, or a bar for each row; see :meth:`plot`.
        subsample : int or None, default=1_000
            The most observations that are drawn; see :meth:`plot`.
        name : str, default=None
            What the legend calls the model.
        feature_name : str, default=None
            The label of the x axis; by default the name of `x` if it is a column of a data
            frame.
        target_name : str, default=None
            The label of the y axis; by default the name of `y_true`.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, band_kwargs, scatter_kwargs : dict, default=None
            Style of the means, the intervals and the observations, passed on to matplotlib.

        Returns
        -------
        display : PredictionIntervalDisplay

        Raises
        ------
        ValueError
            If there are several outputs and `output` is not given, or the arrays are not
            numbers of matching shapes.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp.inspection import PredictionIntervalDisplay
        >>> display = PredictionIntervalDisplay.from_predictions(
        ...     [1.0, 2.0], [0.1, 0.2], x=[10, 20], coverage=0.9, ax=Figure().subplots()
        ... )
        >>> display.band_.get_label()
        '90 % interval'
        """
        cls._require_matplotlib("from_predictions")
        display = cls(
            y_pred=one_output("y_pred", y_pred, output),
            y_std=one_output("y_std", y_std, output),
            y_true=None if y_true is None else one_output("y_true", y_true, output),
            x=x,
            coverage=coverage,
            name=name,
            feature_name=feature_name or name_of_target(x, None),
            target_name=target_name or name_of_target(y_true, output),
        )
        return display.plot(
            ax,
            kind=kind,
            subsample=subsample,
            line_kwargs=line_kwargs,
            band_kwargs=band_kwargs,
            scatter_kwargs=scatter_kwargs,
        )


def _against(table: Table, feature: int | str | None) -> tuple[FloatArray | None, str | None, bool]:
    """What to draw against, its name, and whether the predictions are a single curve over it."""
    if feature is None and table.n_columns > 1:
        return None, None, True
    j = table.position(feature if feature is not None else 0)
    name = table.label(j)
    x = vector(f"the feature {name!r}", table.column(j))
    others = (k for k in range(table.n_columns) if k != j)
    return x, name, varies(x) and not any(varies(table.column(k)) for k in others)


def _knows_its_uncertainty(opened: Opened) -> Opened:
    """The estimator, if its predictions have standard deviations."""
    predict = getattr(opened.estimator, "predict", None)
    name = type(opened.estimator).__name__
    if opened.target_transformers:
        name = "TransformedTargetRegressor"
    elif predict is not None and "return_std" in inspect.signature(predict).parameters:
        return opened
    raise ValueError(
        f"{name} does not say how sure it is: intervals need a regressor whose predict takes "
        "return_std, such as SigmoidMLPRegressor(solver='lm')."
    )


def _mean_and_std(
    opened: Opened, X: MatrixLike, output: int | None
) -> tuple[FloatArray, FloatArray]:
    """The predictions for one output and their standard deviations."""
    y_pred, y_std = opened.estimator.predict(opened.reach(X), return_std=True)
    return one_output("y_pred", y_pred, output), one_output("y_std", y_std, output)


def _running_median(values: FloatArray) -> FloatArray:
    """Medians over a tenth of the values, at least LEAST_WINDOW, at up to MOST_MEDIANS of them.

    At the ends half of the window is left.
    """
    half = max(LEAST_WINDOW, values.size // 10) // 2
    at = thinned(np.arange(values.size), MOST_MEDIANS)
    return np.array([np.median(values[max(i - half, 0) : i + half + 1]) for i in at])
