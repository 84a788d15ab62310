"""Displays, in scikit-learn's sense, of what a regressor has learnt and how it was trained.

With mean ŷ(x) and standard deviation s(x) of a new observation, the interval drawn is

    ŷ(x) ± z s(x),    z = Φ⁻¹((1 + coverage) / 2),

and with a loss L per output that is half a mean squared error, RMSE = √(2 L).
"""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.stats import norm
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ._typing import FloatArray, IntArray, MatrixLike
from .regressor import SigmoidMLPRegressor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection, PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["LossCurveDisplay", "PredictionIntervalDisplay"]

GRID_SIZE = 400
"""Points at which a model of one feature is drawn, besides its data."""

LOSS = "loss"
RMSE = "RMSE"
RELATIVE_RMSE = "RMSE / standard deviation of y"
VALIDATION_SCORE = "R² on the rows held out"

Style: TypeAlias = Mapping[str, Any] | None


# Predictions with error bars ----------------------------------------------------------------


class PredictionIntervalDisplay:
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
        The probability that an interval is to hold, between 0 and 1.
    name : str, default=None
        What the legend calls the model.
    feature_name : str, default=None
        The label of the x axis; by default "x" or "rank of the prediction".
    target_name : str, default=None
        The label of the y axis; by default "y".

    Attributes
    ----------
    line_ : matplotlib Line2D
        The means: a line, or one marker a row if ``kind="bars"``.
    band_ : matplotlib Collection
        The intervals: a band, or one bar a row.
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
    >>> display.plot(ax=Figure().subplots()).observed_coverage_
    0.666...
    """

    line_: "Line2D"
    band_: "Collection"
    scatter_: "PathCollection | None"
    observed_coverage_: float | None
    ax_: "Axes"
    figure_: "Figure | SubFigure"

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
        kind: Literal["band", "bars"] = "band",
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
        kind : {"band", "bars"}, default="band"
            The means as a line with the intervals as a band, or one bar a row. Bars are right
            where other features vary as well, so that neighbours on the x axis have little to
            do with each other. A single row always has a bar.
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
        _check_choice("kind", kind, ("band", "bars"))
        if subsample is not None and subsample < 1:
            raise ValueError(f"subsample must be at least 1, or None, got {subsample!r}.")
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, got {self.coverage!r}.")
        x, y_pred, y_std, y_true = self._in_order()
        margin = norm.ppf((1 + self.coverage) / 2) * y_std
        observed = np.flatnonzero(np.isfinite(y_true))
        inside = np.abs(y_true - y_pred)[observed] <= margin[observed]
        self.observed_coverage_ = float(inside.mean()) if inside.size else None

        # A curve is drawn whole; what is drawn row by row is thinned with the observations.
        rows = np.arange(x.size)
        bars = kind == "bars" or x.size == 1  # a band of one row could not be seen
        if bars or self.x is None:
            rows = _thinned(rows, subsample)
            points = np.intersect1d(rows, observed)
        else:
            points = _thinned(observed, subsample)

        ax = _axes(f"{type(self).__name__}.plot", ax)
        means, intervals = (_MARKERS, _BARS) if bars else (_LINE, _BAND)
        self.line_ = ax.plot(x[rows], y_pred[rows], **_style(means, line_kwargs))[0]
        band_style = _style({"color": self.line_.get_color(), **intervals}, band_kwargs)
        band = (x[rows], (y_pred - margin)[rows], (y_pred + margin)[rows])
        if bars:
            self.band_ = ax.vlines(*band, **band_style)
        else:
            step: Literal["mid"] | None = "mid" if self.x is None else None
            self.band_ = ax.fill_between(*band, step=step, **band_style)
        self.scatter_ = None
        if points.size:
            size = 11 * min(1.0, np.sqrt(200 / points.size))
            style = _style({"s": size, **_POINTS}, scatter_kwargs)
            self.scatter_ = ax.scatter(x[points], y_true[points], **style)
        self._annotate(ax)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _in_order(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """What to draw, from left to right; NaN stands for an observation that is missing."""
        y_pred = _vector("y_pred", self.y_pred)
        y_std = _vector("y_std", self.y_std)
        y_true = np.full(y_pred.size, np.nan)
        if self.y_true is not None:
            y_true = _vector("y_true", self.y_true, allow_nan=True)
        x = None if self.x is None else _vector("x", self.x)
        check_consistent_length(y_pred, y_std, y_true, x)
        if (y_std < 0).any():
            raise ValueError("y_std has negative values.")
        order = np.argsort(y_pred if x is None else x, kind="stable")
        position = np.arange(1.0, y_pred.size + 1) if x is None else x[order]
        return position, y_pred[order], y_std[order], y_true[order]

    def _annotate(self, ax: "Axes") -> None:
        """Label the axes and the artists."""
        interval = f"{100 * self.coverage:g} % interval"
        if self.observed_coverage_ is not None:
            interval += f"s cover {100 * self.observed_coverage_:.1f} %"
        self.line_.set_label(self.name or "prediction")
        self.band_.set_label(interval if self.name is None else f"{self.name}: {interval}")
        if self.scatter_ is not None:
            self.scatter_.set_label("observation")
        default = "rank of the prediction" if self.x is None else "x"
        ax.set(xlabel=self.feature_name or default, ylabel=self.target_name or "y")
        _legend(ax)

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
        kind: Literal["auto", "band", "bars"] = "auto",
        subsample: int | None = 1_000,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
        scatter_kwargs: Style = None,
    ) -> Self:
        """Draw the predictions of a regressor that knows their standard deviation.

        A model of one feature is drawn as a curve over the range of X. With several features,
        each row of X is drawn: against `feature`, or against the rank of its prediction.

        Parameters
        ----------
        estimator : estimator instance
            A fitted regressor, or a pipeline that ends in one, whose ``predict`` takes
            ``return_std``: :class:`~sklearn_mlp.SigmoidMLPRegressor` trained by "lm",
            :class:`~sklearn.gaussian_process.GaussianProcessRegressor`,
            :class:`~sklearn.linear_model.BayesianRidge` and others.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The observations; NaN in rows that are to be predicted only.
        feature : int or str, default=None
            The column of X to draw against, by position or by name.
        output : int, default=None
            Which output of several.
        coverage : float, default=0.95
            The probability that an interval is to hold, between 0 and 1.
        kind : {"auto", "band", "bars"}, default="auto"
            As in :meth:`plot`; "auto" is "bars" if features other than `feature` vary.
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
        _require_matplotlib(f"{cls.__name__}.from_estimator")
        _check_choice("kind", kind, ("auto", "band", "bars"))
        check_is_fitted(estimator)
        table = _Table.of(X, estimator)
        x, feature_name, one_curve = None, None, True
        if feature is not None or table.n_columns == 1:
            j = table.position(feature if feature is not None else 0)
            feature_name = table.label(j)
            x = _vector(f"the feature {feature_name!r}", table.column(j))
            others = (k for k in range(table.n_columns) if k != j)
            one_curve = _varies(x) and not any(_varies(table.column(k)) for k in others)
        y_pred, y_std = _mean_and_std(estimator, table.X, output)
        target_name = _target_name(y, output)
        if y is not None:
            y = _one_output("y", y, output)
            check_consistent_length(y_pred, y)
        if x is not None and table.n_columns == 1 and one_curve and kind != "bars":
            grid = np.linspace(x.min(), x.max(), GRID_SIZE)
            on_grid = _mean_and_std(estimator, table.of_one_column(grid), output)
            x = np.append(x, grid)
            y_pred, y_std = np.append(y_pred, on_grid[0]), np.append(y_std, on_grid[1])
            y = None if y is None else np.append(y, np.full(GRID_SIZE, np.nan))
        if kind == "auto":
            kind = "band" if one_curve else "bars"
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
        kind: Literal["band", "bars"] = "band",
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
            The probability that an interval is to hold, between 0 and 1.
        kind : {"band", "bars"}, default="band"
            A line in a band, or one bar a row; see :meth:`plot`.
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
        _require_matplotlib(f"{cls.__name__}.from_predictions")
        display = cls(
            y_pred=_one_output("y_pred", y_pred, output),
            y_std=_one_output("y_std", y_std, output),
            y_true=None if y_true is None else _one_output("y_true", y_true, output),
            x=x,
            coverage=coverage,
            name=name,
            feature_name=feature_name or _target_name(x, None),
            target_name=target_name or _target_name(y_true, output),
        )
        return display.plot(
            ax,
            kind=kind,
            subsample=subsample,
            line_kwargs=line_kwargs,
            band_kwargs=band_kwargs,
            scatter_kwargs=scatter_kwargs,
        )


