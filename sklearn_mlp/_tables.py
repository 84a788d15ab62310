"""The files that the command line trains on: CSV and Parquet, which together are one table.

Files with other columns than the first are an error that names the file. All errors here can be
corrected by the user and have one line. Files that are too large for the memory are read by
:mod:`~sklearn_mlp._lazy_tables`.
"""

import glob
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

PARQUET = (".parquet", ".pq")
"""The ends of the names of Parquet files. All others are read as CSV."""

MEMORY_SHARE = 0.1
"""Tables that take a larger share of the machine's memory are read in blocks. Training keeps
several copies of the table and of its columns of numbers for a while, and other programs run too.
"""

MEMORY_PER_BYTE_OF_CSV = 5
"""Bytes of memory for each byte on disk. A number of four characters and its comma take 8 bytes;
short numbers and different texts take more."""

MEMORY_PER_BYTE_OF_PARQUET = 10
"""The same for Parquet, which is compressed. Random numbers take 1, categories up to 50."""

ASSUMED_MEMORY = 8 << 30
"""Bytes of memory where the operating system does not say."""


class TableError(Exception):
    """An error in the user's files, in one line."""


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBERS = "numbers"
    TRUTH = "true or false"
    TEXT = "text"
    NOTHING = "no values"


class Known(NamedTuple):
    """The kind of a column, and the first file that shows it."""

    kind: Kind
    path: Path


class Schema(NamedTuple):
    """The columns of a file, in their order."""

    path: Path
    kinds: dict[str, Kind]


# Which files ------------------------------------------------------------------------------------


def find_files(names: Sequence[str]) -> list[Path]:
    """The files with these names, where a name may be a pattern such as ``data/*.csv``.

    Parameters
    ----------
    names : sequence of str
        A file that has several of them counts once.

    Returns
    -------
    list of Path
        Those of a pattern are sorted.

    Raises
    ------
    TableError
        If there is no such file, or if it is a folder.
    """
    paths: dict[Path, Path] = {}
    for name in names:
        found = [name]
        if glob.has_magic(name) and not os.path.exists(name):
            found = sorted(glob.glob(name, recursive=True))
            if not found:
                raise TableError(f"no file has a name like {name!r}")
        for path in map(Path, found):
            if not path.exists():
                raise TableError(f"there is no file {str(path)!r}")
            if path.is_dir():
                raise TableError(
                    f"{str(path)!r} is a folder, not a CSV or Parquet file: "
                    f"name the files in it, as in {str(path / '*.csv')!r}"
                )
            paths.setdefault(path.resolve(), path)
    return list(paths.values())


def is_parquet(path: Path) -> bool:
    """Whether a file is read as Parquet."""
    return path.suffix.lower() in PARQUET


def are_large(paths: Sequence[Path]) -> bool:
    """Whether the files together are too large to be read into memory at once."""
    needed = sum(
        path.stat().st_size
        * (MEMORY_PER_BYTE_OF_PARQUET if is_parquet(path) else MEMORY_PER_BYTE_OF_CSV)
        for path in paths
    )
    return needed > MEMORY_SHARE * memory()


def memory() -> int:
    """The machine's memory, in bytes. What is free of it changes from run to run."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        return ASSUMED_MEMORY


# Reading them into memory -----------------------------------------------------------------------


def read(paths: Sequence[Path]) -> pd.DataFrame:
    """Read all rows of the files, which have to have the same columns.

    Raises
    ------
    TableError
        If a file cannot be read or has no rows, or if its columns have other names, another order
        or other kinds of values than those of the files before.
    """
    tables = [read_parquet(path) if is_parquet(path) else _read_csv(path) for path in paths]
    if len(tables) == 1:
        return tables[0]
    known = agreed_columns(
        [parquet_schema(path) if is_parquet(path) else Schema(path, kinds_of(table))
         for path, table in zip(paths, tables, strict=True)]
    )  # fmt: skip
    types: dict[str, Any] = {}
    for column, (kind, _) in known.items():
        if len({table[column].dtype for table in tables}) > 1:
            types[column] = np.float64 if kind is Kind.NUMBERS else object
    return pd.concat([table.astype(types) for table in tables], ignore_index=True)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file, or say why it cannot be read."""
    table = parse_csv(path, path)
    if table.empty:
        raise no_rows(path)
    return table


def parse_csv(source: Any, path: Path, **options: Any) -> pd.DataFrame:
    """Parse the content of a CSV file, or a part of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                source, compression=None, index_col=False, low_memory=False, **options
            )
    except pd.errors.EmptyDataError:
        raise TableError(f"{str(path)!r} is empty") from None
    except UnicodeDecodeError:
        raise TableError(f"{str(path)!r} is not a CSV file: it is not UTF-8 text") from None
    except pd.errors.ParserWarning:
        raise TableError(
            f"{str(path)!r} cannot be read: its rows have more fields than its header"
        ) from None
    except ValueError as error:
        raise TableError(f"{str(path)!r} cannot be read as CSV: {error}") from error


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file without its index, or say why it cannot be read."""
    with open_parquet(path) as file:
        parquet_kinds(path, file)
        table = file.read().to_pandas().reset_index(drop=True)
    if table.empty:
        raise no_rows(path)
    return table


