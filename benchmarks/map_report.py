"""What is made of the map of problems: a summary, two pictures, and the text of the docs.

A cell is *behind* if our R² is below that of the best peer by more than a tolerance, which is 0.02,
or 0.05 on the step. Its coverage is *off* if there is noise and the share of the test rows inside
the 95 % intervals is outside 0.88 to 0.99.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import ROOT, TABLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[dict[str, Any]]

TOLERANCE = {"step": 0.05}
DEFAULT_TOLERANCE = 0.02
COVERAGES = (0.88, 0.99)
N_WORST = 10

SECTION = TABLES / "map.txt"
IMAGES = ROOT / "docs" / "images"
TITLES = {"friedman": "Friedman 1", "linear": "linear", "step": "step"}
CLIP = 0.1
"""The difference of R² at the ends of the colours."""


def best_peer(cell: dict[str, Any]) -> tuple[str, float]:
    """Its name and its R²."""
    scores = {name: p["r2"] for name, p in cell["peers"].items() if p["r2"] is not None}
    if not scores:
        return "no peer", np.nan
    name = max(scores, key=lambda name: scores[name])
    return name, scores[name]


def lead(cell: dict[str, Any]) -> float:
    """Our R² minus that of the best peer. A fit of ours that failed is at minus infinity."""
    if cell["ours"]["r2"] is None:
        return -np.inf
    return float(cell["ours"]["r2"] - best_peer(cell)[1])


def is_behind(cell: dict[str, Any]) -> bool:
    return lead(cell) < -TOLERANCE.get(cell["problem"], DEFAULT_TOLERANCE)


def is_off(cell: dict[str, Any]) -> bool:
    coverage = cell["ours"]["coverage"]
    low, high = COVERAGES
    return cell["noise"] > 0 and coverage is not None and not low <= coverage <= high


def line(cell: dict[str, Any]) -> str:
    """A cell in one line."""
    ours, (name, score) = cell["ours"], best_peer(cell)
    failed = f"failed ({ours.get('error', 'R² is not finite')})"
    r2 = failed if ours["r2"] is None else f"R² {ours['r2']:.3f}"
    bars = "no error bars" if ours["coverage"] is None else f"{ours['coverage']:.3f} in 95 %"
    return (
        f"{cell['problem']}, noise {cell['noise']:g}, {cell['rows']:,} x {cell['columns']}, "
        f"{cell['hidden']}: {r2}, {name} {score:.3f}, {bars}, {ours['seconds']:.1f} s"
    )


def summary(cells: Records) -> str:
    """The counts, and the worst cells of each kind."""
    behind = sorted(filter(is_behind, cells), key=lead)
    noisy = [cell for cell in cells if cell["noise"] > 0 and cell["ours"]["coverage"] is not None]
    off = sorted(filter(is_off, cells), key=lambda cell: -abs(cell["ours"]["coverage"] - 0.95))
    low, high = COVERAGES
    ours = sum(cell["ours"]["seconds"] for cell in cells)
    theirs = sum(peer["seconds"] for cell in cells for peer in cell["peers"].values())
    lines = [
        f"{len(cells)} cells: {ours:.0f} s in our fits, {theirs:.0f} s in those of all peers",
        f"{len(behind)} cells with an R² below that of the best peer by more than "
        f"{DEFAULT_TOLERANCE} ({TOLERANCE['step']} on the step)",
        *(f"    {line(cell)}" for cell in behind[:N_WORST]),
        f"{len(off)} of {len(noisy)} cells with noise and error bars whose coverage is outside "
        f"{low} to {high}",
        *(f"    {line(cell)}" for cell in off[:N_WORST]),
    ]
    left_out = [cell for cell in cells if cell["left_out"]]
    if left_out:
        fewest = min(cell["rows"] for cell in left_out)
        lines.append(f"{len(left_out)} cells, from {fewest:,} rows, without MLPRegressor")
    return "\n".join(lines)


def generate(results: dict[str, Any]) -> None:
    """The pictures and the text of the docs."""
    names = draw(results["cells"], IMAGES, "map")
    versions = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = [f"Measured with {versions}. In lines: our R², and the best peer's.", "", "::", ""]
    lines += [f"    {text}" for text in summary(results["cells"]).splitlines()]
    for name in names:
        lines += ["", f".. image:: images/{name}", f"   :alt: {ALT}", "   :width: 100%"]
    SECTION.write_text("\n".join(lines) + "\n", encoding="utf-8")


ALT = "Our R² minus that of the best peer, as colours, and the coverage of our 95 % intervals."


def draw(cells: Records, folder: Path, stem: str) -> list[str]:
    """The picture of "auto", and that of the sizes that are given; the names of the files."""
    auto = [cell for cell in cells if cell["hidden"] == "auto"]
    sizes = [cell for cell in cells if cell["hidden"] != "auto"]
    names = []
    if auto:
        names.append(f"{stem}.png")
        draw_auto(auto, folder / names[-1])
    if sizes:
        names.append(f"{stem}_sizes.png")
        draw_sizes(sizes, folder / names[-1])
    return names


def draw_auto(cells: Records, path: Path) -> None:
    """Rows against columns."""
    rows = sorted({cell["rows"] for cell in cells}, reverse=True)
    columns = sorted({cell["columns"] for cell in cells})
    panels = Panels(cells, height=0.6 + 0.27 * len(rows))
    for (i, j), ax in panels.axes.items():
        for cell in panels.cells(i, j):
            panels.square(ax, columns.index(cell["columns"]), rows.index(cell["rows"]), cell)
        panels.frame(ax, len(columns), len(rows))
        ax.set_xticks(range(len(columns)), [str(p) for p in columns])
        ax.set_yticks(range(len(rows)), [f"{n:,}" for n in rows])
    panels.save("columns", "training rows", path)


def draw_sizes(cells: Records, path: Path) -> None:
    """Hidden layers against rows and columns together."""
    hidden = list(dict.fromkeys(sorted((c["hidden"] for c in cells), key=size_of_network)))[::-1]
    rows = sorted({cell["rows"] for cell in cells})
    columns = sorted({cell["columns"] for cell in cells})
    places = list(product(rows, columns))
    panels = Panels(cells, height=0.9 + 0.24 * len(hidden), width=3.2)
    for (i, j), ax in panels.axes.items():
        for cell in panels.cells(i, j):
            place = places.index((cell["rows"], cell["columns"]))
            panels.square(ax, place, hidden.index(cell["hidden"]), cell)
        panels.frame(ax, len(places), len(hidden))
        ax.set_xticks(range(len(places)), [str(p) for _, p in places], rotation=90)
        ax.set_yticks(range(len(hidden)), [h.replace(",", "-") for h in hidden])
        for k in range(1, len(rows)):
            ax.axvline(k * len(columns) - 0.5, color="black", linewidth=1.5)
        above = ax.secondary_xaxis("top")
        middles = [(k + 0.5) * len(columns) - 0.5 for k in range(len(rows))]
        above.set_xticks(middles, [f"{n:,}" for n in rows])
        above.tick_params(length=0, labelsize=7, pad=1)
    panels.save("columns (below), training rows (above)", "hidden layers", path)


def size_of_network(hidden: str) -> tuple[int, int]:
    units = [int(n) for n in hidden.split(",")]
    return len(units), units[0]


class Panels:
    """A grid of panels: a row a problem, a column a level of noise.

    Parameters
    ----------
    records : sequence of dict
        The cells.
    height, width : float
        Those of a panel, in inches.
    """

    def __init__(self, records: Records, height: float, width: float = 2.6) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure

        self.records = records
        self.problems = [name for name in TITLES if any(c["problem"] == name for c in records)]
        self.noises = sorted({cell["noise"] for cell in records})
        shape = len(self.problems), len(self.noises)
        size = 1.2 + width * shape[1], 0.6 + height * shape[0]
        self.figure = Figure(figsize=size, dpi=150, layout="constrained")
        grid = self.figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        self.axes: dict[tuple[int, int], Axes] = dict(np.ndenumerate(grid))
        self.colours, self.scale = colormaps["PuOr"], Normalize(-CLIP, CLIP)

    def cells(self, i: int, j: int) -> list[dict[str, Any]]:
        """Those of a panel."""
        key = self.problems[i], self.noises[j]
        return [cell for cell in self.records if (cell["problem"], cell["noise"]) == key]

    def square(self, ax: "Axes", x: int, y: int, cell: dict[str, Any]) -> None:
        """Draw a cell: its lead as the colour, its coverage in percent, a frame if that is off."""
        from matplotlib.patches import Rectangle

        value = float(np.clip(lead(cell), -CLIP, CLIP))
        colour = self.colours(self.scale(value))
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white"))
        ink = "white" if abs(value) > 0.7 * CLIP else "black"
        if is_off(cell):
            corner = x - 0.42, y - 0.4
            ax.add_patch(Rectangle(corner, 0.84, 0.8, fill=False, edgecolor=ink, linewidth=1.2))
        coverage = cell["ours"]["coverage"]
        label = "–" if coverage is None else f"{100 * coverage:.0f}"
        ax.text(x, y, label, ha="center", va="center_baseline", fontsize=6.5, color=ink)

    def frame(self, ax: "Axes", width: int, height: int) -> None:
        """The limits of a panel, and grey where it has no cell."""
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), facecolor="0.85")
        ax.tick_params(length=2, labelsize=7)

    def save(self, x_label: str, y_label: str, path: Path) -> None:
        """Write the picture, with titles, labels and the bar of colours."""
        from matplotlib.cm import ScalarMappable

        for (i, j), ax in self.axes.items():
            title = f"{TITLES[self.problems[i]]}, noise {self.noises[j]:g}"
            ax.set_title(title, fontsize=9)
        self.figure.supxlabel(x_label, fontsize=9)
        self.figure.supylabel(y_label, fontsize=9)
        bar = self.figure.colorbar(
            ScalarMappable(self.scale, self.colours),
            ax=list(self.axes.values()),
            extend="both",
            aspect=40,
            pad=0.02,
        )
        bar.set_label("our R² minus that of the best peer", fontsize=9)
        bar.ax.tick_params(labelsize=7)
        self.figure.savefig(path)