def _mean_and_std(
    estimator: Any, X: MatrixLike, output: int | None
) -> tuple[FloatArray, FloatArray]:
    """The predictions for one output and their standard deviations."""
    model = _last_step(estimator)
    predict = getattr(model, "predict", None)
    if predict is None or "return_std" not in inspect.signature(predict).parameters:
        raise ValueError(
            f"{type(model).__name__} does not say how sure it is: intervals need a regressor "
            "whose predict takes return_std, such as SigmoidMLPRegressor(solver='lm')."
        )
    y_pred, y_std = estimator.predict(X, return_std=True)
    return _one_output("y_pred", y_pred, output), _one_output("y_std", y_std, output)


# How training went --------------------------------------------------------------------------


class LossCurveDisplay:
    """What training has minimised, iteration by iteration.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes. Several
    models are compared by drawing them on the same axes.

    Parameters
    ----------
    curve : array-like of shape (n_iter,)
        A value for each iteration, drawn on a logarithmic axis.
    curve_label : str, default="loss"
        What the values are: the label of the y axis.
    validation_curve : array-like of shape (at most n_iter,), default=None
        A value for each of the last iterations, from rows held out.
    validation_label : str, default=None
        What those are: the same as `curve_label` for the same axis, which is the default, and
        anything else for an axis on the right.
    name : str, default="training"
        What the legend calls the model.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    validation_line_ : matplotlib Line2D or None
        The curve of the rows held out, dashed.
    validation_ax_ : matplotlib Axes or None
        Where that is drawn: `ax_`, or the axes on its right.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import LossCurveDisplay
    >>> display = LossCurveDisplay(curve=[1.0, 0.1, 0.01], name="a model")
    >>> display.plot(ax=Figure().subplots()).ax_.get_yscale()
    'log'
    """

    line_: "Line2D"
    validation_line_: "Line2D | None"
    validation_ax_: "Axes | None"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        *,
        curve: ArrayLike,
        curve_label: str = "loss",
        validation_curve: ArrayLike | None = None,
        validation_label: str | None = None,
        name: str = "training",
    ) -> None:
        self.curve = curve
        self.curve_label = curve_label
        self.validation_curve = validation_curve
        self.validation_label = validation_label
        self.name = name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        line_kwargs: Style = None,
        validation_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Pass the `ax_` of another display to
            compare the two.
        line_kwargs, validation_kwargs : dict, default=None
            Style of the curve and of that of the rows held out, passed on to matplotlib.

        Returns
        -------
        self : LossCurveDisplay

        Raises
        ------
        ValueError
            If the axes show another quantity already, or a curve is empty or not of numbers.
        ImportError
            Without matplotlib.
        """
        curve = _vector("curve", self.curve)
        ax = _axes(f"{type(self).__name__}.plot", ax)
        shown = ax.get_ylabel()
        if shown != self.curve_label and shown in (LOSS, RMSE, RELATIVE_RMSE):
            raise ValueError(
                f"The axes show {shown!r}, which {self.curve_label!r} cannot be compared with: "
                "draw this model on axes of its own."
            )
        iterations = np.arange(1, curve.size + 1)
        self.line_ = ax.plot(iterations, curve, **_style(_LINE, line_kwargs))[0]
        self.line_.set_label(self.name)
        self.validation_line_ = self.validation_ax_ = None
        if self.validation_curve is not None:
            values = _vector("validation_curve", self.validation_curve)
            label = self.validation_label or self.curve_label
            target = ax if label == self.curve_label else _axes_on_the_right(ax, label)
            style = _style({"color": self.line_.get_color(), **_DASHED}, validation_kwargs)
            held_out = target.plot(iterations[-values.size :], values, **style)[0]
            held_out.set_label(f"{self.name}, rows held out")
            self.validation_line_, self.validation_ax_ = held_out, target
        if curve.size == 1:  # a line through one point cannot be seen
            for line in filter(None, (self.line_, self.validation_line_)):
                line.set_marker("o")
        if (curve > 0).any():
            ax.set_yscale("log")
        ax.set(xlabel="iteration", ylabel=self.curve_label)
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        _legend(*_axes_in_the_place_of(ax))
        if ax.get_yscale() == "log":
            _plain_log_ticks(ax)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metric: Literal["rmse", "loss"] = "rmse",
        validation: bool = True,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        validation_kwargs: Style = None,
    ) -> Self:
        """Draw the training of a network.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`,
            :class:`~sklearn.neural_network.MLPRegressor` or other regressor with a
            ``loss_curve_``, alone, at the end of a pipeline, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor`.
        metric : {"rmse", "loss"}, default="rmse"
            The error √(2 loss), or the loss. The loss includes the penalty, and so does
            the error then: without a penalty, and by "lm" with ``alpha="auto"``, it is the RMSE
            itself, else a little more. The error is in the units of y, and in standard
            deviations of y if the model was trained on standardised targets.
        validation : bool, default=True
            Whether to draw the scores of the rows that ``early_stopping`` held out: R² on an
            axis on the right; or √(1 - R²), their own RMSE in standard deviations of y, where
            that is what is drawn of the training.
        name : str, default=None
            What the legend calls the model; by default its class and solver.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Pass the `ax_` of another display to
            compare the two.
        line_kwargs, validation_kwargs : dict, default=None
            Style of the curve and of that of the rows held out, passed on to matplotlib.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted, is not a regressor with a ``loss_curve_``, has
            minimised something else than the squared error and "rmse" is asked for, or the
            axes show another quantity already.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.datasets import make_hyperplane
        >>> from sklearn_mlp.inspection import LossCurveDisplay
        >>> X, y = make_hyperplane(200, random_state=0, return_X_y=True)
        >>> model = SigmoidMLPRegressor((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> display = LossCurveDisplay.from_estimator(model, ax=Figure().subplots())
        >>> display.line_.get_label(), display.ax_.get_ylabel()
        ('SigmoidMLPRegressor, lbfgs', 'RMSE / standard deviation of y')
        """
        _require_matplotlib(f"{cls.__name__}.from_estimator")
        _check_choice("metric", metric, ("rmse", "loss"))
        check_is_fitted(estimator)
        model, standardized = _trained_network(estimator)
        curve = np.asarray(model.loss_curve_, dtype=float)
        scores = getattr(model, "validation_scores_", None) if validation else None
        validation_curve = None if scores is None else np.asarray(scores, dtype=float)
        curve_label, validation_label = LOSS, VALIDATION_SCORE
        if metric == "rmse":
            loss = getattr(model, "loss", "squared_error")
            if loss != "squared_error":
                raise ValueError(f"loss={loss!r} gives no RMSE: use metric='loss'.")
            # scikit-learn's loss is the mean over the outputs, ours the sum.
            n_outputs = model.n_outputs_ if isinstance(model, SigmoidMLPRegressor) else 1
            curve = np.sqrt(2 * curve / n_outputs)
            curve_label = RELATIVE_RMSE if standardized else RMSE
        if curve_label == RELATIVE_RMSE and validation_curve is not None:
            validation_curve = np.sqrt(np.maximum(1 - validation_curve, 0))
            validation_label = RELATIVE_RMSE
        display = cls(
            curve=curve,
            curve_label=curve_label,
            validation_curve=validation_curve,
            validation_label=validation_label,
            name=name or _class_and_solver(model),
        )
        return display.plot(ax, line_kwargs=line_kwargs, validation_kwargs=validation_kwargs)


def _trained_network(estimator: Any) -> tuple[Any, bool]:
    """The model inside the estimator, and whether it was trained on standardised targets."""
    standardized = False
    model = _last_step(estimator)
    while isinstance(model, TransformedTargetRegressor):
        standardized = standardized or isinstance(model.transformer_, StandardScaler)
        model = _last_step(model.regressor_)
    if not (is_regressor(model) and hasattr(model, "loss_curve_")):
        raise ValueError(
            f"There is no loss curve of {_class_and_solver(model)}: it needs a regressor with "
            "loss_curve_, such as SigmoidMLPRegressor, or MLPRegressor trained by 'adam' or 'sgd'."
        )
    return model, standardized or bool(getattr(model, "standardize", False))


def _class_and_solver(model: Any) -> str:
    """What a legend calls a model by default: its class, and its solver if it has any."""
    solver = getattr(model, "solver_", getattr(model, "solver", None))
    return ", ".join([type(model).__name__, *([] if solver is None else [str(solver)])])


# Data ---------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """The inputs of an estimator, whatever their container, by columns.

    Attributes
    ----------
    X : {array, sparse matrix, data frame} of shape (n_samples, n_columns)
    names : list of str or None
        The names of the columns, where they have any.
    """

    X: Any
    names: list[str] | None

    @classmethod
    def of(cls, X: MatrixLike, estimator: Any) -> Self:
        """The inputs, with the names that they have or that the estimator has seen."""
        if issparse(X):
            X = X.tocsr()
        elif not hasattr(X, "shape"):
            X = np.asarray(X)
        if len(X.shape) != 2:
            raise ValueError(f"X must have two dimensions, got {len(X.shape)}.")
        names = getattr(X, "columns", getattr(estimator, "feature_names_in_", None))
        return cls(X, None if names is None else [str(name) for name in names])

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return int(self.X.shape[1])

    def position(self, feature: int | str) -> int:
        """The position of a column."""
        if isinstance(feature, str):
            if self.names is None:
                raise ValueError(
                    f"X has no column names, so feature={feature!r} cannot be found: "
                    f"use its position, 0 to {self.n_columns - 1}."
                )
            if feature not in self.names:
                known = ", ".join(map(repr, self.names[:20]))
                more = ", ..." if len(self.names) > 20 else ""
                raise ValueError(f"X has no column {feature!r}; it has {known}{more}.")
            return self.names.index(feature)
        if not -self.n_columns <= feature < self.n_columns:
            raise ValueError(f"feature must be 0 to {self.n_columns - 1}, got {feature}.")
        return feature % self.n_columns

    def column(self, j: int) -> NDArray[Any]:
        """The values of a column."""
        if issparse(self.X):
            return np.ravel(self.X[:, [j]].toarray())
        return np.ravel(_safe_indexing(self.X, j, axis=1))

    def label(self, j: int) -> str:
        """What an axis calls a column: its name, or what scikit-learn would name it."""
        if self.names is not None:
            return self.names[j]
        return "x" if self.n_columns == 1 else f"x{j}"

    def of_one_column(self, values: FloatArray) -> Any:
        """Other values for the only column, in the same kind of container."""
        if hasattr(self.X, "columns"):
            return type(self.X)({self.X.columns[0]: values})
        dtype = self.X.dtype if self.X.dtype.kind == "f" else None
        return values.astype(dtype).reshape(-1, 1)


def _varies(values: NDArray[Any]) -> bool:
    """Whether not all values are the same."""
    return pd.Series(values).nunique(dropna=False) > 1


def _last_step(estimator: Any) -> Any:
    """The estimator itself, or the one that a pipeline ends in."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _vector(what: str, values: ArrayLike, *, allow_nan: bool = False) -> FloatArray:
    """One or more numbers as floats."""
    try:
        vector = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers.") from error
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{what} must have shape (n_samples,), got {vector.shape}.")
    if np.isinf(vector).any() or (np.isnan(vector).any() and not allow_nan):
        raise ValueError(f"{what} must be finite.")
    return vector


def _one_output(what: str, values: ArrayLike, output: int | None) -> NDArray[Any]:
    """The column of one output; the only one needs no choice."""
    y = np.asarray(values)
    if y.ndim == 2 and output is None and y.shape[1] > 1:
        raise ValueError(
            f"{what} has {y.shape[1]} outputs: choose one of them, output=0 to {y.shape[1] - 1}."
        )
    y = y.reshape(-1, 1) if y.ndim == 1 else y
    if y.ndim != 2:
        raise ValueError(f"{what} must have one or two dimensions, got {y.ndim}.")
    output = output or 0
    if not -y.shape[1] <= output < y.shape[1]:
        raise ValueError(f"output={output} was asked for, and {what} has {y.shape[1]}.")
    return y[:, output]


def _target_name(y: Any, output: int | None) -> str | None:
    """The name of a column of a data frame, or of one of several."""
    if hasattr(y, "columns"):
        return str(y.columns[output or 0])
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else None


def _thinned(rows: IntArray, most: int | None) -> IntArray:
    """At most so many of the rows, evenly spaced."""
    if most is None or rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).round().astype(np.intp)]


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {value!r}.")


