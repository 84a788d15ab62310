"""What Dask costs and what its workers gain: rows in Dask collections against rows in memory.

    python -m benchmarks dask_rows [PART ...] [--rows 2000000] [--turns 3] [--quick] [--out PATH]
    python -m benchmarks dask_rows --report    # the text and the picture, from the JSON alone

The parts are

- overhead: "lm" on a Dask array, one thread, against the same array in memory;
- workers: two worker processes against one, on data that they hold in memory;
- bytes: what comes to this process, for some rows and for four times as many;
- partial_fit: against a loop of ``MLPRegressor.partial_fit`` over the same chunks, behind a
  ``StandardScaler``: the time to the test error that our fit comes to;
- rows: the time against the number of rows;
- inputs: what the calculation for a large cluster in the documentation needs to know.

A part that is run replaces its figures in the JSON file. All with one BLAS thread.
"""

import argparse
import csv
import json
import logging
import os
import pickle
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cho_factor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.beyond_memory import NOISE, block
from benchmarks.report import ROOT, TABLES, spread
from benchmarks.timing import interleaved
from sklearn_mlp import SigmoidMLPRegressor, distributed
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Budget, Rows

PAPER = TABLES / "dask_paper.csv"
RESULTS = Path(__file__).with_name("dask_rows.json")
SECTION = TABLES / "dask_rows.txt"
FIGURE = ROOT / "docs" / "images" / "scaling_out.png"
QUICK = 50
"""How many times fewer rows --quick takes."""
N_PARTITIONS = 20
CHUNK = 10_000
"""Rows of a chunk of the stream."""
MOST_TIMES = 6
"""The loop over chunks is given up when it has taken so many times as long as our fit."""
N_TEST = 20_000
ONE_THREAD = "Dask with one thread / in memory"

ON_PAPER = (10**7, 100)
"""Rows and columns of each worker in the calculation for a large cluster. 100 workers hold 10^9."""
N_WORKERS = 100
PARTITIONS = (100, 10)
"""Partitions of a worker: of 80 MB, and of 800 MB."""
TASKS_OF_A_PARTITION = 2 + 1 / 3
"""Tasks of a pass: one that gives the arrays, one that sums, and a part of an addition."""
BYTES_PER_SECOND = 1e9
"""Of the network between two machines."""

Figures = dict[str, Any]


def lm(n_units: int, max_iter: int = 1) -> SigmoidMLPRegressor:
    """A few iterations with a penalty that is given."""
    return SigmoidMLPRegressor(
        (n_units,), solver="lm", alpha=1e-4, max_iter=max_iter, random_state=0
    )


def adam(n_units: int) -> SigmoidMLPRegressor:
    """One epoch."""
    return SigmoidMLPRegressor((n_units,), solver="adam", alpha=1e-4, max_iter=1, random_state=0)


