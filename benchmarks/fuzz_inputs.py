"""Random inputs for the fuzz run: values, arrays, tables, weights, parameters and files.

Each function draws from the generator that it is given, so that a case follows from its number.
Most inputs are ordinary in most respects, and strange in one or two.
"""

import gzip
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

Rng = np.random.Generator

STRANGE = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 5e-324, 0.0, -0.0, 1e38, 1.7e308)


def among(rng: Rng, choices: Sequence[Any]) -> Any:
    """One of these."""
    return choices[int(rng.integers(len(choices)))]


def chance(rng: Rng, share: float) -> bool:
    """True in this share of the cases."""
    return bool(rng.random() < share)


# Values ---------------------------------------------------------------------------------------


def _mixed_scales(rng: Rng, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) * 10.0 ** rng.uniform(-300, 300, size=shape)


def _column_scales(rng: Rng, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) * 10.0 ** rng.uniform(-20, 20, size=shape[1:])


def _offset(rng: Rng, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) + 10.0 ** rng.uniform(0, 17)


def _repeated(rng: Rng, shape: tuple[int, ...]) -> Any:
    values = rng.normal(size=shape)
    return np.broadcast_to(values[..., :1], shape).copy() if shape and shape[-1] else values


VALUES: dict[str, Callable[[Rng, tuple[int, ...]], Any]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "whole numbers": lambda rng, shape: rng.integers(-3, 4, size=shape).astype(float),
    "counts": lambda rng, shape: rng.integers(0, 4, size=shape).astype(float),
    "positive": lambda rng, shape: rng.lognormal(size=shape),
    "constant": lambda rng, shape: np.full(shape, among(rng, (0.0, 0.1, -7.0, 1e20))),
    "equal columns": _repeated,
    "far from zero": _offset,
    "subnormal": lambda rng, shape: rng.integers(-9, 9, size=shape) * 5e-324,
    "about 1e300": lambda rng, shape: rng.normal(size=shape) * 1e300,
    "about 1e-300": lambda rng, shape: rng.normal(size=shape) * 1e-300,
    "about 1e150": lambda rng, shape: rng.normal(size=shape) * 1e150,
    "about 1e-160": lambda rng, shape: rng.normal(size=shape) * 1e-160,
    "about 1e38": lambda rng, shape: rng.normal(size=shape) * 1e38,
    "of all sizes": _mixed_scales,
    "columns of all sizes": _column_scales,
}


def values(rng: Rng, shape: tuple[int, ...], *, positive: bool = False) -> tuple[Any, str]:
    """Float64 values of a random kind, and its name. Some have strange numbers in places."""
    ordinary = ("positive", "counts") if positive else ("normal", "whole numbers")
    name = among(rng, ordinary if chance(rng, 0.5) else tuple(VALUES))
    array = np.asarray(VALUES[name](rng, shape))
    if positive and chance(rng, 0.9):
        array = np.abs(array)
    if array.size and chance(rng, 0.15):
        strange = among(rng, STRANGE)
        for _ in range(int(rng.integers(1, 3))):
            array.flat[int(rng.integers(array.size))] = strange
        name = f"{name} with {strange}"
    return array, name


# Arrays and tables ----------------------------------------------------------------------------

FLOATS = ("float64", "float32", "float16", "longdouble")
DTYPES = (*FLOATS, "bool", "int8", "uint8", "int32", "int64", "uint64", "complex128", ">f8", ">f4")


def _cast(rng: Rng, array: Any) -> tuple[Any, str]:
    """The values in another dtype."""
    with np.errstate(all="ignore"):
        dtype = among(rng, DTYPES)
        return array.astype(dtype), dtype


def _objects(rng: Rng, array: Any) -> tuple[Any, str]:
    found = np.asarray(array).astype(object)
    intruder = among(rng, (1, None, "a", "1.5", True, pd.NA, pd.NaT, 10**400, 1j, [1]))
    if found.size:
        found.flat[int(rng.integers(found.size))] = intruder
    return found, f"objects with {str(intruder)[:8]!r}"


def _texts(rng: Rng, array: Any) -> tuple[Any, str]:
    return array.astype(among(rng, ("U", "S"))), "texts"


