"""How training went. With a loss L per output that is half a mean squared error, RMSE = √(2 L)."""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..regressor import SigmoidMLPRegressor
from ._data import check_choice, last_step, vector
from ._drawing import (
    DASHED,
    LINE,
    Style,
    axes,
    axes_in_the_place_of,
    axes_on_the_right,
    legend,
    plain_log_ticks,
    require_matplotlib,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

LOSS = "loss"
RMSE = "RMSE"
RELATIVE_RMSE = "RMSE / standard deviation of y"
VALIDATION_SCORE = "R² on the rows held out"


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
        curve = vector("curve", self.curve)
        ax = axes(f"{type(self).__name__}.plot", ax)
        shown = ax.get_ylabel()
        if shown != self.curve_label and shown in (LOSS, RMSE, RELATIVE_RMSE):
            raise ValueError(
                f"The axes show {shown!r}, which {self.curve_label!r} cannot be compared with: "
                "draw this model on axes of its own."
            )
        iterations = np.arange(1, curve.size + 1)
        self.line_ = ax.plot(iterations, curve, **styled(LINE, line_kwargs))[0]
        self.line_.set_label(self.name)
        self.validation_line_ = self.validation_ax_ = None
        if self.validation_curve is not None:
            values = vector("validation_curve", self.validation_curve)
            label = self.validation_label or self.curve_label
            target = ax if label == self.curve_label else axes_on_the_right(ax, label)
            style = styled({"color": self.line_.get_color(), **DASHED}, validation_kwargs)
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
        legend(*axes_in_the_place_of(ax))
        if ax.get_yscale() == "log":
            plain_log_ticks(ax)
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
            Whether to draw the rows that ``early_stopping`` held out: their loss or error on the
            same axis, where the model has a ``validation_loss_curve_``; else their scores, R² on
            an axis on the right, or √(1 - R²), their own RMSE in standard deviations of y, where
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
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_choice("metric", metric, ("rmse", "loss"))
        check_is_fitted(estimator)
        model, standardized = _trained_network(estimator)
        curve = np.asarray(model.loss_curve_, dtype=float)
        losses = getattr(model, "validation_loss_curve_", None) if validation else None
        scores = getattr(model, "validation_scores_", None) if validation else None
        held_out = scores if losses is None else losses
        validation_curve = None if held_out is None else np.asarray(held_out, dtype=float)
        curve_label, validation_label = LOSS, VALIDATION_SCORE
        if metric == "rmse":
            loss = getattr(model, "loss", "squared_error")
            if loss != "squared_error":
                raise ValueError(f"loss={loss!r} gives no RMSE: use metric='loss'.")
            # scikit-learn's loss is the mean over the outputs, ours the sum.
            n_outputs = model.n_outputs_ if isinstance(model, SigmoidMLPRegressor) else 1
            curve = np.sqrt(2 * curve / n_outputs)
            curve_label = RELATIVE_RMSE if standardized else RMSE
            if validation_curve is not None and losses is not None:
                validation_curve = np.sqrt(2 * validation_curve / n_outputs)
        if losses is not None:
            validation_label = curve_label
        elif curve_label == RELATIVE_RMSE and validation_curve is not None:
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
    model = last_step(estimator)
    while isinstance(model, TransformedTargetRegressor):
        standardized = standardized or isinstance(model.transformer_, StandardScaler)
        model = last_step(model.regressor_)
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