# matplotlib ---------------------------------------------------------------------------------


_LINE = {"linewidth": 1.6, "zorder": 3}
_DASHED = {"linewidth": 1.3, "linestyle": (0, (4, 2)), "zorder": 3}
_MARKERS = {"linestyle": "none", "marker": "o", "markersize": 3.5, "zorder": 3}
_BAND = {"alpha": 0.22, "linewidth": 0, "zorder": 1}
_BARS = {"alpha": 0.3, "linewidth": 1.2, "zorder": 1}
_POINTS = {"color": "0.15", "alpha": 0.65, "linewidths": 0, "zorder": 2}

_ALIASES = {"c": "color", "lw": "linewidth", "ls": "linestyle", "ms": "markersize"}


def _style(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The defaults, but for those that are chosen by name or by matplotlib's short name."""
    chosen = dict(chosen or {})
    named = {_ALIASES.get(key, key) for key in chosen}
    return {key: value for key, value in defaults.items() if key not in named} | chosen


def _require_matplotlib(caller: str) -> None:
    """Raise an error that says what to install if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401 (only to see whether it is there)
    except ImportError as error:
        raise ImportError(
            f'{caller} requires matplotlib: pip install "sklearn-mlp[plot]"'
        ) from error


def _axes(caller: str, ax: "Axes | None") -> "Axes":
    """The axes to draw on; by default those of a new figure."""
    _require_matplotlib(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def _axes_in_the_place_of(ax: "Axes") -> "list[Axes]":
    """The axes, and those that share its place for a second scale."""
    place = ax.get_position(original=True).bounds
    siblings = ax.get_shared_x_axes().get_siblings(ax)
    twins = [b for b in siblings if b.get_position(original=True).bounds == place]
    return sorted(twins, key=ax.figure.axes.index)


def _axes_on_the_right(ax: "Axes", label: str) -> "Axes":
    """The axes with this scale on the right, shared by all that is drawn on `ax`."""
    for twin in _axes_in_the_place_of(ax):
        if twin.get_ylabel() == label:
            return twin
    twin = ax.twinx()
    twin.set_ylabel(label)
    return twin


def _plain_log_ticks(ax: "Axes") -> None:
    """Ticks of a logarithmic y axis written as 0.1 rather than 10⁻¹, a few in any range."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    bottom, top = ax.get_ylim()
    decades = np.log10(top / bottom)
    if decades < 0.7:
        ax.yaxis.set_major_locator(MaxNLocator(6))
    else:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2 else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(_as_written))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _as_written(value: float, position: int | None = None) -> str:
    """A tick's label."""
    return f"{value:g}"


def _legend(*axes: "Axes") -> None:
    """One legend for all axes in a place, with room for it above what they show."""
    handles = [handle for ax in axes for handle in ax.get_legend_handles_labels()[0]]
    legend = axes[-1].legend(handles=handles, loc="upper left", frameon=False, fontsize="small")
    font_size = legend.prop.get_size_in_points()
    axes_height = axes[-1].get_window_extent().height * 72 / axes[-1].figure.dpi
    share = min((1.5 * len(handles) + 1) * font_size / axes_height, 0.5)
    for ax in axes:
        if not ax.get_autoscaley_on():  # limits that were set are kept
            continue
        to_scale = ax.yaxis.get_transform()
        bottom, top = to_scale.transform(np.array(ax.get_ylim()))
        top = bottom + (top - bottom) / (1 - share)
        ax.set_ylim(top=float(to_scale.inverted().transform(np.array([top]))[0]), auto=True)
