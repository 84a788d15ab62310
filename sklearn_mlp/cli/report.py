"""The words and tables of the reports, 80 columns wide."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from ..columns import DATE, FEW, LEFT_OUT, MANY, NUMBER, Column
from ..summary import (
    LABEL,
    Say,
    count,
    cut,
    decimals,
    in_words,
    line,
    noise_in_words,
    number,
    padded,
    parameters_in_words,
    say_relevances,
    width_of,
)

MOST_NAMES = 40
"""So many columns with the same treatment are named."""

WIDEST, WIDEST_SCORE = 18, 14
"""The most characters of an RMSE and of another score with its error."""

MOST_OFF = 0.04
"""Error bars whose 95 % hold so much less or more have the wrong size."""

LABELS = {
    NUMBER: "numbers",
    DATE: "dates",
    FEW: "one-hot",
    MANY: "target-encoded",
    LEFT_OUT: "left out",
}
"""What the report calls the columns of each role."""

# Numbers and lines ------------------------------------------------------------------------------


def with_error(value: float, error: float, digits: int = 4) -> str:
    """A number and its standard error, with as many decimals."""
    if math.isfinite(value) and 1e-4 <= abs(value) < 1e9:
        n = decimals(value, digits)
        text = f"{value:,.{n}f} ± {error:,.{n}f}"
        if len(text) <= WIDEST:
            return text
    text = f"{number(value, 3)} ± {number(error, 2)}"
    return text if len(text) <= WIDEST else f"{value:.3g} ± {error:.2g}"


def _to_fit(value: float, error: float, most_decimals: int) -> str:
    """A number and its standard error, with as many decimals as there is room for."""
    for n in range(most_decimals, -1, -1):
        text = f"{value:.{n}f} ± {error:.{n}f}"
        if len(text) <= WIDEST_SCORE:
            return text
    return number(value, 3)


# Columns ----------------------------------------------------------------------------------------


def say_gaps(say: Say, model: Pipeline) -> None:
    """Say which columns of numbers and dates have gaps, and what became of these."""
    encoder = model[0]
    names = [str(encoder.origins_[i]) for i in getattr(encoder, "with_gaps_", [])]
    if names:
        more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
        shown = ", ".join(names[:MOST_NAMES])
        line(say, "gaps", f"{shown}{more}: filled with the median, and marked")


def say_columns(say: Say, columns: Sequence[Column]) -> None:
    """Say what becomes of each column."""
    for role, label in LABELS.items():
        of_role = [column for column in columns if column.role == role]
        named = [_named(column) for column in of_role[:MOST_NAMES]]
        if more := len(of_role) - len(named):
            named.append(f"and {more:,} more")
        if of_role:
            line(say, label, ", ".join(named))


def _named(column: Column) -> str:
    """The name of a column, and what there is to say of it."""
    notes = [column.why, ", ".join(column.parts) and f"also {', '.join(column.parts)}"]
    notes = [note for note in notes if note]
    return f"{column.name} ({'; '.join(notes)})" if notes else column.name


# Scores -----------------------------------------------------------------------------------------

HEADER = f"{'':<{LABEL}}{'R²':>16}{'RMSE':>20}{'log density':>16}{'in 95 %':>11}"


def say_scores(say: Say, scores: dict[str, dict[str, Any]]) -> None:
    """Say a table of the scores, under a heading for each group of rows."""
    say(HEADER)
    for heading, group in scores.items():
        say(f"{heading}, {count(group['n'], 'row')}")
        for model, of in group["models"].items():
            say(
                f"{'  ' + model:<{LABEL}}{_r2(*of['R²']):>16}{with_error(*of['RMSE']):>20}"
                f"{_density(*of['log density']):>16}{'{:.0%} ± {:.0%}'.format(*of['in 95 %']):>11}"
            )


def say_coverage(say: Say, group: dict[str, Any], model: str) -> None:
    """Say if the error bars of a model have the wrong size."""
    share, error = group["models"][model]["in 95 %"]
    if abs(share - 0.95) > max(MOST_OFF, 3 * error):
        size = "narrow" if share < 0.95 else "wide"
        say(f"The error bars are too {size} here: {share:.0%} of the rows are within 95 %.")


def _r2(value: float, error: float) -> str:
    """R² with three decimals, or as many as show what is left of 1."""
    return _to_fit(value, error, 6 if value > 0.999 else 3)


def _density(value: float, error: float) -> str:
    return _to_fit(value, error, 2)


def say_furthest(say: Say, rows: pd.DataFrame, target: str, name: str | None) -> None:
    """Say the rows that are furthest off."""
    say(f"The {len(rows)} rows furthest off, in units of their error bars (one deviation):")
    has_name = name is not None and "name" in rows
    width = 14 if has_name else 18

    def start(place: str, of_name: str) -> str:
        place = f"{cut(place, width):>{width}}  "
        return f"{place}{padded(of_name, 14)}  " if has_name else place

    heading = cut(target)
    target_heading = " " * (14 - width_of(heading)) + heading
    say(f"{start('row', str(name))}{target_heading}  {'predicted ± error bar':>22}{'off by':>9}")
    for row in rows.itertuples():
        predicted = f"{number(row.mean)} ± {number(row.std, 3)}"
        if len(predicted) > 22:
            predicted = f"{row.mean:.4g} ± {row.std:.3g}"
        off = row.y / row.std - row.mean / row.std if row.std else math.inf
        off_text = f"{off:+.1f}" if abs(off) < 1e5 else f"{off:+.0e}"
        first = start(str(row.place), _name(row.name) if has_name else "")
        say(f"{first}{number(row.y):>14}  {predicted:>22}{off_text:>9}")


def _name(value: Any) -> str:
    """The name of a row, which may be missing, or a whole number that was read as a float."""
    if pd.isna(value):
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


# The model --------------------------------------------------------------------------------------


def say_network(say: Say, model: Pipeline, target: str) -> None:
    """Say what the network is: its units, its noise, its parameters."""
    network = model[-1]
    line(say, "network", in_words(network))
    line(say, "noise", f"{noise_in_words(network)} in {target!r}, which no input explains")
    line(say, "parameters", parameters_in_words(network))


def say_relevance(say: Say, model: Pipeline) -> None:
    """Say how far each column moves the predictions."""
    shares = pd.Series(model[-1].feature_importances_, model[0].origins_)
    shares = shares.groupby(level=0, sort=False).sum()
    say_relevances(say, [str(name) for name in shares.index], shares.to_numpy())
