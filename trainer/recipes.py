"""What a training can be told: the settings of word vectors, and the named recipes that set several at once.

A recipe is a settings class with other defaults; an option given by flag or environment still wins over it.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from artifact.errors import InputError
from trainer.checks import check_choice, check_range

MODELS = ("cbow", "skipgram")
LOSSES = ("negative-sampling", "hierarchical-softmax")
ENGINES = ("auto", "plain", "fast")
OPTIMIZERS = ("adam", "sgd")
TABLE_DTYPES = ("float32", "float16")


def available_threads() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class WordVectorSettings:
    """Everything that decides what a training of word vectors does, apart from the text.

    Raises ``InputError`` naming the option when a value makes no sense.
    """

    model: str = "cbow"
    """cbow: the words around predict the word; skipgram: the word predicts each of the words around."""
    dim: int = 100
    """D, the length of a vector."""
    window: int = 5
    """Words to each side that count as context."""
    negatives: int = 5
    """K, noise words drawn for each true one."""
    subsample: float = 1e-3
    """Share of the text above which a word is thinned out (Mikolov et al. 2013, section 2.3); 0 keeps all."""
    loss: str = "negative-sampling"
    subwords: tuple[int, int] | None = None
    """Shortest and longest character n-gram that a word's vector is summed from; None: words alone."""
    buckets: int = 2_000_000
    """Rows that character n-grams are hashed into."""
    epochs: int = 5
    learning_rate: float | None = None
    """None: the learner's own default."""
    threads: int = field(default_factory=available_threads)
    seed: int = 1
    engine: str = "auto"
    """auto: the fastest engine that can do what is asked."""
    optimizer: str = "adam"
    """Plain models only."""
    batch_size: int = 1000
    """Examples that share one update. Plain models only."""
    whole_windows: bool = False
    """Keep every window whole, as the book does; else each is narrowed at random, as in word2vec. Plain models only."""
    shared_negatives: int | None = None
    """Noise words drawn for a block of targets together, weighted so that each target sees ``negatives`` of them.
    None: 16, and 32 for skip-gram on a GPU up to 128 dimensions, for better vectors. Fast engines only."""
    context_gradient: float = 1.0
    """Share of the gradient that the context words of CBOW receive. Fast engines only."""
    table_dtype: str = "float32"
    """Element type of the tables while they are trained; sums are float32 all the same. Fast engine on GPUs only."""
    gpus: int = 1
    """Of this machine, which train together. Fast engine on GPUs only."""
    output_weight: float | None = None
    """The published vectors are the input vectors plus this much of the output vectors. None: 1 for CBOW with negative
    sampling and without subwords, which answers more analogies then; 0 for all else."""

    models: ClassVar[tuple[str, ...]] = MODELS
    """The models that this recipe is for."""
    corpus_options: ClassVar[Mapping[str, Any]] = {}
    """What a recipe says about reading the text: tokenizer, min_count."""

    def __post_init__(self) -> None:
        check_choice("model", self.model, MODELS)
        check_choice("loss", self.loss, LOSSES)
        check_choice("engine", self.engine, ENGINES)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_range("dim", self.dim, 1, 100_000)
        check_range("window", self.window, 1, 1000)
        check_range("negatives", self.negatives, 1, 10_000)
        check_range("buckets", self.buckets, 1, 2**31 - 1)
        check_range("epochs", self.epochs, 1, 1_000_000)
        check_range("threads", self.threads, 1, 4096)
        check_range("gpus", self.gpus, 1, 64)
        check_choice("table-dtype", self.table_dtype, TABLE_DTYPES)
        check_range("seed", self.seed, 0, 2**63 - 1)
        check_range("batch-size", self.batch_size, 1, 10_000_000)
        if self.shared_negatives is not None:
            check_range("shared-negatives", self.shared_negatives, 1, 10_000)
        check_range("context-gradient", self.context_gradient, 0.0, 10.0)
        check_range("subsample", self.subsample, 0.0, 1.0)
        check_range("output-weight", self.output_share, -1.0, 1.0)
        if self.learning_rate is not None and not (
            math.isfinite(self.learning_rate) and self.learning_rate > 0
        ):
            raise InputError(f"--learning-rate must be a number above 0, not {self.learning_rate}")
        if self.subwords is not None:
            shortest, longest = self.subwords
            if not 1 <= shortest <= longest <= 20:
                raise InputError(
                    f"--subwords must be two lengths from 1 to 20, the shorter first, not {shortest}-{longest}"
                )

    @property
    def output_share(self) -> float:
        """``output_weight``, or what stands for None."""
        if self.output_weight is not None:
            return self.output_weight
        mixes = self.model == "cbow" and self.loss == "negative-sampling" and self.subwords is None
        return 1.0 if mixes else 0.0

    def count_shared(self, *, on_gpu: bool) -> int:
        """``shared_negatives``, or what stands for None."""
        if self.shared_negatives is not None:
            return self.shared_negatives
        return 32 if on_gpu and self.model == "skipgram" and self.dim <= 128 else 16

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON values, by field name."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(WordVectorSettings)}
        values["subwords"] = None if self.subwords is None else list(self.subwords)
        values["output_weight"] = self.output_share
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WordVectorSettings:
        """The settings that ``to_json`` wrote. Raises ``InputError`` for a field that this release does not know."""
        known = {each.name for each in dataclasses.fields(WordVectorSettings)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"settings of another release: {', '.join(unknown)}")
        values = dict(values)
        if values.get("subwords") is not None:
            values["subwords"] = tuple(values["subwords"])
        return WordVectorSettings(**values)


