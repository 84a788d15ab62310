"""All benchmarks, or some: a table of ratios, a JSON file, and what is generated from it.

    python -m benchmarks [NAME ...] [--threads 1 2] [--quick] [--output PATH]
    python -m benchmarks --report          # the tables and the figure, from the JSON alone
    python -m benchmarks tabular FOLDER    # data sets that you have: see tabular.py
    python -m benchmarks many_tables       # many real tables: see many_tables.py
    python -m benchmarks map               # over rows, columns and noise: see problem_map.py
    python -m benchmarks noise             # error bars where the noise is known: see noise.py
    python -m benchmarks counts            # counts and amounts: see counts.py
    python -m benchmarks small             # how stable the default is: see small_tables.py
    python -m benchmarks time_by_rows      # how the time grows: see time_by_rows.py
    python -m benchmarks beyond_memory     # files larger than the memory: see beyond_memory.py
    python -m benchmarks dask_rows         # rows in Dask collections: see dask_rows.py
    python -m benchmarks fuzz              # random inputs: see fuzz.py

Contenders take turns in one process, on the same data in the same dtype with as many threads, and
ratios are taken turn by turn. Each number of threads has a process of its own, as most libraries
read it but once.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmarks import (
    beyond_memory,
    counts,
    dask_rows,
    fuzz,
    many_tables,
    noise,
    peers,
    problem_map,
    report,
    small_tables,
    tabular,
    time_by_rows,
)

NAMES = (
    "steps",
    "lm_iteration",
    "time_to_target",
    "predictions",
    "grid_search",
    "growth",
    "memory",
    "import_time",
    "busy_neighbour",
)
ONCE = ("memory", "import_time", "growth", "grid_search")
"""Run with one thread only: more of them make no difference that could be told from noise."""

RESULTS = Path(__file__).with_name("results.json")
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "jax", "optimistix")
TABULAR_LIBRARIES = ("numpy", "scipy", "scikit-learn", "catboost", "pytabkit", "torch")
DASK_LIBRARIES = ("numpy", "scipy", "scikit-learn", "dask", "distributed")
FUZZ_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "dask", "skops")
MAP_LIBRARIES = ("numpy", "scipy", "scikit-learn")


def machine(libraries: Sequence[str] = LIBRARIES) -> dict[str, Any]:
    """What the figures were measured with."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **found,
    }


def run_here(names: list[str], threads: int, turns: int, quick: bool) -> list[dict[str, Any]]:
    """The records of some benchmarks, printed as they come."""
    peers.set_threads(threads)
    warnings.simplefilter("ignore", ConvergenceWarning)
    records = []
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        start = time.perf_counter()
        with threadpool_limits(threads):
            found = module.run(turns, threads, quick=quick)
        print(f"\n{(module.__doc__ or name).splitlines()[0]} Threads: {threads}.")
        print(report.text(found))
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
        for record in found:
            values = [value if np.isfinite(value) else None for value in record.values]
            records.append({**record._asdict(), "values": values, "threads": threads})
    return records


APART = {
    "tabular": (tabular.main, TABULAR_LIBRARIES),
    "many_tables": (many_tables.main, TABULAR_LIBRARIES),
    "map": (problem_map.main, MAP_LIBRARIES),
    "small": (small_tables.main, MAP_LIBRARIES),
    "time_by_rows": (time_by_rows.main, MAP_LIBRARIES),
    "beyond_memory": (beyond_memory.main, DASK_LIBRARIES),
    "dask_rows": (dask_rows.main, DASK_LIBRARIES),
    "fuzz": (fuzz.main, FUZZ_LIBRARIES),
}
"""Those with arguments and files of their own, and the libraries whose releases they note."""


def main() -> None:
    if sys.argv[1:2] in (["noise"], ["counts"]):
        (noise if sys.argv[1] == "noise" else counts).main(sys.argv[2:])
        return
    name, *others = sys.argv[1:] or [""]
    if name in APART:
        main_of, libraries = APART[name]
        main_of(others, machine(libraries))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="all, by default")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small cases, in a few minutes")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="PATH")
    parser.add_argument("--report", action="store_true", help="generate, and run nothing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or list(NAMES)
    if arguments.here:
        (threads,) = arguments.threads
        records = run_here(names, threads, arguments.turns, arguments.quick)
        arguments.output.write_text(json.dumps(records))
        return
    if not arguments.report:
        kept = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
        results = kept.get("records", [])
        for threads in arguments.threads:
            chosen = [n for n in names if threads == min(arguments.threads) or n not in ONCE]
            for name in chosen:
                results = [r for r in results if (r["script"], r["threads"]) != (name, threads)]
                for record in in_a_process(name, threads, arguments.turns, arguments.quick):
                    results.append({"script": name, **record})
                written = {"machine": machine(), "records": results}
                arguments.output.write_text(json.dumps(written, indent=1) + "\n")
    if not arguments.quick:
        report.generate(json.loads(arguments.output.read_text()))


def in_a_process(name: str, threads: int, turns: int, quick: bool) -> list[dict[str, Any]]:
    """The records of one benchmark by so many threads, from an interpreter of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.json"
        command = [sys.executable, "-m", "benchmarks", name, "--here", "--threads", str(threads)]
        command += ["--turns", str(turns), "--output", str(path), *(["--quick"] if quick else [])]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=environment)
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found


if __name__ == "__main__":
    main()
