"""The user's files: CSV, Parquet, Feather and Excel, several of which together are one table.

The content of a file says what it is, and not its name. Files with other columns than the first
are an error that names the file. All errors here can be corrected by the user and have one line.
Files that are too large for the memory are read by :mod:`~sklearn_mlp.cli.blocks`.
"""

import glob
import os
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .csv_format import CsvFormat, begins_with, to_utf8
from .errors import InputError

MEMORY_SHARE = 0.1
"""Tables that take a larger share of the machine's memory are read in blocks. Training keeps
several copies of the table and of its columns of numbers for a while, and other programs run too.
"""

MEMORY_PER_BYTE_OF_CSV = 5
"""Bytes of memory for each byte on disk. A number of four characters and its comma take 8 bytes;
short numbers and different texts take more."""

PACKED = 5
"""How many times smaller gzip makes a CSV file."""

MEMORY_PER_BYTE_OF_PARQUET = 10
"""The same for Parquet and Feather, which are compressed. Random numbers take 1, categories up to
50."""

ASSUMED_MEMORY = 8 << 30
"""Bytes of memory where the operating system does not say."""

STDIN = "-"
"""The name that means the standard input."""

SUFFIXES_OF_EXCEL = (".xlsx", ".xlsm", ".xls", ".ods")


class FileKind(StrEnum):
    """How a file is read."""

    CSV = "CSV"
    PARQUET = "Parquet"
    FEATHER = "Feather"
    EXCEL = "Excel"


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBERS = "numbers"
    TRUTH = "true or false"
    DATES = "dates"
    TEXT = "text"
    NOTHING = "no values"


@dataclass(frozen=True)
class DataFile:
    """A file of the user's, whose text form is its name in messages.

    Attributes
    ----------
    path : Path
    kind : FileKind
    form : CsvFormat
        How it is written, if it is a CSV file.
    shown : str
    sheet : str
        The sheet to read, if it is an Excel file.
    sheets : tuple of str
        All its sheets.
    """

    path: Path
    kind: FileKind = FileKind.CSV
    form: CsvFormat = field(default_factory=CsvFormat)
    shown: str = ""
    sheet: str = ""
    sheets: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = self.shown or repr(str(self.path))
        return f"sheet {self.sheet!r} of {shown}" if len(self.sheets) > 1 else shown

    @property
    def name(self) -> str:
        """The name without quotes, for reports."""
        name = (self.shown or str(self.path)).strip("'\"")
        return f"{name} (sheet {self.sheet!r})" if len(self.sheets) > 1 else name

    @property
    def other_sheets(self) -> str:
        """What to say if the first of several sheets is read."""
        if len(self.sheets) < 2 or self.sheet != self.sheets[0]:
            return ""
        return (
            f"{self.sheet!r} is read, the first of {len(self.sheets)} sheets of {self.shown}. "
            f"--sheet chooses another: {listed(self.sheets[1:])}"
        )

    @property
    def is_arrow(self) -> bool:
        """Whether pyarrow reads the file."""
        return self.kind in (FileKind.PARQUET, FileKind.FEATHER)


class Known(NamedTuple):
    """The kind of a column, and the first file that shows it."""

    kind: Kind
    file: DataFile


class Schema(NamedTuple):
    """The columns of a file, in their order."""

    file: DataFile
    kinds: dict[str, Kind]


# Which files ------------------------------------------------------------------------------------


def find_files(
    names: Sequence[str],
    folder: Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str = ".",
    sheet: str | None = None,
) -> list[DataFile]:
    """The files with these names, where a name may be a pattern such as ``data/*.csv``.

    Parameters
    ----------
    names : sequence of str
        A file that has several of them counts once. "-" is the standard input.
    folder : Path
        Where the standard input is written to.
    separator, encoding : str, optional
        Those of CSV files, if the user knows them.
    decimal : str, default="."
        The decimal sign of CSV files that do not show which.
    sheet : str, optional
        The name of the sheet of Excel files, or its number, which begins at 1. By default the
        first.

    Returns
    -------
    list of DataFile
        Those of a pattern are sorted.

    Raises
    ------
    InputError
        If there is no such file or sheet, if it is a folder, or if it is no table.
    """
    paths: dict[Path, DataFile] = {}
    for name in names:
        for path, shown in _paths(name, folder):
            if path.resolve() not in paths:
                paths[path.resolve()] = _looked_at(path, shown, separator, encoding, decimal, sheet)
    found = list(paths.values())
    if sheet is not None and all(file.kind is not FileKind.EXCEL for file in found):
        raise InputError(f"--sheet is for Excel files, and {found[0]} is none")
    return found


