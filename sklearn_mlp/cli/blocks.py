"""Tables that the command line reads in blocks.

Training goes over the rows many times. So their features are encoded once and kept in files of
numbers, which each pass maps into memory. Where the disk is too full, they are read again instead.

A block is some lines of a CSV file or some row groups of a Parquet file. They are the partitions of
a Dask DataFrame, of which the regressor sees each as arrays. This module imports Dask and pyarrow
only in functions.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from numpy.random import RandomState

from .._typing import FloatArray
from ..columns import TableEncoder, as_dates
from ..distributed import compute
from . import files as tables
from .errors import InputError
from .files import DataFile, FileKind, Kind, Known, Schema
from .outliers import Ends
from .scores import Comparison

BLOCK_BYTES = 1 << 24
"""Bytes of a block on disk. Each thread holds one block, which takes some 80 MB of memory, and a
block of this size takes much longer to read than Dask takes to manage it."""

HEAD_BYTES = 1 << 20
"""Bytes at the beginning of each CSV file that say which kind of values its columns have."""

HEAD_ROWS = 1000
"""Rows at the beginning of each Parquet file that show values. Their types are in the file."""

SAMPLE_ROWS = 20_000
"""About so many training rows say what the medians and the categories are. Their median is within
0.01 standard deviations of that of all rows. They see a category that a thousandth of the rows has
in about 20 rows."""

DATES = "datetime64[ns]"
"""The type of columns of dates."""

DISK_SHARE = 0.5
"""Encoded rows are kept in files if they take at most this share of the free disk."""


class Part(NamedTuple):
    """A block: the lines of a CSV file that begin between two bytes, or some row groups."""

    file: DataFile
    start: int
    stop: int


class Head(NamedTuple):
    """The first rows of a file.

    Attributes
    ----------
    schema : Schema
    rows : DataFrame
    parts : list of Part
        All blocks of the file.
    n_rows : float
        About how many rows the file has.
    """

    schema: Schema
    rows: pd.DataFrame
    parts: list[Part]
    n_rows: float


# Blocks of a file -------------------------------------------------------------------------------


def head_of(file: DataFile) -> Head:
    """The first rows of a file, and where its blocks are."""
    head = {FileKind.CSV: _head_of_csv, FileKind.EXCEL: _head_of_excel}.get(
        file.kind, _head_of_arrow
    )(file)
    if head.rows.empty:
        raise tables.no_rows(file)
    return head


def _head_of_csv(file: DataFile) -> Head:
    size = file.path.stat().st_size
    with file.path.open("rb") as source:
        header = _header(source)
        start = source.tell()
        content = _lines(source, start, min(size, start + HEAD_BYTES))
    rows = file.form.parse(BytesIO(header + content), str(file))
    n_rows = len(rows) * (size - start) / max(1, len(content))
    starts = [*range(start, size, BLOCK_BYTES), size]
    parts = [Part(file, begin, end) for begin, end in pairwise(starts)]
    return Head(Schema(file, tables.kinds_of(rows)), rows, parts, n_rows)


def _header(file: BinaryIO) -> bytes:
    """The first line that is not blank."""
    for line in file:
        if line.strip():
            return line
    return b""


def _lines(file: BinaryIO, start: int, stop: int) -> bytes:
    """The lines that begin from byte `start` on and before byte `stop`, behind the header."""
    if start >= stop:
        return b""
    file.seek(stop - 1)
    file.readline()
    end = file.tell()
    file.seek(start - 1)
    file.readline()
    return file.read(max(0, end - file.tell()))


def _head_of_excel(file: DataFile) -> Head:
    """The whole sheet, in one block."""
    rows = tables.read_one(file)
    return Head(Schema(file, tables.kinds_of(rows)), rows, [Part(file, 0, 1)], len(rows))


def _head_of_arrow(file: DataFile) -> Head:
    with tables.open_arrow(file) as arrow:
        schema = Schema(file, tables.arrow_kinds(file, arrow.schema))
        rows, sizes, n_rows = arrow.head(HEAD_ROWS), arrow.sizes, arrow.n_rows
    rows.columns = list(map(str, rows.columns))
    parts, begin, size = [], 0, 0
    for i, of_group in enumerate(sizes, start=1):
        size += of_group
        if size >= BLOCK_BYTES or i == len(sizes):
            parts.append(Part(file, begin, i))
            begin, size = i, 0
    return Head(schema, rows, parts, n_rows)


@dataclass(frozen=True)
class Reader:
    """Reads blocks, each with the same columns and types.

    Attributes
    ----------
    columns : dict of str to Known
        Numbers are read as float64, dates as datetime64, and all else as objects. A column that
        has no values in the first rows of any file is not read.
    """

    columns: dict[str, Known]

    def __call__(self, part: Part) -> pd.DataFrame:
        """The rows of a block."""
        table = self._csv(part) if part.file.kind is FileKind.CSV else self._typed(part)
        table = table[list(self.types)]
        dates = {c: as_dates(table[c], "") for c, t in self.types.items() if t == DATES}
        table = table.assign(**dates).astype(self.types)
        infinite = [
            c for c, t in self.types.items() if t is np.float64 and np.isinf(table[c]).any()
        ]
        if infinite:
            names = ", ".join(map(repr, infinite))
            raise InputError(f"infinite values in column {names} of {part.file}")
        return table

    @property
    def types(self) -> dict[str, Any]:
        """The type of each column."""
        types = {Kind.NUMBERS: np.float64, Kind.DATES: DATES}
        return {
            column: types.get(known.kind, object)
            for column, known in self.columns.items()
            if known.kind is not Kind.NOTHING
        }

    def _csv(self, part: Part) -> pd.DataFrame:
        with part.file.path.open("rb") as file:
            header, content = _header(file), _lines(file, part.start, part.stop)
        if content.count(b'"') % 2:
            raise InputError(
                f"{part.file} has line breaks between quotes, and is too large to be read "
                "at once: remove them, or convert the file to Parquet"
            )
        as_text = (Kind.TEXT, Kind.NOTHING)  # a text may look like a number
        texts = [column for column, known in self.columns.items() if known.kind in as_text]
        table = part.file.form.parse(BytesIO(header + content), str(part.file), texts)
        for column, kind in tables.kinds_of(table).items():
            known = self.columns[column]
            tables.check_kind(column, Known(kind, part.file), known)
            if known.kind is Kind.NOTHING and kind is not Kind.NOTHING:
                raise InputError(
                    f"column {column!r} of {part.file} has values, but none in the first "
                    "rows of any file: remove it, or begin with a row that has a value"
                )
        return table

    def _typed(self, part: Part) -> pd.DataFrame:
        """A block of a file that says itself what kinds of values it has."""
        if part.file.kind is FileKind.EXCEL:
            return tables.read_one(part.file)
        with tables.open_arrow(part.file) as arrow:
            table = arrow.read(part.start, part.stop)
        table.columns = list(map(str, table.columns))
        return table


# The table --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LazyTable:
    """A table that is read in blocks.

    Attributes
    ----------
    head : DataFrame
        Its first rows.
    reader : Reader
    parts : list of Part
    n_rows : float
        About how many rows it has.
    """

    head: pd.DataFrame
    reader: Reader
    parts: list[Part]
    n_rows: float

    @classmethod
    def of(cls, files: Sequence[DataFile], folder: Path) -> Self:
        """The table in these files, which have to have the same columns.

        Parameters
        ----------
        files : sequence of DataFile
        folder : Path
            Where files are unpacked that cannot be read in blocks as they are.

        Raises
        ------
        InputError
            If a file cannot be read or has other columns than the first, or without Dask.
        """
        try:
            import dask.dataframe  # noqa: F401 (only to see whether it is there)
        except ImportError:
            raise InputError(
                "the data are too large to be read into memory at once, and reading them in "
                'blocks needs dask: pip install "sklearn-mlp[dask]"'
            ) from None
        heads = [head_of(tables.in_bytes_that_can_be_cut(file, folder)) for file in files]
        columns = tables.agreed_columns([head.schema for head in heads])
        parts = [part for head in heads for part in head.parts]
        return cls(heads[0].rows, Reader(columns), parts, sum(head.n_rows for head in heads))

    @property
    def without_values(self) -> list[str]:
        """The columns that are not read, because the first rows of the files have no values."""
        return [column for column in self.reader.columns if column not in self.reader.types]

    def split(self, target: str, fraction: float, seed: int) -> tuple["Blocks", "Blocks"]:
        """All rows but a random fraction of them, and that fraction. A share of each block."""
        import dask
        import dask.dataframe as dd

        meta = pd.DataFrame({column: pd.Series(dtype=t) for column, t in self.reader.types.items()})
        # Dask would turn True into the text "True".
        with dask.config.set({"dataframe.convert-string": False}):
            frame = dd.from_map(self.reader, self.parts, meta=meta)
            halves = frame.random_split([1 - fraction, fraction], random_state=seed)
            # Without optimisation, both share the task that reads a block.
            rest, part = (half.to_delayed(optimize_graph=False) for half in halves)
        return Blocks(rest, target), Blocks(part, target)


@dataclass(frozen=True)
class Summary:
    """What some blocks contain.

    Attributes
    ----------
    n_rows : int
        The number of rows that have a target.
    n_without_target : int
        The number of rows that have none.
    n_in_blocks : list of int
        The number of rows of each block.
    present : frozenset of str
        The columns that have values.
    ends : Ends
        The smallest and largest values of the columns of numbers.
    sample : DataFrame
        Some of the rows that have a target, drawn at random.
    """

    n_rows: int
    n_without_target: int
    n_in_blocks: list[int]
    present: frozenset[str]
    ends: Ends
    sample: pd.DataFrame

    @classmethod
    def of(cls, rows: pd.DataFrame, target: str, fraction: float, seed: tuple[int, int]) -> Self:
        """What a block contains, with about a fraction of its rows as the sample.

        The second number of the seed is that of the block.
        """
        known = rows[rows[target].notna()]
        present = frozenset(known.columns[known.notna().any()])
        drawn = RandomState(seed).uniform(size=len(known)) < fraction
        ends = Ends.of(known, block=seed[1])
        n_without = len(rows) - len(known)
        return cls(len(known), n_without, [len(rows)], present, ends, known[drawn])


@dataclass(frozen=True)
class Blocks:
    """Some of the rows of each block, as tasks that read them.

    Attributes
    ----------
    tasks : list of Delayed
        Each is a DataFrame.
    target : str
    """

    tasks: list[Any]
    target: str

    def arrays(self, encoder: TableEncoder) -> tuple[Any, Any]:
        """The features, encoded, and the target, as Dask arrays. Each pass reads the files again.

        Parameters
        ----------
        encoder : TableEncoder
            Fitted.
        """
        from dask import delayed

        task, shared = delayed(_encoded, nout=2, pure=False), delayed(encoder, traverse=False)
        pairs = [task(rows, shared, self.target) for rows in self.tasks]
        return _concatenated(pairs, [np.nan] * len(pairs), n_inputs(encoder))

    def compare(self, predict: Any, unit: float, name: str | None) -> Comparison:
        """How well models predict these rows.

        The places of rows are their blocks and the rows in them.

        Parameters
        ----------
        predict : callable
            Maps a DataFrame to the predictions of each model.
        unit : float
            The deviation of the target.
        name : str or None
            The column that names the rows.
        """
        from dask import delayed

        task, shared = delayed(_compared, pure=False), delayed(predict, traverse=False)
        found = compute([
            task(rows, shared, self.target, unit, name, i) for i, rows in enumerate(self.tasks)
        ])  # fmt: skip
        return reduce(Comparison.__add__, found, Comparison())


def kept(parts: Sequence[Blocks], encoder: TableEncoder, folder: Path) -> list[tuple[Any, Any]]:
    """The :meth:`~Blocks.arrays` of each part, in files in a folder, which each pass maps.

    All parts are written in one pass over the blocks.
    """
    from dask import delayed

    task, shared = delayed(_keep, pure=False), delayed(encoder, traverse=False)
    paths = [[folder / f"{i}-{j}.joblib" for j in range(len(p.tasks))] for i, p in enumerate(parts)]
    tasks = [
        task(rows, shared, part.target, path)
        for part, of_part in zip(parts, paths, strict=True)
        for rows, path in zip(part.tasks, of_part, strict=True)
    ]
    numbers = iter(compute(tasks))
    load = delayed(partial(joblib.load, mmap_mode="r"), nout=2, pure=False)
    return [
        _concatenated(list(map(load, of_part)), list(islice(numbers, len(of_part))), n)
        for of_part, n in zip(paths, [n_inputs(encoder)] * len(paths), strict=True)
    ]


def joined(pairs: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """The X and the y of several parts as one of each. It drops partitions without rows."""
    import dask.array as da

    X, y = (
        da.concatenate(list(p), allow_unknown_chunksizes=True) for p in zip(*pairs, strict=True)
    )
    return X, y


def summaries(train: Blocks, test: Blocks, n_rows: float, seed: int) -> tuple[Summary, Summary]:
    """What blocks contain, in one pass over both. A sample of the first is drawn.

    Parameters
    ----------
    train, test : Blocks
    n_rows : float
        About how many rows both have.
    seed : int
        Of the sample.
    """
    from dask import delayed

    task = delayed(Summary.of, pure=False)
    fraction = SAMPLE_ROWS / n_rows
    of_train = [task(r, train.target, fraction, (seed, i)) for i, r in enumerate(train.tasks)]
    of_test = [task(r, test.target, 0.0, (seed, i)) for i, r in enumerate(test.tasks)]
    found = compute([*of_train, *of_test])
    return _whole(found[: len(of_train)]), _whole(found[len(of_train) :])


def _whole(parts: Sequence[Summary]) -> Summary:
    """What all of the blocks contain."""
    return Summary(
        sum(part.n_rows for part in parts),
        sum(part.n_without_target for part in parts),
        [n for part in parts for n in part.n_in_blocks],
        frozenset().union(*(part.present for part in parts)),
        reduce(Ends.__add__, [part.ends for part in parts]),
        pd.concat([part.sample for part in parts], ignore_index=True),
    )


def places_of(parts: Sequence[Part], n_in_blocks: Sequence[int]) -> list[int]:
    """How many rows of its file are before each block."""
    before, n = [], 0
    for i, part in enumerate(parts):
        n = 0 if i == 0 or parts[i - 1].file != part.file else n
        before.append(n)
        n += n_in_blocks[i]
    return before


def n_inputs(encoder: TableEncoder) -> int:
    """The number of columns that a fitted encoder gives."""
    return len(encoder.get_feature_names_out())


def fit_on_disk(n_rows: int, encoder: TableEncoder, folder: Path) -> bool:
    """Whether so many encoded rows and their target are better kept in the folder."""
    n_bytes = 8 * n_rows * (n_inputs(encoder) + 1)
    return n_bytes <= DISK_SHARE * shutil.disk_usage(folder).free


def _concatenated(pairs: Sequence[Any], numbers: Sequence[float], n_inputs: int) -> tuple[Any, Any]:
    """Tasks of X and y, with so many rows, as two Dask arrays."""
    import dask.array as da

    parts = list(zip(pairs, numbers, strict=True))
    X = [da.from_delayed(pair[0], (n, n_inputs), np.float64) for pair, n in parts]
    y = [da.from_delayed(pair[1], (n,), np.float64) for pair, n in parts]
    return tuple(da.concatenate(part, allow_unknown_chunksizes=True) for part in (X, y))


def _keep(rows: pd.DataFrame, encoder: TableEncoder, target: str, path: Path) -> int:
    """Write the encoded features and the target to a file. The number of its rows."""
    X, y = _encoded(rows, encoder, target)
    joblib.dump((X, y), path)
    return len(y)


def _encoded(
    rows: pd.DataFrame, encoder: TableEncoder, target: str
) -> tuple[FloatArray, FloatArray]:
    """The encoded features and the target of the rows that have one."""
    known = rows[rows[target].notna()]
    y = known[target].to_numpy()
    if not len(known):
        return np.empty((0, n_inputs(encoder))), y
    return encoder.transform(known), y


def _compared(
    rows: pd.DataFrame, predict: Any, target: str, unit: float, name: str | None, block: int
) -> Comparison:
    """How well models predict the rows of a block."""
    known = rows[rows[target].notna()]
    if not len(known):
        return Comparison()
    found = Comparison.of(
        known[target].to_numpy(), predict(known), unit, known.index.to_numpy(),
        None if name is None else known[name],
    )  # fmt: skip
    return replace(found, furthest=found.furthest.assign(block=block))