def in_dask(X: np.ndarray, y: np.ndarray, n_partitions: int = N_PARTITIONS) -> tuple[Any, Any]:
    """The same rows as Dask arrays."""
    import dask.array as da

    n = -(-len(X) // n_partitions)
    return da.from_array(X, chunks=(n, -1)), da.from_array(y, chunks=n)


@contextmanager
def one_thread() -> Iterator[None]:
    """Dask runs its tasks one after the other, in threads of this process."""
    import dask

    with dask.config.set(scheduler="threads", num_workers=1):
        yield


def processor_seconds(
    contenders: Mapping[str, Callable[[], object]], turns: int
) -> dict[str, list[float]]:
    """Processor seconds of this process that each takes, in turns. Other work does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return seconds


# The parts ------------------------------------------------------------------------------------


def overhead(n_rows: int, turns: int) -> list[Figures]:
    """Processor seconds of "lm" on 20 columns, by 50 units, and what else Dask takes."""
    X, y = block(0, n_rows)
    dX, dy = in_dask(X, y)
    sides = {"in memory": partial(lm(50).fit, X, y), "Dask": partial(lm(50).fit, dX, dy)}
    with one_thread():
        seconds = processor_seconds(sides, turns)
    return [{"case": "lm", "rows": n_rows, "seconds": seconds}]


def workers(n_rows: int, turns: int) -> list[Figures]:
    """Seconds of a fit on one worker process and on two, in turn.

    By the clock, and by the processor of the worker that works most. The second does not count the
    other work on a busy machine, nor what this process does.
    """
    from dask.distributed import Client, LocalCluster

    found = []
    for name, model in (("lm", lm(30, 2)), ("lbfgs", lbfgs(50))):
        contenders: dict[str, Callable[[], None]] = {}
        clusters: list[tuple[Any, Any]] = []
        busiest: dict[str, list[float]] = {}
        for n in ("1", "2"):
            cluster = LocalCluster(
                n_workers=int(n), threads_per_worker=1, processes=True, dashboard_address=":0"
            )
            client = Client(cluster, set_as_default=False)
            clusters.append((client, cluster))
            with client.as_current():
                held = client.persist(on_workers(n_rows))
            busiest[n] = []
            contenders[n] = partial(fit_by, client, model, held, busiest[n])
        seconds = interleaved(contenders, turns)
        for client, cluster in clusters:
            client.close()
            cluster.close()
        found.append({
            "case": name, "rows": n_rows, "seconds": {n: s.tolist() for n, s in seconds.items()},
            "cpu": {n: s[-turns:] for n, s in busiest.items()},
        })  # fmt: skip
    return found


def lbfgs(n_units: int) -> SigmoidMLPRegressor:
    """Ten iterations."""
    return SigmoidMLPRegressor((n_units,), solver="lbfgs", alpha=1e-4, max_iter=10, random_state=0)


def on_workers(n_rows: int) -> tuple[Any, Any]:
    """Dask arrays whose rows are made on the workers."""
    import dask.array as da
    from dask import delayed

    n = n_rows // N_PARTITIONS
    made = [delayed(block, nout=2)(i, n) for i in range(N_PARTITIONS)]
    X = da.concatenate([da.from_delayed(x, (n, 20), float) for x, _ in made])
    return X, da.concatenate([da.from_delayed(y, (n,), float) for _, y in made])


def fit_by(
    client: Any, model: SigmoidMLPRegressor, data: tuple[Any, Any], busiest: list[float]
) -> None:
    """Fit on the workers of this client, and add the processor seconds of the busiest of them."""
    before = client.run(time.process_time)
    with client.as_current():
        model.fit(*data)
    after = client.run(time.process_time)
    busiest.append(max(after[worker] - before[worker] for worker in before))


def bytes_to_here(n_rows: int, turns: int) -> list[Figures]:
    """Bytes that come to this process in a fit, and in how many computations."""
    compute = distributed.compute
    found = []
    for name, model in (("lm", lm(20)), ("lbfgs", lbfgs(20)), ("adam", adam(20))):
        for n in (n_rows, 4 * n_rows):
            sizes: list[int] = []

            def measured(tasks: list[Any], sizes: list[int] = sizes) -> tuple[Any, ...]:
                results = compute(tasks)
                sizes.append(len(pickle.dumps(results)))
                return results

            distributed.compute = measured
            try:
                model.fit(*in_dask(*block(0, n)))
            finally:
                distributed.compute = compute
            found.append({"case": name, "rows": n, "bytes": sizes})
    return found


def against_partial_fit(n_rows: int, turns: int) -> list[Figures]:
    """Processor seconds until the test error of our fit is reached."""
    chunks = [block(i, CHUNK) for i in range(max(2, n_rows // CHUNK))]
    X_test, y_test = block(1_000_000, N_TEST)
    X, y = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    dX, dy = in_dask(X, y, len(chunks))
    start = time.process_time()
    with one_thread():
        model = SigmoidMLPRegressor(hidden_layer_sizes=(50,), random_state=0).fit(dX, dy)
    ours = time.process_time() - start
    target = rmse(model.predict(X_test), y_test)
    theirs, reached, epochs = loop(chunks, X_test, y_test, target, MOST_TIMES * ours)
    return [{
        "case": "partial_fit", "rows": len(X), "rmse": target, "ours": ours,
        "theirs": theirs, "rmse of theirs": reached, "epochs": epochs,
    }]  # fmt: skip


def rmse(predicted: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def loop(
    chunks: Sequence[tuple[np.ndarray, np.ndarray]],
    X_test: np.ndarray,
    y_test: np.ndarray,
    target: float,
    longest: float,
) -> tuple[float, float, int]:
    """Seconds of epochs over the chunks, the least test error, and the number of epochs.

    The test error is not part of the time. The target is scaled, which helps.
    """
    start, looked = time.process_time(), 0.0
    scaler, y_scaler = StandardScaler(), StandardScaler()
    for X, y in chunks:
        scaler.partial_fit(X)
        y_scaler.partial_fit(y[:, np.newaxis])
    model = MLPRegressor(hidden_layer_sizes=(50,), random_state=0)
    least, epoch, rng = np.inf, 0, np.random.default_rng(0)
    while least > target and time.process_time() - start - looked < longest:
        for i in rng.permutation(len(chunks)):
            X, y = chunks[i]
            model.partial_fit(scaler.transform(X), y_scaler.transform(y[:, np.newaxis]).ravel())
        epoch += 1
        before = time.process_time()
        predicted = model.predict(scaler.transform(X_test))[:, np.newaxis]
        least = min(least, rmse(y_scaler.inverse_transform(predicted).ravel(), y_test))
        looked += time.process_time() - before
    return time.process_time() - start - looked, least, epoch


def by_rows(n_rows: int, turns: int) -> list[Figures]:
    """Processor seconds of an iteration of "lm" and of an epoch of "adam", by 20 units."""
    found = []
    for n in (n_rows // 64, n_rows // 16, n_rows // 4, n_rows):
        X, y = block(0, n)
        data = {"in memory": (X, y), "Dask": in_dask(X, y)}
        for name, model in (("lm", lm(20)), ("adam", adam(20))):
            contenders = {side: partial(model.fit, *rows) for side, rows in data.items()}
            with one_thread():
                seconds = processor_seconds(contenders, turns)
            found.append({"case": name, "rows": n, "seconds": seconds})
    return found


def inputs(n_rows: int, turns: int) -> list[Figures]:
    """What a row, a matrix over the weights and a task cost, for 100 columns."""
    found = []
    rng = np.random.RandomState(0)
    X = rng.standard_normal((max(500, n_rows // 200), 100))
    # Where the rows are few, the last forward pass would be kept.
    rows = Rows(X, X[:, :1], budget=Budget(kept=0))
    for n_units in (10, 49):
        network = Network([100, n_units, 1], "sigmoid")
        w, objective = network.initial_weights(rng), Objective(network, rows, 0.0)
        sums = objective.gauss_newton(w)
        matrix = np.eye(network.n_parameters)
        timed: dict[str, Callable[[], object]] = {
            "products": partial(objective.gauss_newton, w),
            "errors": partial(objective.errors, w),
            "gradient": partial(objective.value_and_gradient, w),
            "factor": partial(cho_factor, matrix),
            "add": partial(np.add, matrix, matrix, matrix.copy()),
        }
        seconds = {name: float(np.median(s)) for name, s in processor_seconds(timed, turns).items()}
        found.append({
            "case": "network", "rows": len(X), "parameters": network.n_parameters,
            "bytes": len(pickle.dumps(sums)), **seconds,
        })  # fmt: skip
    return [*found, reading(X, turns), scheduling(turns)]


def reading(X: np.ndarray, turns: int) -> Figures:
    """Seconds to read the rows from a Parquet file."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).to_parquet(
            path, compression=None
        )
        seconds = processor_seconds({"read": partial(pd.read_parquet, path)}, turns)["read"]
    return {"case": "Parquet", "rows": len(X), "seconds": float(np.median(seconds))}


