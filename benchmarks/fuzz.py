"""Random inputs: each must end with a model and predictions, or with an error that says why.

    python -m benchmarks fuzz [--cases 100000] [--seed 0] [--minutes M] [--check]
    python -m benchmarks fuzz --case 4711     # what this case is, and what it ends with

A case is a few rows of a random kind (dtypes, containers, layouts, strange values, weights) and
random parameters, for `fit`, `partial_fit`, Dask collections or the command line, and follows from
its number and the seed. It passes if it ends with finite weights and predictions, or with a
documented exception that this package or scikit-learn's checks raise; the command line, with the
exit code 0, or with 2 and one line. It fails on

- any other exception, and one that comes raw out of NumPy, SciPy or Python;
- a warning out of NumPy or SciPy (a RuntimeWarning);
- weights that are not finite, or a NaN in a prediction (infinite ones are counted: they are right
  where the true ones are too large for the dtype);
- an input that is modified, or an estimator that is not as before after an exception;
- more than 10 seconds.

The tally is written to docs/benchmarks/fuzz.txt, except with ``--check``, by which the failures
also make the exit code 1.
"""

import argparse
import contextlib
import faulthandler
import io
import linecache
import pickle
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import scipy.sparse as sp
import sklearn

import sklearn_mlp
from benchmarks import fuzz_inputs as draw
from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import fit as cli_fit
from sklearn_mlp.cli import main as command_line
from sklearn_mlp.cli import predict as cli_predict
from sklearn_mlp.cli.errors import InputError

TALLY = Path(__file__).parents[1] / "docs" / "benchmarks" / "fuzz.txt"
SECONDS = 10
"""What a case may take."""

OURS = str(Path(sklearn_mlp.__file__).parent)
CHECKS = str(Path(sklearn.__file__).parent / "utils")
DOCUMENTED = (ValueError, TypeError, AttributeError, RuntimeError, MemoryError)
"""NotFittedError is two of these."""

COLUMNS = ("predicted", "new refused", "refused", "failed")
"""What became of the cases: new rows, or the rows of training, may be refused by an error."""

SHOWN = 5
"""Case numbers that are printed of each cause of failures."""


class FaultError(Exception):
    """A case fails, for this reason."""


class TooLongError(BaseException):
    """A case takes too long. No handler of errors sees it."""


@dataclass
class Case:
    """A random case.

    Attributes
    ----------
    rng : Generator
    kind : str
        The kind of its input, under which it is counted.
    notes : list of str
        What it is, in the order in which it was drawn.
    folder : Path
        Where it may write files.
    """

    rng: np.random.Generator
    folder: Path
    kind: str = ""
    notes: list[str] = field(default_factory=list)

    def note(self, name: str, what: Any) -> None:
        """Remember a part of the case, to be printed."""
        self.notes.append(f"{name}: {what}")


class Result(NamedTuple):
    """How a case has ended. `cause` is empty unless it has failed."""

    way: str
    kind: str
    outcome: str
    cause: str
    notes: list[str]


# Judging ----------------------------------------------------------------------------------------


def cause_of(error: BaseException) -> str:
    """Why an exception is a failure, or nothing if it is a documented one."""
    if isinstance(error, FaultError):
        return str(error)
    if isinstance(error, MemoryError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(OURS)]
    place = frames[ours[-1]] if ours else frames[-1]
    said = re.sub(r"[\d.]+(e[+-]?\d+)?", "#", str(error).splitlines()[0] if str(error) else "")
    cause = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {said[:100]}"
    if not isinstance(error, DOCUMENTED) or isinstance(error, RuntimeWarning):
        return cause
    is_raised = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).lstrip()
    if ours and ours[-1] == len(frames) - 1 and is_raised.startswith("raise"):
        return ""
    checks = [i for i, frame in enumerate(frames) if frame.filename.startswith(CHECKS)]
    return "" if checks and checks[-1] > max(ours, default=-1) else cause


def snapshot(value: Any) -> Any:
    """What an input holds, to be compared with later."""
    if sp.issparse(value):
        coo = value.tocoo()
        return value.shape, coo.data.tobytes(), coo.row.tobytes(), coo.col.tobytes()
    if isinstance(value, pd.DataFrame):  # whose pickles may differ where the values do not
        cells = value.to_numpy(dtype=object).tolist()
        return repr((cells, list(value.columns), list(value.index), list(value.dtypes)))
    try:
        return pickle.dumps(value)
    except TypeError:  # a generator
        return None


