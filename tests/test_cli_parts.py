"""The parts of the command line: how CSV is written, scores, outliers, progress, saved models."""

import gzip
import io
import os
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import dask
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from dask import delayed
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli import models
from sklearn_mlp.cli.csv_format import LOOKS_LIKE, SPACES, CsvFormat
from sklearn_mlp.cli.errors import InputError
from sklearn_mlp.cli.meter import Meter
from sklearn_mlp.cli.outliers import Ends
from sklearn_mlp.cli.report import say_coverage, say_furthest, say_scores, with_error
from sklearn_mlp.cli.scores import MODELS, Comparison, Tally
from sklearn_mlp.columns import TableEncoder, columns_of
from sklearn_mlp.summary import number, padded, width_of

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# How CSV is written -------------------------------------------------------------------------


def format_of(content: str | bytes, **known: str) -> CsvFormat:
    path = Path("a.csv")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvFormat.of(path, "'a.csv'", **known)


def parsed(content: str | bytes, **known: str) -> pd.DataFrame:
    return format_of(content, **known).parse("a.csv", "'a.csv'")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str) -> None:
    content = "a,b,c\n1.5,x,2\n2.5,y z,3\n".replace(",", separator)

    assert format_of(content).separator == separator
    assert parsed(content).shape == (2, 3)


def test_columns_may_be_divided_by_spaces() -> None:
    content = "t   value\n0.5  12\n10.5  7\n"

    assert format_of(content).separator == SPACES
    assert parsed(content)["value"].tolist() == [12, 7]


@pytest.mark.parametrize(
    "content",
    ['name;a;b\n"x, y";1;2\n"z; w";3;4\n', "name;a;b\nx, y;1,5;2,5\nz, w;3,5;4\n"],
)
def test_other_separators_in_texts_and_numbers_do_not_mislead(content: str) -> None:
    assert format_of(content).separator == ";"


def test_a_single_column_has_no_separator() -> None:
    assert format_of("a\n1\n2\n").separator == ","


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;b\n1,5;x\n-2,25;y\n", [1.5, -2.25]),
        ("a;b\n1.234,5;x\n7,25;y\n", [1234.5, 7.25]),
        ("a;b\n1.234;x,1\n1.000.000;2,5\n", [1234, 1000000]),
        ('a,b\n"1,5",x\n"2,25",y\n', [1.5, 2.25]),
        ('a,b\n"1,234",1.5\n"1,234,567.5",2\n', [1234, 1234567.5]),
        ("a;b\n1.5;x\n2.25;y\n", [1.5, 2.25]),
        ("a;b\n1.234,50 €;1,5\n€ 12,00;2\n", [1234.5, 12]),
        ('a,b\n"$1,234.50",x\n$5,y\n', [1234.5, 5]),
        ("a,b\n12.5 %,x\n5%,y\n", [12.5, 5]),
        ("a;b\n1.234,50 EUR;1,5\nEUR 12,00;2\n", [1234.5, 12]),
        ("a;b\n1 234,5;x\n2 000 000;y\n", [1234.5, 2_000_000]),
        ("a\tb\n1\xa0618\tx\n-12\xa0345 €\ty\n", [1618, -12345]),
        ("a;b\n1\u202f618;x\n999;y\n", [1618, 999]),
        ("a,b\n1'234.50,x\nCHF 1’234’567.5,y\n", [1234.5, 1234567.5]),
        ("a;b\n1,234;x\n2,345;y\n", [1.234, 2.345]),
        ("a;b\n1.234;x\n2.345;y\n", [1.234, 2.345]),
        ("a;b\n1;x\n2;y\n", [1, 2]),
    ],
)
def test_numbers_are_read_as_their_writers_mean_them(content: str, expected: list[float]) -> None:
    assert parsed(content)["a"].tolist() == expected


@pytest.mark.parametrize("text", ["089 123 456", "12 34", "1 234 56", "EUR", "1'23"])
def test_other_texts_with_digits_stay_texts(text: str) -> None:
    assert parsed(f"a;b\n{text};1,5\n{text};2,5\n")["a"].tolist() == [text, text]


def test_a_date_is_no_number_in_groups() -> None:
    table = parsed("day;a\n01.02.2024;1.234,5\n03.04.2024;2,5\n")

    assert table["day"].tolist() == ["01.02.2024", "03.04.2024"]


