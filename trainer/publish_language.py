"""Publishing a language model: weights, vocabulary, n-grams and the mixture, a card and a plot become one version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from artifact.canonical import encode_json
from artifact.language import LanguageModel, compute_perplexity
from artifact.language_files import write_language_model
from artifact.mixture import Mixture
from artifact.network import Network
from artifact.ngrams import NGrams
from artifact.store import Store
from artifact.vocabulary import Vocabulary
from trainer.console import format_bytes, format_seconds
from trainer.language_card import LanguageCard, draw_perplexity
from trainer.language_setup import LanguageSetup
from trainer.language_texts import LanguageTexts
from trainer.loop import History
from trainer.memory import peak_rss_bytes
from trainer.mixture import fit_mixture
from trainer.models.rnnlm_learner import Epoch
from trainer.ngrams import build_ngrams
from trainer.publish import name_files

Progress = Callable[[str, int, int | None], None]
_WORDS_AT_ONCE = 2048


@dataclass(frozen=True)
class Mixed:
    """What is served with the network, and how good it is with it."""

    ngrams: NGrams
    mixture: Mixture
    valid_perplexity: float
    """Of the text that the mixture was fitted on."""
    test_perplexity: float | None


@dataclass(frozen=True)
class TrainedLanguage:
    """A finished training of a language model, ready to be published."""

    name: str
    texts: LanguageTexts
    sources: Sequence[str]
    """What the text was called on the command line."""
    setup: LanguageSetup
    history: History
    epochs: Sequence[Epoch]
    weights: Mapping[str, NDArray[np.float32]]
    """Of the best epoch, named as in the artifact."""
    valid_perplexity: float
    """Of the network alone."""
    test_perplexity: float | None
    mixed: Mixed | None = None
    dtype: Literal["float32", "float16"] = "float32"
    license: str = ""
    provenance: str = ""
    generated: bool = False


def mix_language(trained: TrainedLanguage, *, order: int, progress: Progress) -> Mixed:
    """Count n-grams up to ``order`` in the training text, and fit their weight and the caches' on the validation text.

    The test text, where there is one, is only measured.
    """
    texts, words = trained.texts, trained.texts.words
    progress("n-grams", 0, None)
    ngrams = build_ngrams(texts.train.token_ids, vocab_size=len(words), eos_id=words.end_of_line, order=order)
    cell = trained.setup.settings.cell
    fitted = fit_mixture(
        Network(trained.weights, cell=cell),
        ngrams,
        texts.valid.token_ids,
        eos_id=words.end_of_line,
        progress=lambda done, total: progress("mixture", done, total),
    )
    test_perplexity = None
    if texts.test is not None:
        model = LanguageModel(
            network=Network(trained.weights, cell=cell),
            vocabulary=Vocabulary.from_tokens(words.tokens, words.counts),
            tokenizer=texts.corpus.tokenizer,
            ngrams=ngrams,
            mixture=fitted.mixture,
        )
        test_perplexity = _measure(model, texts.test.token_ids, progress)
    return Mixed(ngrams, fitted.mixture, fitted.mixture_perplexity, test_perplexity)


def _measure(model: LanguageModel, token_ids: NDArray[np.int32], progress: Progress) -> float:
    state, found = model.start(), []
    for start in range(0, len(token_ids), _WORDS_AT_ONCE):
        reading = model.read(state, token_ids[start : start + _WORDS_AT_ONCE].tolist())
        state = reading.state
        found.append(reading.mixture)
        progress("test", min(start + _WORDS_AT_ONCE, len(token_ids)), len(token_ids))
    return compute_perplexity(np.concatenate(found))


def publish_language(store: Store, trained: TrainedLanguage) -> str:
    """Publish ``trained`` in ``store`` and make it the latest of its name; returns the version.

    Raises StoreUnwritable, leaving nothing behind, where the disk does not take it.
    """
    words, mixed = trained.texts.words, trained.mixed
    recipe: dict[str, Any] = trained.setup.to_json()
    recipe["tied"] = trained.setup.settings.tie_weights
    if mixed is not None:
        recipe["mixture"] = mixed.mixture.to_json()
    plot = draw_perplexity(trained.epochs, title=f"{trained.name}: perplexity by epoch")
    card = _make_card(trained)
    with store.draft(trained.name) as draft:
        write_language_model(
            draft,
            tokens=words.tokens,
            counts=words.counts,
            weights=trained.weights,
            ngrams=None if mixed is None else mixed.ngrams,
            dtype=trained.dtype,
        )
        draft.add("card", "README.md", card.to_markdown())
        draft.add("report", "report.html", card.to_html(plot_svg=plot))
        draft.add("perplexity-plot", "perplexity.svg", plot)
        draft.add("loss-history", "history.json", encode_json(_show_history(trained)))
        return draft.publish(
            kind="language-model",
            tokenizer=trained.texts.corpus.tokenizer,
            recipe=recipe,
            metrics=_collect_metrics(trained),
            license=trained.license,
            provenance=_describe_origin(trained),
        )


def _describe_origin(trained: TrainedLanguage) -> str:
    said = trained.provenance or f"trained on {', '.join(name_files(trained.sources))}"
    return f"{said} (text generated by a program)" if trained.generated else said


def _show_history(trained: TrainedLanguage) -> dict[str, Any]:
    return {**trained.history.to_json(), "epochs": [epoch.to_json() for epoch in trained.epochs]}


def _collect_metrics(trained: TrainedLanguage) -> dict[str, Any]:
    history, mixed = trained.history, trained.mixed
    metrics: dict[str, Any] = {
        "valid_perplexity": trained.valid_perplexity,
        "test_perplexity": trained.test_perplexity,
        "loss": history.loss,
        "epochs": len(trained.epochs),
        "words": history.words,
        "seconds": round(history.seconds, 3),
        "words_per_second": round(history.words_per_second, 1),
        "peak_rss_bytes": peak_rss_bytes(),
        "corpus": trained.texts.corpus.report.to_json(),
        "generated": trained.generated,
    }
    if mixed is not None:
        metrics["mixture_valid_perplexity"] = mixed.valid_perplexity
        metrics["mixture_test_perplexity"] = mixed.test_perplexity
    return metrics


def _make_card(trained: TrainedLanguage) -> LanguageCard:
    texts, history, settings, mixed = (
        trained.texts,
        trained.history,
        trained.setup.settings,
        trained.mixed,
    )
    report = texts.corpus.report
    result = {
        "perplexity on validation": _show_perplexity(
            trained.valid_perplexity, None if mixed is None else mixed.valid_perplexity
        )
    }
    if trained.test_perplexity is not None:
        result["perplexity on test"] = _show_perplexity(
            trained.test_perplexity, None if mixed is None else mixed.test_perplexity
        )
    result |= {
        "epochs": str(len(trained.epochs)),
        "speed": f"{history.words_per_second:,.0f} words a second",
        "training time": format_seconds(history.seconds),
    }
    return LanguageCard(
        name=trained.name,
        summary=f"A language model trained with wordkin: {settings.layers} {settings.cell.upper()} of {settings.hidden}, "
        f"{len(texts.words):,} words"
        + ("." if mixed is None else ", served together with n-grams and a cache of recent words."),
        text={
            "source": _describe_origin(trained),
            "words": f"{report.words:,} in {report.lines:,} lines ({format_bytes(report.bytes)})",
            "vocabulary": f"{len(texts.words):,} words, of {report.types:,} in the text",
            "tokenizer": texts.corpus.tokenizer.name,
        },
        settings={key: str(value) for key, value in trained.setup.to_json().items() if value is not None},
        result=result,
        generated=trained.generated,
        license=trained.license,
    )


def _show_perplexity(alone: float, together: float | None) -> str:
    mixture = "" if together is None else f", {together:.2f} with n-grams and cache"
    return f"{alone:.2f}{mixture}"
