"""Spans of requests, through FastAPI's own support of OpenTelemetry."""

import pytest

from tests.app.serving import publish, publish_table

trace = pytest.importorskip("opentelemetry.trace")
pytest.importorskip("opentelemetry.sdk")


@pytest.fixture
def spans(monkeypatch):
    """What is traced. A process has one provider, which cannot be taken back: so FastAPI is only told of another."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def test_a_request_is_a_span_that_goes_on_from_the_clients(client, spans):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert client.request("GET", "/vectors/king", headers={"traceparent": parent}).status_code == 200
    [span] = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == parent.split("-")[1]
    assert span.attributes["http.route"] == "/vectors/{word}"
    assert span.attributes["http.response.status_code"] == 200


def test_what_was_sent_stays_out_of_a_span(client, spans):
    answer = client.request("POST", "/similar", json={"positive": ["king"], "secret": "hush"})
    assert answer.status_code == 422
    [span] = spans.get_finished_spans()
    assert "hush" not in span.to_json()
    assert span.attributes["http.response.status_code"] == 422


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/similar", {"params": {"word": "car", "top": 3}}),
        ("GET", "/next", {"params": {"text": "the company"}}),
        ("POST", "/vectors", {"json": {"words": ["car"], "encoding": "base64"}}),
        (
            "POST",
            "/v1/embeddings",
            {"json": {"model": "sample", "input": "car", "encoding_format": "base64"}},
        ),
    ],
)
def test_plain_questions_are_named_by_their_route(root, open_client, spans, method, path, options):
    publish_table(root, "sample")
    publish(root, "story", kind="language-model")
    answer = open_client().request(method, path, **options)
    assert answer.status_code == 200, answer.text
    [span] = spans.get_finished_spans()
    assert span.name == f"{method} {path}"
    assert span.attributes["http.route"] == path
