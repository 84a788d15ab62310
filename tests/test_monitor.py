from typing import Any

import numpy as np
import pytest

from sklearn_mlp.monitor import Attempts, Monitor
from sklearn_mlp.progress import Progress

W = np.zeros(2)


def told(monitor: Monitor, losses: list[float]) -> Monitor:
    for i, loss in enumerate(losses):
        monitor.record(np.full(2, float(i)), loss)
    return monitor


def test_training_stalls_after_more_than_n_iter_no_change_small_improvements() -> None:
    monitor = told(Monitor(tol=0.1, n_iter_no_change=2), [1.0, 0.5, 0.45, 0.42])
    assert not monitor.stalled
    monitor.record(W, 0.41)
    assert monitor.stalled
    assert monitor.best_loss == 0.41


def test_patience_starts_anew() -> None:
    monitor = told(Monitor(tol=0.1, n_iter_no_change=1), [1.0, 1.0, 1.0])
    assert monitor.stalled
    monitor.be_patient()
    assert not monitor.stalled


def test_the_best_weights_are_those_of_the_lowest_loss() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(monitor.best_weights, [1, 1])


def test_held_out_rows_decide_where_there_are_any() -> None:
    held_out = iter([(0.1, 4.0), (0.9, 1.0), (0.5, 2.0), (0.91, 0.9)])
    monitor = Monitor(tol=0.05, n_iter_no_change=1, validation=lambda w: next(held_out))
    told(monitor, [4.0, 3.0, 2.0, 1.0])
    assert monitor.early_stopping
    assert monitor.stalled
    assert monitor.finished
    assert monitor.validation_scores == [0.1, 0.9, 0.5, 0.91]
    assert monitor.validation_loss_curve == [4.0, 1.0, 2.0, 0.9]
    np.testing.assert_array_equal(monitor.best_weights, [3, 3])


@pytest.mark.parametrize(("w", "loss"), [(W, np.nan), (W, np.inf), (W + np.nan, 1.0)])
def test_divergence_names_the_epoch_and_the_remedy(w: np.ndarray, loss: float) -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10, advice="Lower it."), [3.0, 1.0])
    with pytest.raises(ValueError, match=r"diverged in epoch 3.*Lower it\."):
        monitor.record(w, loss)
    assert monitor.loss_curve == [3.0, 1.0]


def test_a_loss_that_explodes_is_divergence_though_it_is_a_number() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 1e6])
    with pytest.raises(ValueError, match="diverged in epoch 3"):
        monitor.record(W, 1e7)


