"""Signals, full disks, too little memory, and model files that are damaged or malicious.

Faults happen to processes of their own. These are forked from one that has imported everything, so
that each takes a moment.
"""

import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import main, models
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.errors import InputError
from tests.helpers import fitted

ROOT = Path(__file__).parents[1]
FIT = ["fit", "a.csv", "--target", "y", "--hidden", "2", "--max-iter", "20", "--folds", "2"]
UNEXPECTED = 99
"""The exit code of a child whose function has raised an exception."""


def write_table(path: Path) -> None:
    """Numbers and a category, and a function of the numbers."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=60), "c": rng.choice(["a", "b"], 60)})
    table.assign(y=np.sin(table["x"])).to_csv(path, index=False)


# What the children do -------------------------------------------------------------------------


def serve() -> None:
    """Fork a child for each line of the standard input, and print how it has ended.

    One that imports what is imported when it is first used comes before.
    """
    of_meter.FIRST_LINE = 600.0  # however slow the machine
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        write_table(Path(folder, "a.csv"))
        main([folder + "/a.csv", *FIT[2:], "--save", folder + "/m.skops"])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(*json.loads(line))
        status = os.waitpid(child, 0)[1]
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _run(name: str, folder: str, arguments: list[Any]) -> None:
    """Run a function of this module, as the last that this process does."""
    code = 130  # of an interruption outside of it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    try:
        os.chdir(folder)
        os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        out, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
        print("begun", os.getpid(), file=out, flush=True)
        code = globals()[name](*arguments)
        code = int(code or 0)
    except SystemExit as error:
        code = int(error.code or 0)
    except Exception:
        traceback.print_exc()
        code = UNEXPECTED
    finally:
        sys.stderr.flush()
        os._exit(code)


def command(arguments: list[str]) -> int:
    """The command line."""
    return main(arguments)


def command_that_stops_while_it_writes(arguments: list[str]) -> int:
    """The same, with a model of which half is written when nothing happens any more."""

    def write_bytes(path: Path, data: bytes) -> NoReturn:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        Path("writing").touch()
        time.sleep(60)
        raise AssertionError("no signal came")

    Path.write_bytes = write_bytes  # type: ignore[method-assign, assignment]
    return main(arguments)


def command_whose_model_takes_a_second(arguments: list[str]) -> int:
    """The same, with the weights still open in the ZIP file for a second."""

    def dumps(model: object, **options: Any) -> bytes:
        with zipfile.ZipFile(whole := BytesIO(), "w") as file:
            weights = file.open("weights", "w")
            Path("writing").touch()
            time.sleep(1)  # a moment before the `with` that would close the weights in any case
            weights.close()
        return whole.getvalue()

    skops.io.dumps = dumps
    return main(arguments)


def command_with_a_full_disk(arguments: list[str], n_bytes: int) -> int:
    """The same, where no file can become larger than this."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    return main(arguments)


def command_with_little_memory(arguments: list[str], n_bytes: int) -> int:
    """The same, with this much more memory than the process has now."""
    limit_memory(n_bytes)
    return main(arguments)


