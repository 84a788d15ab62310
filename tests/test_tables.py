import shutil
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error

from sklearn_mlp.cli import blocks, files
from sklearn_mlp.cli.blocks import (
    Blocks,
    LazyTable,
    Reader,
    Summary,
    head_of,
    joined,
    kept,
    summaries,
)
from sklearn_mlp.cli.errors import InputError
from sklearn_mlp.cli.files import DataFile, Kind, are_large
from sklearn_mlp.cli.outliers import Ends
from sklearn_mlp.cli.scores import MODELS
from sklearn_mlp.columns import NUMBER, Column, TableEncoder
from sklearn_mlp.distributed import compute


def find(*names: Any) -> list[DataFile]:
    """The files with these names."""
    return files.find_files(list(map(str, names)), Path())


def read(paths: list[Path]) -> pd.DataFrame:
    """The table in these files."""
    return files.read(find(*paths))[0]


def lazy_table(paths: list[Path]) -> LazyTable:
    """The same, in blocks."""
    return LazyTable.of(find(*paths), Path())


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table_of(n_rows: int = 60) -> pd.DataFrame:
    """Numbers, texts and truth values, with gaps."""
    rng = np.random.default_rng(n_rows)
    table = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "colour": rng.choice(["red", "green", "01"], n_rows),
            "new": pd.Series(rng.choice([True, False], n_rows), dtype=object),
            "y": rng.normal(size=n_rows),
        }
    )
    table.loc[3:6, "size"] = np.nan
    table.loc[5:8, "colour"] = np.nan
    table.loc[7:9, "new"] = np.nan
    table.loc[11:12, "y"] = np.nan
    return table


def written(table: pd.DataFrame, name: str, **options: Any) -> Path:
    """The file with this table."""
    path = Path(name)
    if ".csv" in path.name:
        table.to_csv(path, index=False, **options)
    elif path.suffix == ".feather":
        table.to_feather(path, **options)
    elif path.suffix == ".xlsx":
        table.to_excel(path, index=False, **options)
    else:
        table.to_parquet(path, **options)
    return path


