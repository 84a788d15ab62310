"""``sklearn-mlp fit`` on files that are too large to be read at once: without cross-validation."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from ..columns import Column, TableEncoder
from ..summary import count
from .blocks import (
    BLOCK_BYTES,
    Blocks,
    LazyTable,
    Summary,
    fit_on_disk,
    joined,
    kept,
    places_of,
    summaries,
)
from .errors import InputError
from .files import MEMORY_SHARE
from .scores import HELD_OUT
from .session import Predictions, Session, check_target, moments


def run(session: Session, folder: Path) -> None:
    """Read the files in blocks, train, save, score, and train on all rows."""
    asked, meter, target = session.arguments, session.meter, session.target
    table = _table(session, folder)
    train, test = table.split(target, asked.test_size, asked.random_state)
    meter.begin("reading 1 of 3")
    with meter.reading_blocks():
        in_train, in_test = summaries(train, test, table.n_rows, asked.random_state)
    n_in_blocks = np.add(in_train.n_in_blocks, in_test.n_in_blocks).tolist()
    place = partial(_place, session, table, places_of(table.parts, n_in_blocks))
    columns = _columns_of_sample(session, table, in_train, in_test, place)
    y_sample = in_train.sample[target].to_numpy()
    encoder = TableEncoder(columns, asked.random_state).fit(in_train.sample, y_sample)
    session.line("encoded", f"by {count(len(y_sample), 'row')}, drawn at random")

    parts, n_rows = [train], in_train.n_rows
    if session.refits:
        parts, n_rows = [train, test], n_rows + in_test.n_rows
    encoded = _encoded(session, parts, n_rows, encoder, folder)
    X, y = encoded[0]

    def fit(X: Any, y: Any) -> Pipeline:
        with session.fitting(), meter.passes():
            return make_pipeline(encoder, session.network().fit(X, y))

    meter.begin("training", 1.0, n_rows / in_train.n_rows if session.refits else 0.0)
    model = fit(X, y)
    session.save(model, in_train.n_rows)
    meter.begin("a linear model")
    with session.fitting(counted=False), meter.passes():
        linear = session.linear().fit(X, y)
    mean, unit = moments(y_sample)
    meter.begin("reading 3 of 3")
    with meter.reading_blocks():
        predictions = Predictions(model, linear, mean, unit)
        found = test.compare(predictions, unit, session.name_column(columns))
    rows = zip(found.furthest["block"], found.furthest["place"], strict=True)
    found.furthest["place"] = [place(block, row) for block, row in rows]
    session.scores = {HELD_OUT: found.as_dict()}
    session.save(model, in_train.n_rows)
    if session.refits:
        meter.begin("training on all rows", 1.0)
        model, n_rows = session.refitted(
            lambda: fit(*joined(encoded)), n_rows, model, in_train.n_rows
        )
        session.save(model, n_rows)
    session.report(model, found, columns)


def _table(session: Session, folder: Path) -> LazyTable:
    """The table, of which only the beginning has been read."""
    table, target = LazyTable.of(session.files, folder), session.target
    check_target(table.head, target)
    if target in table.without_values:
        raise InputError(f"the target {target!r} has no values in the first rows of any file")
    session.line("data", f"{session.names}, target {target!r}")
    session.line(
        "",
        f"more than {MEMORY_SHARE:.0%} of the memory: read in blocks of {BLOCK_BYTES >> 20} MB, "
        "scored on held-out rows, without cross-validation",
    )
    return table


def _place(session: Session, table: LazyTable, before: Sequence[int], block: int, row: int) -> str:
    """Where a row of a block is in its file."""
    place = f"{before[block] + row + 1:,}"
    return place if len(session.files) == 1 else f"{place} of {table.parts[block].file}"


def _columns_of_sample(
    session: Session,
    table: LazyTable,
    in_train: Summary,
    in_test: Summary,
    place: Callable[[int, int], str],
) -> list[Column]:
    """What becomes of each column, by the sample of the rows to train on."""
    if n_without := in_train.n_without_target + in_test.n_without_target:
        session.line("", f"without {count(n_without, 'row')} that have no target")
    session.check_n_rows(in_train.n_rows, in_test.n_rows)
    found = (in_train.ends + in_test.ends).far_from(in_train.sample)
    session.say_outliers(found, lambda value: place(value.block, value.row))
    features = in_train.sample.drop(columns=session.target)
    columns = session.treatments(features.assign(**dict.fromkeys(table.without_values, np.nan)))
    session.line("rows", f"{in_train.n_rows:,} to train on, {in_test.n_rows:,} held out")
    return columns


def _encoded(
    session: Session, parts: Sequence[Blocks], n_rows: int, encoder: TableEncoder, folder: Path
) -> list[tuple[Any, Any]]:
    """The encoded rows and the target of each part, as Dask arrays.

    They are in files if the disk has room.
    """
    if not fit_on_disk(n_rows, encoder, folder):
        session.line("disk", "too full to keep the encoded rows: each pass reads the files again")
        return [part.arrays(encoder) for part in parts]
    session.meter.begin("reading 2 of 3")
    with session.meter.reading_blocks():
        return kept(parts, encoder, folder)
