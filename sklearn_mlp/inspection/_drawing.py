"""What displays ask of matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Style: TypeAlias = Mapping[str, Any] | None

LINE = {"linewidth": 1.6, "zorder": 3}
DASHED = {"linewidth": 1.3, "linestyle": (0, (4, 2)), "zorder": 3}
MARKERS = {"linestyle": "none", "marker": "o", "markersize": 3.5, "zorder": 3}
BAND = {"alpha": 0.22, "linewidth": 0, "zorder": 1}
BARS = {"alpha": 0.3, "linewidth": 1.2, "zorder": 1}
POINTS = {"color": "0.15", "alpha": 0.65, "linewidths": 0, "zorder": 2}

ALIASES = {
    "c": "color",
    "ec": "edgecolor",
    "edgecolors": "edgecolor",
    "facecolors": "facecolor",
    "fc": "facecolor",
    "linewidths": "linewidth",
    "ls": "linestyle",
    "lw": "linewidth",
    "ms": "markersize",
}


LONGEST_NAME = 36
"""Characters of a name that are shown."""


def styled(defaults: Mapping[str, Any], chosen: Style) -> dict[str, Any]:
    """The defaults, but for those that are chosen, by whichever name matplotlib has for them."""
    chosen = dict(chosen or {})
    named = {ALIASES.get(key, key) for key in chosen}
    kept = {key: value for key, value in defaults.items() if ALIASES.get(key, key) not in named}
    return kept | chosen


def require_matplotlib(caller: str) -> None:
    """Raise an error that says what to install if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401 (only to see whether it is there)
    except ImportError as error:
        raise ImportError(
            f'{caller} requires matplotlib: pip install "sklearn-mlp[plot]"'
        ) from error


def axes(caller: str, ax: "Axes | None") -> "Axes":
    """The axes to draw on; by default those of a new figure."""
    require_matplotlib(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def axes_in_the_place_of(ax: "Axes") -> "list[Axes]":
    """The axes, and those that share its place for a second scale."""
    place = ax.get_position(original=True).bounds
    siblings = ax.get_shared_x_axes().get_siblings(ax)
    twins = [b for b in siblings if b.get_position(original=True).bounds == place]
    return sorted(twins, key=ax.figure.axes.index)


def axes_on_the_right(ax: "Axes", label: str) -> "Axes":
    """The axes with this scale on the right, shared by all that is drawn on `ax`."""
    for twin in axes_in_the_place_of(ax):
        if twin.get_ylabel() == label:
            return twin
    twin = ax.twinx()
    twin.set_ylabel(label)
    return twin


def plain_log_ticks(ax: "Axes") -> None:
    """Ticks of a logarithmic y axis written as 0.1 rather than 10⁻¹, a few in any range."""
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
    """A tick's label."""
    return f"{value:g}"


def shortened(name: str) -> str:
    """A name with its middle left out if it is long."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 12]}…{name[-11:]}"


def legend(*axes: "Axes") -> None:
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