@contextlib.contextmanager
def unmodified(**inputs: Any) -> Iterator[None]:
    """A context that fails if one of the inputs is modified in it."""
    before = {name: snapshot(value) for name, value in inputs.items()}
    try:
        yield
    finally:
        for name, value in inputs.items():
            if snapshot(value) != before[name]:
                raise FaultError(f"{name} is modified")


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """A context that ends with `TooLongError` after some seconds; the process, after a minute."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(6 * SECONDS, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def check_finite(name: str, values: Any, *, infinite: bool = False) -> None:
    """Raise `FaultError` if a value is no number; or if it is infinite, unless that is allowed."""
    if np.isnan(values).any():
        raise FaultError(f"NaN in {name}")
    if not infinite and not np.isfinite(values).all():
        raise FaultError(f"infinite {name}")


# Estimators -------------------------------------------------------------------------------------


def drawn_data(
    case: Case, like: SigmoidMLPRegressor | None = None, *, positive: bool = False
) -> tuple[Any, Any, Any]:
    """X, y and the weights of a case, of the columns that a fitted model knows."""
    rng, p = case.rng, like and like.n_features_in_
    shape = draw.shape_of_inputs(rng)
    if p is not None and len(shape) == 2 and draw.chance(rng, 0.95):
        shape = (shape[0], p)
    n = shape[0] if shape else 1
    array, of_X = draw.values(rng, shape)
    X, form, detail = draw.formed(rng, array)
    case.kind = case.kind or form
    case.note("X", f"{shape}, {of_X}, {form} ({detail})")
    shape = draw.shape_of_targets(rng, n, like and like.n_outputs_)
    array, of_y = draw.values(rng, shape, positive=positive)
    y, form, detail = draw.formed(rng, array) if draw.chance(rng, 0.3) else (array, "array", "")
    case.note("y", f"{shape}, {of_y}, {form} ({detail})")
    s, of_s = draw.weights(rng, n)
    case.note("sample_weight", of_s)
    return X, y, s


def drawn_model(case: Case) -> SigmoidMLPRegressor:
    parameters = draw.parameters(case.rng)
    case.note("parameters", parameters)
    return SigmoidMLPRegressor(**parameters)


def is_positive(model: SigmoidMLPRegressor) -> bool:
    """Whether the targets have to be at least 0."""
    return model.loss in ("poisson", "gamma")


@contextlib.contextmanager
def as_before(model: SigmoidMLPRegressor) -> Iterator[None]:
    """A context after which the estimator has the attributes of before if there was an error."""
    before = dict(vars(model))
    try:
        yield
    except Exception as error:
        if cause_of(error):
            raise
        now = vars(model)
        if now.keys() != before.keys() or any(now[name] is not before[name] for name in before):
            raise FaultError(f"changed by a {type(error).__name__}") from error
        raise


def check_model(model: SigmoidMLPRegressor) -> None:
    """The weights are finite, and so is what the fit says of them."""
    for W in model.weights_:
        check_finite("weights", W)
    check_finite("loss_", model.loss_)


def use(case: Case, model: SigmoidMLPRegressor, X: Any) -> str:
    """Predict the rows of training, and other rows. Returns the outcome."""
    outcome = "predictions"
    with unmodified(X=X):
        y = model.predict(X)
        check_finite("predictions", y, infinite=True)
        try:
            std = check_error_bars(model, X)
            if not (np.isfinite(y).all() and np.isfinite(std).all()):
                outcome = "infinite predictions or error bars"
        except ValueError as error:
            if cause_of(error):
                raise
    array, name = draw.values(case.rng, (3, model.n_features_in_))
    new, form, detail = draw.formed(case.rng, array)
    more = draw.among(case.rng, ("predict", "return_std", "predict_quantiles", "predict_noise_std",
                                 "input_gradient", "score", "pickle"))  # fmt: skip
    case.note("new", f"{name}, {form} ({detail}), {more}")
    with unmodified(new=new):
        try:
            use_new(model, new, more)
        except DOCUMENTED as error:
            if cause_of(error):
                raise
            return f"{outcome}, then {type(error).__name__}"
    return outcome


def check_error_bars(model: SigmoidMLPRegressor, X: Any) -> Any:
    """The error bars, which are above 0."""
    std = model.predict(X, return_std=True)[1]
    check_finite("error bars", std, infinite=True)
    if (std <= 0).any():
        raise FaultError("error bars of 0 or less")
    return std


def use_new(model: SigmoidMLPRegressor, new: Any, more: str) -> None:
    """Ask a model for something about new rows."""
    if more == "pickle":
        model = pickle.loads(pickle.dumps(model))
    if more in ("predict", "pickle"):
        check_finite("new predictions", model.predict(new), infinite=True)
    elif more == "return_std":
        mean, std = model.predict(new, return_std=True)
        check_finite("new predictions", mean, infinite=True)
        check_finite("new error bars", std, infinite=True)
    elif more == "score":
        with np.errstate(all="ignore"):  # scikit-learn's own arithmetic
            model.score(new, np.zeros(3) if model.n_outputs_ == 1 else np.zeros((3, 2)))
    else:
        check_finite(more, getattr(model, more)(new), infinite=True)


def of_fit(case: Case) -> str:
    """`fit`, once or under `warm_start`, sometimes with rows to stop by."""
    model = drawn_model(case)
    X, y, s = drawn_data(case, positive=is_positive(model))
    more = {}
    if draw.chance(case.rng, 0.03):
        X_val, y_val, s_val = drawn_data(case, positive=is_positive(model))
        more = {"X_val": X_val, "y_val": y_val, "sample_weight_val": s_val}
        model.set_params(early_stopping=True)
    with unmodified(X=X, y=y, sample_weight=s, **more), as_before(model):
        model.fit(X, y, s, **more)
    check_model(model)
    if model.warm_start and draw.chance(case.rng, 0.5):
        X, y, s = drawn_data(case, model, positive=is_positive(model))
        with unmodified(X=X, y=y, sample_weight=s), as_before(model):
            model.fit(X, y, s)
        check_model(model)
    return use(case, model, X)


def of_partial_fit(case: Case) -> str:
    """A few calls of `partial_fit`, sometimes after a `fit`. The first ones are ordinary."""
    model = drawn_model(case)
    if draw.chance(case.rng, 0.7):
        model.set_params(solver=draw.among(case.rng, ("auto", "lm", "adam", "sgd", "gd")))
        case.note("solver", model.solver)
    if draw.chance(case.rng, 0.9):
        model.set_params(early_stopping=False, noise="auto")
    X, fitted = None, None
    for call in range(int(case.rng.integers(1, 4))):
        X, y, s = drawn_data(case, fitted, positive=is_positive(model))
        learn = model.fit if call == 0 and draw.chance(case.rng, 0.2) else model.partial_fit
        case.note("call", learn.__name__)
        with unmodified(X=X, y=y, sample_weight=s), as_before(model):
            learn(X, y, s)
        check_model(model)
        fitted = model
    return use(case, model, X)


def of_dask(case: Case) -> str:
    """`fit` on Dask collections with odd partitions, some of them empty."""
    import dask
    import dask.array as da
    import dask.dataframe as dd

    rng = case.rng
    model = drawn_model(case)
    n, p = int(draw.among(rng, (1, 5, 12, 12, 20))), int(rng.integers(1, 4))
    X, of_X = draw.values(rng, (n, p))
    y, of_y = draw.values(rng, (n,), positive=is_positive(model))
    cuts = np.sort(rng.integers(0, n + 1, size=int(rng.integers(0, 4))))
    chunks = tuple(int(c) for c in np.diff([0, *cuts, n]))
    case.kind = draw.among(rng, ("array", "array", "unknown lengths", "frame", "columns in chunks",
                                 "not corresponding"))  # fmt: skip
    case.note("X", f"{X.shape}, {of_X}, chunks {chunks}, {case.kind}")
    case.note("y", of_y)
    X_dask = da.from_array(X, chunks=(chunks, p))
    y_dask = da.from_array(y, chunks=(chunks,))
    if case.kind == "frame":
        X_dask = dd.from_pandas(pd.DataFrame(X, columns=list("abc")[:p]), npartitions=3)
        y_dask = X_dask["a"]
    elif case.kind == "unknown lengths":
        keep = da.from_array(rng.random(n) < 0.8, chunks=(chunks,))
        X_dask, y_dask = X_dask[keep], y_dask[keep]
    elif case.kind == "columns in chunks":
        X_dask = X_dask.rechunk((chunks, 1))
    elif case.kind == "not corresponding":
        y_dask = y_dask.rechunk(max(n // 2, 1))
    with dask.config.set(scheduler="synchronous"), as_before(model):
        model.fit(X_dask, y_dask)
        check_model(model)
        mean = np.asarray(model.predict(X_dask))  # which computes it
        check_finite("predictions", mean, infinite=True)
    return "predictions"


# The command line -------------------------------------------------------------------------------


def said_by(arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it says on the standard error."""
    causes: list[BaseException] = []

    class RecordedError(InputError):
        """Remembers the error that it reports."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            if (error := sys.exception()) is not None:
                causes.append(error)

    err = io.StringIO()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(err),
        mock.patch.object(cli_fit, "InputError", RecordedError),
        mock.patch.object(cli_predict, "InputError", RecordedError),
    ):
        try:
            code = command_line(arguments)
        except SystemExit as end:  # --help
            code = int(end.code or 0)
    for known in causes:
        if cause := cause_of(known):
            raise FaultError(f"shown as it came: {cause}")
    return code, err.getvalue()


def check_command(case: Case, arguments: Sequence[str]) -> int:
    """Run a command, which must end with 0, or with 2 and a line. Returns the exit code."""
    case.note("command", " ".join(map(repr, arguments)))
    code, err = said_by(arguments)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if code not in (0, 2) or len(errors) != (code == 2):
        raise FaultError(f"exit code {code} with {len(errors)} lines of error")
    known = r"(error|warning|note): |.* left( |$)"  # and the progress of a slow machine
    others = [line for line in err.splitlines() if not re.match(known, line)]
    if others:
        raise FaultError(f"the standard error has more lines, such as {others[0][:60]!r}")
    return code


def of_command_line(case: Case) -> str:
    """`fit` on a random file, and then `report`, and `predict` of it and of another file."""
    rng, data, model = case.rng, case.folder / "data.csv", case.folder / "model.skops"
    model.unlink(missing_ok=True)
    form = draw.arrow_file if draw.chance(rng, 0.2) else draw.csv_file
    content, names, what = form(rng)
    data.write_bytes(content)
    case.kind = "CSV file" if form is draw.csv_file else "Arrow file"
    case.note("file", what)
    options = ["--folds", "0", "--max-iter", "2", "--save", str(model)]
    options += ["--hidden", draw.among(rng, ("0", "1", "2,2"))]
    options += ["--solver", draw.among(rng, ("auto", "lm", "lbfgs", "adam"))]
    for name, choices in (
        ("--test-size", ("0.5", "0.01", "0.99", "1e-300", "nan")),
        ("--folds", ("2", "1", "1000")),
        ("--drop", (names[0], "y", "nothing", "", ",")),
        ("--numeric", (names[0], "y")),
        ("--categorical", (names[0], "y")),
        ("--separator", (";", "tab", "space", "ab", "\n", '"')),
        ("--encoding", ("utf-8", "utf-16", "latin-1", "klingon", "ascii", "base64", "")),
        ("--random-state", ("7", "-1", "99999999999")),
    ):
        if draw.chance(rng, 0.06):
            options.append(f"{name}={draw.among(rng, choices)}")
    if check_command(case, ["fit", str(data), "--target", "y", *options]):
        return "exit code 2"
    if check_command(case, ["report", str(model)]):
        raise FaultError("no report of a saved model")
    if draw.chance(rng, 0.5):
        content, _, what = form(rng)
        data.write_bytes(content)
        case.note("new file", what)
    out = case.folder / draw.among(rng, ("out.csv", "out.csv", "out.tsv", "out.parquet"))
    out.unlink(missing_ok=True)
    if check_command(case, ["predict", str(model), str(data), "--out", str(out)]):
        return "exit code 0, then 2"
    if out.suffix == ".parquet":
        written = pd.read_parquet(out).iloc[:, -2:].to_numpy(float)
        check_finite("predictions", written, infinite=True)
    return "exit code 0"


WAYS: dict[str, tuple[float, Callable[[Case], str]]] = {
    "fit": (0.75, of_fit),
    "partial_fit": (0.19, of_partial_fit),
    "Dask": (0.02, of_dask),
    "command line": (0.04, of_command_line),
}
"""The ways into the package, with their shares of the cases."""


# Running ----------------------------------------------------------------------------------------


def run_case(number: int, seed: int, folder: Path, *, show: bool = False) -> Result:
    """Run a case. With `show`, the traceback of what it ends with is printed."""
    case = Case(np.random.default_rng([seed, number]), folder)
    way = str(case.rng.choice(list(WAYS), p=[share for share, _ in WAYS.values()]))
    cause = ""
    with warnings.catch_warnings(), time_limit():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("error", category=DeprecationWarning, module="sklearn_mlp")
        warnings.filterwarnings("error", category=FutureWarning, module="sklearn_mlp")
        try:
            outcome = WAYS[way][1](case)
        except TooLongError as error:
            outcome, cause = "FAILED", f"more than {SECONDS} s"
            shown: BaseException = error
        except Exception as error:
            cause = cause_of(error)
            outcome, shown = "FAILED" if cause else type(error).__name__, error
        else:
            show = False
    if show:
        traceback.print_exception(shown)
    return Result(way, case.kind, outcome, cause, case.notes)


def run(
    numbers: Sequence[int], seed: int, minutes: float = np.inf
) -> tuple[Counter[tuple[str, str, str]], dict[str, list[int]], float]:
    """Run cases, until the time is over.

    Returns
    -------
    tally : Counter
        Of the way, the kind of input, and the outcome.
    failures : dict of str to list of int
        The numbers of the cases that failed, by their causes.
    slowest : float
        The seconds of the slowest case.
    """
    tally: Counter[tuple[str, str, str]] = Counter()
    failures: dict[str, list[int]] = {}
    slowest, end = 0.0, time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as name:
        for number in numbers:
            start = time.monotonic()
            if start > end:
                break
            result = run_case(number, seed, Path(name))
            slowest = max(slowest, time.monotonic() - start)
            tally[result.way, result.kind, result.outcome] += 1
            if result.cause:
                failures.setdefault(result.cause, []).append(number)
    return tally, failures, slowest


def as_text(tally: Counter[tuple[str, str, str]], failures: dict[str, list[int]]) -> str:
    """The tally as a table, the outcomes, and the failures by their causes."""
    outcomes: Counter[str] = Counter()
    kinds: dict[tuple[str, str], Counter[str]] = {}
    for (way, kind, outcome), n in tally.items():
        outcomes[outcome] += n
        kinds.setdefault((way, kind), Counter())[_column(outcome)] += n
    lines = [f"{'':32}" + "".join(f"{name:>13}" for name in ("cases", *COLUMNS))]
    for way, kind in sorted(kinds, key=lambda key: (list(WAYS).index(key[0]), key[1])):
        found = kinds[way, kind]
        numbers = (found.total(), *(found[column] for column in COLUMNS))
        lines.append(f"{f'{way}, {kind}':32}" + "".join(f"{n:13,}" for n in numbers))
    lines.append(f"\nAll: {tally.total():,}")
    lines += [f"    {n:7,}  {outcome}" for outcome, n in outcomes.most_common()]
    for cause, numbers_of in sorted(failures.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(map(str, numbers_of[:SHOWN]))
        lines.append(f"\nFAILED {len(numbers_of):,} times: {cause}\n    cases {shown}")
    return "\n".join(lines) + "\n"


def _column(outcome: str) -> str:
    """The column of the table that counts an outcome."""
    if outcome == "FAILED":
        return "failed"
    if ", then" in outcome:
        return "new refused"
    return "predicted" if outcome.startswith(("predict", "infinite", "exit code 0")) else "refused"


def main(argv: Sequence[str], machine: dict[str, Any]) -> None:
    """Run cases and print what became of them; or one case, and print what it is."""
    parser = argparse.ArgumentParser("python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--case", type=int, help="run this one only")
    parser.add_argument("--check", action="store_true", help="write no file")
    given = parser.parse_args(argv)
    if given.case is not None:
        with tempfile.TemporaryDirectory() as name:
            result = run_case(given.case, given.seed, Path(name), show=True)
        print(*result.notes, f"{result.outcome} {result.cause}", sep="\n")
        return
    start = time.monotonic()
    numbers = range(given.first, given.first + given.cases)
    tally, failures, slowest = run(numbers, given.seed, given.minutes)
    text = as_text(tally, failures)
    seconds = time.monotonic() - start
    print(f"{text}{seconds:.0f} s, the slowest case {slowest:.1f} s")
    if given.check:
        raise SystemExit(1 if failures else 0)
    head = f"python -m benchmarks fuzz --cases {tally.total()} --seed {given.seed}"
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    TALLY.write_text(f"{head}\n{about}\n{seconds:.0f} s, the slowest {slowest:.1f} s\n\n{text}")
