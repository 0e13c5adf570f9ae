"""One training of a language model from text to published version: read, fit, mix, keep, publish."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from artifact.remote import open_store
from artifact.store import Store
from trainer.backend import Backend, choose
from trainer.checkpoint import Checkpoint, Checkpoints
from trainer.console import Console, format_bytes, format_count, format_seconds
from trainer.language_setup import LanguageSetup
from trainer.language_texts import LanguageTexts, read_language_texts
from trainer.loop import Diverged, History, fit
from trainer.memory import peak_rss_bytes
from trainer.models.rnnlm_learner import Epoch, LanguageEngine, RnnlmLearner
from trainer.options import Arguments
from trainer.progress import Progress, show_progress
from trainer.publish_language import TrainedLanguage, mix_language, publish_language
from trainer.signals import stop_on_signals
from trainer.texts import describe_corpus
from trainer.training import check_interval, find_interrupted, is_generated, say_stopped


def train_language(arguments: Arguments, console: Console) -> int:
    """The command ``train rnnlm``; returns the exit code."""
    started = time.perf_counter()
    setup = LanguageSetup.from_arguments(arguments)
    save_every_s = check_interval(arguments["checkpoint_seconds"])
    store = open_store(arguments["store"], create=True)
    checkpoints = Checkpoints(store.root, arguments["name"], folder=arguments["checkpoints"])
    with checkpoints.locked(), checkpoints.scratch() as scratch:
        saved = find_interrupted(checkpoints, arguments, console)
        if saved is not None:
            setup = setup.go_on(LanguageSetup.from_json(saved.setup), arguments)
        setup, backend = settle(setup)
        scratch.mkdir(parents=True, exist_ok=True)
        texts = read_language_texts(arguments, setup, scratch=scratch, console=console)
        setup = replace(setup, tokenizer=texts.corpus.tokenizer.name, min_count=texts.corpus.min_count)
        console.record(event="training", **setup.to_json(), vocabulary=len(texts.words))
        console.say(f"text: {describe_corpus(texts.corpus)}")
        console.say(f"training: {describe_setup(setup)}")
        with stop_on_signals() as stop, show_progress(console, perplexity=True) as progress:
            learner = make_learner(texts, setup, backend, console=console, progress=progress)
            history = None if saved is None else _restore(learner, saved, texts)
            save = partial(checkpoints.save, setup=setup.to_json(), corpus=texts.identity)
            history = fit(
                learner, watcher=progress, stop=stop, history=history, save=save, save_every_s=save_every_s
            )
            if stop.is_set():
                return say_stopped(stop, history, arguments, console)
            best, weights = _take_best(learner)
            save(learner, history)
            trained = TrainedLanguage(
                name=arguments["name"],
                texts=texts,
                sources=arguments["text"],
                setup=setup,
                history=history,
                epochs=learner.epochs,
                weights=weights,
                valid_perplexity=best.valid_perplexity,
                test_perplexity=None if texts.test is None else learner.perplexity(texts.test.token_ids),
                mixed=None,
                dtype=arguments["dtype"],
                license=arguments["license"],
                provenance=arguments["provenance"],
                generated=is_generated(texts.corpus),
            )
            if arguments["ngrams"]:
                mixed = mix_language(trained, order=arguments["ngrams"], progress=progress.work)
                trained = replace(trained, mixed=mixed)
        version = publish_language(store, trained)
        checkpoints.keep(version, count=arguments["keep_checkpoints"])
    _say_published(trained, version, store, total_seconds=time.perf_counter() - started, console=console)
    return 0


def settle(setup: LanguageSetup) -> tuple[LanguageSetup, Backend]:
    """The setup with the device and engine that will be used, nothing "auto" in it, and the device's arrays.

    Raises InputError where they do not go together, or there is no such device.
    """
    engine = "fast" if setup.settings.engine == "auto" else setup.settings.engine
    backend = choose(setup.device)
    if setup.settings.precision != "float32" and not (backend.is_gpu and engine == "fast"):
        raise InputError(
            f"--precision {setup.settings.precision} is for the fast engine on a GPU; this is the {engine} one on the "
            f"{'GPU' if backend.is_gpu else 'CPU'}"
        )
    settings = replace(setup.settings, engine=engine)
    return replace(setup, settings=settings, device="gpu" if backend.is_gpu else "cpu"), backend


def make_learner(
    texts: LanguageTexts,
    setup: LanguageSetup,
    backend: Backend,
    *,
    console: Console,
    progress: Progress,
) -> RnnlmLearner:
    """The learner of a settled ``setup``, which tells ``console`` of each epoch."""
    engine = LanguageEngine()
    if setup.settings.engine == "fast" and backend.is_gpu:
        from trainer.engines.language.gpu_cupy import CupyLanguageDevice
        from trainer.engines.language.gpu_engine import gpu_engine

        engine = gpu_engine(CupyLanguageDevice(precision=setup.settings.precision))
    elif setup.settings.engine == "fast":
        from trainer.engines.language.engine import fast_engine

        engine = fast_engine(min(setup.settings.threads, setup.settings.batch_size))
    return RnnlmLearner(
        texts.train.token_ids,
        setup.settings,
        size=len(texts.words),
        end_of_line=texts.words.end_of_line,
        valid_ids=texts.valid.token_ids,
        backend=backend,
        engine=engine,
        on_epoch=partial(_say_epoch, total=setup.settings.epochs, console=console, progress=progress),
    )


def describe_setup(setup: LanguageSetup) -> str:
    """A line for a person."""
    settings = setup.settings
    parts = [
        f"{settings.layers} {settings.cell} layer{'s' if settings.layers > 1 else ''} of {settings.hidden}",
        "tied weights" if settings.tie_weights else "",
        f"dropout {settings.dropout:g}" if settings.dropout else "",
        f"{settings.batch_size} lanes, blocks of {settings.time_steps}",
        f"{settings.optimizer}, learning rate {settings.first_learning_rate:g}",
        f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}",
        f"{settings.engine} engine on the {setup.device}"
        + (f" in {settings.precision}" if settings.precision != "float32" else ""),
    ]
    return ", ".join(part for part in parts if part)


def _restore(learner: RnnlmLearner, saved: Checkpoint, texts: LanguageTexts) -> History:
    if saved.corpus != texts.identity:
        raise InputError("--resume: these are not the texts that the interrupted training read")
    saved.restore(learner)
    return saved.history


def _take_best(learner: RnnlmLearner) -> tuple[Epoch, dict[str, NDArray[np.float32]]]:
    """The best epoch and its weights. Raises Diverged where they are not numbers."""
    best, weights = learner.best_epoch(), learner.best_parameters()
    if best is None or not math.isfinite(best.valid_perplexity):
        raise Diverged("no epoch has a validation perplexity: a smaller --learning-rate may help")
    for name, table in weights.items():
        if not np.isfinite(table).all():
            raise Diverged(f"{name} is not finite after training: a smaller --learning-rate may help")
    return best, weights


def _say_epoch(epoch: Epoch, *, total: int, console: Console, progress: Progress) -> None:
    values = epoch.to_json()
    console.record(event="epoch", epoch=values.pop("number"), **values)
    if not console.json:
        progress.note(
            f"epoch {epoch.number} of {total}: perplexity {epoch.train_perplexity:.2f} in training, "
            f"{epoch.valid_perplexity:.2f} on validation{' (best)' if epoch.best else ''}, "
            f"learning rate {epoch.learning_rate:g}"
        )


def _say_published(
    trained: TrainedLanguage, version: str, store: Store, *, total_seconds: float, console: Console
) -> None:
    history, mixed = trained.history, trained.mixed
    console.record(
        event="published",
        name=trained.name,
        version=version,
        store=store.location,
        words=trained.texts.corpus.report.words,
        vocabulary=len(trained.texts.words),
        epochs=len(trained.epochs),
        words_per_second=round(history.words_per_second, 1),
        seconds=round(history.seconds, 3),
        total_seconds=round(total_seconds, 3),
        loss=history.loss,
        valid_perplexity=trained.valid_perplexity,
        test_perplexity=trained.test_perplexity,
        mixture_valid_perplexity=None if mixed is None else mixed.valid_perplexity,
        mixture_test_perplexity=None if mixed is None else mixed.test_perplexity,
        peak_rss_bytes=peak_rss_bytes(),
        generated=trained.generated,
    )
    console.say(f"published {trained.name}@{version} in {store.location}")
    for what, alone, together in (
        ("validation", trained.valid_perplexity, None if mixed is None else mixed.valid_perplexity),
        ("test", trained.test_perplexity, None if mixed is None else mixed.test_perplexity),
    ):
        if alone is not None:
            mixture = "" if together is None else f", {together:.2f} with n-grams and cache"
            console.say(f"  perplexity on {what}: {alone:.2f}{mixture}")
    console.say(
        f"  {format_seconds(history.seconds)} of training at {format_count(history.words_per_second)} words/s, "
        f"{format_seconds(total_seconds)} in all, {format_bytes(peak_rss_bytes())} of memory at most"
    )
    if trained.generated:
        console.say("  the text was generated by a program: this model knows nothing of the real world")