def thirds(table: pd.DataFrame, *names: str) -> list[Path]:
    """The table in three files."""
    stops = pairwise([0, len(table) // 4, len(table) // 2, len(table)])
    return [written(table.iloc[a:b], name) for name, (a, b) in zip(names, stops, strict=True)]


def assert_same_values(a: pd.DataFrame, b: pd.DataFrame) -> None:
    """Whatever the types."""
    assert list(a.columns) == list(b.columns)
    assert len(a) == len(b)
    for column in a.columns:
        ours, theirs = (t[column].astype(object).where(t[column].notna(), None) for t in (a, b))
        if all(isinstance(value, float) for value in b[column]):
            np.testing.assert_allclose(a[column].astype(float), b[column].astype(float), rtol=1e-12)
        else:
            assert ours.tolist() == theirs.tolist()


# Which files --------------------------------------------------------------------------------


def test_a_pattern_means_the_files_with_such_names_in_order() -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        Path(name).write_text("x\n")

    assert [str(file) for file in find("*.csv")] == ["'a.csv'", "'b.csv'"]
    paths = [file.path for file in find("c.txt", "b.csv", "*.csv")]
    assert paths == [Path("c.txt"), Path("b.csv"), Path("a.csv")]


def test_a_name_with_brackets_may_be_that_of_a_file() -> None:
    Path("a[1].csv").write_text("x\n")

    assert [file.path for file in find("a[1].csv")] == [Path("a[1].csv")]


def test_files_are_large_from_a_share_of_the_memory_on(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(500)
    csv, parquet = find(written(table, "a.csv"), written(table, "b.parquet"))
    sizes = csv.path.stat().st_size, parquet.path.stat().st_size
    needed = (
        sizes[0] * files.MEMORY_PER_BYTE_OF_CSV + sizes[1] * files.MEMORY_PER_BYTE_OF_PARQUET
    ) / files.MEMORY_SHARE

    monkeypatch.setattr(files, "memory", lambda: needed - 100)
    assert are_large([csv, parquet])
    assert not are_large([csv])
    monkeypatch.setattr(files, "memory", lambda: needed + 100)
    assert not are_large([csv, parquet])
    written(table, "a.csv.gz")
    (packed,) = find("a.csv.gz")
    by_hand = files.PACKED * files.MEMORY_PER_BYTE_OF_CSV * packed.path.stat().st_size
    assert files._needed_memory(packed) == by_hand


def test_the_memory_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.memory() > 1 << 28
    monkeypatch.delattr("os.sysconf")
    assert files.memory() == files.ASSUMED_MEMORY


# Into memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("a.csv", "b.csv", "c.csv"),
        ("a.parquet", "b.pq", "c.parquet"),
        ("a.parquet", "b.csv", "c.pq"),
        ("a.feather", "b.xlsx", "c.csv.gz"),
    ],
)
def test_several_files_are_one_table(names: tuple[str, ...]) -> None:
    table = table_of()

    assert_same_values(read(thirds(table, *names)), table)
    assert_same_values(read([written(table, names[0])]), table)


def test_the_index_of_a_parquet_file_is_no_column() -> None:
    table = table_of()

    path = written(table.set_index(pd.Index(range(100, 160), name="id")), "a.parquet")

    assert_same_values(read([path]), table)
    assert_same_values(lazy_table([path]).reader(head_of(*find(path)).parts[0]), table)


def test_a_column_may_have_no_values_in_some_files() -> None:
    table = table_of(40)
    table.loc[:19, ["size", "colour", "new"]] = np.nan
    paths = [written(table[:20], "a.csv"), written(table[20:], "b.csv")]

    assert_same_values(read(paths), table)
    kinds = {column: known.kind for column, known in lazy_table(paths).reader.columns.items()}
    assert kinds == {
        "size": Kind.NUMBERS, "colour": Kind.TEXT, "new": Kind.TRUTH, "y": Kind.NUMBERS
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("read_files", [read, lazy_table])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="size"), "'b.csv' has no column 'size', but 'a.csv' has"),
        (lambda t: t.assign(more=1.0), "'a.csv' has no column 'more', but 'b.csv' has"),
        (
            lambda t: t[["colour", "size", "new", "y"]],
            "'b.csv' has its columns in another order than 'a.csv': column 1 is 'colour', not 'si",
        ),
        (
            lambda t: t.assign(size="n.d."),
            "column 'size' has text in 'b.csv', but numbers in 'a.csv'",
        ),
        (
            lambda t: t.assign(new=1.5),
            "column 'new' has numbers in 'b.csv', but true or false in 'a.csv'",
        ),
    ],
)
def test_a_file_with_other_columns_is_named(
    read_files: Any, suffix: str, change: Any, message: str
) -> None:
    a = written(table_of(), f"a{suffix}")
    b = written(change(table_of(30)), f"b{suffix}")

    with pytest.raises(InputError) as error:
        read_files([a, b])

    assert message.replace(".csv", suffix) in str(error.value)


@pytest.mark.parametrize("read_files", [read, lazy_table])
@pytest.mark.parametrize(
    ("column", "of_type"),
    [
        ([b"x"] * 9, "binary"),
        ([[1, 2]] * 9, "list"),
    ],
)
def test_parquet_columns_of_other_types_are_refused(
    read_files: Any, column: Any, of_type: str
) -> None:
    path = written(pd.DataFrame({"when": column, "y": range(9)}), "a.parquet")

    with pytest.raises(InputError, match=rf"column 'when' of 'a.parquet' has .* type {of_type}"):
        read_files([path])


@pytest.mark.parametrize("read_files", [read, lazy_table])
def test_what_is_not_parquet_or_has_no_rows_is_named(read_files: Any) -> None:
    Path("a.pq").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"'a.pq' cannot be read as Parquet"):
        read_files([Path("a.pq")])
    with pytest.raises(InputError, match=r"'b.pq' has a header but no rows"):
        read_files([written(table_of()[:0], "b.pq")])
    Path("c.csv").write_text("x,y\n")
    with pytest.raises(InputError, match=r"'c.csv' has a header but no rows"):
        read_files([Path("c.csv")])
    Path("d.csv").write_text("")
    with pytest.raises(InputError, match=r"'d.csv' is empty"):
        read_files([Path("d.csv")])


