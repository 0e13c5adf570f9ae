"""What a training of a language model can be told, and the named recipes that set several things at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from artifact.errors import InputError
from trainer.checks import check_choice, check_range
from trainer.recipes import available_threads

CELLS = ("rnn", "lstm", "gru")
OPTIMIZERS = ("sgd", "adam", "adamw", "asgd")
SCHEDULES = ("plateau", "cosine")
ENGINES = ("auto", "plain", "fast")
PRECISIONS = ("float32", "tf32", "bfloat16")
LEARNING_RATES = {"sgd": 20.0, "asgd": 30.0, "adam": 2e-3, "adamw": 2e-3}


@dataclass(frozen=True)
class RnnlmSettings:
    """Everything that decides what a training of a language model does, apart from the text.

    Raises ``InputError`` naming the option when a value makes no sense.
    """

    cell: str = "lstm"
    hidden: int = 200
    """H, the width of a recurrent layer."""
    layers: int = 1
    embedding: int | None = None
    """E, the length of a word's vector; None: H."""
    tie_weights: bool = False
    """The output layer is the embedding transposed (Press and Wolf 2017); the last layer is then E wide."""
    time_steps: int = 35
    """T, steps of a block that gradients flow through."""
    vary_steps: bool = False
    """Blocks of varying length around T, the learning rate in proportion (Merity et al. 2017, section 4.1)."""
    shift_lanes: bool = False
    """Each epoch cuts the text elsewhere, so that neither lanes nor blocks begin at the same words again."""
    batch_size: int = 20
    """B, lanes that are read side by side."""
    dropout: float = 0.0
    """Dropout of everything that has no share of its own below."""
    input_dropout: float | None = None
    """On the words' vectors."""
    hidden_dropout: float | None = None
    """Between recurrent layers."""
    output_dropout: float | None = None
    """After the last recurrent layer."""
    embedding_dropout: float = 0.0
    """Of whole words."""
    weight_drop: float = 0.0
    """DropConnect on the recurrent weights."""
    variational: bool = False
    """One mask for all steps of a block."""
    activation_penalty: float = 0.0
    """α: the mean square of the dropped output of the last layer, added to the loss (Merity et al. 2017, 4.6)."""
    change_penalty: float = 0.0
    """β: the mean square of its change from step to step."""
    weight_decay: float = 0.0
    """Of every weight at each update, times the learning rate."""
    optimizer: str = "sgd"
    learning_rate: float | None = None
    """None: what suits the optimizer."""
    clip: float = 0.25
    """Largest global norm of the gradient of the mean loss; 0 does not clip."""
    epochs: int = 10
    schedule: str = "plateau"
    """plateau: divide the learning rate when validation stops improving; cosine: down to nothing along a half cosine."""
    warm_up: float = 0.0
    """Share of the training in which the learning rate of the cosine rises from nothing."""
    decay: float = 4.0
    """What a plateau divides the learning rate by; 1 leaves it."""
    patience: int = 6
    """Epochs without a better validation perplexity after which training ends; 0 never ends it."""
    average_after: int = 5
    """asgd: averaging starts when an epoch is no better than the best one this many epochs before."""
    average_decay: float = 0.0
    """What an average of the weights keeps of itself at each update; it is validated and published in their place. 0: none, and
    for asgd a mean that forgets nothing."""
    initial: str = "book"
    """book: normal, of deviation 1/√inputs; uniform: within ±1/√H as in PyTorch, words within ±0.1."""
    threads: int = field(default_factory=available_threads)
    seed: int = 1
    engine: str = "auto"
    """auto: fast."""
    precision: str = "float32"
    """What factors of products are rounded to on a GPU, fast engine; sums are float32 in any case."""

    corpus_options: ClassVar[Mapping[str, Any]] = {}
    """What a recipe says about reading the text."""

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, CELLS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("initial", self.initial, ("book", "uniform"))
        check_choice("engine", self.engine, ENGINES)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("hidden", "embedding"):
            if (value := getattr(self, name)) is not None:
                check_range(name, value, 1, 65_536)
        check_range("layers", self.layers, 1, 64)
        check_range("time-steps", self.time_steps, 1, 10_000)
        check_range("batch-size", self.batch_size, 1, 1_000_000)
        check_range("epochs", self.epochs, 1, 1_000_000)
        check_range("threads", self.threads, 1, 4096)
        check_range("seed", self.seed, 0, 2**63 - 1)
        for name in (
            "dropout",
            "input_dropout",
            "hidden_dropout",
            "output_dropout",
            "embedding_dropout",
            "weight_drop",
        ):
            if (value := getattr(self, name)) is not None:
                check_range(name.replace("_", "-"), value, 0.0, 0.95)
        for name in ("activation_penalty", "change_penalty", "weight_decay", "clip"):
            check_range(name.replace("_", "-"), getattr(self, name), 0.0, 1e6)
        check_range("decay", self.decay, 1.0, 1e6)
        check_range("warm-up", self.warm_up, 0.0, 1.0)
        check_range("patience", self.patience, 0, 1_000_000)
        check_range("average-after", self.average_after, 0, 1_000_000)
        check_range("average-decay", self.average_decay, 0.0, 0.999999)
        if self.learning_rate is not None and not (
            math.isfinite(self.learning_rate) and self.learning_rate > 0
        ):
            raise InputError(f"--learning-rate must be a number above 0, not {self.learning_rate}")

    @property
    def first_learning_rate(self) -> float:
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def widths(self) -> list[int]:
        """E, then the width of each recurrent layer; with tied weights the last is E again."""
        embedding = self.hidden if self.embedding is None else self.embedding
        widths = [embedding, *[self.hidden] * self.layers]
        if self.tie_weights:
            widths[-1] = embedding
        return widths

    def share(self, place: str) -> float:
        """The dropout at ``input``, ``hidden`` or ``output``."""
        own: float | None = getattr(self, f"{place}_dropout")
        return self.dropout if own is None else own

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON values, by field name."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(RnnlmSettings)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RnnlmSettings:
        """The settings that ``to_json`` wrote. Raises ``InputError`` for a field that this release does not know."""
        known = {each.name for each in dataclasses.fields(RnnlmSettings)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"settings of another release: {', '.join(unknown)}")
        return RnnlmSettings(**values)


