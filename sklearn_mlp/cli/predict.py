"""``sklearn-mlp predict``: the predictions of a model for the rows of files, with error bars.

All columns of the input are kept, as they are written. Large CSV files are read in parts.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from ..columns import DATE, NUMBER, TableEncoder
from ..summary import count
from . import models
from .csv_format import CsvFormat
from .errors import InputError
from .files import DataFile, FileKind, find_files, no_rows, read_one
from .meter import Meter
from .session import other_names

ROWS = 50_000
"""The rows of a part of a CSV file."""

BY_NAME = {
    ".parquet": "to_parquet",
    ".pq": "to_parquet",
    ".feather": "to_feather",
    ".xlsx": "to_excel",
}
"""The methods of a DataFrame that write files with these names. All others are CSV."""


def run(arguments: argparse.Namespace, meter: Meter) -> int:
    """Predict the rows of the files that the arguments name. Returns the exit code."""
    model = models.load(arguments.model)
    meter.begin("predicting")
    with TemporaryDirectory(prefix="sklearn-mlp-") as name:
        if arguments.out is not None:
            models.check_writable(arguments.out, "--out")
        files = find_files(
            arguments.data,
            Path(name),
            separator=arguments.separator,
            encoding=arguments.encoding,
            decimal=model.about_["decimal"],
            sheet=arguments.sheet,
        )
        for text in filter(None, (file.other_sheets for file in files)):
            _note(text, meter)
        models.refuse_to_replace(
            arguments.out, "--out", [arguments.model, *(file.path for file in files)]
        )
        try:
            is_table = arguments.out is not None and arguments.out.suffix.lower() in BY_NAME
            found = _Found()
            parts = _predicted(model, files, meter, found, as_values=is_table)
            _write(parts, arguments.out, files[0].form, meter)
        except ValueError as error:  # infinite values
            raise InputError(str(error)) from error
        if arguments.out is not None:
            meter.say(f"{arguments.out}: {count(found.n_rows, 'row')}, with {found.columns}")
    return 0


# Predicting -------------------------------------------------------------------------------------


def _predicted(
    model: Pipeline,
    files: Sequence[DataFile],
    meter: Meter,
    found: "_Found",
    *,
    as_values: bool,
) -> Iterator[pd.DataFrame]:
    """The rows of the files, as values or as they are written, with two columns more; in parts."""
    encoder, target = model[0], model.about_["target"]
    columns: list[str] | None = None
    for file in files:
        for written, values in _parts(file, encoder):
            _check_columns(encoder, values, file)
            if columns is not None and list(values.columns) != columns:
                raise InputError(f"{file} has other columns than {files[0]}")
            columns = list(values.columns)
            if values.empty:
                raise no_rows(file)
            found.add(encoder.unusable(values))
            mean, std = model[-1].predict(encoder.transform(values), return_std=True)
            found.n_rows += len(values)
            meter.tell(detail=f"{found.n_rows:,} rows")
            table = values if as_values else written
            names = [_new(f"{target}{end}", table) for end in ("_predicted", "_std")]
            found.columns = " and ".join(names)
            yield table.assign(**dict(zip(names, (mean, std), strict=True)))
    for text in found.in_words(encoder):
        _note(text, meter)


def _note(text: str, meter: Meter) -> None:
    """Say on the standard error what the user should know."""
    meter.clear()
    print(f"note: {text}", file=sys.stderr)


def _parts(file: DataFile, encoder: TableEncoder) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The rows of a file, as they are written and as values."""
    if file.kind is not FileKind.CSV:
        table = read_one(file)
        yield table, table
        return
    texts = [c.name for c in encoder.used if c.role != NUMBER and not c.of_numbers]
    yield from file.form.chunks(file.path, str(file), ROWS, texts)