def test_a_few_texts_leave_the_numbers_readable() -> None:
    table = parsed("a;b\n" + "1,5;2\n" * 20 + "k.A.;2\n12.000;3\n")

    assert table["a"].tolist() == ["1.5"] * 20 + ["k.A.", "12000"]


def test_blanks_behind_separators_do_not_count() -> None:
    table = parsed('a, b, c\n1, x, "y, z"\n2, x, w\n')

    assert table.to_dict("list") == {"a": [1, 2], "b": ["x", "x"], "c": ["y, z", "w"]}


@pytest.mark.parametrize(
    "above", ["sep=;", "# exported\n# by a tool", "Sales of 2024\n", "Konto;123\n"]
)
def test_titles_above_the_header_are_named(above: str) -> None:
    with pytest.raises(InputError, match=r"has lines above its header.*seems to be 'x;flag;y'"):
        parsed(f"{above}\nx;flag;y\n1,5;a, b;2\n2,5;c, d;3\n")


@pytest.mark.parametrize(
    "content",
    ["name\nDoe\nSmith\nMiller\n", "text\na b\nc d\ne f\n", "x;\n1;2\n3;4\n", "a,b\n1,\n2,\n"],
)
def test_narrow_tables_have_no_lines_above_the_header(content: str) -> None:
    assert len(parsed(content)) >= 2


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_the_encoding_is_found(encoding: str) -> None:
    table = parsed("größe,y\nab €,1\ncd €,2\n".encode(encoding))

    assert list(table) == ["größe", "y"]
    assert table["größe"].tolist() == ["ab €", "cd €"]


def test_the_user_may_know_better() -> None:
    content = "a;b\nпривет;1\n"
    assert parsed(content.encode("cp1251"), encoding="cp1251")["a"].tolist() == ["привет"]
    assert list(parsed("a;b,c\n1;2,3\n", separator=",")) == ["a;b", "c"]
    with pytest.raises(InputError, match="there is no encoding 'no-such'"):
        parsed(content, encoding="no-such")
    with pytest.raises(InputError, match="is not ascii text: try another --encoding"):
        parsed(content, encoding="ascii")


def test_gzip_is_unpacked_whatever_its_name() -> None:
    content = gzip.compress(b"a;b\n1,5;2\n")

    assert parsed(content)["a"].tolist() == [1.5]
    with pytest.raises(InputError, match=r"'a.csv' is damaged"):
        parsed(content[:-12])


@pytest.mark.parametrize(("magic", "what"), LOOKS_LIKE)
def test_what_is_no_text_is_named(magic: bytes, what: str) -> None:
    with pytest.raises(InputError, match="not a CSV file: it looks like") as error:
        format_of(magic + b"\0\1\2\3" * 20)
    assert what in str(error.value)


def test_a_letter_that_is_no_utf8_far_down_names_the_option() -> None:
    content = b"a,b\n" + b"1,x\n" * 100_000 + "1,é\n".encode("latin-1")

    with pytest.raises(InputError, match="try --encoding latin-1"):
        parsed(content)
    assert len(parsed(content, encoding="latin-1")) == 100_001


# Scores -------------------------------------------------------------------------------------


def test_scores_are_those_of_other_libraries() -> None:
    y, mean = RNG.normal(size=(2, 400)) * 3 + 5
    std = RNG.uniform(1, 6, 400)

    scores = Tally.of(y, mean, std, unit=3.0).scores()

    assert scores["R²"].value == pytest.approx(r2_score(y, mean))
    assert scores["RMSE"].value == pytest.approx(root_mean_squared_error(y, mean))
    density = norm.logpdf(y, mean, std)
    assert scores["log density"].value == pytest.approx(density.mean())
    assert scores["log density"].error == pytest.approx(density.std() / 20)
    inside = np.abs(y - mean) < 1.96 * std
    assert scores["in 95 %"].value == pytest.approx(inside.mean())
    squares = (y - mean) ** 2
    error = squares.std() / 20
    assert scores["RMSE"].error == pytest.approx(error / (2 * np.sqrt(squares.mean())))
    assert scores["R²"].error == pytest.approx(error / y.var())


def test_the_standard_error_is_how_far_the_score_varies() -> None:
    def rmse(seed: int) -> Any:
        e = np.random.default_rng(seed).normal(size=300)
        return Tally.of(e, 0 * e, 0 * e + 1, 1.0).scores()["RMSE"]

    found = [rmse(seed) for seed in range(400)]

    assert np.std([s.value for s in found]) == pytest.approx(found[0].error, rel=0.2)


