"""Numbers for Prometheus, in this process and over several workers."""

import os
import re
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics, share_metrics
from app.reloads import Reload
from artifact.comparisons import find_odd_word
from tests.app.serving import Server, damage, publish

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
DURATIONS = "wordkin_request_duration_seconds"


def parse(text):
    """Sample name and labels to value."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return parse(answer.text)


def count(samples, route, status, method="GET"):
    return samples.get(
        (f"{DURATIONS}_count", ("method", method), ("route", route), ("status", str(status))), 0
    )


@pytest.fixture
def client(root, open_client):
    publish(root, "sample")
    return open_client()


def test_requests_are_counted_by_template_and_status(client):
    words = ["car", "bus", "king", "a/b"]
    for word in words:
        client.get(f"/vectors/{word}")
    client.get("/vectors/nothing")
    client.get("/similar", word="car")
    client.request("HEAD", "/similar?word=car")
    client.post("/similar", positive=["car"])
    client.post("/similar", nonsense=["car"])
    for path in ["/nowhere", "/wp-login.php"]:
        client.get(path)
    client.request("BREW", "/similar")
    samples = read(client)
    assert count(samples, "/vectors/{word:path}", 200) == 4
    assert count(samples, "/vectors/{word:path}", 404) == 1
    assert count(samples, "/similar", 200) == count(samples, "/similar", 200, "HEAD") == 1
    assert count(samples, "/similar", 200, "POST") == count(samples, "/similar", 422, "POST") == 1
    assert count(samples, "none", 404) == 2
    labels = {dict(key[1:]).get("method") for key in samples}
    assert labels <= {None, "GET", "HEAD", "POST", "other"}
    assert "nowhere" not in str(samples)
    assert "nothing" not in str(samples)


def test_nothing_that_clients_choose_makes_a_new_series(client):
    def series():
        return {key for key in read(client) if not key[0].startswith(("python", "process"))}

    client.get("/vectors/car")
    client.get("/vectors/x")
    client.get("/x")
    read(client)
    before = series()
    for number in range(50):
        client.get(f"/vectors/word{number}")
        client.get(f"/no/{number}")
        client.request("GET", f"/similar?word=x{number}", headers={"x-request-id": str(number)})
    assert len(series()) <= len(before) + 20


def test_what_is_in_flight(client):
    samples = read(client)
    # The one that asks.
    assert samples["wordkin_requests_in_flight",] == 1
    assert samples["wordkin_requests_waiting",] == 0


def test_models_and_faults(root, open_client):
    version = publish(root, "sample")
    publish(root, "story", kind="language-model")
    damage(root, "bad", publish(root, "bad"))
    samples = read(open_client())
    info = {tuple(value for _, value in key[1:]) for key in samples if key[0] == "wordkin_model_info"}
    assert ("embedding", "sample", version) in info
    assert {(kind, name) for kind, name, _ in info} == {("embedding", "sample"), ("language-model", "story")}
    assert samples["wordkin_model_words", ("model", "sample")] == 12
    assert samples["wordkin_model_dimensions", ("model", "sample")] == 4
    assert samples["wordkin_model_faults", ("model", "bad"), ("reason", "corrupt")] == 1


def test_unknown_words(client):
    client.get("/vectors/nothing")
    client.post("/vectors", words=["car", "x", "y"])
    assert read(client)["wordkin_unknown_words_total",] == 3


def test_batch_sizes(root, open_client):
    publish(root, "story", kind="language-model")
    client = open_client()
    assert client.get("/next", text="the").status_code == 200
    samples = read(client)
    assert samples["wordkin_batch_size_count", ("kind", "language")] >= 1


def test_sizes_of_searches(root, open_client):
    publish(root, "sample")
    client = open_client()
    sizes = ("kind", "search")
    before = read(client).get(("wordkin_batch_size_sum", sizes), 0)
    for _ in range(3):
        assert client.post("/similar", positive=["car", "bus"]).status_code == 200
    samples = read(client)
    assert samples["wordkin_batch_size_sum", sizes] == before + 3
    assert samples["wordkin_batch_size_count", sizes] >= 3
    # Queries are questions, also where they come in one request.
    assert client.post("/similar", queries=[{"positive": ["car", "bus"]}] * 5).status_code == 200
    after = read(client)
    assert after["wordkin_batch_size_sum", sizes] == before + 8
    assert after["wordkin_batch_size_count", sizes] == samples["wordkin_batch_size_count", sizes] + 1


@pytest.mark.parametrize("kind", ["embedding", "language-model"])
def test_first_questions_of_the_servers_own_are_not_counted(root, open_client, kind):
    publish(root, "sample", kind=kind)
    client = open_client(poll_seconds=0)
    publish(root, "sample", kind=kind)
    assert client.app.state.catalog.reload("sample").result == "swapped"
    samples = read(client)
    assert {value for key, value in samples.items() if key[0] == "wordkin_batch_size_count"} == {0}
    if kind == "embedding":
        assert client.get("/similar", word="car").status_code == 200
        assert read(client)["wordkin_batch_size_count", ("kind", "search")] == 1


def test_the_process_and_the_build(client):
    samples = read(client)
    pid = ("pid", str(os.getpid()))
    assert samples["process_resident_memory_bytes", pid] > 1e6
    assert samples["process_open_fds", pid] > 0
    [build] = [dict(key[1:]) for key in samples if key[0] == "wordkin_build_info"]
    assert build["python"] == ".".join(map(str, sys.version_info[:3]))


def test_open_metrics_where_it_is_asked_for(client):
    answer = client.request(
        "GET", "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_reloads():
    metrics = Metrics()

    catalog = SimpleNamespace()

    with metrics.watch(catalog):
        for result in ("failed", "swapped", "swapped"):
            catalog.observe_reloads(Reload("sample", result, None, "v", 0.5))
    catalog.observe_reloads(Reload("sample", "swapped", None, "v", 0.5))
    metrics._catalog = None
    samples = parse(metrics.render("")[0].decode())
    assert samples["wordkin_model_reloads_total", ("model", "sample"), ("result", "swapped")] == 2
    assert samples["wordkin_model_reload_seconds_sum",] == 1.5


def test_questions_that_outlive_the_metrics_are_answered(root, open_catalog):
    publish(root, "cased", tokens=["Car", "bus"], vectors=np.eye(2, dtype=np.float32), tokenizer="whitespace")
    catalog = open_catalog()
    embedding = catalog.find("embedding").embedding
    metrics = Metrics()
    with metrics.watch(catalog):
        find_odd_word(embedding, ["car", "bus"])
    find_odd_word(embedding, ["car", "bus"])
    metrics._catalog = None
    samples = parse(metrics.render("")[0].decode())
    assert samples["wordkin_unknown_words_answered_total", ("how", "case")] == 1


def test_several_workers_answer_for_all(root):
    publish(root, "sample")
    with Server("--store", root, "--workers", 2) as server:
        server.wait()
        url = f"http://127.0.0.1:{server.port}"

        def read_until(done):
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                samples = parse(httpx.get(f"{url}/metrics", timeout=60).text)
                pids = {dict(key[1:])["pid"] for key in samples if key[0] == "process_resident_memory_bytes"}
                if done(pids):
                    return samples, pids
                time.sleep(0.1)
            raise AssertionError(pids)

        _, pids = read_until(lambda pids: len(pids) == 2)
        for _ in range(20):
            # A connection each, so that either worker may get it.
            assert httpx.get(f"{url}/vectors/bus", timeout=60).status_code == 200
        answers = [parse(httpx.get(f"{url}/metrics", timeout=60).text) for _ in range(4)]
        assert {count(samples, "/vectors/{word:path}", 200) for samples in answers} == {20}
        # One that died has nothing in flight and no memory, and what it counted stays counted.
        os.kill(int(min(pids)), signal.SIGKILL)
        samples, _ = read_until(lambda now: len(now) == 2 and now != pids)
        assert count(samples, "/vectors/{word:path}", 200) == 20
        assert samples["wordkin_model_words", ("model", "sample")] == 12
        code, _ = server.stop(signal.SIGTERM)
    assert code == 0


def test_the_folder_of_the_workers_is_removed(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    with share_metrics():
        folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
        assert Path(folder).is_dir()
        with share_metrics():
            assert os.environ["PROMETHEUS_MULTIPROC_DIR"] != folder
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == folder
    assert not Path(folder).exists()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_every_metric_is_documented():
    documented = set(re.findall(r"wordkin_\w+", DOCUMENT.read_text()))
    metrics = Metrics()
    names = set(re.findall(r"^# TYPE (wordkin_\w+)", metrics.render("")[0].decode(), re.MULTILINE))
    assert names
    assert names <= documented
