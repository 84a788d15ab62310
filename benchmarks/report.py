"""What is made of the results: text, the tables of the docs and the README, and a figure."""

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Record

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "docs" / "benchmarks"
FIGURE = ROOT / "docs" / "images" / "benchmarks.png"
README = ROOT / "README.md"

FLOORS = ("floor", "the data", "P x P")
"""Contenders that nobody beats: ours is given in units of them."""

Table = list[list[str]]
"""Its header, then its rows."""


def text(records: Sequence[Record]) -> str:
    """All tables, in columns."""
    lines = []
    for benchmark in dict.fromkeys(record.benchmark for record in records):
        rows = table([record for record in records if record.benchmark == benchmark])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", benchmark]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    return "\n".join(lines)


def table(records: Sequence[Record]) -> Table:
    """Of one benchmark: a row a case, with ratios to ours by contender, median and range."""
    if records[0].benchmark == "growth":
        return growth_table(records)
    cases = {r.case: [s for s in records if s.case == r.case] for r in records}
    others = list(dict.fromkeys(r.contender for r in records if not r.ours))
    several = len({r.contender for r in records if r.ours}) > 1
    header = ["", "ours", *(["by"] if several else [])]
    header += [f"in units of {name}" if name in FLOORS else f"{name} / ours" for name in others]
    rows = []
    for case, group in cases.items():
        own = {r.contender: values(r) for r in group if r.ours and r.values}
        if not own:
            rows.append([case, "not reached", *([""] * (len(header) - 2))])
            continue
        ours = np.min(list(own.values()), axis=0)
        row = [case, quantity(float(np.median(ours)), group[0].unit)]
        if several:
            row.append(min(own, key=lambda name: float(np.median(own[name]))).removeprefix("ours "))
        for name in others:
            found = next((r for r in group if r.contender == name), None)
            if found is None:
                row.append("")
            elif not found.values:
                row.append("not reached")
            else:
                theirs = values(found)
                row.append(spread(ours / theirs if name in FLOORS else theirs / ours))
        rows.append(row)
    return [header, *rows]


def growth_table(records: Sequence[Record]) -> Table:
    """The slope between the logarithms of size and seconds."""
    rows = [["", "sizes", "slope over all", "slope over the last two"]]
    for case, found in itertools.groupby(records, key=lambda record: record.case):
        group = list(found)
        sizes = np.log([float(r.contender) for r in group])
        seconds = np.log([np.median(values(r)) for r in group])
        slope = np.polyfit(sizes, seconds, 1)[0]
        last = (seconds[-1] - seconds[-2]) / (sizes[-1] - sizes[-2])
        names = ", ".join(f"{int(r.contender):,}" for r in group)
        rows.append([case, names, f"{slope:.2f}", f"{last:.2f}"])
    return rows


def values(record: Record) -> np.ndarray:
    """One a turn, infinite where the end was not reached."""
    return np.array([np.inf if v is None else v for v in record.values], float)


def spread(ratios: np.ndarray) -> str:
    """The median, and the range if there was more than one turn."""
    ratios = np.where(np.isnan(ratios), np.inf, ratios)
    ends = f" ({number(ratios.min())} to {number(ratios.max())})" if len(ratios) > 1 else ""
    return number(float(np.median(ratios))) + ends


def number(value: float) -> str:
    if np.isinf(value):
        return "∞"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def quantity(value: float, unit: str) -> str:
    """With a unit that leaves it between 1 and 1000."""
    if unit != "s":
        return f"{value:.1f} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def records_of(results: dict[str, Any], threads: int) -> list[Record]:
    return [
        Record(**{field: r[field] for field in Record._fields})
        for r in results["records"]
        if r["threads"] == threads
    ]


def generate(results: dict[str, Any]) -> None:
    """Write the tables, the README's among them, and draw the figure."""
    TABLES.mkdir(exist_ok=True)
    for threads in (1, 2):
        found = records_of(results, threads)
        for benchmark in dict.fromkeys(r.benchmark for r in found):
            rows = table([r for r in found if r.benchmark == benchmark])
            name = re.sub(r"\W+", "_", benchmark).strip("_").lower()
            path = TABLES / f"{name}_{threads}.csv"
            with path.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    (TABLES / "machine.txt").write_text(
        ", ".join(f"{name} {value}" for name, value in results["machine"].items()) + "\n"
    )
    write_readme(records_of(results, 1))
    draw(records_of(results, 1))


