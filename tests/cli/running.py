"""Running the command line, and reading what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sklearn_mlp
from sklearn_mlp.cli import main

TARGET = "progression"
QUICK = ["--solver", "lbfgs", "--hidden", "2", "--max-iter", "3", "--folds", "2"]
LINEAR = ["--hidden", "0", "--solver", "lbfgs"]


def run_as_a_program(*arguments: str, folder: Path) -> str:
    """Run ``python -m sklearn_mlp`` in a process of its own, and give what it prints."""
    package = Path(sklearn_mlp.__file__).parents[1]
    done = subprocess.run(
        # Older releases of matplotlib call pyparsing by names that are deprecated.
        [
            sys.executable,
            "-Werror",
            "-Wignore::DeprecationWarning",
            "-m",
            "sklearn_mlp",
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0
    assert all(line.endswith("left") or " left  iter" in line for line in done.stderr.splitlines())
    return done.stdout


def article_rmse(output: str) -> tuple[float, float]:
    """The RMSE of the article and that of this network."""
    found = re.findall(r"^RMSE of .*: +([\d.e+-]+)", output, re.M)
    assert len(found) == 2
    return float(found[0]), float(found[1])


def reported(output: str, group: str, model: str = "this network") -> list[float]:
    """R², RMSE, log density and coverage of a model in a group of rows."""
    lines = output.splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.startswith(f"{group}, ")]
    (line,) = [line for line in lines[first : first + 4] if line.startswith(f"  {model}")]
    numbers = re.findall(r"(?<!± )-?[\d,]+(?:\.\d+)?(?= ±|% ±)", line)
    return [float(number.replace(",", "")) for number in numbers]


def became(output: str) -> dict[str, str]:
    """What the report says of each kind of columns."""
    found: dict[str, str] = {}
    label = ""
    for line in output.split("\n\n")[0].splitlines():
        label = line[:16].strip() or label
        found[label] = f"{found.get(label, '')} {line[16:]}".strip()
    return found


def check_error(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr that starts with "error:", and exit code 2."""
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert message in err


def write_file(content: str | bytes) -> str:
    path = Path("data.csv")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def a_table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = rng.normal(size=n).round(3)
    days = pd.date_range("2024-01-01", periods=n, freq="3D")
    return pd.DataFrame(
        {"Tag": days, "Maß": x, "Gerät": rng.choice(["groß", "klein"], n), "y": 2 * x}
    )


def german(table: pd.DataFrame, path: str) -> None:
    table.assign(Tag=table["Tag"].dt.strftime("%d.%m.%Y")).to_csv(
        path, sep=";", decimal=",", encoding="cp1252", index=False
    )