def _dates(rng: Rng, array: Any) -> tuple[Any, str]:
    dtype = among(rng, ("datetime64[D]", "datetime64[ns]", "timedelta64[s]"))
    with np.errstate(all="ignore"):
        return np.nan_to_num(array, posinf=9, neginf=9).clip(-9, 9).astype(int).astype(dtype), dtype


def _laid_out(rng: Rng, array: Any) -> tuple[Any, str]:
    """The same values, elsewhere in memory."""
    name = among(rng, ("Fortran", "every second", "backwards", "read-only", "unaligned"))
    if name == "Fortran":
        array = np.asfortranarray(array)
    elif name == "every second" and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif name == "backwards" and array.ndim:
        array = array[::-1].copy()[::-1]
    elif name == "read-only":
        array = array.copy()
        array.flags.writeable = False
    elif name == "unaligned":
        raw = np.empty(array.nbytes + 1, dtype=np.uint8)
        found = raw[1:].view(array.dtype).reshape(array.shape)
        found[...] = array
        array = found
    return array, name


def _lists(rng: Rng, array: Any) -> tuple[Any, str]:
    found = array.tolist()
    if isinstance(found, list) and found and chance(rng, 0.2):
        among(rng, (lambda: found.append([1]), lambda: found.__setitem__(0, [1, 2, 3])))()
        return found, "ragged list"
    return (
        (tuple(found), "tuple") if isinstance(found, list) and chance(rng, 0.3) else (found, "list")
    )


def _sparse(rng: Rng, array: Any) -> tuple[Any, str]:
    if array.ndim != 2:
        return array, "array"
    kinds = ("csr_array", "csc_array", "coo_array", "lil_array", "bsr_array", "dok_array",
             "dia_array", "csr_matrix", "csc_matrix")  # fmt: skip
    name = among(rng, kinds)
    array = array * (rng.random(array.shape) < 0.6) if chance(rng, 0.5) else array
    with np.errstate(all="ignore"):
        return getattr(sp, name)(array), name


def _others(rng: Rng, array: Any) -> tuple[Any, str]:
    name = among(rng, ("masked array", "matrix", "None", "text", "number", "dict", "Series",
                       "set", "generator"))  # fmt: skip
    if name == "masked array":
        return np.ma.masked_array(array, rng.random(array.shape) < 0.2), name
    if name == "matrix":
        return (np.asmatrix(array), name) if array.ndim == 2 else (array, "array")
    if name == "Series":
        return (pd.Series(array.ravel()), name) if array.ndim else (array, "array")
    strange = {"None": None, "text": "abc", "number": 3.0, "dict": {"a": [1]}, "set": {1, 2},
               "generator": iter((1, 2))}  # fmt: skip
    return strange[name], name


EXTENSIONS = ("Int64", "Float64", "Float32", "boolean", "string", "category", "object",
              "datetime64[ns]", "timedelta64[ns]", "Sparse[float]", "int64", "bool", "period[D]",
              "float32")  # fmt: skip
NAMES = ("a", "b", "", " ", "a,b", "a;b", "ß", "日本", "\n", '"', "x" * 50, "nan", "0", "[1]<2",
         "y", "$\\frac$", "\x00", "a\tb", "'", "#", "\ufeff", "=1+1", "None",
         "y_predicted")  # fmt: skip


def _frame(rng: Rng, array: Any) -> tuple[Any, str]:
    if array.ndim not in (1, 2):
        return array, "array"
    table = pd.DataFrame(array)
    name = among(rng, ("frame", "names", "extension", "extension", "index"))
    if chance(rng, 0.1):
        name = among(rng, ("equal names", "mixed names", "several levels"))
    n = table.shape[1]
    if name in ("names", "extension"):
        table.columns = [f"{among(rng, NAMES)}{i}" for i in range(n)]
    elif name == "equal names":
        table.columns = ["a"] * n
    elif name == "mixed names":
        table.columns = [i if i % 2 else f"c{i}" for i in range(n)]
    elif name == "several levels" and n:
        table.columns = pd.MultiIndex.from_tuples([("a", i) for i in range(n)])
    elif name == "index":
        table.index = pd.Index(rng.permutation(len(table)) * 7)
    if name != "extension" or not n:
        return table, name
    dtype, column = among(rng, EXTENSIONS), table.columns[int(rng.integers(n))]
    try:
        series = table[column].astype(dtype)
        if len(series) and chance(rng, 0.3):
            series = series.copy()
            series.iloc[0] = None
        table[column] = series
    except (TypeError, ValueError, OverflowError):
        return table, "names"  # which has no such values
    return table, dtype