@dataclass(frozen=True)
class BookRnnlm(RnnlmSettings):
    """The Rnnlm of Deep Learning from Scratch 2, 6.4: one LSTM of 100, four epochs of SGD."""

    hidden: int = 100
    learning_rate: float | None = 20.0
    epochs: int = 4
    decay: float = 1.0
    patience: int = 0


@dataclass(frozen=True)
class BookBetterRnnlm(RnnlmSettings):
    """The BetterRnnlm of the book, 6.5: two LSTMs of 650, dropout, tied weights, forty epochs."""

    hidden: int = 650
    layers: int = 2
    dropout: float = 0.5
    tie_weights: bool = True
    learning_rate: float | None = 20.0
    epochs: int = 40
    patience: int = 0


@dataclass(frozen=True)
class MikolovRnn(RnnlmSettings):
    """A plain tanh RNN (Mikolov et al. 2010), with the regularisation that was found later."""

    cell: str = "rnn"
    hidden: int = 300
    tie_weights: bool = True
    dropout: float = 0.4
    variational: bool = True
    shift_lanes: bool = True
    batch_size: int = 40
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    learning_rate: float | None = 2e-3
    schedule: str = "cosine"
    warm_up: float = 0.03
    epochs: int = 24
    clip: float = 0.5
    initial: str = "uniform"
    patience: int = 0


@dataclass(frozen=True)
class AwdLstm(RnnlmSettings):
    """Weight-dropped LSTM with averaged SGD (Merity et al. 2017, arXiv 1708.02182, with its settings for PTB)."""

    hidden: int = 1150
    layers: int = 3
    embedding: int | None = 400
    tie_weights: bool = True
    time_steps: int = 70
    vary_steps: bool = True
    input_dropout: float | None = 0.4
    hidden_dropout: float | None = 0.25
    output_dropout: float | None = 0.4
    embedding_dropout: float = 0.1
    weight_drop: float = 0.5
    variational: bool = True
    activation_penalty: float = 2.0
    change_penalty: float = 1.0
    weight_decay: float = 1.2e-6
    optimizer: str = "asgd"
    learning_rate: float | None = 30.0
    epochs: int = 500
    decay: float = 1.0
    patience: int = 50
    initial: str = "uniform"


@dataclass(frozen=True)
class CpuHour(RnnlmSettings):
    """The best single model that two cores train on a million words within an hour."""

    hidden: int = 400
    layers: int = 2
    tie_weights: bool = True
    dropout: float = 0.4
    hidden_dropout: float | None = 0.35
    embedding_dropout: float = 0.05
    variational: bool = True
    shift_lanes: bool = True
    batch_size: int = 32
    optimizer: str = "adamw"
    weight_decay: float = 0.02
    learning_rate: float | None = 3e-3
    schedule: str = "cosine"
    warm_up: float = 0.03
    epochs: int = 18
    clip: float = 0.5
    initial: str = "uniform"
    patience: int = 0


@dataclass(frozen=True)
class SampleLm(RnnlmSettings):
    """For small texts, such as the generated sample: a small model in seconds."""

    hidden: int = 64
    tie_weights: bool = True
    dropout: float = 0.1
    batch_size: int = 32
    time_steps: int = 20
    optimizer: str = "adam"
    learning_rate: float | None = 1e-2
    schedule: str = "cosine"
    epochs: int = 2
    clip: float = 1.0
    initial: str = "uniform"
    patience: int = 0


RECIPES: dict[str, type[RnnlmSettings]] = {
    "book-rnnlm": BookRnnlm,
    "book-better-rnnlm": BookBetterRnnlm,
    "mikolov-rnn": MikolovRnn,
    "awd-lstm": AwdLstm,
    "cpu-hour": CpuHour,
    "sample-lm": SampleLm,
}


def recipe_options(name: str) -> dict[str, Any]:
    """What the recipe ``name`` sets, by option: only what differs from the defaults. Raises ``InputError``."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise InputError(f"--recipe {name}: there is no such recipe (there are: {', '.join(RECIPES)})")
    values, plain = recipe(), RnnlmSettings()
    changed = {
        each.name: getattr(values, each.name)
        for each in dataclasses.fields(RnnlmSettings)
        if getattr(values, each.name) != getattr(plain, each.name)
    }
    return {**recipe.corpus_options, **changed}
