"""``python -m trainer.container``: the command line in a container, filled in from the places where platforms put things.

``plan_job`` maps them, and nothing else does: Amazon SageMaker's channels, hyperparameters, model and checkpoint folders, and
the URIs of Vertex AI. What is said on the command line or by ``WORDKIN_*`` is never replaced.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artifact.errors import InputError, WordkinError
from trainer.checkpoint import CURRENT, FOLDER
from trainer.cli import EXIT_MISTAKE, complain, main
from trainer.commands.train import COMMAND as TRAIN
from trainer.console import speak_utf8
from trainer.hyperparameters import read_hyperparameters
from trainer.options import Option
from trainer.places import Places, find_places, mount

MODELS = {child.name: child for child in TRAIN.children}
DEFAULT_NAME = "model"
IMAGE_STORE = "/store"
"""What the image itself says in WORDKIN_STORE."""
RESUME = "WORDKIN_RESUME"
_LONGEST_FAILURE = 1024


@dataclass(frozen=True)
class Job:
    """A command line, ready to be run."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    failure: Path | None = None
    """Where the platform looks for what went wrong."""


def plan_job(argv: Sequence[str], environment: Mapping[str, str], *, root: Path = Path("/")) -> Job:
    """The job that a container was started for; ``root`` is where the platform's folders are.

    Raises InputError for hyperparameters that are none, and for places that cannot be used.
    """
    resumes = environment.get(RESUME, "").lower() == "auto"
    rest = {key: value for key, value in environment.items() if key != RESUME or not resumes}
    if not argv or argv[0] != TRAIN.name:
        return Job(tuple(argv), rest)
    places = find_places(environment, root)
    settings = read_hyperparameters(places.hyperparameters) if places.hyperparameters else {}
    words = [*argv[1:]]
    model = settings.pop("model", None)
    if words and words[0] in MODELS:
        model = words.pop(0)
    if model is None and not places.found:
        return Job(tuple(argv), rest)  # not a platform's doing: the command line says what is missing
    if model not in MODELS:
        raise InputError(
            f"which model? Give one of {', '.join(MODELS)} after train, or as the hyperparameter model"
        )
    line = _Line.read(words, MODELS[model].options, rest, root)
    line.add_all(settings, places.hyperparameters)
    if places.found:
        _fill(line, places, model)
    line.resume(places.found or resumes)
    return Job(("train", model, *line.words), rest, places.failure)


def _fill(line: _Line, places: Places, model: str) -> None:
    """What the platform says, where nobody said it."""
    if not line.texts:
        line.words += places.texts
        line.texts += places.texts
    line.fill("name", DEFAULT_NAME)
    line.fill("store", places.store)
    line.fill("checkpoints", places.checkpoints)
    if model == "rnnlm":
        line.fill("valid", places.valid)
        line.fill("test", places.test)


@dataclass
class _Line:
    """The words after ``train MODEL``, and what they say."""

    options: Mapping[str, Option]
    words: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """What is given, by option; by the environment too."""

    @classmethod
    def read(
        cls, words: Sequence[str], options: Sequence[Option], environment: Mapping[str, str], root: Path
    ) -> _Line:
        line = cls({option.name: option for option in options})
        for option in options:
            said = environment.get(option.variable)
            if said and (option.name, said) != ("store", IMAGE_STORE):
                line.values[option.name] = said
        waiting = None  # the option whose value comes next
        for given in words:
            word = given if waiting == "store" else mount(given, root)
            line.words.append(word)
            if waiting is not None:
                line.values[waiting], waiting = word, None
            elif not word.startswith("--"):
                line.texts.append(word)
            else:
                name, equals, value = word[2:].partition("=")
                switch = line.options.get(name.removeprefix("no-"))
                if equals or name == "json" or (switch is not None and switch.switch):
                    line.values[name.removeprefix("no-") if switch else name] = value
                else:
                    waiting = name
        return line

    def fill(self, name: str, value: str | None) -> None:
        """Say ``--name`` unless it is said already."""
        if value is not None and name not in self.values:
            self.words.append(f"--{name}={value}")
            self.values[name] = value

    def add_all(self, settings: Mapping[str, str], where: Path | None) -> None:
        """What the hyperparameters say. Raises InputError for one that is no option."""
        for key, value in settings.items():
            name = key.replace("_", "-")
            if name == "text":
                if not self.texts:
                    self.words.append(value)
                    self.texts.append(value)
                continue
            if name not in self.options:
                raise InputError(f"{where}: there is no option {key[:60]!a}")
            if not self.options[name].switch:
                self.fill(name, value)
            elif name not in self.values:
                self._switch(name, value, where)

    def _switch(self, name: str, value: str, where: Path | None) -> None:
        try:
            on = self.options[name].read(value)
        except ValueError as error:
            raise InputError(f"{where}: {name} {error}") from None
        self.words.append(f"--{name}" if on else f"--no-{name}")
        self.values[name] = value

    def resume(self, wanted: bool) -> None:
        """Go on with what was interrupted, if that is ``wanted`` and there is something."""
        name, store = self.values.get("name"), self.values.get("store", IMAGE_STORE)
        folder = self.values.get("checkpoints", f"{store}/{FOLDER}")
        if (
            wanted
            and name
            and "resume" not in self.values
            and Path(folder, name, f"{CURRENT}.json").is_file()
        ):
            self.words.append("--resume")


def run(argv: Sequence[str], environment: Mapping[str, str], *, root: Path = Path("/")) -> int:
    """Plan the job and do it; returns the exit code. Why it failed is said where the platform looks for it, too."""
    failure: Path | None = None

    def report(text: str) -> None:
        complain(text)
        _write_failure(failure, text)

    try:
        job = plan_job(argv, environment, root=root)
    except WordkinError as error:
        failure = find_places(environment, root, checked=False).failure
        report(str(error))
        return EXIT_MISTAKE
    failure = job.failure
    try:
        return main(job.argv, environment=job.environment, report=report)
    except Exception as error:
        _write_failure(failure, f"{type(error).__name__}: {error}")
        raise


def _write_failure(path: Path | None, text: str) -> None:
    if path is not None:
        try:
            path.write_text(text[:_LONGEST_FAILURE] + "\n", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            complain(f"{path}: {error.strerror}")


if __name__ == "__main__":
    speak_utf8()
    sys.exit(run(sys.argv[1:], dict(os.environ)))