FORMS = {
    "array": lambda rng, array: (array, "float64"),
    "dtype": _cast,
    "objects": _objects,
    "texts": _texts,
    "dates": _dates,
    "layout": _laid_out,
    "list": _lists,
    "sparse": _sparse,
    "frame": _frame,
    "other": _others,
}
FORM_SHARES = (0.22, 0.17, 0.04, 0.02, 0.02, 0.1, 0.09, 0.1, 0.21, 0.03)


def formed(rng: Rng, array: Any) -> tuple[Any, str, str]:
    """The values as some kind of container, the name of the kind, and more of it."""
    form = str(rng.choice(list(FORMS), p=FORM_SHARES))
    with np.errstate(all="ignore"):
        found, detail = FORMS[form](rng, array)
    return found, form, detail


# Data -----------------------------------------------------------------------------------------


def shape_of_inputs(rng: Rng) -> tuple[int, ...]:
    """(rows, columns) mostly, and sometimes another number of dimensions or none of them."""
    n, p = int(among(rng, (1, 2, 3, 5, 8, 12, 20, 30))), int(among(rng, (1, 1, 2, 3, 4)))
    if chance(rng, 0.96):
        return n, p
    return among(rng, ((0, p), (n, 0), (0, 0), (n,), (), (n, p, 1), (0,)))


def shape_of_targets(rng: Rng, n: int, n_outputs: int | None = None) -> tuple[int, ...]:
    """(rows,) mostly, sometimes with several columns, and sometimes wrong."""
    if n_outputs is not None and chance(rng, 0.95):
        return (n, n_outputs) if n_outputs > 1 else (n,)
    if chance(rng, 0.96):
        return among(rng, ((n,), (n,), (n,), (n, 1), (n, 2)))
    return among(rng, ((n + 1,), (max(n - 1, 0),), (), (n, 0), (n, 1, 1), (1, n), (0,)))


def weights(rng: Rng, n: int) -> tuple[Any, str]:
    """The weights of the rows, or None, and their name."""
    if chance(rng, 0.75):
        return None, "None"
    s = rng.uniform(0.1, 3, size=n)
    some = rng.random(n) < 0.5
    found: dict[str, Any] = {
        "uniform": s,
        "some are 0": s * some,
        "all are 0": 0 * s,
        "one above 0": np.arange(n) == 0,
        "negative": np.where(some, -s, s),
        "tiny": s * 1e-300,
        "small": s * 1e-30,
        "huge": s * 1e300,
        "large": s * 1e30,
        "of all sizes": s * 10.0 ** rng.uniform(-300, 300, size=n),
        "of many sizes": s * 10.0 ** rng.uniform(-12, 12, size=n),
        "NaN": np.where(some, np.nan, s),
        "infinite": np.where(some, np.inf, s),
        "too many": np.ones(n + 1),
        "a number": 2.0,
        "a column": s[:, np.newaxis],
        "whole": rng.integers(0, 3, size=n),
        "texts": s.astype("U"),
        "a list": s.tolist(),
        "a Series": pd.Series(s),
        "float32": s.astype(np.float32),
    }
    name = among(rng, tuple(found))
    return found[name], name


# Parameters -----------------------------------------------------------------------------------

LOSSES = ("squared_error", "huber", "poisson", "gamma", "pinball")
SOLVERS = ("auto", "lm", "lbfgs", "adam", "sgd", "gd")

