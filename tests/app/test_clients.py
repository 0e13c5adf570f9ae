"""The real clients of OpenAI's interface against a server in its own process (make test-clients)."""

import base64
import os

import numpy as np
import pytest

from app.keys import draw_key
from artifact.store import Store
from artifact.texts import embed_texts
from tests.app.serving import Server

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]
TEXTS = ["The car and the truck", "서울 king", "queen"]


@pytest.fixture(scope="module")
def expected(sample_root, version):
    return embed_texts(Store(sample_root).open("sample", version).embedding(), TEXTS, normalise=True)


@pytest.fixture(scope="module")
def base_url(server):
    return f"http://127.0.0.1:{server.port}/v1"


@pytest.fixture(autouse=True)
def no_proxies_and_no_telephoning(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "False")
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


class TestOpenAI:
    """The official client, which asks for base64 unless told otherwise."""

    @pytest.fixture
    def openai(self):
        return pytest.importorskip("openai")

    @pytest.fixture
    def client(self, openai, base_url):
        with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            yield client

    def test_vectors(self, client, expected, version):
        answer = client.embeddings.create(model="sample", input=TEXTS)
        np.testing.assert_array_equal(np.float32([item.embedding for item in answer.data]), expected)
        assert [item.index for item in answer.data] == [0, 1, 2]
        assert (answer.model, answer.version) == ("sample", version)
        assert answer.usage.total_tokens == 8
        assert answer.settings["weighting"] == "smooth-inverse-frequency"

    def test_formats(self, client, expected, version):
        asked = {"model": f"sample@{version}", "input": TEXTS[0], "user": "someone", "dimensions": 4}
        [plain] = client.embeddings.create(**asked, encoding_format="float").data
        [coded] = client.embeddings.create(**asked, encoding_format="base64").data
        np.testing.assert_array_equal(np.float32(plain.embedding), expected[0])
        if isinstance(coded.embedding, str):
            coded.embedding = np.frombuffer(base64.b64decode(coded.embedding), "<f4")
        np.testing.assert_array_equal(np.float32(coded.embedding), expected[0])

    def test_models(self, client, version):
        [listed] = client.models.list()
        assert (listed.id, listed.object, listed.version) == ("sample", "model", version)
        assert client.models.retrieve("sample") == listed

    def test_errors(self, client, openai):
        with pytest.raises(openai.NotFoundError) as caught:
            client.embeddings.create(model="text-embedding-3-small", input="car")
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError, match="Token ids are not read"):
            client.embeddings.create(model="sample", input=[[1, 2, 3]])
        with pytest.raises(openai.BadRequestError, match="trukc") as caught:
            client.embeddings.create(model="sample", input=["car", "trukc"])
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "unknown_words")
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="sample", messages=[{"role": "user", "content": "car"}])

    def test_a_key_that_is_none_of_the_server(self, openai, sample_root, version):
        secret, key = draw_key("clients", "read")
        environment = {"WORDKIN_CACHE": str(sample_root.parent / "cache")}
        with Server("--store", sample_root, "--keys", key.format(), environment=environment) as running:
            running.wait()
            url = f"http://127.0.0.1:{running.port}/v1"
            with openai.OpenAI(base_url=url, api_key=secret, max_retries=0) as client:
                assert client.embeddings.create(model="sample", input="car").version == version
            with (
                openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
                pytest.raises(openai.AuthenticationError) as caught,
            ):
                client.embeddings.create(model="sample", input="car")
            assert caught.value.code == "invalid_api_key"

    def test_the_asynchronous_client(self, openai, base_url, expected):
        import asyncio

        async def ask():
            async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
                return await client.embeddings.create(model="sample", input=TEXTS)

        answer = asyncio.run(ask())
        np.testing.assert_array_equal(np.float32([item.embedding for item in answer.data]), expected)


class TestLangChain:
    """langchain-openai. It sends token ids unless told that texts need no cutting."""

    @pytest.fixture
    def make(self, base_url):
        module = pytest.importorskip("langchain_openai")
        return lambda **options: module.OpenAIEmbeddings(
            model="sample", base_url=base_url, api_key="none", max_retries=0, **options
        )

    def test_documents_and_a_query(self, make, expected):
        embeddings = make(check_embedding_ctx_length=False)
        np.testing.assert_array_equal(np.float32(embeddings.embed_documents(TEXTS)), expected)
        np.testing.assert_array_equal(np.float32(embeddings.embed_query(TEXTS[1])), expected[1])

    def test_token_ids_are_refused_with_the_way_out(self, make):
        openai = pytest.importorskip("openai")
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
            make().client.create(model="sample", input=[[1, 2, 3]])


class TestLlamaIndex:
    """llama-index's embeddings."""

    def test_openai_embedding(self, base_url, expected):
        module = pytest.importorskip("llama_index.embeddings.openai")
        embeddings = module.OpenAIEmbedding(
            model_name="sample", api_base=base_url, api_key="none", max_retries=0
        )
        found = embeddings.get_text_embedding_batch(TEXTS)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(embeddings.get_query_embedding(TEXTS[2]), expected[2], rtol=1e-6)

    def test_openai_like_embedding(self, base_url, expected):
        module = pytest.importorskip("llama_index.embeddings.openai_like")
        embeddings = module.OpenAILikeEmbedding(
            model_name="sample", api_base=base_url, api_key="none", max_retries=0
        )
        np.testing.assert_allclose(embeddings.get_text_embedding_batch(TEXTS), expected, rtol=1e-6)
