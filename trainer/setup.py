"""What a training starts with, and whether it is what an interrupted one started with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artifact.errors import Corrupt, InputError
from trainer.corpus import PhraseSettings
from trainer.options import Arguments
from trainer.recipes import WordVectorSettings
from trainer.texts import choose_phrases

PLACES = ("device", "gpus", "table_dtype")
"""What an interrupted training may go on with otherwise: it says where something is computed, not what."""


@dataclass(frozen=True)
class Setup:
    """The settings of a training, and how its text is read."""

    settings: WordVectorSettings
    device: str
    tokenizer: str
    min_count: int
    recipe: str | None = None
    """The name of the recipe, if there was one; what it set is in ``settings``."""
    resumed_from: str | None = None
    """NAME@VERSION of the published version that this training went on from, if it did."""
    phrases: PhraseSettings | None = None
    """How phrases are found; None: words alone."""

    @classmethod
    def from_arguments(cls, arguments: Arguments, *, model: str) -> Setup:
        """Raises InputError for settings that make no sense."""
        names = {each.name for each in dataclasses.fields(WordVectorSettings)} & set(arguments.values)
        chosen = {name: arguments[name] for name in names if arguments[name] is not None}
        return cls(
            settings=WordVectorSettings(model=model, **chosen),
            device=arguments["device"],
            tokenizer=arguments["tokenizer"],
            min_count=arguments["min_count"],
            recipe=arguments["recipe"],
            phrases=choose_phrases(arguments),
        )

    def to_json(self) -> dict[str, Any]:
        """One flat object: the settings by name, and the rest."""
        return {
            **self.settings.to_json(),
            "device": self.device,
            "tokenizer": self.tokenizer,
            "min_count": self.min_count,
            "recipe": self.recipe,
            "resumed_from": self.resumed_from,
            "phrases": self.phrases is not None,
            **({} if self.phrases is None else self.phrases.to_json()),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Setup:
        """What ``to_json`` wrote. Raises Corrupt for anything else."""
        rest = dict(value)
        try:
            own = {key: rest.pop(key) for key in ("device", "tokenizer", "min_count", "recipe")}
            resumed_from = rest.pop("resumed_from", None)
            found = {key: rest.pop(key) for key in list(rest) if key.startswith("phrase_")}
            phrases = PhraseSettings.from_json(found) if rest.pop("phrases", False) else None
            settings = WordVectorSettings.from_json(rest)
            return cls(settings=settings, **own, resumed_from=resumed_from, phrases=phrases)
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise Corrupt(f"the checkpoint's settings cannot be read: {error}") from None

    def go_on(self, saved: Setup, arguments: Arguments) -> Setup:
        """``saved``, if nothing that was asked for contradicts it. Raises InputError naming the first option that does.

        ``PLACES`` that were asked for take the place of those before.
        """
        asked, before = self.to_json(), saved.to_json()
        if asked["model"] != before["model"]:
            raise InputError(
                f"--resume: the interrupted training is of {before['model']}, not {asked['model']}"
            )
        for key, value in before.items():
            # What is left to itself ("auto") agrees with everything.
            if key not in PLACES and arguments.given(key) and asked[key] not in (value, "auto"):
                raise InputError(
                    f"--resume: --{key.replace('_', '-')} is {_show(asked[key])}, but the interrupted training has {_show(value)}"
                )
        changes = {key: asked[key] for key in PLACES[1:] if arguments.said(key)}
        device = "gpu" if changes else saved.device  # they ask for one, as in choose_engine
        if arguments.said("device"):
            device = self.device
        return dataclasses.replace(
            saved, settings=dataclasses.replace(saved.settings, **changes), device=device
        )


def _show(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
