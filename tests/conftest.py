from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes too long for every change is slow too."""
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """The problems are small, and threads that wait for each other on a busy machine are slow."""
    with threadpool_limits(1):
        yield