def _paths(name: str, folder: Path) -> list[tuple[Path, str]]:
    """The paths of the files with this name, and their names in messages."""
    if name == STDIN:
        path = folder / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return [(path, "the standard input")]
    found = [name]
    if glob.has_magic(name) and not os.path.exists(name):
        found = sorted(glob.glob(name, recursive=True))
        if not found:
            raise InputError(f"no file has a name like {name!r}")
    for path in map(Path, found):
        if not path.exists():
            raise InputError(f"there is no file {str(path)!r}")
        if path.is_dir():
            raise InputError(
                f"{str(path)!r} is a folder, not a file: "
                f"name the files in it, as in {str(path / '*.csv')!r}"
            )
    return [(Path(path), repr(path)) for path in found]


def _looked_at(
    path: Path,
    shown: str,
    separator: str | None,
    encoding: str | None,
    decimal: str,
    sheet: str | None,
) -> DataFile:
    """The file, after a look at its beginning."""
    kind = _kind_of_file(path)
    if kind is FileKind.EXCEL:
        with _open_excel(path, shown) as book:
            sheets = tuple(map(str, book.sheet_names))
        return DataFile(path, kind, shown=shown, sheet=_chosen(sheets, sheet, shown), sheets=sheets)
    if kind is not FileKind.CSV:
        return DataFile(path, kind, shown=shown)
    if not path.stat().st_size:
        raise InputError(f"{shown} is empty")
    form = CsvFormat.of(path, shown, separator, encoding, decimal)
    return DataFile(path, kind, form, shown)


def _chosen(sheets: Sequence[str], asked: str | None, shown: str) -> str:
    """The sheet with this name or number; by default the first."""
    if not sheets:
        raise InputError(f"{shown} cannot be read as Excel: it has no sheets")
    if asked is None:
        return sheets[0]
    if asked in sheets:
        return asked
    if asked.isdecimal() and 1 <= int(asked) <= len(sheets):
        return sheets[int(asked) - 1]
    raise InputError(f"{shown} has no sheet {asked!r}. Its sheets are {listed(sheets)}")


def listed(names: Sequence[str], n_shown: int = 20) -> str:
    """The names with commas between them, as many as a person reads."""
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(map(repr, names[:n_shown])) + more


def _kind_of_file(path: Path) -> FileKind:
    if begins_with(path, b"PAR1"):
        return FileKind.PARQUET
    if begins_with(path, b"ARROW1"):
        return FileKind.FEATHER
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.startswith("xl/") for name in names) or path.suffix.lower() == ".ods":
            return FileKind.EXCEL
    if begins_with(path, b"\xd0\xcf\x11\xe0") and path.suffix.lower() in SUFFIXES_OF_EXCEL:
        return FileKind.EXCEL
    return FileKind.CSV


def are_large(files: Sequence[DataFile]) -> bool:
    """Whether the files together are too large to be read into memory at once."""
    return sum(map(_needed_memory, files)) > MEMORY_SHARE * memory()


def _needed_memory(file: DataFile) -> int:
    """About the bytes that the table takes in memory. Excel sheets are never large."""
    size = file.path.stat().st_size
    if file.kind is FileKind.CSV:
        return size * MEMORY_PER_BYTE_OF_CSV * (PACKED if file.form.is_packed else 1)
    return size * MEMORY_PER_BYTE_OF_PARQUET if file.is_arrow else 0


