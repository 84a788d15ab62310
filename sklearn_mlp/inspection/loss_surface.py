"""The loss over a plane through the space of the weights, and the path that training took.

    L(a, b) = loss(w* + a u + b v),    a = (w - w*)·u,    b = (w - w*)·v

Here w* are the weights at the end of training, u and v are orthonormal, and (a, b) is where weights
w on the way are drawn. The plane is that of two chosen weights, or that of the two leading
directions of the path, the first right singular vectors of the w - w* (Li et al., 2018).
"""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from .._typing import FloatArray, MatrixLike
from ._data import check_choice, vector
from ._descent import LOSS, descend
from ._drawing import Display, Style, as_written, collection_style, line_style
from ._plane import Weight, leading_plane, plane_of_weights, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.contour import QuadContourSet
    from matplotlib.lines import Line2D

    # This part of matplotlib has no types.
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

FEW_POINTS = 100
"""Up to so many points are marked on the path."""

LOG_RANGE = 20.0
"""The range of the loss, largest over least, from which its scale is logarithmic."""

LEAST_LOSS = 1e-30
"""A smaller loss is drawn as this, since a logarithmic scale has no 0."""

N_LEVELS = 24
"""The number of contours."""


class LossSurfaceDisplay(Display):
    """The loss over a plane in the space of the weights, and the path that training took.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes.

    Parameters
    ----------
    x : array-like of shape (n_columns,)
    y : array-like of shape (n_rows,)
        The coordinates at which the loss is known.
    loss : array-like of shape (n_rows, n_columns)
        The loss there.
    path : array-like of shape (n_points, 2), default=None
        The coordinates of the weights during training, from the start to the end.
    path_loss : array-like of shape (n_points,), default=None
        The loss of the plane at the points of the path. Needed to draw the path on a surface.
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
            scale of the loss is logarithmic if its largest value is over 20 times its least.
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
        ax = self._axes_for(kind, ax)
        logarithmic = loss.max() > LOG_RANGE * max(loss.min(), LEAST_LOSS)
        self.contours_ = self.path_ = self.start_ = self.end_ = self.colorbar_ = None
        if kind == "contour":
            self._draw_contours(ax, x, y, loss, logarithmic, cmap, contour_kwargs)
            self._draw_path(ax, path, path_kwargs)
        else:
            height = _log10 if logarithmic else np.asarray
            self._draw_surface(ax, x, y, height(loss), cmap, contour_kwargs)
            if path is not None and path_loss is not None:
                # Between the points of the grid the path may be lower than the surface drawn.
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
        return self._drawn_on(ax)

    def _checked(
        self,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None, FloatArray | None]:
        """The arrays as floats, if they are valid."""
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

    def _axes_for(self, kind: str, ax: "Axes | None") -> "Axes":
        """The axes to draw on, in three dimensions for a surface."""
        self._require_matplotlib("plot")
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
        return self._axes(ax)

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
        lines = {"colors": "white", "linewidths": 0.5, "alpha": 0.5, "levels": levels[1:-1]}
        style = {**lines, **(contour_kwargs or {})}
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
        ax.computed_zorder = False  # else parts of the path would be hidden
        facets = {"cmap": cmap, "rcount": 100, "ccount": 100, "linewidth": 0.15, "zorder": 1}
        defaults = {**facets, "edgecolor": (1, 1, 1, 0.35), "alpha": 0.9}
        style = collection_style(defaults, contour_kwargs)
        self.surface_ = ax.plot_surface(*np.meshgrid(x, y), height, **style)

    def _draw_path(self, ax: "Axes", path: FloatArray | None, path_kwargs: Style) -> None:
        """The path, in two or three dimensions, with markers at its ends."""
        if path is None:
            return
        from matplotlib.patheffects import Normal, Stroke

        colour = "#d62728"
        line = {"color": colour, "linewidth": 1.4, "zorder": 3}
        if len(path) <= FEW_POINTS:
            line |= {"marker": "o", "markersize": 2.8}
        style = line_style(line, path_kwargs)
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
        member: int = 0,
        resolution: int = 60,
        margin: float = 0.25,
        kind: Literal["contour", "surface"] = "contour",
        cmap: str = "viridis",
        ax: "Axes | None" = None,
        contour_kwargs: Style = None,
        path_kwargs: Style = None,
    ) -> Self:
        """Train a copy of a network, and draw the path of its weights.

        The path is that of ``estimator.fit(X, y)``, run on a copy. If the model is fitted
        already and its `random_state` is an integer, this repeats its fit. Under `warm_start`
        the path starts at the model's weights. Of several attempts (`n_init`, and those of "lm"
        with ``alpha="auto"``) the one that was kept is drawn. Under `early_stopping` the path
        ends at the weights that scored best.

        The loss is the one that was minimised: over the rows trained on, of z-scores under
        `standardize`, penalty included. With ``alpha="auto"``, "lm" changes the penalty during
        training; then the loss is drawn without it and is half the mean squared error.

        Parameters
        ----------
        estimator : estimator instance
            A :class:`~sklearn_mlp.SigmoidMLPRegressor`, alone or at the end of a pipeline,
            fitted or not. Of a fitted search, such as
            :class:`~sklearn.model_selection.GridSearchCV`, it is the best estimator, of a
            fitted :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor` one member.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        weights : pair of (layer, input, unit), default=None
            The two weights whose plane is drawn. All other weights are as at the end of the
            path. `layer` counts from 0; `input` is a position in the layer before, "bias", or
            the name of a feature; `unit` is a position in the layer. Their values are those for
            z-scores under `standardize`. By default the plane is that of the two directions in
            which the path varies most.
        sample_weight : array-like of shape (n_samples,), default=None
        member : int, default=0
            Which member of a fitted ensemble to train, the first by default.
        resolution : int, default=60
            Points on each side of the grid. The loss is computed at each point.
        margin : float, default=0.25
            The room around the path on each side, as a share of the extent of the path.
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
            If the estimator does not end in a network or has no such `weights`, if training
            does not move the weights, or if the fit fails.
        ImportError
            Without matplotlib.

        Notes
        -----
        Weights that are not in the plane are drawn at the point of the plane that is nearest.
        The loss there is not the loss of the weights themselves. The labels of the axes say how
        much of the path's variance is in the plane: the more, the closer the two losses are.

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
        cls._require_matplotlib("from_estimator")
        check_choice("kind", kind, ("contour", "surface"))
        if resolution < 2:
            raise ValueError(f"resolution must be at least 2, got {resolution!r}.")
        if not 0 <= margin < np.inf:
            raise ValueError(f"margin must be a finite number, 0 or more, got {margin!r}.")
        descent = descend(estimator, X, y, sample_weight, member=member)
        if weights is None:
            plane = leading_plane(descent.path)
        else:
            plane = plane_of_weights(descent, weights)
        path = plane.coordinates(descent.path)
        xs, ys = (span(path, k, margin, resolution) for k in (0, 1))
        grid = np.column_stack([c.ravel() for c in np.meshgrid(xs, ys)])
        display = cls(
            x=xs,
            y=ys,
            loss=descent.losses(plane.weights(grid)).reshape(len(ys), len(xs)),
            path=path,
            path_loss=descent.losses(plane.weights(path)),
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


def _log10(loss: FloatArray) -> FloatArray:
    return np.log10(np.maximum(loss, LEAST_LOSS))


def _levels(loss: FloatArray, logarithmic: bool) -> tuple[FloatArray, FloatArray]:
    """The losses of the contours, and the ticks of the scale."""
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
    """Label the axis of the loss. Its logarithm is drawn, as 3-D axes have no logarithmic scale."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.set_zlabel(label)
    if logarithmic:
        ax.zaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.zaxis.set_major_formatter(FuncFormatter(lambda z, _: as_written(10**z)))
