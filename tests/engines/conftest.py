"""What the tests of several engines start from."""

import pytest
from engines.specification import make_two_topics


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where kernels that were compiled for the CPU are kept."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def corpus():
    """Lines of words 0 to 9 or of words 10 to 19, never both: five pieces, the last one short."""
    return make_two_topics()
