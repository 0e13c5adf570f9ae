"""What a training of a language model starts with, and whether it is what an interrupted one started with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artifact.errors import Corrupt, InputError
from trainer.language_recipes import RECIPES, RnnlmSettings
from trainer.options import Arguments

MODEL = "rnnlm"
PLACES = ("device", "precision")
"""What an interrupted training may go on with otherwise: it says where something is computed, not what."""


@dataclass(frozen=True)
class LanguageSetup:
    """The settings of a training, and how its texts are read."""

    settings: RnnlmSettings
    device: str
    tokenizer: str
    min_count: int
    recipe: str | None = None
    """The name of the recipe, if there was one; what it set is in ``settings``."""

    @classmethod
    def from_arguments(cls, arguments: Arguments) -> LanguageSetup:
        """Raises InputError for settings that make no sense."""
        recipe = RECIPES[arguments["recipe"]]() if arguments["recipe"] else RnnlmSettings()
        names = {each.name for each in dataclasses.fields(RnnlmSettings)}
        # What has an option of its own comes from there, in the order flag, environment, recipe.
        chosen = {
            name: arguments[name]
            for name in names & set(arguments.values)
            if arguments.given(name) and arguments[name] is not None
        }
        settings = RnnlmSettings(**{**recipe.to_json(), **chosen})
        return cls(
            settings=settings,
            device=arguments["device"],
            tokenizer=arguments["tokenizer"],
            min_count=arguments["min_count"],
            recipe=arguments["recipe"],
        )

    def to_json(self) -> dict[str, Any]:
        """One flat object: the settings by name, and the rest."""
        return {
            "model": MODEL,
            **self.settings.to_json(),
            "device": self.device,
            "tokenizer": self.tokenizer,
            "min_count": self.min_count,
            "recipe": self.recipe,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LanguageSetup:
        """What ``to_json`` wrote. Raises Corrupt for anything else, InputError for another kind of training."""
        rest = dict(value)
        if (model := rest.pop("model", None)) != MODEL:
            raise InputError(f"--resume: the interrupted training is of {model}, not {MODEL}")
        try:
            own = {key: rest.pop(key) for key in ("device", "tokenizer", "min_count", "recipe")}
            return cls(settings=RnnlmSettings.from_json(rest), **own)
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise Corrupt(f"the checkpoint's settings cannot be read: {error}") from None

    def go_on(self, saved: LanguageSetup, arguments: Arguments) -> LanguageSetup:
        """``saved``, if nothing that was asked for contradicts it. Raises InputError naming the first option that does.

        ``PLACES`` that were asked for take the place of those before.
        """
        asked, before = self.to_json(), saved.to_json()
        for key, value in before.items():
            if key not in PLACES and arguments.given(key) and asked[key] not in (value, "auto"):
                raise InputError(
                    f"--resume: --{key.replace('_', '-')} is {asked[key]}, but the interrupted training has {value}"
                )
        precision = self.settings.precision if arguments.said("precision") else saved.settings.precision
        settings = dataclasses.replace(saved.settings, precision=precision)
        device = self.device if arguments.said("device") else saved.device
        return dataclasses.replace(saved, settings=settings, device=device)
