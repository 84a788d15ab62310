"""Tables that the command line reads in blocks.

Training goes over the rows many times. So their features are encoded once and kept in files of
numbers, which each pass maps into memory. Where the disk is too full, they are read again instead.

A block is some lines of a CSV file or some row groups of a Parquet file. They are the partitions of
a Dask DataFrame, of which the regressor sees each as arrays. This module imports Dask and pyarrow
only in functions.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from numpy.random import RandomState
from sklearn.base import BaseEstimator

from . import _tables as tables
from ._tables import Kind, Known, Schema, TableError
from ._typing import FloatArray
from .distributed import compute
from .model import mean_r2
from .standardize import Moments

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

DISK_SHARE = 0.5
"""Encoded rows are kept in files if they take at most this share of the free disk."""


class Part(NamedTuple):
    """A block: the lines of a CSV file that begin between two bytes, or some row groups."""

    path: Path
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


def head_of(path: Path) -> Head:
    """The first rows of a file, and where its blocks are."""
    head = _head_of_parquet(path) if tables.is_parquet(path) else _head_of_csv(path)
    if head.rows.empty:
        raise tables.no_rows(path)
    return head


def _head_of_csv(path: Path) -> Head:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _header(file)
        start = file.tell()
        content = _lines(file, start, min(size, start + HEAD_BYTES))
    rows = tables.parse_csv(BytesIO(header + content), path)
    n_rows = len(rows) * (size - start) / max(1, len(content))
    starts = [*range(start, size, BLOCK_BYTES), size]
    parts = [Part(path, begin, end) for begin, end in pairwise(starts)]
    return Head(Schema(path, tables.kinds_of(rows)), rows, parts, n_rows)


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


def _head_of_parquet(path: Path) -> Head:
    with tables.open_parquet(path) as file:
        schema = Schema(path, tables.parquet_kinds(path, file))
        batch = next(file.iter_batches(HEAD_ROWS), None)
        empty = file.schema_arrow.empty_table()
        rows = (empty if batch is None else batch).to_pandas()
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        n_rows = file.metadata.num_rows
    parts, begin, size = [], 0, 0
    for i, group in enumerate(groups, start=1):
        size += group.total_byte_size
        if size >= BLOCK_BYTES or i == len(groups):
            parts.append(Part(path, begin, i))
            begin, size = i, 0
    return Head(schema, rows, parts, n_rows)


@dataclass(frozen=True)
class Reader:
    """Reads blocks, each with the same columns and types.

    Attributes
    ----------
    columns : dict of str to Known
        Numbers are read as float64, and all else as objects. A column that has no values in the
        first rows of any file is not read.
    """

    columns: dict[str, Known]

    def __call__(self, part: Part) -> pd.DataFrame:
        """The rows of a block."""
        table = self._parquet(part) if tables.is_parquet(part.path) else self._csv(part)
        read = table[list(self.types)].astype(self.types)
        infinite = [c for c, t in self.types.items() if t is np.float64 and np.isinf(read[c]).any()]
        if infinite:
            names = ", ".join(map(repr, infinite))
            raise TableError(f"infinite values in column {names} of {str(part.path)!r}")
        return read

    @property
    def types(self) -> dict[str, Any]:
        """The type of each column."""
        return {
            column: np.float64 if known.kind is Kind.NUMBERS else object
            for column, known in self.columns.items()
            if known.kind is not Kind.NOTHING
        }

    def _csv(self, part: Part) -> pd.DataFrame:
        with part.path.open("rb") as file:
            header, content = _header(file), _lines(file, part.start, part.stop)
        if content.count(b'"') % 2:
            raise TableError(
                f"{str(part.path)!r} has line breaks between quotes, and is too large to be read "
                "at once: remove them, or convert the file to Parquet"
            )
        as_text = (Kind.TEXT, Kind.NOTHING)  # a text may look like a number
        types = {column: str for column, known in self.columns.items() if known.kind in as_text}
        table = tables.parse_csv(BytesIO(header + content), part.path, dtype=types)
        for column, kind in tables.kinds_of(table).items():
            known = self.columns[column]
            tables.check_kind(column, Known(kind, part.path), known)
            if known.kind is Kind.NOTHING and kind is not Kind.NOTHING:
                raise TableError(
                    f"column {column!r} of {str(part.path)!r} has values, but none in the first "
                    "rows of any file: remove it, or begin with a row that has a value"
                )
        return table

    def _parquet(self, part: Part) -> pd.DataFrame:
        with tables.open_parquet(part.path) as file:
            groups = list(range(part.start, part.stop))
            return file.read_row_groups(groups).to_pandas().reset_index(drop=True)


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
    def of(cls, paths: Sequence[Path]) -> Self:
        """The table in these files, which have to have the same columns.

        Raises
        ------
        TableError
            If a file cannot be read or has other columns than the first, or without Dask.
        """
        try:
            import dask.dataframe  # noqa: F401 (only to see whether it is there)
        except ImportError:
            raise TableError(
                "the data are too large to be read into memory at once, and reading them in "
                'blocks needs dask: pip install "sklearn-mlp[dask]"'
            ) from None
        heads = [head_of(path) for path in paths]
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
    present : frozenset of str
        The columns that have values.
    sample : DataFrame
        Some of the rows that have a target, drawn at random.
    """

    n_rows: int
    n_without_target: int
    present: frozenset[str]
    sample: pd.DataFrame

    @classmethod
    def of(cls, rows: pd.DataFrame, target: str, fraction: float, seed: tuple[int, int]) -> Self:
        """What a block contains, with about a fraction of its rows as the sample."""
        known = rows[rows[target].notna()]
        present = frozenset(known.columns[known.notna().any()])
        drawn = RandomState(seed).uniform(size=len(known)) < fraction
        return cls(len(known), len(rows) - len(known), present, known[drawn])


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

    def arrays(self, columns: BaseEstimator, features: list[str]) -> tuple[Any, Any]:
        """The transformed features and the target, as Dask arrays. Each pass reads the files again.

        Parameters
        ----------
        columns : ColumnTransformer
            Fitted, for the features.
        features : list of str
        """
        from dask import delayed

        task, shared = delayed(_encoded, nout=2, pure=False), delayed(columns, traverse=False)
        pairs = [task(rows, shared, features, self.target) for rows in self.tasks]
        return _concatenated(pairs, [np.nan] * len(pairs), n_inputs(columns))

    def kept(self, columns: BaseEstimator, features: list[str], folder: Path) -> tuple[Any, Any]:
        """The same as :meth:`arrays`, written to files in a folder, which each pass maps."""
        from dask import delayed

        task, shared = delayed(_keep, pure=False), delayed(columns, traverse=False)
        paths = [folder / f"{i}.joblib" for i in range(len(self.tasks))]
        numbers = compute([
            task(rows, shared, features, self.target, path)
            for rows, path in zip(self.tasks, paths, strict=True)
        ])  # fmt: skip
        load = delayed(partial(joblib.load, mmap_mode="r"), nout=2, pure=False)
        return _concatenated([load(path) for path in paths], numbers, n_inputs(columns))

    def scores(self, model: BaseEstimator, features: list[str]) -> tuple[float, float]:
        """R² and the RMSE of the predictions of a fitted model."""
        from dask import delayed

        task, shared = delayed(_errors, pure=False), delayed(model, traverse=False)
        found = compute([task(rows, shared, features, self.target) for rows in self.tasks])
        moments, squares = zip(*(part for part in found if part is not None), strict=True)
        total: Moments = reduce(Moments.__add__, moments)
        squared_errors = np.array([sum(squares)])
        rmse = float(np.sqrt(squared_errors[0] / total.weight))
        return mean_r2(squared_errors, total.weight * total.std**2), rmse


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
    of_test = [task(r, test.target, 0.0, (seed, 0)) for r in test.tasks]
    found = compute([*of_train, *of_test])
    return _whole(found[: len(of_train)]), _whole(found[len(of_train) :])