def memory() -> int:
    """The machine's memory, in bytes. What is free of it changes from run to run."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        return ASSUMED_MEMORY


def in_bytes_that_can_be_cut(file: DataFile, folder: Path) -> DataFile:
    """The same file, or a copy in the folder if it is packed or in UTF-16."""
    if file.kind is not FileKind.CSV or file.form.is_byte_by_byte:
        return file
    target = folder / f"{file.path.name}-{abs(hash(file.path.resolve()))}.csv"
    return replace(file, path=target, form=to_utf8(file.path, target, file.form))


# Reading them into memory -----------------------------------------------------------------------


def read(files: Sequence[DataFile]) -> tuple[pd.DataFrame, list[int]]:
    """Read all rows of the files, which have to have the same columns.

    Returns
    -------
    table : DataFrame
    lengths : list of int
        The number of rows of each file.

    Raises
    ------
    InputError
        If a file cannot be read or has no rows, or if its columns have other names, another order
        or other kinds of values than those of the files before.
    """
    tables = [read_one(file) for file in files]
    lengths = list(map(len, tables))
    if len(tables) == 1:
        return tables[0], lengths
    known = agreed_columns(
        [Schema(file, kinds_of(table)) for file, table in zip(files, tables, strict=True)]
    )
    types: dict[str, Any] = {}
    for column, (kind, _) in known.items():
        if len({table[column].dtype for table in tables}) > 1:
            types[column] = np.float64 if kind is Kind.NUMBERS else object
    table = pd.concat([table.astype(types) for table in tables], ignore_index=True)
    return table, lengths


def read_one(file: DataFile) -> pd.DataFrame:
    """Read a file, or say why it cannot be read. The names of its columns are texts."""
    if file.kind is FileKind.CSV:
        table = file.form.parse(file.path, str(file))
    elif file.kind is FileKind.EXCEL:
        table = _read_excel(file)
    else:
        with open_arrow(file) as arrow:
            arrow_kinds(file, arrow.schema)
            table = arrow.read(0, arrow.n_groups)
    if table.empty:
        raise no_rows(file)
    table.columns = list(map(str, table.columns))
    return table


def no_rows(file: DataFile) -> InputError:
    """The error that a file has no rows."""
    return InputError(f"{file} has a header but no rows")


@contextmanager
def _open_excel(path: Path, shown: str) -> Iterator[pd.ExcelFile]:
    """Open an Excel file. What goes wrong is an InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and the like, which are not read
            with pd.ExcelFile(path) as book:
                yield book
    except ImportError as error:
        raise InputError(
            f'reading {shown} needs another package: pip install "sklearn-mlp[excel]" ({error})'
        ) from None
    except Exception as error:  # each engine has its own
        raise InputError(f"{shown} cannot be read as Excel: {error}") from error


def _read_excel(file: DataFile) -> pd.DataFrame:
    """The sheet of an Excel file."""
    with _open_excel(file.path, str(file)) as book:
        return book.parse(file.sheet)


# Parquet and Feather ----------------------------------------------------------------------------


class ArrowFile(NamedTuple):
    """An open Parquet or Feather file, which is made of groups of rows.

    Attributes
    ----------
    schema : pyarrow.Schema
    sizes : list of int
        The bytes of each group.
    n_rows : int
        About how many rows there are.
    source : object
        That of pyarrow.
    """

    schema: Any
    sizes: list[int]
    n_rows: int
    source: Any

    @property
    def n_groups(self) -> int:
        """The number of groups."""
        return len(self.sizes)

    def read(self, start: int, stop: int) -> pd.DataFrame:
        """The rows of some groups."""
        groups = range(start, stop)
        if hasattr(self.source, "read_row_groups"):
            table = self.source.read_row_groups(list(groups))
        else:
            import pyarrow

            batches = [self.source.get_batch(i) for i in groups]
            table = pyarrow.Table.from_batches(batches, self.schema)
        return table.to_pandas().reset_index(drop=True)

    def head(self, n_rows: int) -> pd.DataFrame:
        """The first rows, at most so many."""
        if hasattr(self.source, "iter_batches"):
            batch = next(self.source.iter_batches(n_rows), None)
        else:
            batch = self.source.get_batch(0).slice(0, n_rows) if self.sizes else None
        return (self.schema.empty_table() if batch is None else batch).to_pandas()