OPTIONS: dict[str, tuple[Any, ...]] = {
    "activation": ("sigmoid", "tanh", "relu", "softplus", "identity", "logistic"),
    "alpha": ("auto", 0, 1e-4, 1.0, 1e10, 1e300, 1e-300),
    "batch_size": (1, 3, 1000),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "learning_rate_init": (1e-3, 0.1, 1e3, 1e12, 1e-300, 1e300),
    "power_t": (0, 0.5, 100.0),
    "shuffle": (True, False),
    "tol": (0, 1e-4, 1e300),
    "warm_start": (True,),
    "momentum": (0.0, 0.9, 1.0),
    "nesterovs_momentum": (False,),
    "early_stopping": (True,),
    "validation_fraction": (0.0, 0.1, 0.5, 0.9),
    "beta_1": (0.0, 0.9, 1 - 1e-16),
    "beta_2": (0.0, 0.999, 1 - 1e-16),
    "epsilon": (1e-8, 1e-300, 1e300),
    "n_iter_no_change": (1, 3, np.inf),
    "max_fun": (1, 5),
    "n_init": (2, 3),
    "standardize": (False,),
    "huber_delta": (1e-300, 1.0, 1e300),
    "quantile": (1e-300, 0.5, 0.99, 1 - 1e-16),
    "noise": ("constant", "varying"),
}
"""Values that are documented, the ends of their ranges among them."""

REFUSED: dict[str, tuple[Any, ...]] = {
    "hidden_layer_sizes": (0, -1, (2, 0), "many", (2.5,), None, ((2,),), np.nan, ("a",)),
    "activation": ("sine", None),
    "loss": ("absolute", 3),
    "solver": ("newton", None),
    "alpha": (-1, np.nan, np.inf, "much"),
    "learning_rate_init": (0, -1, np.nan, np.inf),
    "max_iter": (0, 1.5, "2"),
    "random_state": (-1, "seed", 2**40),
    "validation_fraction": (1.0, -0.1),
    "tol": (np.nan, np.inf, -1),
    "huber_delta": (0, np.inf, np.nan),
    "quantile": (0, 1),
    "momentum": (np.nan, 2),
    "epsilon": (0, np.inf),
    "batch_size": (0, "all"),
    "n_init": (0,),
}


def parameters(rng: Rng) -> dict[str, Any]:
    """Parameters of the estimator. Training is short."""
    found: dict[str, Any] = {
        "hidden_layer_sizes": among(rng, ((), (1,), (2,), 3, (2, 2), [2], np.array([1, 2]), (20,))),
        "solver": among(rng, SOLVERS),
        "max_iter": int(rng.integers(1, 5)),
        "random_state": int(rng.integers(100)),
    }
    if chance(rng, 0.02):
        found["hidden_layer_sizes"] = "auto"
    if chance(rng, 0.3):
        found["loss"] = among(rng, LOSSES)
    if found["solver"] == "lm" and found.get("loss") in ("huber", "pinball"):
        found["alpha"] = 1e-4
    for name in rng.choice(list(OPTIONS), size=int(rng.integers(0, 4)), replace=False):
        found[str(name)] = among(rng, OPTIONS[str(name)])
    if chance(rng, 0.03):
        name = among(rng, tuple(REFUSED))
        found[name] = among(rng, REFUSED[name])
    return found


# Files ----------------------------------------------------------------------------------------

CELLS = ("", "NA", "nan", "inf", "-inf", "1e400", "1e-400", "1e308", "abc", "1,5", "1.234,5",
         "2024-01-31", "31.01.2024", "true", "0x1F", " 1 ", '"', "'", "#", "1_000", "１", "-", "?",
         "99999999999999999999999", "5e-324", "12:30", "\x00", "ß", "=1+1", "1 000", "$3", "50%",
         "9999-12-31", "0000-00-00", "1+2j", "None", "<NA>", "\u2212" + "5")  # fmt: skip