def test_tallies_and_comparisons_add_up() -> None:
    y, mean = RNG.normal(size=(2, 100))
    predictions = dict.fromkeys(MODELS, (mean, np.ones(100)))
    whole = Comparison.of(y, predictions, 1.0, np.arange(100), names=np.arange(100))

    parts = [
        Comparison.of(
            y[i : i + 30],
            {k: (m[i : i + 30], s[i : i + 30]) for k, (m, s) in predictions.items()},
            1.0, np.arange(100)[i : i + 30], names=np.arange(100)[i : i + 30],
        )
        for i in range(0, 100, 30)
    ]  # fmt: skip
    total = sum(parts, Comparison())

    assert total.n == 100
    for model in MODELS:
        theirs = whole.tallies[model].scores()
        for name, score in total.tallies[model].scores().items():
            assert score == pytest.approx(theirs[name])
    assert total.furthest["place"].tolist() == whole.furthest["place"].tolist()
    z = np.abs(y - mean)
    assert whole.furthest["place"].tolist() == np.argsort(-z)[:5].tolist()


def test_errors_whose_squares_overflow_have_an_infinite_rmse() -> None:
    y = RNG.normal(size=20)

    r2, rmse, *_ = Tally.of(y, y - 1e160, np.ones(20), 1.0).scores().values()

    assert r2.value == -np.inf
    assert (rmse.value, rmse.error) == (np.inf, np.inf)


def test_a_target_far_beyond_the_unit_has_no_r2() -> None:
    y = np.append(RNG.normal(size=20), 1e300)

    r2, rmse, *_ = Tally.of(y, 0 * y, np.ones(21), 1.0).scores().values()

    assert np.isnan(r2.value)
    assert rmse.value == np.inf


def test_targets_near_the_end_of_the_numbers_have_scores() -> None:
    y = RNG.normal(size=50) * 1e300

    tally = Tally.of(y, 0 * y, 0 * y + 1e300, unit=1e300)

    assert all(np.isfinite(score).all() for score in map(np.asarray, tally.scores().values()))
    assert tally.scores()["RMSE"].value == pytest.approx(1e300 * np.sqrt(np.mean((y / 1e300) ** 2)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1.23456, "1.235"), (-123456.7, "-123,457"), (0.00012345, "0.0001234"),
        (1e300, "1e+300"), (1e-9, "1e-09"), (np.inf, "inf"), (np.nan, "nan"), (1e12, "1e+12"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_an_error_has_the_decimals_of_its_number() -> None:
    assert with_error(53.8123, 1.8199) == "53.81 ± 1.82"
    assert with_error(1e300, 2e299) == "1e+300 ± 2e+299"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.22, "The error bars are too narrow here: 22% of the rows are within 95 %."),
        (1.0, "The error bars are too wide here: 100% of the rows are within 95 %."),
        (0.94, ""),
    ],
)
def test_error_bars_of_the_wrong_size_are_spoken_of(share: float, text: str) -> None:
    said: list[str] = []

    say_coverage(said.append, {"models": {"a": {"in 95 %": [share, 0.01]}}}, "a")

    assert said == [text] * bool(text)


# Outliers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [RNG.normal(size=50), RNG.lognormal(0, 3, 50), np.arange(50.0)])
def test_an_outlier_is_found_with_its_row(values: np.ndarray) -> None:
    table = pd.DataFrame({"x": values, "text": "a"})
    assert Ends.of(table).far_from(table) == []
    table.loc[17, "x"] = 1e12

    (found,) = Ends.of(table).far_from(table)

    assert (found.column, found.value.value, found.value.row) == ("x", 1e12, 17)
    assert found.low == np.delete(values, 17).min() or found.low >= values.min()
    assert found.high <= values.max()


def test_values_whose_sums_overflow_may_have_an_outlier() -> None:
    table = pd.DataFrame({"x": np.append(1.7e308 + RNG.normal(size=49) * 1e300, -1e308)})

    (found,) = Ends.of(table).far_from(table)

    assert (found.value.value, found.value.row) == (-1e308, 49)