@dataclass(frozen=True)
class SampleRecipe(WordVectorSettings):
    """For texts of some hundred thousand words, such as the generated sample: short vectors, more epochs."""

    dim: int = 50
    epochs: int = 10
    output_weight: float | None = 0.0


@dataclass(frozen=True)
class SmallRecipe(WordVectorSettings):
    """For texts of about a million words, such as Penn Treebank: twenty epochs."""

    epochs: int = 20
    output_weight: float | None = 0.5


@dataclass(frozen=True)
class PtbRecipe(WordVectorSettings):
    """For Penn Treebank, with the plain models: whole windows, every word, small batches of SGD. About a minute."""

    subsample: float = 0.0
    epochs: int = 10
    engine: str = "plain"
    optimizer: str = "sgd"
    batch_size: int = 200
    learning_rate: float | None = 0.2
    output_weight: float | None = 0.25
    whole_windows: bool = True

    models: ClassVar[tuple[str, ...]] = ("cbow",)
    corpus_options: ClassVar[Mapping[str, Any]] = {"tokenizer": "whitespace", "min_count": 1}


@dataclass(frozen=True)
class BestRecipe(WordVectorSettings):
    """More accurate vectors in less time, for texts of ten million words and more: CBOW that learns fast and thins much.

    Frequent words are thinned to a tenth of the usual; the context's gradient is cut to a fifth, which lets the
    learning rate double; input and half the output vectors are published.
    """

    subsample: float = 1e-4
    epochs: int = 6
    learning_rate: float | None = 0.1
    context_gradient: float = 0.2
    output_weight: float | None = 0.5

    models: ClassVar[tuple[str, ...]] = ("cbow",)


@dataclass(frozen=True)
class BookRecipe(WordVectorSettings):
    """The CBOW of Deep Learning from Scratch 2, chapter 4: Adam, batches of 100, ten epochs, no subsampling."""

    subsample: float = 0.0
    epochs: int = 10
    engine: str = "plain"
    learning_rate: float | None = 0.001
    batch_size: int = 100
    output_weight: float | None = 0.0
    whole_windows: bool = True

    models: ClassVar[tuple[str, ...]] = ("cbow",)


RECIPES: dict[str, type[WordVectorSettings]] = {
    "sample": SampleRecipe,
    "small": SmallRecipe,
    "best": BestRecipe,
    "ptb": PtbRecipe,
    "book": BookRecipe,
}


def recipe_options(name: str, *, model: str) -> dict[str, Any]:
    """What the recipe ``name`` sets, by option: only what differs from the defaults. Raises ``InputError``."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise InputError(f"--recipe {name}: there is no such recipe (there are: {', '.join(RECIPES)})")
    if model not in recipe.models:
        raise InputError(f"--recipe {name} is for {' and '.join(recipe.models)}, not for {model}")
    values = recipe(model=model)
    plain = WordVectorSettings(model=model)
    changed = {
        each.name: getattr(values, each.name)
        for each in dataclasses.fields(WordVectorSettings)
        if getattr(values, each.name) != getattr(plain, each.name)
    }
    return {**recipe.corpus_options, **changed}