@pytest.mark.parametrize(
    ("package", "read_files"), [("pyarrow", read), ("dask.dataframe", lazy_table)]
)
def test_a_missing_package_is_named_with_its_extra(
    package: str, read_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(table_of(), "a.parquet")
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(InputError, match=rf'needs {package[:4]}.*"sklearn-mlp\[dask\]"'):
        read_files([path])


# In blocks ----------------------------------------------------------------------------------


def rows_of(blocks: Blocks) -> pd.DataFrame:
    """All rows, in memory."""
    return pd.concat(compute(blocks.tasks), ignore_index=True)


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("n_bytes", [1, 7, 40, 333, 1 << 20])
@pytest.mark.slow
def test_each_row_is_in_one_block(n_bytes: int, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", n_bytes)
    table = table_of().head(15)
    path = written(table, "a.csv", lineterminator=end or "\n")
    if not end:
        path.write_bytes(path.read_bytes().rstrip())
    lazy = lazy_table([path])

    read = [lazy.reader(part) for part in lazy.parts]

    n_bytes_of_rows = path.stat().st_size - len(",".join(table) + (end or "\n"))
    assert len(read) == -(-n_bytes_of_rows // n_bytes)
    assert_same_values(pd.concat([block for block in read if len(block)]), table)


def test_a_block_may_be_several_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of()
    path = written(table, "a.parquet", row_group_size=7)

    for n_bytes, n_blocks in ((1, 9), (1 << 20, 1)):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", n_bytes)
        lazy = lazy_table([path])
        assert len(lazy.parts) == n_blocks
        assert lazy.n_rows == 60
        assert_same_values(pd.concat([lazy.reader(part) for part in lazy.parts]), table)


def test_a_block_may_be_several_batches_of_a_feather_file(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of()
    path = written(table, "a.feather", chunksize=7)

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    lazy = lazy_table([path])

    assert len(lazy.parts) == 9
    assert_same_values(pd.concat([lazy.reader(part) for part in lazy.parts]), table)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"encoding": "utf-16"}])
def test_files_that_cannot_be_cut_are_unpacked(
    options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    table = table_of().replace({"colour": {"red": "röd"}})
    written(table, "a.csv", **options)

    lazy = LazyTable.of(find("a.csv"), tmp_path)

    assert len(lazy.parts) > 3
    assert_same_values(pd.concat([lazy.reader(part) for part in lazy.parts]), table)


@pytest.mark.parametrize("by_day", [False, True])
def test_parquet_files_may_have_dates(by_day: bool) -> None:
    dates = pd.date_range("2020-01-01", periods=20, tz=None if by_day else "Europe/Berlin")
    column = list(dates.date) if by_day else dates
    path = written(pd.DataFrame({"when": column, "y": range(20)}), "a.parquet")

    lazy = lazy_table([path])

    utc = dates.tz_convert("UTC").tz_localize(None) if not by_day else dates
    assert lazy.reader.columns["when"].kind is Kind.DATES
    assert lazy.reader(lazy.parts[0])["when"].tolist() == utc.tolist()
    assert files.kinds_of(read([path]))["when"] is Kind.DATES


def test_the_number_of_rows_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "HEAD_BYTES", 2000)

    assert lazy_table([written(table_of(600), "a.csv")]).n_rows == pytest.approx(600, rel=0.15)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_split_divides_all_rows(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3000)
    table = table_of(500)
    path = written(table, f"a{suffix}")

    train, test = (rows_of(part) for part in lazy_table([path]).split("y", 0.2, 3))
    again = rows_of(lazy_table([path]).split("y", 0.2, 3)[0])
    other = rows_of(lazy_table([path]).split("y", 0.2, 4)[0])

    assert 60 < len(test) < 140
    assert_same_values(train, again)
    assert len(train) != len(other) or not np.array_equal(train["y"], other["y"], equal_nan=True)
    both = pd.concat([train, test])
    by = ["size", "y"]
    assert_same_values(both.sort_values(by), table.sort_values(by))


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As many entries as blocks have been read."""
    counts: list[int] = []
    read_block = Reader.__call__

    def counted(self: Reader, part: Any) -> pd.DataFrame:
        counts.append(1)
        return read_block(self, part)

    monkeypatch.setattr(Reader, "__call__", counted)
    return counts


def test_a_pass_reads_each_block_once(n_read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    lazy = lazy_table([written(table_of(), "a.csv"), written(table_of(70), "b.csv")])
    train, test = lazy.split("y", 0.3, 0)

    summaries(train, test, lazy.n_rows, 0)
    assert len(n_read) == len(lazy.parts) > 6
    encoder = encoder_of(rows_of(train))
    n_read.clear()
    X, y = train.arrays(encoder)
    compute([*X.to_delayed().ravel(), *y.to_delayed().ravel()])
    assert len(n_read) == len(lazy.parts)


def encoder_of(rows: pd.DataFrame, names: tuple[str, ...] = ("size",)) -> TableEncoder:
    """Fitted to rows, for these columns of numbers."""
    known = rows.dropna(subset="y")
    return TableEncoder([Column(name, NUMBER) for name in names]).fit(known, known["y"])


def test_encoded_rows_are_kept_in_files(
    n_read: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    lazy = lazy_table([written(table_of(), "a.csv")])
    train = lazy.split("y", 0.3, 0)[0]
    known = rows_of(train).dropna(subset="y")
    encoder = encoder_of(known)

    ((X, y),) = kept([train], encoder, tmp_path)
    n_read.clear()
    parts = compute([*X.to_delayed().ravel()])

    assert not n_read
    assert X.shape == (len(known), 2)
    np.testing.assert_array_equal(np.concatenate(parts), encoder.transform(known))
    np.testing.assert_array_equal(y.compute(), known["y"])


@pytest.mark.slow
def test_several_parts_are_kept_in_one_pass_and_joined(
    n_read: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 60)  # a few rows, of which some blocks hold none out
    lazy = lazy_table([written(table_of(), "a.csv")])
    parts = lazy.split("y", 0.2, 3)
    known = [rows_of(part).dropna(subset="y") for part in parts]
    assert 0 in map(len, compute(parts[1].tasks))
    encoder = encoder_of(known[0])
    n_read.clear()

    pairs = kept(parts, encoder, tmp_path)

    assert len(n_read) == len(lazy.parts)
    for (X, y), rows in zip([*pairs, joined(pairs)], [*known, pd.concat(known)], strict=True):
        np.testing.assert_array_equal(X.compute(), encoder.transform(rows))
        np.testing.assert_array_equal(y.compute(), rows["y"])


def test_rows_are_kept_only_where_the_disk_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple("abcdefghi")
    encoder = encoder_of(pd.DataFrame(np.ones((2, 10)), columns=[*names, "y"]), names)
    needed = 8 * (9 + 1) * 100 / blocks.DISK_SHARE  # 9 features and a target
    for free, fit in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert blocks.fit_on_disk(100, encoder, tmp_path) == fit


def test_a_summary_counts_the_rows_and_draws_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(blocks, "SAMPLE_ROWS", 300)
    lazy = lazy_table([written(table_of(1000).assign(colour=np.nan), "a.parquet")])
    parts = lazy.split("y", 0.4, 0)

    of_train, of_test = summaries(*parts, lazy.n_rows, 0)

    for summary, rows in zip((of_train, of_test), map(rows_of, parts), strict=True):
        assert summary.n_rows == rows["y"].notna().sum()
        assert summary.n_without_target == rows["y"].isna().sum()
        assert summary.present == {"size", "new", "y"}
    assert 130 < len(of_train.sample) < 230
    assert of_train.sample["y"].isin(rows_of(parts[0])["y"]).all()
    assert len(of_test.sample) == 0
    sizes = np.add(of_train.n_in_blocks, of_test.n_in_blocks)
    assert sizes.sum() == 1000
    assert blocks.places_of(lazy.parts, sizes.tolist()) == [0, *np.cumsum(sizes)[:-1]]
    largest = (of_train.ends + of_test.ends).of_columns["size"][-1]
    table = table_of(1000)["size"]
    assert (largest.value, largest.row) == (table.max(), table.idxmax())


def test_scores_are_those_of_all_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3_000)
    table = load_diabetes(as_frame=True, scaled=False).frame
    table.loc[:9, "target"] = np.nan
    lazy = lazy_table([written(table, "a.csv")])
    _, test = lazy.split("target", 0.3, 0)
    rows = rows_of(test).dropna()
    features = ["bmi", "bp"]
    model = LinearRegression().fit(table.dropna()[features], table.dropna()["target"])

    def predict(X: pd.DataFrame) -> dict[str, Any]:
        return dict.fromkeys(MODELS, (model.predict(X[features]), np.full(len(X), 50.0)))

    found = test.compare(predict, 77.0, None)

    y_hat, y = model.predict(rows[features]), rows["target"].to_numpy()
    scores = found.tallies[MODELS[0]].scores()
    assert scores["R²"].value == pytest.approx(r2_score(y, y_hat), rel=1e-10)
    assert scores["RMSE"].value == pytest.approx(root_mean_squared_error(y, y_hat), rel=1e-10)
    furthest = np.sort(np.abs(y - y_hat))[::-1][:5]
    off = (found.furthest["y"] - found.furthest["mean"]).abs()
    np.testing.assert_allclose(off, furthest)
    for row in found.furthest.itertuples():  # each is where it says
        part = lazy.reader(lazy.parts[row.block])
        assert part.loc[row.place, "target"] == row.y


def test_blocks_without_rows_count_nothing() -> None:
    empty = table_of()[:0]

    summary = Summary.of(empty, "y", 1.0, (0, 0))

    assert (summary.n_rows, summary.n_without_target, len(summary.sample)) == (0, 0, 0)
    assert not blocks._compared(empty, None, "y", 1.0, None, 0).tallies
    assert summary.ends == Ends({"size": [], "y": []})


@pytest.mark.parametrize(
    ("head", "tail", "message"),
    [
        ("1,2", "n.d.,2", "column 'x' of 'a.csv' has numbers in its first rows, and text further"),
        ("1,2", "True,2", "column 'x' of 'a.csv' has numbers in its first rows, and true or false"),
        ("True,2", "3,2", "'x' of 'a.csv' has true or false in its first rows, and numbers"),
        (",2", "7,2", "column 'x' of 'a.csv' has values, but none in the first rows of any file"),
        ("1,2", "-inf,2", "infinite values in column 'x' of 'a.csv'"),
        ("1,2", "1,2,3", "'a.csv' cannot be read"),
        ("1,2", '"1,2', "line breaks between quotes"),
    ],
)
def test_what_is_wrong_further_down_is_named(
    head: str, tail: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "HEAD_BYTES", 100)
    rows = f"{head}\n" * 100
    monkeypatch.setattr(blocks, "BLOCK_BYTES", len(rows))
    Path("a.csv").write_text(f"x,y\n{rows}" + f"{tail}\n" * 51)
    lazy = lazy_table([Path("a.csv")])

    with pytest.raises(InputError) as error:
        list(map(lazy.reader, lazy.parts))

    assert message in str(error.value)


def test_a_text_may_look_like_a_number_further_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "HEAD_BYTES", 100)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    Path("a.csv").write_text("x,y\n" + "A1,2\n" * 100 + "01,3\n" * 100)

    rows, _ = lazy_table([Path("a.csv")]).split("y", 0.2, 0)

    assert set(rows_of(rows)["x"]) == {"A1", "01"}