def _column(rng: Rng, n: int) -> list[str]:
    """The cells of a column."""
    kind = among(rng, ("numbers", "numbers", "whole", "texts", "dates", "constant", "of all sizes",
                       "truth", "unique", "empty", "spoilt", "spoilt"))  # fmt: skip
    if kind == "whole":
        return [str(v) for v in rng.integers(-5, 5, size=n)]
    if kind == "texts":
        return [str(v) for v in rng.choice(["red", "grün", "a b", "x;y", 'q"q'], size=n)]
    if kind == "dates":
        days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, size=n), unit="D")
        return [str(v) for v in days.strftime(among(rng, ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y")))]
    if kind == "constant":
        return [among(rng, CELLS)] * n
    if kind == "of all sizes":
        return [f"{v:.6g}" for v in _mixed_scales(rng, (n,))]
    if kind == "truth":
        return [str(v) for v in rng.choice(["True", "False"], size=n)]
    if kind == "unique":
        return [f"no. {i}" for i in rng.permutation(n)]
    if kind == "empty":
        return [""] * n
    cells = [f"{v:.4f}" for v in rng.normal(size=n)]
    for _ in range(int(rng.integers(1, 3)) if kind == "spoilt" else 0):
        cells[int(rng.integers(n))] = among(rng, CELLS)
    return cells


def _quoted(text: str, separator: str) -> str:
    needs = any(c in text for c in (separator, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if needs else text


def csv_file(rng: Rng) -> tuple[bytes, list[str], str]:
    """The bytes of a CSV file, its column names, and what it is."""
    n = int(among(rng, (0, 5, 12, 13, 16, 20, 20, 30, 30, 30)))
    names = [among(rng, NAMES) if chance(rng, 0.15) else f"x{i}" for i in range(rng.integers(1, 5))]
    names.append("y" if chance(rng, 0.97) else "Y")
    columns = [_column(rng, n) if n else [] for _ in names]
    if n and chance(rng, 0.95):
        columns[0] = [f"{v:.4f}" for v in rng.normal(size=n)]
        columns[-1] = [f"{v:.4f}" for v in rng.normal(size=n)]
        if chance(rng, 0.08):
            columns[-1][int(rng.integers(n))] = among(rng, CELLS)
    separator = among(rng, (",", ",", ",", ";", "\t", "|", " "))
    rows = [names, *map(list, zip(*columns, strict=True))]
    lines = [separator.join(_quoted(cell, separator) for cell in row) for row in rows]
    if chance(rng, 0.05):
        lines.insert(int(rng.integers(len(lines) + 1)), among(rng, ("", "#", "a,b,c,d,e,f", '"')))
    if chance(rng, 0.03):
        lines = lines[1:]
    text = among(rng, ("\n", "\n", "\r\n", "\r")).join(lines) + among(rng, ("", "\n"))
    encoding = among(rng, ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"))
    content = text.encode(encoding, "replace")
    what = f"{n} rows, {encoding}, separator {separator!r}"
    if chance(rng, 0.1):
        content, what = gzip.compress(content), what + ", packed"
    content, damage = _damaged(rng, content)
    return content, names, what + damage


def _damaged(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """The same bytes mostly, sometimes with a few others or torn; and what was done."""
    if not content or chance(rng, 0.9):
        return content, ""
    if chance(rng, 0.3):
        return content[: int(rng.integers(len(content)))], ", torn"
    damaged = bytearray(content)
    for _ in range(3):
        damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
    return bytes(damaged), ", damaged"


def arrow_file(rng: Rng) -> tuple[bytes, list[str], str]:
    """The bytes of a Parquet or Feather file, its column names, and what it is."""
    n = int(among(rng, (0, 12, 20, 30)))
    X, of_X = values(rng, (n, 2))
    y, of_y = values(rng, (n,))
    table = pd.DataFrame(X, columns=["x0", "x1"]).assign(c=rng.choice(["a", "b"], n), y=y)
    kind = among(rng, ("float32", "Int64", "category", "string", "datetime64[ns]", "bool"))
    with suppress(TypeError, ValueError, OverflowError), np.errstate(all="ignore"):
        table["x1"] = table["x1"].astype(kind)
    form = among(rng, ("parquet", "feather"))
    file = BytesIO()
    getattr(table, f"to_{form}")(file)
    content, damage = _damaged(rng, file.getvalue())
    return content, list(table), f"{form}, {n} rows, {of_X}, {kind}, y {of_y}{damage}"