def test_an_outlier_may_be_in_another_block_than_the_sample() -> None:
    sample = pd.DataFrame({"x": RNG.normal(size=50)})
    other = pd.DataFrame({"x": [0.0, -1e300]})

    (found,) = (Ends.of(sample) + Ends.of(other, block=3)).far_from(sample)

    assert (found.value.block, found.value.row) == (3, 1)


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 1e3, 1e5, 1e8, 1e12, 1e300])
@pytest.mark.parametrize("off", [1e-2, 1.0, 1e6, 1e16])
def test_the_tables_keep_their_columns_whatever_the_numbers(size: float, off: float) -> None:
    score = {
        "R²": (-(off**2), off**2), "RMSE": (size * off, size),
        "log density": (-off, off), "in 95 %": (1.0, 0.011),
    }  # fmt: skip
    lines: list[str] = []
    say_scores(lines.append, {"held out": {"n": 3, "models": {"a linear model": score}}})
    row = {"place": 123_456, "name": None, "y": -size, "mean": -size, "std": size / off}
    rows = pd.DataFrame([row, {**row, "name": "a-long-identifier", "y": size}])
    for name in ("name", None):
        say_furthest(lines.append, rows, "a long target", name)

    assert max(map(len, lines)) <= 79
    cells = [re.split(r"  +", line.strip()) for line in lines]
    assert [len(cell) for cell in cells[:3]] == [4, 1, 5]
    assert [len(cell) for cell in cells[4:7]] == [5, 4, 5]  # the first has no name
    assert [len(cell) for cell in cells[8:]] == [4, 4, 4]


def test_signs_that_take_two_columns_are_counted_as_two() -> None:
    assert width_of("流量 m") == 6
    assert padded("流量", 6) + "|" == "流量  |"
    assert padded("流量流量流量", 9) == "流量流..."


# Progress -----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_that_goes_away() -> None:
    terminal = Terminal()
    with Meter(terminal) as meter:
        meter.begin("training", 1.0, 4.0)

    assert "\n" not in terminal.getvalue()
    assert "training" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_line_that_is_too_long_loses_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with Meter(terminal) as meter:
        meter.begin("cross-validation 5 of 5", 1.0, 4.0)
        meter.tell(detail="iteration 1,201  25 + 25 units")
        meter._draw()
        monkeypatch.setenv("COLUMNS", "70")
        meter._draw()

    wide, narrow = re.findall(r"\r([^\r]*)\x1b\[K", terminal.getvalue())[-3:-1]
    assert wide.endswith(" s left  iteration 1,201")
    assert narrow.endswith(" s left")


def test_the_bar_of_work_of_unknown_length_is_not_full_at_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(of_meter, "monotonic", lambda: now)
    meter = Meter(io.StringIO())
    meter.begin("loading")
    now = 3.0
    meter.begin("training", 1.0, 5.0)

    assert meter._step is not None
    assert meter._left(meter._step) == pytest.approx(2 + 5 * 2)
    assert "[###..." in meter._line(meter._step)


def test_elsewhere_there_are_plain_lines_within_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert of_meter.FIRST_LINE < 2
    monkeypatch.setattr(of_meter, "FIRST_LINE", 0.01)
    monkeypatch.setattr(of_meter, "LINES", 0.02)
    stream = io.StringIO()
    with Meter(stream) as meter:
        meter.begin("reading")
        while stream.getvalue().count("\n") < 3:
            time.sleep(0.005)

    lines = stream.getvalue().splitlines()
    assert all(line.startswith("reading") and line.endswith("left") for line in lines)
    assert "\r" not in stream.getvalue()


def test_short_commands_are_silent() -> None:
    stream = io.StringIO()
    with Meter(stream) as meter:
        meter.begin("reading")

    assert stream.getvalue() == ""


def test_the_time_left_is_that_of_the_work_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(of_meter, "monotonic", lambda: now)
    meter = Meter(io.StringIO())
    meter.begin("first", 1.0, 4.0)
    now = 10.0
    assert meter._step is not None
    assert meter._left(meter._step) == pytest.approx(10 + 4 * 20)  # as long again, and four more
    meter.tell(done=0.25)
    assert meter._left(meter._step) == pytest.approx(30 + 4 * 40)
    now = 20.0
    meter.begin("second", 0.8, 3.2)
    now = 24.0
    assert meter._left(meter._step) == pytest.approx(0.8 * 20 - 4 + 3.2 * 20)


def test_the_meter_hears_of_the_iterations_of_a_fit() -> None:
    X = RNG.normal(size=(30, 2))
    losses: list[float] = []
    meter = Meter(io.StringIO())
    meter.begin("training", 1.0)
    with meter.training(losses.append):
        model = SigmoidMLPRegressor((3,), solver="lbfgs", tol=1e-2).fit(X, X[:, 0])
    loss_curve = model.loss_curve_
    model.fit(X, X[:, 0])  # nobody hears of it

    assert losses == pytest.approx(loss_curve, rel=1e-3)  # some are restated exactly
    assert meter._step is not None
    assert meter._step.detail == f"iteration {len(losses)}"


