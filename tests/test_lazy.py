"""Attributes that are computed when they are first asked for."""

import threading

import pytest

import sklearn_mlp
from sklearn_mlp._lazy import lazy
from sklearn_mlp.regressor import SigmoidMLPRegressor


class Slow:
    """Of which one instance waits in the middle of the computation."""

    def __init__(self, wait: threading.Event | None = None) -> None:
        self.wait, self.begun, self.n_computed = wait, threading.Event(), 0

    @lazy
    def value(self) -> int:
        """A number."""
        self.n_computed += 1
        self.begun.set()
        if self.wait is not None:
            self.wait.wait()
        return 3


def test_it_is_computed_once() -> None:
    slow = Slow()
    assert (slow.value, slow.value, slow.n_computed) == (3, 3, 1)
    assert isinstance(vars(Slow)["value"], lazy)
    assert Slow.value.__doc__ == "A number."


def test_no_instance_waits_for_another() -> None:
    """Where all share a lock, a process that is forked while it is held waits for ever."""
    release = threading.Event()
    waiting, other = Slow(release), Slow()
    found: list[int] = []
    threads = [threading.Thread(target=lambda s=s: found.append(s.value)) for s in (waiting, other)]
    threads[0].start()
    waiting.begun.wait()
    threads[1].start()
    threads[1].join(timeout=10)
    try:
        assert found == [3]
    finally:
        release.set()
        threads[0].join()


def test_the_package_knows_its_estimators_before_they_are_imported() -> None:
    assert set(sklearn_mlp.__all__) <= set(dir(sklearn_mlp))
    assert sklearn_mlp.SigmoidMLPRegressor is SigmoidMLPRegressor
    with pytest.raises(AttributeError, match="'sklearn_mlp' has no attribute 'nothing'"):
        getattr(sklearn_mlp, "nothing")  # noqa: B009 (a type checker knows too)
