"""The mountain that training comes down: the loss over a plane through the space of the weights.

    L(a, b) = loss(w* + a u + b v),    a = (w - w*)·u,    b = (w - w*)·v

with w* the weights that the descent ends at, u and v orthonormal, and (a, b) where the weights w
on the way are drawn. The plane is that of two weights, or of the two leading directions of the
descent, the first right singular vectors of the differences w - w* (Li et al., 2018).
"""

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from .._typing import FloatArray, MatrixLike
from ..monitor import Monitor
from ..network import Network
from ..objective import Objective
from ..posterior import Posterior
from ..regressor import SigmoidMLPRegressor
from ..solvers import Solver
from ._data import Table, check_choice, last_step, names_out, steps_before_the_last, vector
from ._drawing import Style, as_written, axes, require_matplotlib, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

    # This part of matplotlib has no types.
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

Weight: TypeAlias = tuple[int, int | str, int]
"""A layer, what its weight reads (a position, "bias" or the name of a feature), and a unit."""

MOST_POINTS = 1_000
"""Points of a path that are kept, and drawn."""

PATH_FLOATS = 1 << 24
"""Numbers that they may take (128 MB); a few dozen points are kept in any case."""

FEW_POINTS = 100
"""Up to so many points are marked on the path."""

LOG_RANGE = 20.0
"""The range of the loss, largest over least, from which its scale is logarithmic."""

LEAST_LOSS = 1e-30
"""What is less is drawn as this: a logarithmic scale has an end."""

N_LEVELS = 24
"""Contours, about."""

NARROWEST = 0.05
"""The least extent of a path in one direction that the plane shows, in extents of the other."""

LOSS = "loss"
UNPENALISED = "loss, without a penalty"