def scheduling(turns: int) -> Figures:
    """Processor seconds of the client and the scheduler for a task that does nothing.

    Both are in this process, and the worker is not.
    """
    from dask import compute, delayed
    from dask.distributed import Client, LocalCluster

    n_tasks = 1_000
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):

        def run() -> None:
            compute(*[delayed(abs, pure=False)(i) for i in range(n_tasks)])

        run()
        seconds = processor_seconds({"tasks": run}, turns)["tasks"]
    return {"case": "task", "tasks": n_tasks, "seconds": float(np.median(seconds)) / n_tasks}


PARTS: dict[str, tuple[Callable[[int, int], list[Figures]], int]] = {
    "overhead": (overhead, 1),
    "workers": (workers, 2),
    "bytes": (bytes_to_here, 10),
    "partial_fit": (against_partial_fit, 4),
    "rows": (by_rows, 2),
    "inputs": (inputs, 1),
}
"""Each part, and how many times fewer rows than asked for it takes."""


# What is made of the figures ------------------------------------------------------------------


def text(results: dict[str, list[Figures]]) -> list[str]:
    """All parts in lines."""
    writers: dict[str, Callable[[Figures], str]] = {
        "overhead": lambda f: ratio_line(
            f, "Dask", "in memory", "Dask with one thread / in memory"
        ),
        "workers": workers_line,
        "bytes": bytes_line,
        "partial_fit": loop_line,
        "rows": lambda f: ratio_line(f, "Dask", "in memory", ONE_THREAD),
        "inputs": input_line,
    }
    return [writers[part](f) for part in PARTS for f in results.get(part, [])]