class Clock:
    """Time that passes by so much from one look at it to the next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
        self.now, self.step = 0.0, step
        monkeypatch.setattr("sklearn_mlp.progress.perf_counter", self)

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_progress_is_aligned_and_thinned_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, 0.1)
    monitor = Monitor(
        tol=0.0,
        n_iter_no_change=10**6,
        validation=lambda w: (0.5, 0.1),
        progress=Progress(rmse=lambda w, loss: 10 * loss),
        max_iter=2000,
    )
    told(monitor, [1 / n for n in range(1, 1234)])
    monitor.close()
    header, *lines = printed(capsys)
    assert [int(line.split()[0]) for line in lines] == [
        *range(1, 10),
        *range(10, 100, 10),
        *range(100, 1000, 100),
        1000,
        1233,
    ]
    assert header == " epoch         loss         RMSE  validation R²  time left"
    assert lines[1] == "     2      0.50000       5.0000        0.50000      3 min"
    assert lines[-2] == "  1000    0.0010000     0.010000        0.50000      100 s"
    assert lines[-1] == "  1233   0.00081103    0.0081103        0.50000"
    assert {len(line) for line in (header, *lines[:-1])} == {len(header)}


def test_only_what_is_known_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    told(Monitor(tol=0.0, n_iter_no_change=10, progress=Progress()), [12345.6, 1e-12]).close()
    assert printed(capsys) == [
        " epoch         loss",
        "     1        12346",
        "     2   1.0000e-12",
    ]


def test_each_attempt_has_its_name_and_header(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = Monitor(tol=0.0, n_iter_no_change=10, progress=Progress())
    one = monitor.fork("start", "start 1 of 2", 1000)
    part = one.fork("ascent", "ascent 1 of 3", None)
    told(part, [2.0])
    told(one, [1.0])
    told(part, [0.5])
    header = " epoch         loss"
    lines = printed(capsys)
    assert [line for line in lines if line.startswith("start")] == [
        "start 1 of 2, ascent 1 of 3",
        "start 1 of 2",
        "start 1 of 2, ascent 1 of 3",
    ]
    assert [line[:19] for line in lines].count(header) == 3
    assert lines.count("") == 2


@pytest.mark.parametrize(
    ("pace", "left"),
    [(1e-3, "< 1 s"), (1.0, "99 s"), (60.0, "99 min"), (3600.0, "99 h")],
)
def test_the_time_left_is_in_a_unit_that_suits_it(
    pace: float, left: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, pace)
    told(Monitor(tol=0.0, n_iter_no_change=10, progress=Progress(), max_iter=100), [1.0])
    assert printed(capsys)[-1].endswith(f" {left}")


def test_a_pause_is_not_the_pace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, 1.0)
    monitor = told(
        Monitor(tol=0.0, n_iter_no_change=10, progress=Progress(), max_iter=100), [1.0, 1.0, 1.0]
    )
    clock.now += 1000.0
    told(monitor, [1.0])
    assert printed(capsys)[-1].endswith(" 96 s")


def test_the_best_attempt_is_adopted_with_its_history() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0])
    attempt = told(monitor.fork("start", "start 1 of 1", None), [2.0, 1.0])
    monitor.adopt(attempt)
    assert monitor.loss_curve == [3.0, 2.0, 1.0]
    assert monitor.n_iter == 2
    np.testing.assert_array_equal(monitor.best_weights, [1, 1])


def test_the_last_loss_can_be_stated_more_exactly() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 2.0, 1.0])
    monitor.restate(1.5)
    assert monitor.loss_curve == [3.0, 2.0, 1.5]
    assert monitor.best_loss == 1.5


def test_a_last_loss_that_was_not_the_best_leaves_the_best_as_it_was() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 1.0, 2.0])
    monitor.restate(2.5)
    assert monitor.best_loss == 1.0


# Several attempts -----------------------------------------------------------------------------


def attempts(monitor: Monitor) -> Attempts[str]:
    """Whose quality is minus the last loss."""
    return Attempts(monitor, lambda found, attempt: -attempt.loss_curve[-1])


def make(several: Attempts[str], name: str, losses: list[float], *, counts: bool = True) -> None:
    attempt = told(several.begin("start", name, len(losses)), losses)
    several.end(attempt, name if counts else None, W)


def test_the_best_of_several_attempts_is_kept_with_its_history() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [9.0])
    several = attempts(monitor)
    assert several.found is None
    make(several, "fair", [5.0, 3.0])
    make(several, "good", [7.0, 6.0, 1.0])
    make(several, "poor", [8.0])
    assert several.found == "good"
    assert several.close() == "good"
    assert monitor.loss_curve == [9.0, 7.0, 6.0, 1.0]
    assert (monitor.n_iter, monitor.best_loss) == (3, 1.0)
    np.testing.assert_array_equal(monitor.best_weights, [2, 2])
    assert not monitor.stopped


def test_of_equal_attempts_the_first_is_kept() -> None:
    several = attempts(Monitor(tol=0.0, n_iter_no_change=10))
    make(several, "first", [1.0])
    make(several, "second", [1.0])
    assert several.close() == "first"


def test_attempts_that_do_not_count_are_passed_over() -> None:
    several = attempts(Monitor(tol=0.0, n_iter_no_change=10))
    make(several, "best", [0.1], counts=False)
    assert several.found is None
    make(several, "other", [1.0])
    make(several, "best", [0.1], counts=False)
    assert several.close() == "other"


def test_attempts_share_settings_and_no_history() -> None:
    several = attempts(Monitor(tol=0.5, n_iter_no_change=3, advice="Lower it.", max_iter=2))
    make(several, "first", [1.0, 2.0])
    attempt = several.begin("start", "second", 7)
    assert (attempt.tol, attempt.n_iter_no_change, attempt.max_iter) == (0.5, 3, 7)
    assert attempt.advice == "Lower it."
    assert (attempt.n_iter, attempt.loss_curve, attempt.best_weights) == (0, [], None)


def test_an_interruption_ends_the_attempts_and_keeps_the_best() -> None:
    monitor = Monitor(tol=0.0, n_iter_no_change=10)
    several = attempts(monitor)
    with several.until_interrupted():
        make(several, "good", [1.0])
        make(several, "poor", [2.0])
        raise KeyboardInterrupt
    assert several.close() == "good"
    assert monitor.interrupted


def test_an_interruption_before_the_first_result_is_raised() -> None:
    several = attempts(Monitor(tol=0.0, n_iter_no_change=10))
    make(several, "best", [1.0], counts=False)
    with pytest.raises(KeyboardInterrupt), several.until_interrupted():
        raise KeyboardInterrupt


def test_the_whole_was_interrupted_if_an_attempt_was_that_is_not_the_best() -> None:
    monitor = Monitor(tol=0.0, n_iter_no_change=10)
    several = attempts(monitor)
    make(several, "good", [1.0])
    attempt = told(several.begin("start", "poor", 2), [2.0])
    attempt.interrupted = True
    several.end(attempt, "poor", W)
    assert several.interrupted
    assert several.close() == "good"
    assert monitor.interrupted


class Stopper:
    """A task of which a callback wants no more of its kind."""

    def subtask(self, name: str, max_subtasks: int | None = 0) -> "Stopper":
        return self

    def end(self, fitted: object = None) -> bool:
        return True


def test_a_callback_may_want_no_more_attempts() -> None:
    task: Any = Stopper()
    monitor = Monitor(tol=0.0, n_iter_no_change=10, task=task)
    several = attempts(monitor)
    make(several, "first", [1.0])
    assert several.enough
    assert several.close() == "first"
    assert monitor.stopped
