"""What displays ask of matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Style: TypeAlias = Mapping[str, Any] | None
"""What a caller passes on to matplotlib."""

LINE = {"linewidth": 1.6, "zorder": 3}
DASHED = {"linewidth": 1.3, "linestyle": (0, (4, 2)), "zorder": 3}
DOTTED = {"linewidth": 1.3, "linestyle": (0, (1, 1.5)), "zorder": 3}
MARKERS = {"linestyle": "none", "marker": "o", "markersize": 3.5, "zorder": 3}
BAND = {"alpha": 0.22, "linewidth": 0, "zorder": 1}
BARS = {"alpha": 0.3, "linewidth": 1.2, "zorder": 1}
POINTS = {"color": "0.15", "alpha": 0.65, "linewidth": 0, "zorder": 2}

LONGEST_NAME = 36
"""Characters of a name that are shown."""


class Display:
    """What all displays share: where they are drawn."""

    ax_: "Axes"
    figure_: "Figure | SubFigure"

    @classmethod
    def _require_matplotlib(cls, method: str) -> None:
        """Raise an error that names the caller and what to install if matplotlib is missing."""
        try:
            import matplotlib  # noqa: F401 (only to see whether it is there)
        except ImportError as error:
            raise ImportError(
                f'{cls.__name__}.{method} requires matplotlib: pip install "sklearn-mlp[plot]"'
            ) from error

    def _axes(self, ax: "Axes | None") -> "Axes":
        """The axes to draw on; by default those of a new figure."""
        self._require_matplotlib("plot")
        if ax is not None:
            return ax
        import matplotlib.pyplot as plt

        return plt.subplots(layout="constrained")[1]

    def _drawn_on(self, ax: "Axes") -> Self:
        """The display, which keeps its axes and their figure."""
        self.ax_ = ax
        self.figure_ = ax.figure
        return self


def line_style(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The style of a line or of markers: the defaults, but for what is chosen."""
    from matplotlib.lines import Line2D

    return _styled(Line2D, defaults, chosen)


def patch_style(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The style of bars and shaded regions."""
    from matplotlib.patches import Patch

    return _styled(Patch, defaults, chosen)


def collection_style(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The style of many lines, of bands and of surfaces."""
    from matplotlib.collections import Collection

    return _styled(Collection, defaults, chosen)


def point_style(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The style of points, whose ``c`` takes the place of a colour."""
    if "c" in (chosen or {}):
        defaults = {k: defaults[k] for k in defaults if k not in ("color", "facecolor")}
    return collection_style(defaults, chosen)


def _styled(artist: "type[Artist]", defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The defaults, by their full names, but for what is chosen, by any name of the artist's."""
    from matplotlib.cbook import normalize_kwargs

    chosen = dict(chosen or {})
    replaced = set(normalize_kwargs(chosen, artist))
    if "color" in replaced:  # that of the faces and of the edges
        replaced |= {"facecolor", "edgecolor"}
    return {key: defaults[key] for key in defaults if key not in replaced} | chosen


def axes_in_the_place_of(ax: "Axes") -> "list[Axes]":
    """The axes, and those at the same place that have a second scale."""
    place = ax.get_position(original=True).bounds
    siblings = ax.get_shared_x_axes().get_siblings(ax)
    twins = [b for b in siblings if b.get_position(original=True).bounds == place]
    return sorted(twins, key=ax.figure.axes.index)


def axes_on_the_right(ax: "Axes", label: str) -> "Axes":
    """The axes at the same place with this scale on the right. All curves on `ax` share it."""
    for twin in axes_in_the_place_of(ax):
        if twin.get_ylabel() == label:
            return twin
    twin = ax.twinx()
    twin.set_ylabel(label)
    return twin


def plain_log_ticks(ax: "Axes") -> None:
    """Write the ticks of a logarithmic y axis as 0.1, not as 10⁻¹, and have some in any range."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    bottom, top = ax.get_ylim()
    decades = np.log10(top / bottom)
    if decades < 0.7:
        ax.yaxis.set_major_locator(MaxNLocator(6))
    else:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2 else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(as_written))
    ax.yaxis.set_minor_formatter(NullFormatter())


def as_written(value: float, position: int | None = None) -> str:
    """The label of a tick."""
    return f"{value:g}"


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A long name without its middle, as names often differ at their ends."""
    if len(name) <= longest:
        return name
    tail = (longest - 1) // 3
    return f"{name[: longest - 1 - tail]}…{name[-tail:]}"


def legend(*axes: "Axes") -> None:
    """One legend for all axes at a place, with room for it above what they show."""
    handles = [handle for ax in axes for handle in ax.get_legend_handles_labels()[0]]
    for ax in axes[:-1]:  # the legend of a display that was drawn before there were axes above it
        if (before := ax.get_legend()) is not None:
            before.remove()
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