def limit_memory(n_bytes: int) -> None:
    """Let this process have only so much more memory than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fit_with_little_memory(method: str, n_bytes: int, parameters: dict[str, Any]) -> None:
    """A fit raises a MemoryError, after which the estimator is as before."""
    X = np.random.default_rng(0).normal(size=(3000, 40))
    y = np.sin(X[:, 0])
    model = SigmoidMLPRegressor((5,), random_state=0, **{"max_iter": 3, **parameters})
    if method == "partial_fit":
        model.partial_fit(X[:50, :3], y[:50])
        wide = np.repeat(X[:, :3], 2000, axis=0)
        data = wide, np.repeat(y, 2000)
    else:
        fitted(model, X[:50], y[:50])
        model.set_params(hidden_layer_sizes=(3000,))
        data = X, y
    before = dict(vars(model))
    expected = model.predict(X[:50, : model.n_features_in_])
    limit_memory(n_bytes)
    try:
        getattr(model, method)(*data)
    except MemoryError:
        pass
    else:
        raise AssertionError("the memory was enough")
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    np.testing.assert_array_equal(model.predict(X[:50, : model.n_features_in_]), expected)


# Running them ---------------------------------------------------------------------------------


class Ended(NamedTuple):
    """How a child has ended."""

    code: int
    seconds: float
    err: str


class Server:
    """The process that forks the children."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, name: str, *arguments: Any) -> int:
        """Begin a function in this folder. Returns the number of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, str(Path().resolve()), arguments]) + "\n")
        self._process.stdin.flush()
        word, pid = self._answer()
        assert word == "begun"
        self._begun = time.monotonic()
        return int(pid)

    def end(self) -> Ended:
        """Wait for its end."""
        word, code = self._answer()
        assert word == "ended"
        return Ended(int(code), time.monotonic() - self._begun, Path("stderr").read_text())

    def run(self, name: str, *arguments: Any) -> Ended:
        """Run a function to its end."""
        self.begin(name, *arguments)
        return self.end()

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", "from tests.test_faults import serve; serve()"],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(autouse=True)
def in_a_folder_with_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(Path("a.csv"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    folder = tmp_path_factory.mktemp("old")
    pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30.0)}).to_csv(folder / "a.csv")
    arguments = ["--target", "y", "--hidden", "0", "--folds", "0", "--save"]
    assert main([str(folder / "a.csv"), *arguments, str(folder / "m.skops")]) == 0
    return folder / "m.skops"


def names() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"stderr", "writing"}


# Signals --------------------------------------------------------------------------------------


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("number", "codes"),
    [(signal.SIGINT, {0, 130}), (signal.SIGTERM, {0, 143, -signal.SIGTERM})],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_at_any_moment_leaves_the_old_model_or_a_whole_new_one(
    number: signal.Signals, codes: set[int], server: Server, old: Path
) -> None:
    arguments = [*FIT, "--save", "m.skops"]
    whole = server.run("command", arguments)
    assert whole.code == 0, whole.err
    moments = random.Random(0)
    for _ in range(12):
        shutil.copy(old, "m.skops")
        child = server.begin("command", arguments)
        time.sleep(moments.uniform(0, 1.1 * whole.seconds))
        with suppress(ProcessLookupError):  # where it has ended
            os.kill(child, number)
        ended = server.end()
        assert ended.code in codes, ended.err
        assert "Traceback" not in ended.err
        if Path("m.skops").read_bytes() != old.read_bytes():
            assert models.load(Path("m.skops")).about_["target"] == "y"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("kind", "is_in_the_folder"),
    [("command_that_stops_while_it_writes", True), ("command_whose_model_takes_a_second", False)],
    ids=["file", "memory"],
)
@pytest.mark.slow
def test_a_signal_in_the_middle_of_a_write_leaves_nothing_behind(
    kind: str, is_in_the_folder: bool, number: signal.Signals, code: int, server: Server
) -> None:
    Path("m.skops").write_text("old")
    before = names()
    child = server.begin(kind, [*FIT, "--save", "m.skops"])
    while not Path("writing").exists():
        time.sleep(0.01)
    assert bool(names() - before) is is_in_the_folder
    os.kill(child, number)
    ended = server.end()
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert names() == before
    assert Path("m.skops").read_text() == "old"


# Memory and disk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("fit", {"solver": "lm", "alpha": "auto"}),
        ("fit", {"solver": "lm", "alpha": 1.0}),
        ("fit", {"solver": "lbfgs"}),
        ("partial_fit", {"solver": "adam", "batch_size": 10**6}),
    ],
    ids=lambda value: value if isinstance(value, str) else value["solver"],
)
@pytest.mark.slow
def test_too_little_memory_is_an_error_that_leaves_the_estimator_as_it_was(
    method: str, parameters: dict[str, Any], server: Server
) -> None:
    for n_megabytes in (1, 4):
        ended = server.run("fit_with_little_memory", method, n_megabytes << 20, parameters)
        assert ended.code == 0, ended.err


@pytest.mark.nightly
def test_too_little_memory_is_one_line(server: Server) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(40_000, 20)))
    table.to_csv("large.csv", index=False)
    arguments = ["fit", "large.csv", "--target", "9", "--folds", "0"]
    ended = server.run("command_with_little_memory", arguments, 2 << 20)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("error: there is not enough memory")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", ["m.skops", "m.joblib"])
def test_a_disk_that_is_full_leaves_the_old_model(name: str, server: Server) -> None:
    Path(name).write_text("old")
    before = names()
    for n_bytes in (1000, 5000):
        ended = server.run("command_with_a_full_disk", [*FIT, "--save", name], n_bytes)
        assert ended.code == 2
        assert "File too large" in ended.err
        assert ended.err.count("\n") == 1
        assert names() == before
        assert Path(name).read_text() == "old"


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.feather", "p.xlsx"])
def test_a_disk_that_is_full_leaves_the_old_predictions(
    name: str, server: Server, old: Path
) -> None:
    pd.DataFrame({"x": np.arange(3000.0)}).to_csv("new.csv")
    Path(name).write_text("old")
    before = names()
    arguments = ["predict", str(old), "new.csv", "--out", name]
    ended = server.run("command_with_a_full_disk", arguments, 1000)
    assert ended.code == 2
    assert "File too large" in ended.err
    assert ended.err.count("\n") == 1
    assert names() == before
    assert Path(name).read_text() == "old"


# Damaged and malicious files ------------------------------------------------------------------


def test_a_torn_model_is_refused(old: Path) -> None:
    content = old.read_bytes()
    cut = random.Random(0)
    for _ in range(60):
        Path("m.skops").write_bytes(content[: cut.randrange(len(content))])
        with pytest.raises(InputError, match=r"'m.skops' is damaged"):
            models.load(Path("m.skops"))


def test_a_model_with_a_wrong_bit_is_refused_or_the_same(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a few bytes, such as the dates of the archive, nothing depends."""
    content, bits = old.read_bytes(), random.Random(1)
    X = pd.DataFrame({"Unnamed: 0": [1.0, 7.0], "x": [1.0, 7.0]})
    expected, n_refused = models.load(old).predict(X), 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[bits.randrange(len(content))] ^= 1 << bits.randrange(8)
        Path("m.skops").write_bytes(damaged)
        try:
            found = models.load(Path("m.skops")).predict(X)
        except InputError:
            n_refused += 1
        else:
            np.testing.assert_array_equal(found, expected)
    assert n_refused > 75


