"""What the server counts, for Prometheus. Labels are few and known beforehand: never a word, a path or an address.

With several workers each keeps its numbers in files of a folder that they share (the multi-process mode of prometheus_client,
which PROMETHEUS_MULTIPROC_DIR turns on before the library is loaded), and whichever is asked answers for all of them.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app import __version__
from app.catalog import Catalog, Shelf
from app.reloads import Reload
from artifact.errors import InputError
from artifact.observers import UnknownHow, tell_nobody

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
"""The route of a request that reached none: refused before, or to an address that is not there."""
_FILE_PID = re.compile(r"_(\d+)\.db\Z")


@contextmanager
def share_metrics() -> Iterator[None]:
    """Within this, worker processes that are started keep their numbers in one folder, which is removed at the end.

    InputError where there is no place for it.
    """
    try:
        made = TemporaryDirectory(prefix="wordkin-metrics-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InputError(
            f"--workers: no folder for the numbers that workers share, set TMPDIR: {error.strerror or error}"
        ) from None
    with made as folder:
        before = os.environ.get(FOLDER_VARIABLE)
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before


class Metrics:
    """The numbers of one application. Any thread may count."""

    def __init__(self) -> None:
        # A time for each series says nothing that the process' start does not.
        disable_created_metrics()
        self._folder = os.environ.get(FOLDER_VARIABLE)
        self._registry = CollectorRegistry()
        self._catalog: Catalog | None = None
        self._durations = Histogram(
            "wordkin_request_duration_seconds",
            "Time from the head of a request to the end of its answer, by the route's template.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.in_flight = self._gauge("wordkin_requests_in_flight", "Requests that are being answered.")
        self.waiting = self._gauge("wordkin_requests_waiting", "Requests that wait for a free place.")
        self.bodies_bytes = self._gauge("wordkin_request_bodies_bytes", "Request bodies that are held.")
        self._unknown_words = Counter(
            "wordkin_unknown_words",
            "Words that questions were refused for, because the vocabulary lacks them.",
            registry=self._registry,
        )
        self._answered_words = Counter(
            "wordkin_unknown_words_answered",
            "Words that the vocabulary lacks as asked, of questions that were answered all the same.",
            ["how"],
            registry=self._registry,
        )
        self._reloads = Counter(
            "wordkin_model_reloads",
            "Looks at the store for another version of a model, by what became of them.",
            ["model", "result"],
            registry=self._registry,
        )
        self._reload_seconds = Histogram(
            "wordkin_model_reload_seconds",
            "Time that checking, opening and warming took.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batch_sizes = Histogram(
            "wordkin_batch_size",
            "How many questions were computed as one: steps of language models, searches for words.",
            ["kind"],
            buckets=SIZES,
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    @contextmanager
    def watch(self, catalog: Catalog) -> Iterator[None]:
        """Within this, tell of the models of ``catalog``, count what becomes of looking for other versions, and searches."""
        self._catalog = catalog
        catalog.observe_reloads = self._count_reload
        catalog.observe_searches = self.observe_batches("search")
        catalog.observe_unknown = self._count_unknown
        try:
            yield
        finally:
            # Questions may still be under way.
            catalog.observe_reloads = catalog.observe_searches = catalog.observe_unknown = tell_nobody

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request that was answered; ``route`` is the template of an address, ``seconds`` how long it took."""
        child = self._children.get((method, route, status))
        if child is None:
            label = method if method in METHODS else "other"
            child = self._durations.labels(label, route, str(status))
            if label == method:
                self._children[method, route, status] = child
        child.observe(seconds)

    def count_unknown_words(self, count: int) -> None:
        """Words that a question was refused for."""
        self._unknown_words.inc(count)

    def observe_batches(self, kind: str) -> Callable[[float], None]:
        """A function that takes the size of each batch of ``kind``, which is a word of the program's own."""
        return self._batch_sizes.labels(kind).observe

    def render(self, accept: str) -> tuple[bytes, str]:
        """All numbers in the format that the header ``accept`` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        own: list[Collector] = [_Builds(), _Processes(self._pids())]
        if self._catalog is not None:
            own.append(_Models(self._catalog.shelf))
        registry = CollectorRegistry()
        if self._folder:
            MultiProcessCollector(registry, path=self._folder)
        else:
            registry.register(self._registry)
        for collector in own:
            registry.register(collector)
        return encode(registry), content_type

    def _count_unknown(self, how: UnknownHow, words: int) -> None:
        if how == "refused":
            self.count_unknown_words(words)
        else:
            self._answered_words.labels(how).inc(words)

    def _count_reload(self, reload: Reload) -> None:
        self._reloads.labels(reload.model, reload.result).inc()
        self._reload_seconds.observe(reload.seconds)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry, multiprocess_mode="livesum")

    def _pids(self) -> list[int]:
        """The processes that answer; what one that died has left of its gauges is removed."""
        pids = {os.getpid()}
        if self._folder:
            for path in Path(self._folder).glob("*.db"):
                if found := _FILE_PID.search(path.name):
                    pids.add(int(found[1]))
            for pid in [pid for pid in pids if not Path(f"/proc/{pid}").exists() and Path("/proc").exists()]:
                pids.discard(pid)
                with suppress(OSError):
                    mark_process_dead(pid, self._folder)
        return sorted(pids)


class _Builds(Collector):
    """What runs."""

    def collect(self) -> Iterable[Metric]:
        labels = {"version": __version__, "python": platform.python_version()}
        family = GaugeMetricFamily("wordkin_build_info", "Which wordkin this is.", labels=list(labels))
        family.add_metric(list(labels.values()), 1)
        yield family


class _Models(Collector):
    """What the process that is asked serves."""

    def __init__(self, shelf: Shelf) -> None:
        self._served = shelf.served
        self._faults = shelf.faults

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "wordkin_model_info", "The models that are served.", labels=["model", "version", "kind"]
        )
        words = GaugeMetricFamily("wordkin_model_words", "Words in the vocabulary.", labels=["model"])
        dim = GaugeMetricFamily("wordkin_model_dimensions", "Length of a word vector.", labels=["model"])
        faults = GaugeMetricFamily(
            "wordkin_model_faults", "Versions that cannot be served.", labels=["model", "reason"]
        )
        for served in self._served.values():
            info.add_metric([served.name, served.version, served.kind], 1)
            words.add_metric([served.name], len(served.vocabulary))
            if served.kind == "embedding":
                dim.add_metric([served.name], served.embedding.dim)
        kinds = [(fault.model, fault.reason) for fault in self._faults]
        for kind in sorted(set(kinds)):
            faults.add_metric(kind, kinds.count(kind))
        yield from (info, words, dim, faults)


class _Processes(Collector):
    """Memory, processor time and open files of each worker."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for pid in self._pids:
            collector = ProcessCollector(pid=lambda pid=pid: pid, registry=None)  # type: ignore[misc]
            for metric in collector.collect():
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
                )
                for sample in metric.samples:
                    family.add_sample(sample.name, {**sample.labels, "pid": str(pid)}, sample.value)
        yield from families.values()
