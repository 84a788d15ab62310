"""How a CSV file is written: its encoding, its separator and its decimal sign.

All three are found by looking at the beginning of the file. Where the bytes are no text, the error
says what they look like.
"""

import codecs
import csv
import gzip
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import InputError

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""The errors of packed files that are torn or have wrong bits."""

HEAD_BYTES = 1 << 18
"""So many bytes at the beginning say how a file is written."""

HEAD_LINES = 1000
"""And so many lines of them at most."""

SEPARATORS = (",", ";", "\t", "|")

SPACES = r"\s+"
"""The separator of files whose columns are divided by spaces."""

CONSISTENT = 0.9
"""The share of the lines that have as many fields as the header, with the right separator."""

COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
"""1,5 and 1.234,5."""

POINT_NUMBER = re.compile(r"[+-]?(\d*\.\d+|\d{1,3}(,\d{3})+\.\d+)([eE][+-]?\d+)?")
"""1.5 and 1,234.5."""

PLAIN = {
    ".": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    ",": re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?"),
}
"""Numbers without groups, for each decimal sign."""

UNITS = " %€$£\xa0\u202f"
"""What may stand before or behind a number."""

CURRENCIES = ("EUR", "USD", "GBP", "CHF")
"""The same, as words."""

BLANKS = re.compile(r"[ \xa0\u2009\u202f'’]")
"""What may stand between groups of three digits, whatever the decimal sign: blanks as in France,
and apostrophes as in Switzerland."""

IN_BLANKS = re.compile(rf"[+-]?[1-9]\d{{0,2}}({BLANKS.pattern}\d{{3}})+([.,]\d+)?")
"""1 234 567,5 and 1'234'567.5."""

GROUPED = {
    ".": re.compile(r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?"),
    ",": re.compile(r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?"),
}
"""Numbers in groups of three digits, for each decimal sign."""

IN_GROUPS = {".": re.compile(r"[+-]?\d{1,3}(\.\d{3})+"), ",": re.compile(r"[+-]?\d{1,3}(,\d{3})+")}
"""Whole numbers in groups of three digits, for each sign between them."""

MOST_ABOVE = 10
"""So many lines above the header are looked at."""

LOOKS_LIKE = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"\x89HDF", "an HDF5 file: convert it to Parquet or CSV"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"BZh", "a file packed by bzip2: unpack it"),
    (b"\xfd7zXZ", "a file packed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd: unpack it"),
    (b"PK\x03\x04", "a ZIP archive: unpack it. If it is an Excel file, it is damaged"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls): save it as .xlsx or CSV"),
    (b"\x80\x04", "a pickle: convert it to Parquet or CSV"),
    (b"\x80\x05", "a pickle: convert it to Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array: convert it to CSV"),
    (b"<", "HTML or XML: save the table as CSV"),
    (b"{", "JSON: convert it to CSV"),
    (b"[", "JSON: convert it to CSV"),
)
"""What files are that begin like this."""


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written.

    Attributes
    ----------
    separator, encoding, decimal : str
    is_packed : bool
        Whether the file is packed by gzip.
    grouped : tuple of str
        The columns whose numbers have their digits in groups of three, such as 1.234,5, or units,
        such as $5.
    """

    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    is_packed: bool = False
    grouped: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        path: Path,
        shown: str,
        separator: str | None = None,
        encoding: str | None = None,
        decimal: str = ".",
    ) -> "CsvFormat":
        """Look at the beginning of a file.

        Parameters
        ----------
        path : Path
        shown : str
            The name of the file in error messages.
        separator, encoding : str, optional
            What the user says that they are.
        decimal : str, default="."
            The decimal sign if the file does not show which.

        Raises
        ------
        InputError
            If the file is no text in this encoding.
        """
        is_packed = begins_with(path, b"\x1f\x8b")
        try:
            with gzip.open(path) if is_packed else path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except DAMAGED as error:
            raise InputError(f"{shown} is damaged: {error}") from error
        is_all = len(head) < HEAD_BYTES
        encoding = encoding or _encoding_of(head, shown, is_all=is_all)
        text = _decoded(head, encoding, shown, is_all=is_all)
        lines = text.splitlines()
        lines = [line for line in (lines if is_all else lines[:-1])[:HEAD_LINES] if line.strip()]
        separator = separator or _separator_of(lines)
        rows = _fields(lines, separator)
        if rows and len(rows[0]) == 1:
            _refuse_lines_above_the_header(lines, shown)
        decimal = _decimal_of([field for row in rows[1:] for field in row], separator, decimal)
        plain = cls(separator, encoding, decimal, is_packed)
        return replace(plain, grouped=_grouped(rows, decimal))

    @property
    def is_byte_by_byte(self) -> bool:
        """Whether a byte that looks like a line break is one, so that the file can be cut there."""
        return not self.is_packed and not self.encoding.lower().startswith(("utf-16", "utf-32"))

    def parse(self, source: Any, shown: str, texts: Sequence[str] = ()) -> pd.DataFrame:
        """Parse a CSV file, or a part of it.

        Parameters
        ----------
        source : path or file
        shown : str
            The name of the file in error messages.
        texts : sequence of str
            The columns of texts, also where these look like numbers.

        Raises
        ------
        InputError
            If that is not possible.
        """
        options = self._options(dtype=dict.fromkeys(texts, str))
        return self._plain(self._read(lambda: pd.read_csv(source, **options), shown), texts)

    def chunks(
        self, path: Path, shown: str, n_rows: int, texts: Sequence[str]
    ) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Parse a CSV file in chunks of so many rows: as they are written, and as :meth:`parse`."""
        written = self._options(dtype=str, keep_default_na=False, chunksize=n_rows)
        parsed = self._options(dtype=dict.fromkeys(texts, str), chunksize=n_rows)
        with (
            self._read(lambda: pd.read_csv(path, **written), shown) as first,
            self._read(lambda: pd.read_csv(path, **parsed), shown) as second,
        ):
            while True:
                try:
                    as_written = self._read(first.get_chunk, shown)
                    values = self._read(second.get_chunk, shown)
                except StopIteration:
                    return
                yield as_written, self._plain(values, texts)

    def _options(self, **more: Any) -> dict[str, Any]:
        """The options for :func:`pandas.read_csv`."""
        return {
            "sep": self.separator,
            "encoding": self.encoding,
            "decimal": self.decimal,
            "compression": "gzip" if self.is_packed else None,
            "index_col": False,
            "low_memory": False,
            "skipinitialspace": True,
            **more,
        }

    def _read(self, read: Callable[[], Any], shown: str) -> Any:
        """Read by a function. What goes wrong is an error that says what to try."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return read()
        except pd.errors.EmptyDataError:
            raise InputError(f"{shown} is empty") from None
        except UnicodeError:
            raise InputError(
                f"{shown} is not {self.encoding} text further down: try --encoding latin-1"
            ) from None
        except pd.errors.ParserWarning:
            raise InputError(
                f"{shown} cannot be read: its rows have more fields than its header. {self._try()}"
            ) from None
        except DAMAGED as error:
            raise InputError(f"{shown} is damaged: {error}") from error
        except ValueError as error:
            if "out of memory" in str(error):  # pandas has no other sign of it
                raise MemoryError(f"for {shown}") from error
            raise InputError(f"{shown} cannot be read as CSV: {error}. {self._try()}") from error

    def _try(self) -> str:
        return (
            f"It was read with the separator {self.separator!r} (--separator says otherwise), and "
            "with its first line as the header: remove lines above it"
        )

    def _plain(self, table: pd.DataFrame, texts: Sequence[str]) -> pd.DataFrame:
        """The table with 1234.5 for 1.234,5, as numbers where a column has no other values."""
        if self.decimal == "." and not self.grouped:
            return table
        for name in table.columns:
            if not pd.api.types.is_numeric_dtype(table[name]):
                values = table[name].astype(object)
                if self.decimal == "," or name in self.grouped:
                    values = values.map(self._plain_number, na_action="ignore")
                with suppress(ValueError, TypeError):
                    values = values if name in texts else pd.to_numeric(values)
                table[name] = values
        return table

    def _plain_number(self, value: Any) -> Any:
        """1234.5 for 1.234,5, and anything else as it is."""
        text = _bare(value) if isinstance(value, str) else ""
        if not _is_number(text, self.decimal):
            return value
        other = "," if self.decimal == "." else "."
        return text.replace(other, "").replace(self.decimal, ".")