def test_the_command_says_in_one_line_that_a_model_is_damaged(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(old.read_bytes())
    content[len(content) // 2] ^= 1
    Path("m.skops").write_bytes(content)
    for arguments in (["report", "m.skops"], ["predict", "m.skops", "a.csv"]):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: 'm.skops' is damaged")
        assert err.count("\n") == 1


class Harmful:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch harmed",)


def node(module: str, name: str, loader: str, **more: Any) -> dict[str, Any]:
    """A node of the schema of a skops file."""
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 1, **more}


ARGUMENT = node("builtins", "str", "JsonNode", content='"touch harmed"', is_json=True) | {
    "__id__": 2
}
ARGUMENTS = node("builtins", "tuple", "TupleNode", content=[ARGUMENT]) | {"__id__": 3}
SYSTEM = node("posix", "system", "FunctionNode", content="posix.system") | {"__id__": 4}


@pytest.mark.parametrize(
    "schema",
    [
        SYSTEM,
        node("posix", "system", "TypeNode"),
        node("posix", "system", "OperatorFuncNode", attrs=ARGUMENTS),
        node("posix", "system", "ReduceNode", content=ARGUMENTS, reduce=ARGUMENTS),
        node("subprocess", "Popen", "ObjectNode", content=ARGUMENTS),
        node(
            "functools", "partial", "PartialNode",
            content={"func": SYSTEM, "args": ARGUMENTS, "kwds": ARGUMENTS, "namespace": ARGUMENTS},
        ),
        node("builtins", "eval", "MethodNode", content={"func": "system", "obj": SYSTEM}),
        node("nowhere", "nothing", "NoSuchNode"),
    ],
    ids=lambda schema: schema["__loader__"],
)  # fmt: skip
def test_a_skops_file_that_names_other_types_is_refused_and_runs_nothing(
    schema: dict[str, Any], old: Path
) -> None:
    with zipfile.ZipFile(old) as archive:
        whole = json.loads(archive.read("schema.json"))
    with zipfile.ZipFile("m.skops", "w") as archive:
        versions = {name: whole[name] for name in ("protocol", "_skops_version")}
        archive.writestr("schema.json", json.dumps(schema | versions))
    with pytest.raises(InputError, match=r"is not loaded|is damaged"):
        models.load(Path("m.skops"))
    assert not Path("harmed").exists()


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump])
def test_a_pickle_with_the_name_of_a_skops_file_is_refused_and_runs_nothing(dump: Any) -> None:
    with Path("m.skops").open("wb") as file:
        dump(Harmful(), file)
    with pytest.raises(InputError, match="is damaged or no skops file"):
        models.load(Path("m.skops"))
    assert not Path("harmed").exists()