README_ROWS: list[tuple[str, str, str]] = [
    ("time to target", "article, RMSE 0.001", "the article's problem to an RMSE of 1e-3"),
    ("time to target", "Friedman 1, RMSE 0.01", "Friedman 1 to an RMSE of 1e-2"),
    ("LM iteration", "7,373 x 501", 'an iteration of "lm", 7,373 x 501'),
    ("Adam step", "4-5-1, batch 32, float64", "a step of Adam, 4-5-1, batch 32"),
    ("Adam step", "20-50-1, batch 200, float64", "a step of Adam, 20-50-1, batch 200"),
    ("predict, a row of many", "20-50-1, 1,000,000 rows", "predict, 1,000,000 rows, 20-50-1"),
    ("predict, a single row", "20-50-1", "predict, a single row, 20-50-1"),
]
"""Benchmark, case, and what the README calls them."""

LIBRARY = {"MLPRegressor": "MLPRegressor", "PyTorch": "PyTorch", "torch": "PyTorch",
           "JAX": "JAX", "optimistix": "JAX", "scipy": "SciPy"}  # fmt: skip


def write_readme(records: list[Record]) -> None:
    """The table between the two marks: times as fast as the best of each library."""
    libraries = list(dict.fromkeys(LIBRARY.values()))
    lines = [f"| | ours | {' | '.join(libraries)} |", "| --- " * (2 + len(libraries)) + "|"]
    for benchmark, case, label in README_ROWS:
        group = [r for r in records if (r.benchmark, r.case) == (benchmark, case)]
        own = [values(r) for r in group if r.ours and r.values]
        if not own:  # of a benchmark that was not run
            continue
        ours = np.min(own, axis=0)
        cells = []
        for library in libraries:
            theirs = [r for r in group if LIBRARY.get(re.split(r"[ -]", r.contender)[0]) == library]
            reached = [values(r) for r in theirs if r.values]
            if reached:
                cells.append(number(float(np.median(np.min(reached, axis=0) / ours))))
            else:
                cells.append("not reached" if theirs else "")
        median = quantity(float(np.median(ours)), "s")
        lines.append(f"| {label} | {median} | {' | '.join(cells)} |")
    start, end = "<!-- benchmarks -->", "<!-- /benchmarks -->"
    before, rest = README.read_text().split(start)
    after = rest.split(end)[1]
    README.write_text(f"{before}{start}\n{chr(10).join(lines)}\n{end}{after}")


def draw(records: list[Record]) -> None:
    """The seconds to each target, a column a case, a mark a contender."""
    from matplotlib.figure import Figure

    records = [r for r in records if r.benchmark == "time to target"]
    if not records:
        return
    cases = list(dict.fromkeys(r.case for r in records))
    names: dict[str, Callable[[Record], bool]] = {
        "ours": lambda r: r.ours,
        "JAX": lambda r: r.contender.startswith(("JAX", "optimistix")),
        "PyTorch": lambda r: r.contender.startswith(("PyTorch", "torch")),
        "MLPRegressor": lambda r: r.contender.startswith("MLP"),
        "SciPy": lambda r: r.contender.startswith("scipy"),
    }
    figure = Figure(figsize=(8, 4.2), dpi=150, layout="constrained")
    ax = figure.subplots()
    for (name, of), marker in zip(names.items(), "osD^v", strict=True):
        points = [(i, soonest(r for r in records if r.case == c and of(r)))
                  for i, c in enumerate(cases)]  # fmt: skip
        x, y = zip(*points, strict=True)
        ax.semilogy(x, y, marker, ms=9 if name == "ours" else 6, label=name,
                    zorder=3 if name == "ours" else 2)  # fmt: skip
    ax.set_xticks(range(len(cases)), [case.replace(", RMSE ", "\n") for case in cases], size=7)
    ax.tick_params(axis="x", rotation=30)
    ax.set_ylabel("seconds to the training RMSE")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.savefig(FIGURE)


def soonest(records: Iterable[Record]) -> float:
    """The median of the best contender, nothing if none reaches the end."""
    medians = [float(np.median(values(r))) for r in records if r.values]
    return min((m for m in medians if np.isfinite(m)), default=np.nan)