def _whole(parts: Sequence[Summary]) -> Summary:
    """What all of the blocks contain."""
    return Summary(
        sum(part.n_rows for part in parts),
        sum(part.n_without_target for part in parts),
        frozenset().union(*(part.present for part in parts)),
        pd.concat([part.sample for part in parts], ignore_index=True),
    )


def n_inputs(columns: BaseEstimator) -> int:
    """The number of columns that a fitted ColumnTransformer gives."""
    return len(columns.get_feature_names_out())


def fit_on_disk(n_rows: int, columns: BaseEstimator, folder: Path) -> bool:
    """Whether so many transformed rows and their target are better kept in the folder."""
    n_bytes = 8 * n_rows * (n_inputs(columns) + 1)
    return n_bytes <= DISK_SHARE * shutil.disk_usage(folder).free


def _concatenated(pairs: Sequence[Any], numbers: Sequence[float], n_inputs: int) -> tuple[Any, Any]:
    """Tasks of X and y, with so many rows, as two Dask arrays."""
    import dask.array as da

    parts = list(zip(pairs, numbers, strict=True))
    X = [da.from_delayed(pair[0], (n, n_inputs), np.float64) for pair, n in parts]
    y = [da.from_delayed(pair[1], (n,), np.float64) for pair, n in parts]
    return tuple(da.concatenate(part, allow_unknown_chunksizes=True) for part in (X, y))


def _keep(rows: pd.DataFrame, columns: Any, features: list[str], target: str, path: Path) -> int:
    """Write the transformed features and the target to a file. The number of its rows."""
    X, y = _encoded(rows, columns, features, target)
    joblib.dump((X, y), path)
    return len(y)


def _encoded(
    rows: pd.DataFrame, columns: Any, features: list[str], target: str
) -> tuple[Any, FloatArray]:
    """The transformed features and the target of the rows that have one."""
    known = rows[rows[target].notna()]
    y = known[target].to_numpy()
    if not len(known):
        return np.empty((0, n_inputs(columns))), y
    return columns.transform(known[features]), y


def _errors(
    rows: pd.DataFrame, model: Any, features: list[str], target: str
) -> tuple[Moments, float] | None:
    """The moments of the target, and the sum of the squared errors. None without rows."""
    known = rows[rows[target].notna()]
    if not len(known):
        return None
    y = known[target].to_numpy()
    e = model.predict(known[features]) - y
    return Moments.of(y[np.newaxis]), float(e @ e)
