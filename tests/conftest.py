from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """The problems are small, and threads that wait for each other on a busy machine are slow."""
    with threadpool_limits(1):
        yield