def _check_columns(encoder: TableEncoder, table: pd.DataFrame, file: DataFile) -> None:
    """Raise an error if a column is missing that the model uses."""
    missing = [column.name for column in encoder.used if column.name not in table]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        hint = other_names(missing[0], list(table.columns))
        raise InputError(
            f"{file} has no column {', '.join(map(repr, missing[:3]))}{more}, which the model "
            f"needs{hint}"
        )


def _new(name: str, table: pd.DataFrame) -> str:
    """The name, with underscores behind it if the table has such a column."""
    while name in table:
        name += "_"
    return name


class _Found:
    """What there is to say of the rows: their number, and values that mean nothing to the model.

    Attributes
    ----------
    n_rows : int
    columns : str
        The names of the two new columns.
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self.columns = ""
        self._of: dict[str, tuple[int, Any]] = {}

    def add(self, unusable: dict[str, pd.Series]) -> None:
        for name, values in unusable.items():
            n, example = self._of.get(name, (0, values.iloc[0]))
            self._of[name] = (n + len(values), example)

    def in_words(self, encoder: TableEncoder) -> Iterator[str]:
        roles = {column.name: column.role for column in encoder.used}
        for name, (n, example) in self._of.items():
            what = {NUMBER: "no number", DATE: "no date"}.get(roles[name], "a new category")
            taken = "as missing" if roles[name] in (NUMBER, DATE) else "as unknown"
            rows = "1 row" if n == 1 else f"{n:,} rows"
            yield f"{name!r} has {what} in {rows}, such as {str(example)[:30]!r}: taken {taken}"


# Writing ----------------------------------------------------------------------------------------


def _write(parts: Iterator[pd.DataFrame], out: Path | None, form: CsvFormat, meter: Meter) -> None:
    """Write the rows to a file, whole or not at all, or to the standard output."""
    if out is None:
        if sys.stdout.isatty():
            meter.stop()
        _write_csv(parts, sys.stdout, form)
    elif out.suffix.lower() in BY_NAME:
        table = pd.concat(parts, ignore_index=True)
        models.write_whole(out, lambda part: _write_table(table, part, out))
    else:
        models.write_whole(out, lambda part: _write_csv_file(parts, part, form))


def _write_table(table: pd.DataFrame, part: Path, out: Path) -> None:
    """Write a Parquet, Feather or Excel file."""
    method = BY_NAME[out.suffix.lower()]
    options = {} if method == "to_feather" else {"index": False}
    try:
        if method == "to_excel":  # openpyxl tries again to write what could not be written
            part.write_bytes(models.undisturbed(lambda: _excel(table)))
        else:
            getattr(table, method)(part, **options)
    except ImportError as error:
        extra = "excel" if method == "to_excel" else "dask"
        raise InputError(
            f'writing {str(out)!r} needs another package: pip install "sklearn-mlp[{extra}]" '
            f"({error})"
        ) from None
    except OverflowError:
        too_large = "integers of more than 64 bits, which the input has"
    else:
        return
    raise InputError(f"{str(out)!r} cannot hold {too_large}: write a CSV file.")


def _excel(table: pd.DataFrame) -> bytes:
    _without_time_zones(table).to_excel(whole := BytesIO(), index=False)
    return whole.getvalue()


def _without_time_zones(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the times as they are written, because Excel knows no zones."""
    zoned = table.select_dtypes("datetimetz")
    return table.assign(**{name: zoned[name].dt.tz_localize(None) for name in zoned})


def _write_csv_file(parts: Iterator[pd.DataFrame], path: Path, form: CsvFormat) -> None:
    with path.open("w", encoding=form.encoding, newline="") as file:
        _write_csv(parts, file, form)


def _write_csv(parts: Iterator[pd.DataFrame], file: Any, form: CsvFormat) -> None:
    """Write CSV with the separator and the decimal sign of the input."""
    separator = form.separator if len(form.separator) == 1 else ","
    for i, part in enumerate(parts):
        part.to_csv(
            file, index=False, header=not i, sep=separator, decimal=form.decimal,
            float_format="%.10g", lineterminator="\n",
        )  # fmt: skip