class LossSurfaceDisplay:
    """The loss over a plane in the space of the weights, and the path that training took.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes.

    Parameters
    ----------
    x : array-like of shape (n_columns,)
    y : array-like of shape (n_rows,)
        Where in the plane the loss is known.
    loss : array-like of shape (n_rows, n_columns)
        The loss there.
    path : array-like of shape (n_points, 2), default=None
        Where the weights were on the way, from the start to the end.
    path_loss : array-like of shape (n_points,), default=None
        The height of the surface there; needed to draw the path on a surface.
    x_label, y_label : str, default="x", "y"
    loss_label : str, default="loss"

    Attributes
    ----------
    surface_ : matplotlib QuadContourSet or Poly3DCollection
        The filled contours, or the surface.
    contours_ : matplotlib QuadContourSet or None
        The lines between them.
    path_ : Line2D or None
        The path.
    start_, end_ : Line2D or None
        The markers at its ends.
    colorbar_ : matplotlib Colorbar or None
        The scale of the contours. The axis of the loss takes its place beside a surface.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer & T. Goldstein (2018). "Visualizing the loss landscape of
    neural nets". Advances in Neural Information Processing Systems 31.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import LossSurfaceDisplay
    >>> x = np.linspace(-1, 1, 20)
    >>> display = LossSurfaceDisplay(
    ...     x=x, y=x, loss=x**2 + x[:, None] ** 2, path=[[1, -1], [0, -0.5], [0, 0]]
    ... ).plot(ax=Figure().subplots())
    >>> display.end_.get_xydata()
    array([[0., 0.]])
    """

    surface_: "QuadContourSet | Poly3DCollection"
    contours_: "QuadContourSet | None"
    path_: "Line2D | None"
    start_: "Line2D | None"
    end_: "Line2D | None"
    colorbar_: "Colorbar | None"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        *,
        x: ArrayLike,
        y: ArrayLike,
        loss: ArrayLike,
        path: ArrayLike | None = None,
        path_loss: ArrayLike | None = None,
        x_label: str = "x",
        y_label: str = "y",
        loss_label: str = LOSS,
    ) -> None:
        self.x = x
        self.y = y
        self.loss = loss
        self.path = path
        self.path_loss = path_loss
        self.x_label = x_label
        self.y_label = y_label
        self.loss_label = loss_label

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: Literal["contour", "surface"] = "contour",
        cmap: str = "viridis",
        contour_kwargs: Style = None,
        path_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. For a surface it must be an Axes3D.
        kind : {"contour", "surface"}, default="contour"
            Filled contours with lines between them, or a surface in three dimensions. The
            scale of the loss is logarithmic where its range asks for it.
        cmap : str, default="viridis"
            The colours of the loss.
        contour_kwargs, path_kwargs : dict, default=None
            Style of the lines between the contours or of the surface, and of the path, passed
            on to matplotlib.

        Returns
        -------
        self : LossSurfaceDisplay

        Raises
        ------
        ValueError
            If the arrays are not finite numbers of matching shapes, or `ax` has not as many
            dimensions as the drawing.
        ImportError
            Without matplotlib.
        """
        check_choice("kind", kind, ("contour", "surface"))
        x, y, loss, path, path_loss = self._checked()
        if kind == "surface" and path is not None and path_loss is None:
            raise ValueError("path_loss is needed to draw the path on a surface.")
        ax = self._axes(ax, kind)
        logarithmic = loss.max() > LOG_RANGE * max(loss.min(), LEAST_LOSS)
        self.contours_ = self.path_ = self.start_ = self.end_ = self.colorbar_ = None
        if kind == "contour":
            self._draw_contours(ax, x, y, loss, logarithmic, cmap, contour_kwargs)
            self._draw_path(ax, path, path_kwargs)
        else:
            height = _log10 if logarithmic else np.asarray
            self._draw_surface(ax, x, y, height(loss), cmap, contour_kwargs)
            if path is not None and path_loss is not None:
                # Between the points of the grid a path may be lower than what is drawn.
                heights = height(np.maximum(path_loss, loss.min()))
                self._draw_path(ax, np.column_stack([path, heights]), path_kwargs)
            _label_height(ax, self.loss_label, logarithmic)
        ax.set(xlabel=self.x_label, ylabel=self.y_label)
        if self.start_ is not None and self.end_ is not None:
            ax.legend(
                handles=[self.start_, self.end_],
                loc="lower right" if kind == "contour" else "upper right",  # above, or in a corner
                bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize="small", borderaxespad=0.2,
            )  # fmt: skip
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _checked(
        self,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None, FloatArray | None]:
        """The arrays as floats; heights of the path where it is to be on a surface."""
        x, y = vector("x", self.x), vector("y", self.y)
        loss = np.asarray(self.loss, dtype=float)
        if loss.shape != (y.size, x.size):
            raise ValueError(f"loss must have shape {(y.size, x.size)}, got {loss.shape}.")
        if min(loss.shape) < 2:
            raise ValueError(f"A surface needs 2 points on each side, got {loss.shape}.")
        if not np.isfinite(loss).all():
            raise ValueError("loss must be finite.")
        if self.path is None:
            return x, y, loss, None, None
        path = np.asarray(self.path, dtype=float)
        if path.ndim != 2 or path.shape[1] != 2 or len(path) == 0:
            raise ValueError(f"path must have shape (n_points, 2), got {path.shape}.")
        if not np.isfinite(path).all():
            raise ValueError("path must be finite.")
        path_loss = None if self.path_loss is None else vector("path_loss", self.path_loss)
        if path_loss is not None and path_loss.size != len(path):
            raise ValueError(f"path_loss must have shape ({len(path)},), got {path_loss.shape}.")
        return x, y, loss, path, path_loss

    def _axes(self, ax: "Axes | None", kind: str) -> "Axes":
        """The axes to draw on, in three dimensions for a surface."""
        caller = f"{type(self).__name__}.plot"
        require_matplotlib(caller)
        if ax is None and kind == "surface":
            import matplotlib.pyplot as plt

            figure = plt.figure(figsize=(6.4, 5.2))
            # Constrained layout knows nothing of labels in three dimensions.
            figure.subplots_adjust(left=0.0, right=0.93, bottom=0.07, top=1.0)
            return figure.add_subplot(projection="3d")
        if ax is not None and (ax.name == "3d") != (kind == "surface"):
            wanted = (
                "an Axes3D, subplot_kw={'projection': '3d'}" if kind == "surface" else "2-D axes"
            )
            raise ValueError(f"kind={kind!r} is drawn on {wanted}.")
        return axes(caller, ax)

    def _draw_contours(
        self,
        ax: "Axes",
        x: FloatArray,
        y: FloatArray,
        loss: FloatArray,
        logarithmic: bool,
        cmap: str,
        contour_kwargs: Style,
    ) -> None:
        from matplotlib.colors import LogNorm, Normalize

        levels, ticks = _levels(loss, logarithmic)
        norm = (LogNorm if logarithmic else Normalize)(levels[0], levels[-1])
        loss = np.clip(loss, levels[0], levels[-1])
        self.surface_ = ax.contourf(x, y, loss, levels=levels, cmap=cmap, norm=norm)
        lines = {"colors": "white", "linewidths": 0.5, "alpha": 0.5}
        style = {"levels": levels[1:-1], **styled(lines, contour_kwargs)}
        self.contours_ = ax.contour(x, y, loss, **style)
        self.colorbar_ = ax.figure.colorbar(self.surface_, ax=ax, label=self.loss_label, pad=0.02)
        self.colorbar_.set_ticks(list(ticks), labels=[as_written(tick) for tick in ticks])
        self.colorbar_.ax.minorticks_off()

    def _draw_surface(
        self,
        ax: Any,
        x: FloatArray,
        y: FloatArray,
        height: FloatArray,
        cmap: str,
        contour_kwargs: Style,
    ) -> None:
        ax.xaxis.labelpad = ax.yaxis.labelpad = 14  # labels of two lines
        ax.zaxis.labelpad = 9
        ax.locator_params(axis="both", nbins=5)
        ax.set_box_aspect((1, 1, 0.75))
        ax.computed_zorder = False  # the path is on the surface, and would be hidden by halves
        facets = {"cmap": cmap, "rcount": 100, "ccount": 100, "linewidth": 0.15, "zorder": 1}
        style = styled({**facets, "edgecolor": (1, 1, 1, 0.35), "alpha": 0.9}, contour_kwargs)
        self.surface_ = ax.plot_surface(*np.meshgrid(x, y), height, **style)

    def _draw_path(self, ax: "Axes", path: FloatArray | None, path_kwargs: Style) -> None:
        """The path in as many dimensions as it has, its start and its end."""
        if path is None:
            return
        from matplotlib.patheffects import Normal, Stroke

        colour = "#d62728"
        line = {"color": colour, "linewidth": 1.4, "zorder": 3}
        if len(path) <= FEW_POINTS:
            line |= {"marker": "o", "markersize": 2.8}
        style = styled(line, path_kwargs)
        self.path_ = ax.plot(*path.T, **style)[0]
        self.path_.set_path_effects([Stroke(linewidth=3, foreground="white"), Normal()])
        marker: dict[str, Any] = {
            "linestyle": "none",
            "markeredgecolor": "white",
            "zorder": 4,
            "clip_on": False,
        }
        marker["color"] = self.path_.get_color()
        self.start_ = ax.plot(*path[:1].T, marker="o", markersize=8, label="start", **marker)[0]
        self.end_ = ax.plot(*path[-1:].T, marker="*", markersize=14, label="end", **marker)[0]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        *,
        weights: tuple[Weight, Weight] | None = None,
        sample_weight: ArrayLike | None = None,
        resolution: int = 60,
        margin: float = 0.25,
        kind: Literal["contour", "surface"] = "contour",
        cmap: str = "viridis",
        ax: "Axes | None" = None,
        contour_kwargs: Style = None,
        path_kwargs: Style = None,
    ) -> Self:
        """Train a copy of a network, and draw its way down.

        What is drawn is the descent of ``estimator.fit(X, y)``, made on a copy: for a
        model that is fitted already that of its own fit, if `random_state` is an integer. Under
        `warm_start` it goes on from the model's weights. Of several attempts (`n_init`, and the
        search for the evidence) it is the one that was kept. Under `early_stopping` it ends at
        the weights that scored best.

        The loss is what was minimised: over the rows trained on, in z-scores under `standardize`,
        with the penalty. Where the evidence sets the penalty ("lm" with ``alpha="auto"``), and
        changes it on the way, the loss is drawn without: half the mean squared error.

        Parameters
        ----------
        estimator : SigmoidMLPRegressor or Pipeline
            Fitted or not; a pipeline must end in a :class:`~sklearn_mlp.SigmoidMLPRegressor`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        weights : pair of (layer, input, unit), default=None
            The two weights whose plane is drawn, all others being at the end of the path.
            `layer` counts from 0; `input` is a position in the layer before, "bias", or the
            name of a feature; `unit` is a position in the layer. They are in the units trained
            in. By default the plane is that of the two directions that the path leads along.
        sample_weight : array-like of shape (n_samples,), default=None
        resolution : int, default=60
            Points on each side of the grid, at each of which the loss is computed.
        margin : float, default=0.25
            How far the plane goes on around the path, in extents of the path.
        kind : {"contour", "surface"}, default="contour"
            As in :meth:`plot`.
        cmap : str, default="viridis"
            The colours of the loss.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. For a surface it must be an Axes3D.
        contour_kwargs, path_kwargs : dict, default=None
            Style of the lines between the contours or of the surface, and of the path, passed
            on to matplotlib.

        Returns
        -------
        display : LossSurfaceDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a network, has no such `weights`, or did not move,
            or if its fit fails.
        ImportError
            Without matplotlib.

        Notes
        -----
        Weights off the plane are drawn where they are nearest to it. On a surface the path
        follows the surface, and is not as low as the weights themselves: the share of the
        path's variance that the labels of the axes state tells how near it is.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.datasets import make_hyperplane
        >>> from sklearn_mlp.inspection import LossSurfaceDisplay
        >>> table = make_hyperplane(100, random_state=0)
        >>> display = LossSurfaceDisplay.from_estimator(
        ...     SigmoidMLPRegressor((5,), solver="gd", learning_rate_init=0.1, random_state=0),
        ...     table.drop(columns="value"),
        ...     table["value"],
        ...     weights=((0, "d", 0), (1, "bias", 0)),
        ...     resolution=10,
        ...     ax=Figure().subplots(),
        ... )
        >>> display.ax_.get_xlabel().splitlines()
        ['weight from d to hidden unit 0', '(of z-scores)']
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_choice("kind", kind, ("contour", "surface"))
        if resolution < 2:
            raise ValueError(f"resolution must be at least 2, got {resolution!r}.")
        if not 0 <= margin < np.inf:
            raise ValueError(f"margin must be a finite number, 0 or more, got {margin!r}.")
        descent = _descend(estimator, X, y, sample_weight)
        if weights is None:
            plane = _leading_plane(descent.path)
        else:
            plane = _plane_of_weights(descent, weights)
        path = plane.coordinates(descent.path)
        xs, ys = (_span(path, k, margin, resolution) for k in (0, 1))
        grid = np.column_stack([c.ravel() for c in np.meshgrid(xs, ys)])
        display = cls(
            x=xs,
            y=ys,
            loss=_loss_on(plane, grid, descent.objective).reshape(len(ys), len(xs)),
            path=path,
            path_loss=_loss_on(plane, path, descent.objective),
            x_label=plane.labels[0],
            y_label=plane.labels[1],
            loss_label=descent.loss_label,
        )
        return display.plot(
            ax,
            kind=kind,
            cmap=cmap,
            contour_kwargs=contour_kwargs,
            path_kwargs=path_kwargs,
        )


