import os

import pytest
from hypothesis import settings

# In CI the same examples are tried each time: a change fails for what it changed. Elsewhere new ones are looked for.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser):
    parser.addoption(
        "--require-gpu", action="store_true", help="a test that needs a GPU fails where there is none"
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the cache of the person who runs it."""
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path_factory.mktemp("cache")))