def test_the_meter_hears_of_the_blocks_that_are_read() -> None:
    meter = Meter(io.StringIO())
    tasks = [delayed(abs)(i) for i in range(4)]
    meter.begin("training", 1.0)
    with meter.passes():
        dask.compute(*tasks, scheduler="sync")
        dask.compute(*tasks, scheduler="sync")
    assert meter._step is not None
    assert meter._step.read == "pass 2: 100%"
    meter.begin("reading")
    with meter.reading_blocks():
        dask.compute(*tasks, scheduler="sync")
    assert meter._step.done == 1


# Saved models -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Pipeline:
    table = pd.DataFrame({"x": RNG.normal(size=30), "c": list("ab") * 15})
    encoder = TableEncoder(columns_of(table))
    model = make_pipeline(encoder, SigmoidMLPRegressor((), random_state=0))
    model.fit(table, table["x"])
    model.about_ = {"target": "y"}
    return model


@pytest.mark.parametrize("name", ["m.skops", "m", "m.joblib"])
def test_a_saved_model_predicts_the_same(name: str, model: Pipeline) -> None:
    new = pd.DataFrame({"x": [0.5, None], "c": ["b", "z"]})

    models.save(model, Path(name))
    loaded = models.load(Path(name))

    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    assert loaded.about_ == model.about_
    assert [path.name for path in Path().iterdir()] == [name]
    is_zip = zipfile.is_zipfile(name)
    assert is_zip == (name != "m.joblib")
    if is_zip:
        with zipfile.ZipFile(name) as archive:
            assert {part.compress_type for part in archive.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file(
    error: BaseException, model: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("m.skops").write_text("old")

    def write_bytes(path: Path, data: bytes) -> NoReturn:
        path.write_text("half")
        raise error

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(type(error)):
        models.save(model, Path("m.skops"))

    assert Path("m.skops").read_text() == "old"
    assert [path.name for path in Path().iterdir()] == ["m.skops"]


def test_a_new_file_has_the_usual_rights(model: Pipeline) -> None:
    Path("usual").touch()
    models.save(model, Path("m.skops"))

    assert Path("m.skops").stat().st_mode == Path("usual").stat().st_mode


class Stranger(LinearRegression):
    """Of a type that is not trusted."""


def test_what_is_no_model_is_one_line(model: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def error_of(name: str) -> str:
        with pytest.raises(InputError) as error:
            models.load(Path(name))
        return str(error.value)

    assert "there is no model 'm.skops'" in error_of("m.skops")
    models.save(model, Path("m.skops"))
    content = Path("m.skops").read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2], content[:-30]):
        Path("d.skops").write_bytes(damaged)
        assert "'d.skops' is damaged or no skops file" in error_of("d.skops")
    Path("d.joblib").write_bytes(b"text")
    assert "'d.joblib' is damaged or no joblib file" in error_of("d.joblib")
    skops.io.dump(Stranger(), "s.skops")
    assert "Stranger" in error_of("s.skops")
    assert "is not loaded" in error_of("s.skops")
    for other in (LinearRegression(), model[-1], make_pipeline(LinearRegression())):
        skops.io.dump(other, "o.skops")
        assert "holds no model of `sklearn-mlp fit`" in error_of("o.skops")
    joblib.dump(3, "o.joblib")
    assert "holds no model" in error_of("o.joblib")


def test_where_nothing_can_be_saved_is_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder").mkdir()
    with pytest.raises(InputError, match="'folder' is a folder"):
        models.check_can_save(Path("folder"))
    with pytest.raises(InputError, match="there is no folder 'no'"):
        models.check_can_save(Path("no/m.skops"))
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(InputError, match=r"sklearn-mlp\[skops\].*\.joblib"):
        models.check_can_save(Path("m.skops"))
    models.check_can_save(Path("m.joblib"))
    with pytest.raises(InputError, match=r"m.joblib' cannot be written: File name too long"):
        models.check_can_save(Path(f"{243 * 'm'}.joblib"))
    assert [path.name for path in Path().iterdir()] == ["folder"]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"'m.joblib' may not be written"):
        models.check_can_save(Path("m.joblib"))