def ratio_line(f: Figures, above: str, below: str, name: str) -> str:
    over, under = (np.array(f["seconds"][side]) for side in (above, below))
    seconds = f"{np.median(over):.3g} s and {np.median(under):.3g} s"
    return f"{f['case']}, {f['rows']:,} rows: {name} {spread(over / under)}; {seconds}"


def workers_line(f: Figures) -> str:
    one, two = (np.array(f["cpu"][n]) for n in ("1", "2"))
    return (
        f"{ratio_line(f, '1', '2', 'one worker process / two')} by the clock; "
        f"{spread(one / two)} by the processor of the busier worker, "
        f"{np.median(one):.3g} s and {np.median(two):.3g} s"
    )


def bytes_line(f: Figures) -> str:
    return (
        f"{f['case']}, {f['rows']:,} rows: {sum(f['bytes']):,} bytes in {len(f['bytes'])} "
        f"computations, at most {max(f['bytes']):,} in one"
    )


def loop_line(f: Figures) -> str:
    reached = f["rmse of theirs"] <= f["rmse"]
    end = "" if reached else f", and has come to {f['rmse of theirs']:.4f}"
    return (
        f"{f['rows']:,} rows, test RMSE {f['rmse']:.4f} (noise {NOISE:g}): ours {f['ours']:.1f} s; "
        f"the loop of MLPRegressor.partial_fit {'' if reached else 'more than '}"
        f"{f['theirs'] / f['ours']:.1f} times as long, {f['epochs']} epochs{end}"
    )


def input_line(f: Figures) -> str:
    if f["case"] == "Parquet":
        return f"reading Parquet: {1e6 * f['seconds'] / f['rows']:.2f} µs a row of 100 columns"
    if f["case"] == "task":
        return f"scheduling: {1e3 * f['seconds']:.2f} ms a task"
    per_row = ", ".join(
        f"{name} {1e6 * f[name] / f['rows']:.1f}" for name in ("products", "errors", "gradient")
    )
    return (
        f"{f['parameters']:,} parameters, µs a row: {per_row}; {f['bytes'] / 1e6:.1f} MB of "
        f"totals, added in {f['add']:.3f} s; Cholesky {f['factor']:.2f} s"
    )


def generate(results: dict[str, Any]) -> None:
    """The text and the picture of the docs."""
    versions = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = [f"Measured with {versions}.", "", "::", ""]
    lines += [f"    {line}" for line in text(results["parts"])]
    SECTION.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if "inputs" in results["parts"]:
        with PAPER.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(on_paper(results["parts"]["inputs"]))
    draw(results["parts"], FIGURE)


