"""Which engine can do what. One table: what stands here is done, what does not is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from artifact.errors import InputError
from trainer.corpus import Corpus
from trainer.loop import Learner
from trainer.recipes import LOSSES, MODELS, WordVectorSettings

# Options that only some engines know what to do with; each engine names its own.
SPECIFIC_OPTIONS = {
    "optimizer",
    "batch_size",
    "whole_windows",
    "shared_negatives",
    "context_gradient",
    "gpus",
    "table_dtype",
}


@dataclass(frozen=True)
class Engine:
    """One way to train word vectors."""

    name: str
    build: Callable[[Corpus, WordVectorSettings, str], Learner]
    """Makes a learner for a corpus, settings and a device."""
    devices: Collection[str] = ("cpu",)
    """Where it runs, the usual place first."""
    models: Collection[str] = MODELS
    losses: Collection[str] = ("negative-sampling",)
    subwords: bool = False
    own_options: Collection[str] = ()
    """Those of the SPECIFIC_OPTIONS that mean something to this engine."""
    require: Callable[[str, WordVectorSettings], None] = lambda _device, _settings: None
    """Raises InputError where a device of the engine's is not there, or too few."""

    @property
    def title(self) -> str:
        return f"{self.name} engine on a GPU" if set(self.devices) == {"gpu"} else f"{self.name} engine"


@dataclass(frozen=True)
class Choice:
    """An engine and the device that it will run on."""

    engine: Engine
    device: str

    def settle(self, settings: WordVectorSettings) -> WordVectorSettings:
        """``settings`` with what they leave to the engine."""
        shared = settings.shared_negatives
        if "shared_negatives" in self.engine.own_options:
            shared = settings.count_shared(on_gpu=self.device == "gpu")
        return replace(settings, engine=self.engine.name, shared_negatives=shared)

    def make_learner(self, corpus: Corpus, settings: WordVectorSettings) -> Learner:
        return self.engine.build(corpus, settings, self.device)


def _build_plain(corpus: Corpus, settings: WordVectorSettings, device: str) -> Learner:
    from trainer.backend import choose
    from trainer.models.learner import PlainLearner

    return PlainLearner(corpus, settings, choose(device))


def _build_fast(corpus: Corpus, settings: WordVectorSettings, device: str) -> Learner:  # noqa: ARG001 - the CPU alone
    from trainer.engines.cpu import CpuLearner

    return CpuLearner(corpus, settings)


def _build_on_gpu(corpus: Corpus, settings: WordVectorSettings, device: str) -> Learner:  # noqa: ARG001 - the GPU alone
    from trainer.engines.gpu import GpuLearner

    return GpuLearner(corpus, settings)


def _require(device: str, _settings: WordVectorSettings) -> None:
    from trainer.backend import choose

    choose(device)


def _require_gpus(_device: str, settings: WordVectorSettings) -> None:
    from trainer.engines.cupy_device import require_devices

    require_devices(settings.gpus)


# In order of preference.
WORD_VECTOR_ENGINES = (
    Engine(
        name="fast",
        build=_build_on_gpu,
        devices=("gpu",),
        subwords=True,
        own_options=("shared_negatives", "context_gradient", "gpus", "table_dtype"),
        require=_require_gpus,
    ),
    Engine(
        name="fast",
        build=_build_fast,
        losses=LOSSES,
        subwords=True,
        own_options=("shared_negatives", "context_gradient"),
    ),
    Engine(
        name="plain",
        build=_build_plain,
        devices=("cpu", "gpu"),
        losses=LOSSES,
        subwords=True,
        own_options=("optimizer", "batch_size", "whole_windows"),
        require=_require,
    ),
)


def choose_engine(
    settings: WordVectorSettings,
    *,
    device: str,
    asked: Collection[str],
    engines: Collection[Engine] = WORD_VECTOR_ENGINES,
) -> Choice:
    """The first engine that honours ``settings``, ``device`` and every option in ``asked``.

    Where no device is asked for, an engine whose usual one is not there is passed over. Raises InputError, also for a
    device that is asked for and is not there.
    """
    _refuse_idle(settings, asked)
    if device == "auto" and not {"gpus", "table_dtype"}.isdisjoint(asked):
        device = "gpu"
    candidates = [engine for engine in engines if settings.engine in {"auto", engine.name}]
    if not candidates:
        raise InputError(f"--engine {settings.engine} is not in this release")
    obstacles: list[str] = []
    others: list[str] = []  # of engines that run elsewhere
    for engine in candidates:
        obstacle = _find_obstacle(
            engine, settings, device, foreign=SPECIFIC_OPTIONS - set(engine.own_options), asked=asked
        )
        if obstacle is not None:
            expected = "cpu" if device == "auto" else device
            (obstacles if expected in engine.devices else others).append(obstacle)
            continue
        place = next(iter(engine.devices)) if device == "auto" else device
        try:
            engine.require(place, settings)
        except InputError as missing:
            if device != "auto":
                raise
            others.append(str(missing))
        else:
            return Choice(engine, place)
    raise InputError((obstacles or others)[0])


def _refuse_idle(settings: WordVectorSettings, asked: Collection[str]) -> None:
    """InputError for an option that would change nothing beside the others."""
    if settings.subwords is None and "buckets" in asked:
        raise InputError("--buckets means nothing without --subwords")
    if settings.loss != "negative-sampling" and "negatives" in asked:
        raise InputError(f"--negatives means nothing to --loss {settings.loss}")


def _find_obstacle(
    engine: Engine,
    settings: WordVectorSettings,
    device: str,
    *,
    foreign: Collection[str],
    asked: Collection[str],
) -> str | None:
    """What keeps ``engine`` from doing what is asked; None if nothing does."""
    if device != "auto" and device not in engine.devices:
        return f"--device {device}: the {engine.title} runs on {' and '.join(engine.devices)} alone"
    if settings.model not in engine.models:
        return f"{settings.model} is not a model of the {engine.title}"
    if settings.loss not in engine.losses:
        return f"--loss {settings.loss} is not known to the {engine.title}"
    if settings.subwords is not None and not engine.subwords:
        return f"--subwords is not known to the {engine.title}"
    for key in sorted(set(foreign) & set(asked)):
        return f"{_flag(key)} means nothing to the {engine.title}"
    return None


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
