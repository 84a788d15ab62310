"""Models in files: written whole or not at all, and read with care.

A model is a pipeline of a :class:`~sklearn_mlp.columns.TableEncoder` and a network, with what is
known of its training in its attribute ``about_``. skops files are loaded only if they hold no types
but those of scikit-learn and of this package.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import joblib
from sklearn.pipeline import Pipeline

from ..columns import TableEncoder
from ..interop import SKOPS_TRUSTED_TYPES
from .errors import InputError

JOBLIB = (".joblib", ".pkl", ".pickle")
"""The ends of the names of files that joblib writes. All others are skops files."""


def check_writable(path: Path, option: str) -> None:
    """Raise an error if no file can be written there."""
    if path.is_dir():
        raise InputError(f"{option}: {str(path)!r} is a folder, a file name is needed")
    if not path.parent.is_dir():
        raise InputError(f"{option}: there is no folder {str(path.parent)!r}")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(f"{option}: {str(path)!r} may not be written")
    try:  # the rights do not tell of a full disk, of /proc, or of names that are too long
        with _beside(path):
            pass
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{option}: {str(path)!r} cannot be written: {why}") from error


def refuse_to_replace(path: Path | None, option: str, others: Sequence[Path]) -> None:
    """Raise an error if the file to write is one of those that are read."""
    if path is not None and path.resolve() in [other.resolve() for other in others]:
        raise InputError(f"{option}: {str(path)!r} is read by the same command")


def check_can_save(path: Path) -> None:
    """Raise an error if no model can be saved there."""
    check_writable(path, "--save")
    if not _is_joblib(path):
        _skops(path)


def _is_joblib(path: Path) -> bool:
    return path.suffix.lower() in JOBLIB


def _skops(path: Path) -> Any:
    """The package skops."""
    try:
        import skops.io
    except ImportError:
        raise InputError(
            f'the skops file {str(path)!r} needs skops: pip install "sklearn-mlp[skops]"; '
            "or give a name that ends in .joblib"
        ) from None
    return skops.io


def save(model: Pipeline, path: Path) -> None:
    """Write a model. After a full disk or an interruption, the old file is still there."""
    if _is_joblib(path):
        write_whole(path, lambda part: joblib.dump(model, part))
    else:
        written = undisturbed(lambda: _skops(path).dumps(model, compression=ZIP_DEFLATED))
        write_whole(path, lambda part: part.write_bytes(written))


def undisturbed(function: Callable[[], bytes]) -> bytes:
    """What the function returns, called in a thread of its own, where signals raise nothing.

    A ZIP file whose writing an exception ends raises another one while it is closed, and one more
    when it is deleted. The signal is raised after the function has ended.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file in the same folder under another name, and rename it when it is complete."""
    with _beside(path) as part:
        write(part)
        part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(part, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A new file in the same folder, which is removed in the end if it is still there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    part = Path(name)
    try:
        os.close(handle)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """The rights that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path: Path) -> Pipeline:
    """Read a model that `fit` has saved.

    Raises
    ------
    InputError
        If there is none, if it is damaged, or if it holds types that are not trusted.
    """
    if not path.is_file():
        raise InputError(f"there is no model {str(path)!r}")
    model = _load_joblib(path) if _is_joblib(path) else _load_skops(path)
    is_model = isinstance(model, Pipeline) and isinstance(model[0], TableEncoder)
    if not is_model or not hasattr(model, "about_"):
        raise InputError(f"{str(path)!r} holds no model of `sklearn-mlp fit`")
    return model


def _load_joblib(path: Path) -> Any:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = joblib.load(path)
        for text in dict.fromkeys(str(warning.message) for warning in caught):  # other versions
            print("warning:", *text.split(), file=sys.stderr)
        return model
    except Exception as error:  # a damaged pickle can raise any
        raise InputError(f"{str(path)!r} is damaged or no joblib file: {error}") from error


def _load_skops(path: Path) -> Any:
    skops = _skops(path)
    try:
        found = skops.get_untrusted_types(file=path)
        strangers = sorted(set(found) - set(SKOPS_TRUSTED_TYPES))
    except Exception as error:  # a damaged file can raise any
        raise InputError(f"{str(path)!r} is damaged or no skops file: {error}") from error
    if strangers:
        raise InputError(
            f"{str(path)!r} holds types that are not of scikit-learn or sklearn-mlp, and is not "
            f"loaded: {', '.join(strangers[:3])}{' ...' if len(strangers) > 3 else ''}"
        )
    try:
        return skops.load(path, trusted=SKOPS_TRUSTED_TYPES)
    except Exception as error:
        raise InputError(f"{str(path)!r} is damaged: {error}") from error
