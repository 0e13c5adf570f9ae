import contextlib

import pytest

from app.catalog import Catalog
from app.main import create_app
from app.settings import Settings
from tests.app.serving import Client, Server, open_client_on, publish


@pytest.fixture
def root(tmp_path):
    """Where a test that needs a store of its own has it."""
    return tmp_path / "store"


@pytest.fixture
def open_client(root):
    """A function that starts a client on the store at ``root``, with other settings where given."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Client(create_app(Settings(store=str(root), **options))))


@pytest.fixture
def open_catalog(root):
    """A function that opens a catalog of the store at ``root``, with other settings where given."""

    def open_it(**options):
        catalog = Catalog(Settings(store=str(root), **options))
        catalog.refresh()
        return catalog

    return open_it


@pytest.fixture(scope="module")
def sample_root(tmp_path_factory):
    """A store with one version of two models, for the tests of a module that do not change it."""
    return tmp_path_factory.mktemp("sample") / "store"


@pytest.fixture(scope="module")
def version(sample_root):
    """The version of the word vectors in ``sample_root``; there is a language model, "story", too."""
    publish(sample_root, "story", kind="language-model")
    return publish(sample_root, "sample")


@pytest.fixture(scope="module")
def client(sample_root, version):
    """A client on ``sample_root``."""
    with open_client_on(sample_root) as client:
        yield client


@pytest.fixture(scope="module")
def server(sample_root, version):
    """A server on ``sample_root`` in a process of its own."""
    environment = {"WORDKIN_CACHE": str(sample_root.parent / "cache")}
    with Server("--store", sample_root, environment=environment) as running:
        running.wait()
        yield running
        assert running.process.poll() is None, "the server went down"