def begins_with(path: Path, magic: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def to_utf8(path: Path, target: Path, form: CsvFormat) -> CsvFormat:
    """Write the same text as plain UTF-8, and return the format of that file."""
    decoder = codecs.getincrementaldecoder(form.encoding)()
    with (gzip.open if form.is_packed else open)(path, "rb") as file, target.open("wb") as plain:
        while part := file.read(HEAD_BYTES):
            plain.write(decoder.decode(part).encode())
        plain.write(decoder.decode(b"", final=True).encode())
    return replace(form, encoding="utf-8", is_packed=False)


# The encoding -----------------------------------------------------------------------------------


def _encoding_of(head: bytes, shown: str, *, is_all: bool) -> str:
    """The encoding of a text that begins like this."""
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(bom):
            return encoding
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[offset::2]
        if len(half) > 1 and half.count(0) > len(half) / 2:
            return encoding
    if b"\0" in head:
        raise _no_text(head, shown)
    for encoding in ("utf-8", "cp1252"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head, final=is_all)
            return encoding
        except UnicodeDecodeError:
            continue
    return "latin-1"


def _decoded(head: bytes, encoding: str, shown: str, *, is_all: bool) -> str:
    """The beginning of a text, or an error if it is none."""
    try:
        "".encode(encoding)  # which knows codecs of texts only
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=is_all)
    except LookupError:
        raise InputError(f"there is no encoding {encoding!r}: try utf-16 or latin-1") from None
    except UnicodeError:
        raise InputError(f"{shown} is not {encoding} text: try another --encoding") from None
    starts = text.lstrip()[:1]
    if re.search(r"[\0-\x08\x0e-\x1b]", text[:1000]) or starts in ("<", "{", "["):
        raise _no_text(head, shown)
    return text