def no_rows(path: Path) -> TableError:
    """The error that a file has no rows."""
    return TableError(f"{str(path)!r} has a header but no rows")


# Parquet ----------------------------------------------------------------------------------------


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a file as a ``pyarrow.parquet.ParquetFile``. What goes wrong is a TableError."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise TableError(
            f'reading {str(path)!r} needs pyarrow: pip install "sklearn-mlp[dask]"'
        ) from None
    try:
        with ParquetFile(path) as file:
            yield file
    except (ArrowException, OSError, ValueError) as error:
        raise TableError(f"{str(path)!r} cannot be read as Parquet: {error}") from error


def parquet_schema(path: Path) -> Schema:
    """The columns of a Parquet file."""
    with open_parquet(path) as file:
        return Schema(path, parquet_kinds(path, file))


def parquet_kinds(path: Path, file: Any) -> dict[str, Kind]:
    """The kind of each column but the index, as the file says it."""
    schema = file.schema_arrow
    columns = schema.empty_table().to_pandas().columns
    return {name: _arrow_kind(name, schema.field(name).type, path) for name in columns}


def _arrow_kind(column: str, dtype: Any, path: Path) -> Kind:
    """The kind of a column of this type of pyarrow's."""
    import pyarrow.types as of

    values = dtype.value_type if of.is_dictionary(dtype) else dtype
    if of.is_null(values):
        return Kind.NOTHING
    if str(values) in ("string", "large_string", "string_view"):
        return Kind.TEXT
    if of.is_boolean(dtype):
        return Kind.TRUTH
    if of.is_integer(dtype) or of.is_floating(dtype):
        return Kind.NUMBERS
    raise TableError(
        f"column {column!r} of {str(path)!r} has values of the type {dtype}: convert them to "
        "numbers or text, or remove the column"
    )


# Columns ----------------------------------------------------------------------------------------


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """The kind of each column, by its values."""
    return {column: _kind_of(table[column]) for column in table.columns}


def _kind_of(column: pd.Series) -> Kind:
    if column.isna().all():
        return Kind.NOTHING
    if pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return Kind.TRUTH
    return Kind.NUMBERS if pd.api.types.is_numeric_dtype(column) else Kind.TEXT


def agreed_columns(schemas: Sequence[Schema]) -> dict[str, Known]:
    """The kind of each column of files that have the same columns.

    Raises
    ------
    TableError
        If a file has other columns than the first, or other kinds of values.
    """
    first = schemas[0]
    known = {column: Known(kind, first.path) for column, kind in first.kinds.items()}
    for schema in schemas[1:]:
        _check_names(first, schema)
        for column, kind in schema.kinds.items():
            check_kind(column, Known(kind, schema.path), known[column])
            if known[column].kind is Kind.NOTHING:
                known[column] = Known(kind, schema.path)
    return known


def _check_names(first: Schema, other: Schema) -> None:
    """Raise an error unless both have the same columns in the same order."""
    for a, b in ((first, other), (other, first)):
        if missing := [repr(column) for column in a.kinds if column not in b.kinds]:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise TableError(
                f"{str(b.path)!r} has no column {', '.join(missing[:3])}{more}, "
                f"but {str(a.path)!r} has"
            )
    names = zip(first.kinds, other.kinds, strict=True)
    for i, (ours, theirs) in enumerate(names, start=1):
        if ours != theirs:
            raise TableError(
                f"{str(other.path)!r} has its columns in another order than {str(first.path)!r}: "
                f"column {i} is {theirs!r}, not {ours!r}"
            )


def check_kind(column: str, found: Known, known: Known) -> None:
    """Raise an error if two kinds of values are not the same. No values agree with any."""
    if Kind.NOTHING in (found.kind, known.kind) or found.kind is known.kind:
        return
    if found.path == known.path:
        raise TableError(
            f"column {column!r} of {str(found.path)!r} has {known.kind} in its first rows, and "
            f"{found.kind} further down"
        )
    raise TableError(
        f"column {column!r} has {found.kind} in {str(found.path)!r}, but {known.kind} in "
        f"{str(known.path)!r}"
    )


def missing_as_nan(table: pd.DataFrame) -> pd.DataFrame:
    """The same values as objects, with NaN for all that is missing: None, NaN or pandas.NA.

    Which of them it is depends on the kind of file and on the release of pandas.
    """
    values = table.to_numpy(dtype=object, copy=True)
    values[table.isna().to_numpy()] = np.nan
    return pd.DataFrame(values, table.index, table.columns, dtype=object)