def on_paper(inputs: Sequence[Figures]) -> list[list[str]]:
    """A table of what a pass of "lm" takes on a large cluster, by multiplication."""
    networks = [f for f in inputs if f["case"] == "network"]
    per_task = next(f["seconds"] for f in inputs if f["case"] == "task")
    parquet = next(f for f in inputs if f["case"] == "Parquet")
    n_rows, n_columns = ON_PAPER
    reading = parquet["seconds"] / parquet["rows"] * n_rows
    found = {
        "products of the derivatives, s": [f["products"] / f["rows"] * n_rows for f in networks],
        "errors of a trial step, s": [f["errors"] / f["rows"] * n_rows for f in networks],
        "reading from Parquet, s": [reading for _ in networks],
        "the sums that come to the client, MB": [f["bytes"] / 1e6 for f in networks],
        "Cholesky factorisation by the client, s": [f["factor"] for f in networks],
    }
    for parts in PARTITIONS:
        size = f"partitions of {8 * n_rows * n_columns // parts // 10**6} MB"
        scheduling = TASKS_OF_A_PARTITION * parts * N_WORKERS * per_task
        moved = [parts * f["bytes"] / BYTES_PER_SECOND for f in networks]
        found[f"{size}: client and scheduler, s"] = [scheduling for _ in networks]
        found[f"{size}: adding the sums, s"] = [parts * f["add"] for f in networks]
        found[f"{size}: moving each sum once, s"] = moved
    header = ["", *(f"P = {f['parameters']:,}" for f in networks)]
    return [header, *([name, *map(two_digits, values)] for name, values in found.items())]


def two_digits(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def draw(results: dict[str, list[Figures]], path: Path) -> None:
    """Seconds against rows, and against workers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    for case, colour in (("lm", "C0"), ("adam", "C1"), ("lbfgs", "C2")):
        found = [f for f in results.get("rows", []) if f["case"] == case]
        for side, style in (("in memory", "o-"), ("Dask", "s--")):
            seconds = [float(np.median(f["seconds"][side])) for f in found]
            if found:
                rows = [f["rows"] for f in found]
                left.loglog(rows, seconds, style, ms=4, color=colour, label=f'"{case}", {side}')
        for f in (f for f in results.get("workers", []) if f["case"] == case):
            seconds = [float(np.median(f["cpu"][n])) for n in ("1", "2")]
            right.plot([1, 2], seconds, "o-", ms=4, color=colour, label=f'"{case}"')
            right.plot([1, 2], [seconds[0], seconds[0] / 2], ":", color=colour)
    left.set(xlabel="rows", ylabel="processor seconds", title="an iteration, one thread")
    right.set(
        xlabel="worker processes", ylabel="processor seconds, busier worker",
        title="a fit (dotted: half the time by two)", xticks=[1, 2],
    )  # fmt: skip
    right.set_ylim(bottom=0)
    for ax in (left, right):
        ax.grid(alpha=0.3)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=7, frameon=False)
    figure.savefig(path)


# The command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks dask_rows", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, by default")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the largest part")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} times fewer rows, one turn")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="PATH")
    parser.add_argument("--report", action="store_true", help="generate, and measure nothing")
    chosen = parser.parse_args(arguments)
    n_rows, turns = chosen.rows, chosen.turns
    if chosen.quick:
        n_rows, turns = n_rows // QUICK, 1
    results = json.loads(chosen.out.read_text()) if chosen.out.exists() else {"parts": {}}
    os.environ["OMP_NUM_THREADS"] = "1"  # of worker processes
    logging.getLogger("distributed").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", ConvergenceWarning)
    # Few rows would otherwise come to the memory of this process.
    distributed.Budget = partial(Budget, kept=0)  # type: ignore[misc, assignment, attr-defined]
    for part in [] if chosen.report else chosen.parts or PARTS:
        measure, fewer = PARTS[part]
        with threadpool_limits(1):
            found = measure(n_rows // fewer, turns)
        print("\n".join([f"\n{part}", *text({part: found})]), flush=True)
        results = {"machine": machine, "parts": {**results["parts"], part: found}}
        chosen.out.write_text(json.dumps(results, indent=1) + "\n")
    if chosen.out == RESULTS and not chosen.quick:
        generate(results)
