"""These tests need Transformers, and build models that nobody tuned for."""

import pytest

pytest.importorskip("transformers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fallback to an untuned config is not what is tested here."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:No config is tuned"))
