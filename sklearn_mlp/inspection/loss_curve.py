"""How training went. With a loss L per output that is half a mean squared error, RMSE = √(2 L)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.preprocessing import StandardScaler

from .._typing import FloatArray
from ..regressor import SigmoidMLPRegressor
from ._data import check_choice, vector
from ._drawing import (
    DASHED,
    DOTTED,
    LINE,
    Display,
    Style,
    axes_in_the_place_of,
    axes_on_the_right,
    legend,
    line_style,
    plain_log_ticks,
)
from ._estimators import Opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

LOSS = "loss"
RMSE = "RMSE"
RELATIVE_RMSE = "RMSE / standard deviation of y"
VALIDATION_SCORE = "R² on the rows held out"
EVIDENCE = "highest log evidence so far, per row"


class LossCurveDisplay(Display):
    """The loss or the error at each iteration of training.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes. Several
    models are compared by drawing them on the same axes.

    Parameters
    ----------
    curve : array-like of shape (n_iter,), or sequence of such
        A value for each iteration, drawn on a logarithmic axis. Several curves are those of
        the members of an ensemble: they have the same colour, and one name in the legend.
    curve_label : str, default="loss"
        What the values are: the label of the y axis.
    validation_curve : array-like of shape (at most n_iter,), or sequence of such, default=None
        A value for each of the last iterations, from rows held out. Of several curves, one for
        each `curve`.
    validation_label : str, default=None
        What those values are. If it is `curve_label`, which is the default, they are drawn on
        the same axis, else on an axis on the right.
    evidence_curve : array-like of shape (n_iter,), default=None
        The log evidence at each iteration, drawn on an axis on the right; NaN where it is not
        known.
    name : str, default="training"
        What the legend calls the model.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve; of several, the first.
    lines_ : list of matplotlib Line2D
        All curves.
    validation_line_ : matplotlib Line2D or None
        The curve of the rows held out, dashed; of several, the first.
    validation_lines_ : list of matplotlib Line2D
        All curves of rows held out.
    evidence_line_ : matplotlib Line2D or None
        The log evidence, dotted.
    evidence_ax_ : matplotlib Axes or None
        The axes on the right that it is drawn on.
    validation_ax_ : matplotlib Axes or None
        The axes of that curve: `ax_`, or the axes on its right.
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
    lines_: "list[Line2D]"
    validation_line_: "Line2D | None"
    validation_lines_: "list[Line2D]"
    validation_ax_: "Axes | None"
    evidence_line_: "Line2D | None"
    evidence_ax_: "Axes | None"

    def __init__(
        self,
        *,
        curve: ArrayLike | Sequence[ArrayLike],
        curve_label: str = "loss",
        validation_curve: ArrayLike | Sequence[ArrayLike] | None = None,
        validation_label: str | None = None,
        evidence_curve: ArrayLike | None = None,
        name: str = "training",
    ) -> None:
        self.curve = curve
        self.curve_label = curve_label
        self.validation_curve = validation_curve
        self.validation_label = validation_label
        self.evidence_curve = evidence_curve
        self.name = name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        line_kwargs: Style = None,
        validation_kwargs: Style = None,
        evidence_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Pass the `ax_` of another display to
            compare the two.
        line_kwargs, validation_kwargs, evidence_kwargs : dict, default=None
            Style of the curve, of that of the rows held out, and of that of the evidence, passed
            on to matplotlib.

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
        curves, held_out = self._checked()
        ax = self._axes(ax)
        shown = ax.get_ylabel()
        if shown != self.curve_label and shown in (LOSS, RMSE, RELATIVE_RMSE):
            raise ValueError(
                f"The axes show {shown!r}, which {self.curve_label!r} cannot be compared with: "
                "draw this model on axes of its own."
            )
        ends = [curve.size for curve in curves]
        self.lines_ = _draw(ax, curves, ends, line_style(LINE, line_kwargs), self.name)
        self.line_ = self.lines_[0]
        self.validation_line_ = self.validation_ax_ = None
        self.validation_lines_ = []
        if held_out:
            label = self.validation_label or self.curve_label
            target = ax if label == self.curve_label else axes_on_the_right(ax, label)
            defaults = {"color": self.line_.get_color(), **DASHED}
            style = line_style(defaults, validation_kwargs)
            name = f"{self.name}, rows held out"
            self.validation_lines_ = _draw(target, held_out, ends, style, name)
            self.validation_line_, self.validation_ax_ = self.validation_lines_[0], target
        self._draw_evidence(ax, ends[0], evidence_kwargs)
        if any((curve > 0).any() for curve in curves):
            ax.set_yscale("log")
        ax.set(xlabel="iteration", ylabel=self.curve_label)
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        legend(*axes_in_the_place_of(ax))
        if ax.get_yscale() == "log":
            plain_log_ticks(ax)
        return self._drawn_on(ax)

    def _draw_evidence(self, ax: "Axes", end: int, evidence_kwargs: Style) -> None:
        """Draw the log evidence where it is known, on an axis on the right."""
        self.evidence_line_ = self.evidence_ax_ = None
        if self.evidence_curve is None:
            return
        evidence = vector("evidence_curve", self.evidence_curve, allow_nan=True)
        if evidence.size > end:
            raise ValueError(f"evidence_curve has {evidence.size} values for {end} iterations.")
        if np.isnan(evidence).all():
            return
        self.evidence_ax_ = axes_on_the_right(ax, EVIDENCE)
        defaults = {"color": self.line_.get_color(), **DOTTED}
        style = line_style(defaults, evidence_kwargs)
        name = f"{self.name}, log evidence"
        (self.evidence_line_,) = _draw(self.evidence_ax_, [evidence], [end], style, name)

    def _checked(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """The curves, and those of rows held out, if there is one for each."""
        curves = _curves("curve", self.curve)
        if self.validation_curve is None:
            return curves, []
        held_out = _curves("validation_curve", self.validation_curve)
        if len(held_out) != len(curves):
            raise ValueError(
                f"There must be a validation_curve for each curve, got {len(held_out)} for "
                f"{len(curves)}."
            )
        return curves, held_out

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metric: Literal["rmse", "loss"] = "rmse",
        validation: bool = True,
        evidence: bool = True,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        validation_kwargs: Style = None,
        evidence_kwargs: Style = None,
    ) -> Self:
        """Draw the training of a network, or of each member of an ensemble.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`,
            :class:`~sklearn.neural_network.MLPRegressor` or other regressor with a
            ``loss_curve_``; or a :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor` of such. It
            may be at the end of a pipeline, in a search such as
            :class:`~sklearn.model_selection.GridSearchCV`, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor`.
        metric : {"rmse", "loss"}, default="rmse"
            The error √(2 loss), or the loss. If there is a penalty, both include it, and the
            error is a little more than the RMSE. With ``alpha="auto"`` the loss of "lm" has no
            penalty. The error is in the units of y, or in standard deviations of y if the model
            was trained on standardised targets.
        validation : bool, default=True
            Whether to draw a curve of the rows that ``early_stopping`` held out. If the model
            has a ``validation_loss_curve_``, it is their loss or error, on the same axis. Else it
            is their score R², on an axis on the right. If the error is drawn in standard
            deviations of y, the score becomes √(1 - R²), on the same axis.
        evidence : bool, default=True
            Whether to draw the log evidence on an axis on the right, if the model has a
            ``log_evidence_curve_`` and is no ensemble. It is what "lm" maximises with
            ``alpha="auto"``: the loss and the error may rise while it does, as the penalty
            is found on the way.
        name : str, default=None
            What the legend calls the model; by default its class and solver.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Pass the `ax_` of another display to
            compare the two.
        line_kwargs, validation_kwargs, evidence_kwargs : dict, default=None
            Style of the curve, of that of the rows held out, and of that of the evidence, passed
            on to matplotlib.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted or is not a regressor with a ``loss_curve_``, if "rmse"
            is asked for and the `loss` is not the squared error, or if the axes show another
            quantity already.
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
        cls._require_matplotlib("from_estimator")
        check_choice("metric", metric, ("rmse", "loss"))
        opened = Opened.of(estimator)
        members = opened.members()
        trainings = [_training(member, metric, validation) for member in members]
        first = trainings[0]
        display = cls(
            curve=first.curve,
            curve_label=first.curve_label,
            validation_curve=first.validation_curve,
            validation_label=first.validation_label,
            name=name or _class_and_solver(opened.estimator, members[0].estimator),
        )
        if evidence and not opened.is_ensemble:
            display.evidence_curve = getattr(members[0].estimator, "log_evidence_curve_", None)
        if opened.is_ensemble:
            display.curve = [training.curve for training in trainings]
            held_out = [t.validation_curve for t in trainings if t.validation_curve is not None]
            display.validation_curve = held_out or None
        return display.plot(
            ax,
            line_kwargs=line_kwargs,
            validation_kwargs=validation_kwargs,
            evidence_kwargs=evidence_kwargs,
        )


class _Training(NamedTuple):
    """What is drawn of the training of one network."""

    curve: FloatArray
    curve_label: str
    validation_curve: FloatArray | None
    validation_label: str | None


def _training(opened: Opened, metric: str, validation: bool) -> _Training:
    """The loss or the RMSE of a network, and that of the rows held out."""
    model = opened.estimator
    if not (is_regressor(model) and hasattr(model, "loss_curve_")):
        raise ValueError(
            f"There is no loss curve of {_class_and_solver(model, model)}: it needs a regressor "
            "with loss_curve_, such as SigmoidMLPRegressor, or MLPRegressor trained by 'adam' or "
            "'sgd'."
        )
    curve = np.asarray(model.loss_curve_, dtype=float)
    losses = _floats(model, "validation_loss_curve_") if validation else None
    scores = _floats(model, "validation_scores_") if validation else None
    if metric == "loss":
        if losses is not None:
            return _Training(curve, LOSS, losses, LOSS)
        return _Training(curve, LOSS, scores, VALIDATION_SCORE)
    loss = getattr(model, "loss", "squared_error")
    if loss != "squared_error":
        raise ValueError(f"loss={loss!r} gives no RMSE: use metric='loss'.")
    # scikit-learn's loss is the mean over the outputs, ours the sum.
    n_outputs = model.n_outputs_ if isinstance(model, SigmoidMLPRegressor) else 1
    rmse = np.sqrt(2 * curve / n_outputs)
    label = RELATIVE_RMSE if _standardizes_targets(opened) else RMSE
    if losses is not None:
        return _Training(rmse, label, np.sqrt(2 * losses / n_outputs), label)
    if scores is not None and label == RELATIVE_RMSE:
        return _Training(rmse, label, np.sqrt(np.maximum(1 - scores, 0)), label)
    return _Training(rmse, label, scores, VALIDATION_SCORE)


def _floats(model: Any, name: str) -> FloatArray | None:
    """A fitted attribute as an array, or None where there is none."""
    values = getattr(model, name, None)
    return None if values is None else np.asarray(values, dtype=float)


def _standardizes_targets(opened: Opened) -> bool:
    """Whether a network is trained on targets of a standard deviation of 1."""
    scaled = any(isinstance(step, StandardScaler) for step in opened.target_transformers)
    return scaled or bool(getattr(opened.estimator, "standardize", False))


def _class_and_solver(estimator: Any, network: Any) -> str:
    """What a legend calls a model by default: its class, and the solver of its network if any."""
    solver = getattr(network, "solver_", getattr(network, "solver", None))
    return ", ".join([type(estimator).__name__, *([] if solver is None else [str(solver)])])


def _curves(what: str, curves: Any) -> list[FloatArray]:
    """One curve or several, as a list."""
    several = np.ndim(next(iter(curves), 0.0)) > 0
    return [vector(what, curve) for curve in (curves if several else [curves])]


def _draw(
    ax: "Axes", curves: list[FloatArray], ends: list[int], style: dict[str, Any], name: str
) -> "list[Line2D]":
    """A line for each curve, up to its last iteration; all of the colour of the first."""
    lines: list[Line2D] = []
    for curve, end in zip(curves, ends, strict=True):
        iterations = np.arange(end - curve.size + 1, end + 1)
        line = ax.plot(iterations, curve, **style)[0]
        line.set_label(name if not lines else f"_{name}")  # once in the legend
        line.set_color(lines[0].get_color() if lines else line.get_color())
        if end == 1:  # a line through one point cannot be seen
            line.set_marker("o")
        lines.append(line)
    return lines