@contextmanager
def open_arrow(file: DataFile) -> Iterator[ArrowFile]:
    """Open a Parquet or Feather file. What goes wrong is an InputError."""
    try:
        import pyarrow
        from pyarrow.ipc import open_file
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError(f'reading {file} needs pyarrow: pip install "sklearn-mlp[dask]"') from None
    try:
        if file.kind is FileKind.PARQUET:
            with ParquetFile(file.path) as parquet:
                of = parquet.metadata
                sizes = [of.row_group(i).total_byte_size for i in range(of.num_row_groups)]
                yield ArrowFile(parquet.schema_arrow, sizes, of.num_rows, parquet)
        else:
            with pyarrow.memory_map(str(file.path)) as source, open_file(source) as feather:
                n = feather.num_record_batches
                n_rows = n * feather.get_batch(0).num_rows if n else 0
                sizes = [file.path.stat().st_size // max(n, 1)] * n
                yield ArrowFile(feather.schema, sizes, n_rows, feather)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as {file.kind}: {error}") from error


def arrow_kinds(file: DataFile, schema: Any) -> dict[str, Kind]:
    """The kind of each column but the index, as the file says it."""
    try:
        columns = schema.empty_table().to_pandas().columns
        types = {str(name): schema.field(str(name)).type for name in columns}
    except (KeyError, TypeError, ValueError) as error:  # of damaged notes about the columns
        raise InputError(f"{file} cannot be read as {file.kind}: {error}") from error
    return {name: _arrow_kind(name, dtype, file) for name, dtype in types.items()}


def _arrow_kind(column: str, dtype: Any, file: DataFile) -> Kind:
    """The kind of a column of this type of pyarrow's."""
    import pyarrow.types as of

    values = dtype.value_type if of.is_dictionary(dtype) else dtype
    if of.is_null(values):
        return Kind.NOTHING
    if str(values) in ("string", "large_string", "string_view"):
        return Kind.TEXT
    if of.is_boolean(dtype):
        return Kind.TRUTH
    if of.is_timestamp(dtype) or of.is_date(dtype):
        return Kind.DATES
    if of.is_integer(dtype) or of.is_floating(dtype) or of.is_decimal(dtype):
        return Kind.NUMBERS
    raise InputError(
        f"column {column!r} of {file} has values of the type {dtype}: convert them to "
        "numbers or text, or remove the column"
    )


# Columns ----------------------------------------------------------------------------------------


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """The kind of each column, by its values."""
    return {column: _kind_of(table[column]) for column in table.columns}


def _kind_of(column: pd.Series) -> Kind:
    if column.isna().all():
        return Kind.NOTHING
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "boolean":
        return Kind.TRUTH
    if inferred in ("datetime", "datetime64", "date"):
        return Kind.DATES
    is_number = pd.api.types.is_numeric_dtype(column) or inferred == "decimal"
    return Kind.NUMBERS if is_number else Kind.TEXT


def agreed_columns(schemas: Sequence[Schema]) -> dict[str, Known]:
    """The kind of each column of files that have the same columns.

    Raises
    ------
    InputError
        If a file has other columns than the first, or other kinds of values.
    """
    first = schemas[0]
    known = {column: Known(kind, first.file) for column, kind in first.kinds.items()}
    for schema in schemas[1:]:
        _check_names(first, schema)
        for column, kind in schema.kinds.items():
            check_kind(column, Known(kind, schema.file), known[column])
            if known[column].kind is Kind.NOTHING:
                known[column] = Known(kind, schema.file)
    return known


def _check_names(first: Schema, other: Schema) -> None:
    """Raise an error unless both have the same columns in the same order."""
    for a, b in ((first, other), (other, first)):
        if missing := [repr(column) for column in a.kinds if column not in b.kinds]:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise InputError(
                f"{b.file} has no column {', '.join(missing[:3])}{more}, but {a.file} has"
            )
    names = zip(first.kinds, other.kinds, strict=True)
    for i, (ours, theirs) in enumerate(names, start=1):
        if ours != theirs:
            raise InputError(
                f"{other.file} has its columns in another order than {first.file}: "
                f"column {i} is {theirs!r}, not {ours!r}"
            )


def check_kind(column: str, found: Known, known: Known) -> None:
    """Raise an error if two kinds of values are not the same. No values agree with any."""
    if Kind.NOTHING in (found.kind, known.kind) or found.kind is known.kind:
        return
    if found.file == known.file:
        raise InputError(
            f"column {column!r} of {found.file} has {known.kind} in its first rows, and "
            f"{found.kind} further down"
        )
    raise InputError(
        f"column {column!r} has {found.kind} in {found.file}, but {known.kind} in {known.file}"
    )