class _Recorder(Monitor):
    """A monitor that keeps the weights as well: every one at first, then ever fewer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.path: list[FloatArray] = []
        self._every, self._n_seen = 1, 0

    @classmethod
    def in_the_place_of(cls, monitor: Monitor) -> Self:
        """A recorder with the settings and the history of a monitor."""
        recorder = cls(tol=monitor.tol, n_iter_no_change=monitor.n_iter_no_change)
        recorder.__dict__.update(monitor.__dict__)
        return recorder

    def record(self, w: FloatArray, loss: float) -> None:
        """Take note as a monitor does, and of the weights."""
        super().record(w, loss)
        self.note(w)

    def note(self, w: FloatArray) -> None:
        """Keep a copy of the weights; of a long path, every second, fourth, ... one."""
        if self.path and np.array_equal(self.path[-1], w):  # the start is noted twice by some
            return
        if self._n_seen % self._every == 0:
            self.path.append(w.copy())
        self._n_seen += 1
        if len(self.path) > max(50, min(MOST_POINTS, PATH_FLOATS // w.size)):
            self.path = self.path[::2]
            self._every *= 2

    def end(self, w: FloatArray) -> None:
        """End the path at these weights: where it was last at them, or one step on."""
        at = [i for i, on_the_way in enumerate(self.path) if np.array_equal(on_the_way, w)]
        self.path = [*self.path[: at[-1]], w.copy()] if at else [*self.path, w.copy()]


class _Descent(NamedTuple):
    """How a network was trained.

    Attributes
    ----------
    path : array of shape (n_points, n_parameters)
        The weights, in the units of the objective, from the start to the end.
    objective : Objective
    loss_label : str
    features : list of str or None
        The names of the network's inputs.
    """

    path: FloatArray
    objective: Objective
    loss_label: str
    features: list[str] | None


def _descend(
    estimator: Any, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> _Descent:
    """Fit a copy, watched from outside: a fit by itself keeps nothing for this."""
    fitted = copy.deepcopy(estimator)
    model = last_step(fitted)
    if not isinstance(model, SigmoidMLPRegressor):
        raise ValueError(
            f"There is no loss surface of {type(model).__name__}: it needs a SigmoidMLPRegressor, "
            "alone or at the end of a pipeline."
        )
    make_monitor, minimize = model._make_monitor, model._minimize
    seen: list[tuple[_Recorder, Objective]] = []

    def make_recorder(solver: Solver, objective: Objective, *others: Any) -> Monitor:
        recorder = _Recorder.in_the_place_of(make_monitor(solver, objective, *others))
        seen.append((recorder, objective))
        return recorder

    def minimize_from_end_to_end(
        solver: Solver, objective: Objective, w: FloatArray, monitor: Any
    ) -> tuple[FloatArray, Posterior | None]:
        monitor.note(w)
        found = minimize(solver, objective, w, monitor)
        monitor.end(found[0])
        return found

    # Two methods of this one model, in the place of those of its class.
    model.__dict__.update(_make_monitor=make_recorder, _minimize=minimize_from_end_to_end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the drawing shows how far it came
        if sample_weight is None:
            fitted.fit(X, y)
        else:
            fitted.fit(X, y, **{f"{_prefix(estimator)}sample_weight": sample_weight})
    ((recorder, objective),) = seen
    unpenalised = model.solver_ == "lm" and model.alpha == "auto"
    return _Descent(
        np.array(recorder.path, dtype=np.float64),
        objective,
        UNPENALISED if unpenalised else LOSS,
        _names_of_inputs(fitted, X),
    )


def _prefix(estimator: Any) -> str:
    """What a pipeline puts before the arguments of the fit of its last step."""
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix


def _names_of_inputs(fitted: Any, X: MatrixLike) -> list[str] | None:
    """The names of what the network reads, where they are known."""
    names = Table.of(X, fitted).names
    for step in steps_before_the_last(fitted):
        names = names_out(step, names)
    return names


class _Plane(NamedTuple):
    """A plane through the space of the weights.

    Attributes
    ----------
    origin : array of shape (n_parameters,)
        Weights on it, from which its coordinates count.
    directions : array of shape (2, n_parameters)
        Orthonormal.
    labels : tuple of str
        What its axes are called.
    """

    origin: FloatArray
    directions: FloatArray
    labels: tuple[str, str]

    def coordinates(self, path: FloatArray) -> FloatArray:
        """Where weights (n_points, n_parameters) are nearest to the plane (n_points, 2)."""
        return (path - self.origin) @ self.directions.T


def _leading_plane(path: FloatArray) -> _Plane:
    """The plane through the end of a path that holds the most of its variance about the end."""
    end = path[-1]
    _, s, V = np.linalg.svd(path - end, full_matrices=False)
    if not s[0] > 1e-12 * np.abs(end).max():
        raise ValueError(
            "Training has not moved the weights, so there is no path to lay a plane along: "
            "choose two weights."
        )
    share = s**2 / (s**2).sum()
    if len(s) < 2 or s[1] <= 1e-12 * s[0]:  # a straight path: the axis that is most across it
        across = np.zeros_like(end)
        across[np.abs(V[0]).argmin()] = 1
        across -= (across @ V[0]) * V[0]
        V, share = np.array([V[0], across / np.linalg.norm(across)]), np.array([1.0, 0.0])
    # Singular vectors have no sign: the path is to start at the upper left.
    start = V[:2] @ (path[0] - end)
    directions = V[:2] * np.where(start * [-1, 1] < 0, -1, 1)[:, np.newaxis]
    first, second = (
        f"{which} direction of the path\n({100 * part:.{_decimals(part)}f} % of its variance)"
        for which, part in zip(("leading", "second"), share[:2], strict=True)
    )
    return _Plane(end, directions, (first, second))


def _decimals(share: float) -> int:
    """Decimals of a share in per cent: more where a rounded one would be all or nothing."""
    return 0 if 0.01 <= share <= 0.99 else 1


def _plane_of_weights(descent: _Descent, weights: Sequence[Weight]) -> _Plane:
    """The plane of two weights, its coordinates their values, through the end of the path."""
    network = descent.objective.network
    if len(weights) != 2 or any(len(weight) != 3 for weight in weights):
        raise ValueError(f"weights must be two of (layer, input, unit), got {weights!r}.")
    at = [_position(network, weight, descent.features) for weight in weights]
    if at[0] == at[1]:
        raise ValueError(f"The two weights must differ, got {weights[0]!r} twice.")
    directions = np.eye(network.n_parameters)[at]
    origin = descent.path[-1].copy()
    origin[at] = 0
    of_z_scores = not descent.objective.rows.units.are_raw
    first, second = (
        _label(network, position, descent.features, of_z_scores=of_z_scores) for position in at
    )
    return _Plane(origin, directions, (first, second))


def _position(network: Network, weight: Weight, features: list[str] | None) -> int:
    """Where a weight is in the flat vector."""
    layer, source, unit = weight
    n_layers = len(network.shapes)
    if not 0 <= layer < n_layers:
        raise ValueError(f"layer must be 0 to {n_layers - 1}, got {layer!r} in {weight!r}.")
    n_rows, n_units = network.shapes[layer]
    if not 0 <= unit < n_units:
        raise ValueError(f"unit must be 0 to {n_units - 1}, got {unit!r} in {weight!r}.")
    if layer == 0 and features is not None and source in features:
        row = 1 + features.index(str(source))
    elif source == "bias":
        row = 0
    elif isinstance(source, str):
        known = f"the features {', '.join(map(repr, features[:20]))}" if features else "no features"
        known += ", ..." if features and len(features) > 20 else ""
        raise ValueError(f"input must be a position or 'bias', got {source!r}; X names {known}.")
    elif 0 <= source < n_rows - 1:
        row = 1 + source
    else:
        raise ValueError(f"input must be 0 to {n_rows - 2}, got {source!r} in {weight!r}.")
    positions = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    return int(positions[layer][row, unit])


def _label(
    network: Network, position: int, features: list[str] | None, *, of_z_scores: bool
) -> str:
    """What an axis calls a weight."""
    positions = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    layer = next(i for i, P in enumerate(positions) if position <= P[-1, -1])
    ((row, unit),) = np.argwhere(positions[layer] == position)
    last = len(positions) - 1

    def unit_of(which: int, k: int) -> str:
        if which == last:
            return "the output" if network.layer_sizes[-1] == 1 else f"output {k}"
        return f"hidden unit {k}" if last == 1 else f"unit {k} of hidden layer {which}"

    if row == 0:
        label = f"bias of {unit_of(layer, unit)}"
    else:
        feature = f"x{row - 1}" if features is None else features[row - 1]
        source = shortened(feature) if layer == 0 else unit_of(layer - 1, row - 1)
        label = f"weight from {source} to {unit_of(layer, unit)}"
    return f"{label}\n(of z-scores)" if of_z_scores and layer in (0, last) else label


def _span(path: FloatArray, axis: int, margin: float, n_points: int) -> FloatArray:
    """The coordinates along one axis: those of the path, and a margin on either side."""
    low, high = path.min(axis=0), path.max(axis=0)
    widest = max(float((high - low).max()), 1e-3 * float(np.abs(path).max())) or 1.0
    extent = float((high - low)[axis])
    # What does not move at all has no scale of its own; what moves a little has its own.
    extent = widest if extent < 1e-9 * widest else max(extent, NARROWEST * widest)
    middle = (low + high)[axis] / 2
    half = (0.5 + margin) * extent
    return np.linspace(middle - half, middle + half, n_points)


def _loss_on(plane: _Plane, points: FloatArray, objective: Objective) -> FloatArray:
    """The loss at each of some points of a plane (n_points, 2)."""
    losses = np.empty(len(points))
    with np.errstate(over="ignore"):
        for i, point in enumerate(points):
            w = (plane.origin + point @ plane.directions).astype(objective.rows.dtype)
            penalty = float(np.vdot(objective.penalty * w, w))
            error = float(objective.errors(w).sum())
            losses[i] = (error + penalty) / (2 * objective.rows.total_weight)
    return losses


def _log10(loss: FloatArray) -> FloatArray:
    return np.log10(np.maximum(loss, LEAST_LOSS))


def _levels(loss: FloatArray, logarithmic: bool) -> tuple[FloatArray, FloatArray]:
    """The losses of the contours, and those that the scale names."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = float(loss.min()), float(loss.max())
    if logarithmic:
        low = max(low, LEAST_LOSS)
        levels = np.geomspace(low, high, N_LEVELS + 1)
        few = high < 1e3 * low
        ticks = LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)).tick_values(low, high)
    else:
        if high - low <= 1e-12 * abs(high):  # flat: any levels will do
            low, high = low - 0.5, high + 0.5
        levels = np.linspace(low, high, N_LEVELS + 1)
        ticks = MaxNLocator(6).tick_values(low, high)
    return levels, np.array([tick for tick in ticks if low <= tick <= high])


def _label_height(ax: Any, label: str, logarithmic: bool) -> None:
    """The axis of the loss, whose logarithm is drawn where matplotlib has no such scale."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.set_zlabel(label)
    if logarithmic:
        ax.zaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.zaxis.set_major_formatter(FuncFormatter(lambda z, _: as_written(10**z)))