def _no_text(head: bytes, shown: str) -> InputError:
    """The error that a file is no CSV, and what it looks like."""
    for magic, what in LOOKS_LIKE:
        if head.lstrip().startswith(magic):
            return InputError(f"{shown} is not a CSV file: it looks like {what}")
    return InputError(
        f"{shown} is not a CSV file: it is not text. Give CSV, Parquet or Excel files"
    )


# The separator and the decimal sign -------------------------------------------------------------


def _fields(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The fields of each line."""
    if separator == SPACES:
        return [line.split() for line in lines]
    try:
        return list(csv.reader(lines, delimiter=separator[:1]))
    except csv.Error:
        return []


def _separator_of(lines: Sequence[str]) -> str:
    """The separator that gives most lines as many fields as the header, and most of them."""
    best, most = ",", 1
    for separator in (*SEPARATORS, SPACES):
        rows = _fields(lines, separator)
        n = len(rows[0]) if rows else 0
        consistent = sum(len(row) == n for row in rows) >= CONSISTENT * len(rows)
        if consistent and n > most and (separator != SPACES or most == 1):
            best, most = separator, n
    return best


def _refuse_lines_above_the_header(lines: Sequence[str], shown: str) -> None:
    """Raise an error if the first line is a title, or Excel's sep=;, and the table begins below."""
    for n_above in range(1, min(MOST_ABOVE, len(lines) - 2) + 1):
        below = lines[n_above:]
        separator = _separator_of(below)
        rows = _fields(below, separator)
        if separator != SPACES and len({len(row) for row in rows}) == 1 < len(rows[0]):
            raise InputError(
                f"{shown} has lines above its header, such as {lines[0][:40]!r}. Remove them: the "
                f"header seems to be {below[0][:60]!r}"
            )


def _decimal_of(fields: Sequence[str], separator: str, otherwise: str) -> str:
    """The decimal sign of most numbers, and another one if they do not show it."""
    counts = Counter[str]()
    for field in fields:
        text = _bare(field)
        # 1.234 may be a thousand; and so may 1,234 where commas divide the columns.
        if IN_GROUPS["."].fullmatch(text) or (separator == "," and IN_GROUPS[","].fullmatch(text)):
            continue
        counts[","] += COMMA_NUMBER.fullmatch(text) is not None
        counts["."] += POINT_NUMBER.fullmatch(text) is not None
    if counts[","] == counts["."]:
        return otherwise
    return "," if counts[","] > counts["."] else "."


def _grouped(rows: Sequence[Sequence[str]], decimal: str) -> tuple[str, ...]:
    """The columns of numbers in groups of three digits, or with units."""
    found = []
    for i, name in enumerate(rows[0] if rows else ()):
        values = [text for row in rows[1:] if i < len(row) and (text := row[i].strip())]
        numbers = [text for text in values if _is_number(_bare(text), decimal)]
        has_more = any(not PLAIN[decimal].fullmatch(text) for text in numbers)
        if has_more and len(numbers) >= CONSISTENT * len(values):
            found.append(name)
    return tuple(found)


def _bare(text: str) -> str:
    """The text without units at its ends, and without blanks between groups of digits."""
    text = text.strip(UNITS)
    for currency in CURRENCIES:
        text = text.removeprefix(currency).removesuffix(currency).strip(UNITS)
    return BLANKS.sub("", text) if IN_BLANKS.fullmatch(text) else text


def _is_number(text: str, decimal: str) -> bool:
    return bool(GROUPED[decimal].fullmatch(text) or PLAIN[decimal].fullmatch(text))
