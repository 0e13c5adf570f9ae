"""What an evaluation found, as text for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.console import format_table
from trainer.evaluate.analogies import AnalogyResult, Score
from trainer.evaluate.book import Answer
from trainer.evaluate.language_text import LanguageTextResult
from trainer.evaluate.similarity import SimilarityResult


@dataclass
class Report:
    """The results of one evaluation of one version."""

    name: str
    version: str
    kind: str
    analogies: AnalogyResult | None = None
    similarity: dict[str, SimilarityResult] = field(default_factory=dict)
    book: Sequence[Answer] = ()
    language_text: LanguageTextResult | None = None

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {"name": self.name, "version": self.version, "kind": self.kind}
        if self.analogies is not None:
            result["analogies"] = self.analogies.to_json()
        if self.similarity:
            result["similarity"] = {name: each.to_json() for name, each in self.similarity.items()}
        if self.book:
            result["book"] = [answer.to_json() for answer in self.book]
        if self.language_text is not None:
            result |= self.language_text.to_json()
        return result

    def to_text(self) -> str:
        parts = [f"{self.name}@{self.version}"]
        if self.analogies is not None:
            parts.append(_analogy_table(self.analogies))
        if self.similarity:
            parts.append(_similarity_table(self.similarity))
        if self.book:
            parts.append(_book_table(self.book))
        if self.language_text is not None:
            parts.append(_language_table(self.language_text))
        return "\n\n".join(parts)


def _language_table(result: LanguageTextResult) -> str:
    rows = [["network alone", f"{result.perplexity:.2f}"]]
    if result.mixture_perplexity is not None:
        rows.append(["with n-grams and caches", f"{result.mixture_perplexity:.2f}"])
    title = f"Perplexity over {result.words:,} words, line ends among them; {result.unknown:,} are unknown"
    if result.left_out:
        title += f"; {result.left_out:,} more could not be scored: the model has no <unk>"
    return f"{title}\n{format_table(rows, right=(1,), indent='  ')}"


def _analogy_table(result: AnalogyResult) -> str:
    rows = [["", "accuracy", "correct", "covered", "asked"]]
    rows += [_score_row(name, score) for name, score in result.sections.items()]
    for name, score in (("semantic", result.semantic), ("syntactic", result.syntactic)):
        if score is not None:
            rows.append(_score_row(name, score))
    rows.append(_score_row("all", result.total))
    title = f"Analogies, among the {result.restrict_vocab:,} most frequent words"
    return f"{title}\n{format_table(rows, right=(1, 2, 3, 4), indent='  ')}"


def _score_row(name: str, score: Score) -> list[str]:
    accuracy = "–" if score.accuracy is None else f"{100 * score.accuracy:.1f} %"
    return [name, accuracy, f"{score.correct:,}", f"{score.covered:,}", f"{score.asked:,}"]


def _similarity_table(results: dict[str, SimilarityResult]) -> str:
    rows = [["", "Spearman", "covered", "asked"]]
    for name, result in results.items():
        spearman = "–" if result.spearman is None else f"{result.spearman:.3f}"
        rows.append([name, spearman, f"{result.covered:,}", f"{result.asked:,}"])
    return f"Word similarity\n{format_table(rows, right=(1, 2, 3), indent='  ')}"


def _book_table(answers: Sequence[Answer]) -> str:
    rows = []
    for answer in answers:
        words = ", ".join(each.word for each in answer.neighbours)
        if answer.missing:
            words = f"not in the vocabulary: {', '.join(answer.missing)}"
        rows.append([answer.question, words or "no answer"])
    return f"The book's questions\n{format_table(rows, indent='  ')}"
