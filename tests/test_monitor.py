import numpy as np
import pytest

from sklearn_mlp.monitor import Monitor

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
    scores = iter([0.1, 0.9, 0.5, 0.91])
    monitor = Monitor(tol=0.05, n_iter_no_change=1, validation_score=lambda w: next(scores))
    told(monitor, [4.0, 3.0, 2.0, 1.0])
    assert monitor.early_stopping
    assert monitor.stalled
    assert monitor.validation_scores == [0.1, 0.9, 0.5, 0.91]
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


def test_progress_is_aligned_and_thinned_out(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = Monitor(
        tol=0.0,
        n_iter_no_change=10**6,
        rmse=lambda w, loss: 10 * loss,
        validation_score=lambda w: 0.5,
        verbose=True,
    )
    told(monitor, [1 / n for n in range(1, 1001)])
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1]) for line in lines] == [
        *range(1, 10),
        *range(10, 100, 10),
        *range(100, 1001, 100),
    ]
    assert lines[1] == "epoch      2   loss 0.5         RMSE 5           validation R² 0.50000"
    assert len({line.index("RMSE") for line in lines}) == 1


def test_the_last_loss_can_be_stated_more_exactly() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 2.0, 1.0])
    monitor.restate(1.5)
    assert monitor.loss_curve == [3.0, 2.0, 1.5]
    assert monitor.best_loss == 1.5


def test_a_last_loss_that_was_not_the_best_leaves_the_best_as_it_was() -> None:
    monitor = told(Monitor(tol=0.0, n_iter_no_change=10), [3.0, 1.0, 2.0])
    monitor.restate(2.5)
    assert monitor.best_loss == 1.0
