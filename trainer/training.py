"""One training from text to published version: read, fit, keep, publish. Interrupted, it leaves a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy import float32
from numpy.typing import NDArray

from artifact.errors import InputError, StoreError
from artifact.remote import open_store
from artifact.store import Store
from artifact.subwords import Ngrams, Subwords
from trainer.capabilities import choose_engine
from trainer.checkpoint import Checkpoint, Checkpoints, identify_corpus
from trainer.console import Console, format_bytes, format_count, format_seconds
from trainer.continuation import Origin, find_origin
from trainer.corpus import Corpus
from trainer.extended_corpus import ExtendedCorpus
from trainer.loop import Diverged, History, Learner, fit
from trainer.memory import peak_rss_bytes
from trainer.ngram_rows import take_subwords
from trainer.options import Arguments
from trainer.progress import show_progress
from trainer.publish import Trained, publish_vectors
from trainer.setup import Setup
from trainer.signals import StopRequest, stop_on_signals
from trainer.texts import describe_corpus, read_corpus


def train_vectors(arguments: Arguments, console: Console, *, model: str) -> int:
    """The commands ``train cbow`` and ``train skipgram``; returns the exit code."""
    started = time.perf_counter()
    setup = Setup.from_arguments(arguments, model=model)
    origin = None
    if arguments["resume_from"] and not arguments["resume"]:
        origin = Origin.open(arguments["store"], arguments["resume_from"], states=arguments["checkpoints"])
        setup = origin.inherit(setup, arguments)
    choice = choose_engine(setup.settings, device=setup.device, asked=_find_asked(arguments))
    save_every_s = check_interval(arguments["checkpoint_seconds"])
    store = open_store(arguments["store"], create=True)
    checkpoints = Checkpoints(store.root, arguments["name"], folder=arguments["checkpoints"])
    with checkpoints.locked(), checkpoints.scratch() as scratch:
        saved = find_interrupted(checkpoints, arguments, console)
        if saved is not None:
            setup = setup.go_on(Setup.from_json(saved.setup), arguments)
            choice = choose_engine(setup.settings, device=setup.device, asked=())
            origin = find_origin(store, arguments, resumed_from=setup.resumed_from)
        corpus, extended = _read_text(arguments, setup, origin, scratch=scratch, console=console)
        # From here on the setup says what is really done, nothing "auto" in it.
        setup = replace(
            setup,
            settings=choice.settle(setup.settings),
            device=choice.device,
            tokenizer=corpus.tokenizer.name,
            min_count=corpus.min_count,
            phrases=corpus.phrase_settings or setup.phrases,
        )
        console.record(event="training", **setup.to_json(), vocabulary=len(corpus.counts))
        console.say(f"text: {describe_corpus(corpus)}")
        console.say(f"training: {_describe_setup(setup)}")
        learner = choice.make_learner(corpus, setup.settings)
        if origin and extended and saved is None:
            origin.start(learner, extended, setup.settings)
        identity = identify_corpus(corpus)
        history = None if saved is None else _restore(learner, saved, identity=identity)
        save = partial(checkpoints.save, setup=setup.to_json(), corpus=identity)
        with stop_on_signals() as stop, show_progress(console) as progress:
            history = fit(
                learner, watcher=progress, stop=stop, history=history, save=save, save_every_s=save_every_s
            )
        if stop.is_set():
            return say_stopped(stop, history, arguments, console)
        vectors = _take_vectors(learner)
        subwords = _take_subwords(learner, corpus, setup)
        save(learner, history)
        del learner  # publishing may want the memory that its tables are in, on a GPU too
        trained = Trained(
            name=arguments["name"],
            corpus=corpus,
            sources=arguments["text"],
            setup=setup,
            history=history,
            vectors=vectors,
            subwords=subwords,
            origin=origin.provenance if origin else None,
            engine_options=choice.engine.own_options,
            dtype=arguments["dtype"],
            neighbours=arguments["neighbours"],
            device=arguments["device"],
            license=arguments["license"],
            provenance=arguments["provenance"],
            generated=is_generated(corpus),
        )
        version = _publish(store, trained, console)
        checkpoints.keep(version, count=arguments["keep_checkpoints"])
    _say_published(trained, version, store, total_seconds=time.perf_counter() - started, console=console)
    return 0


def _read_text(
    arguments: Arguments, setup: Setup, origin: Origin | None, *, scratch: Path, console: Console
) -> tuple[Corpus, ExtendedCorpus | None]:
    """The text to train on; where training goes on from ``origin``, under its vocabulary too."""
    corpus = read_corpus(
        arguments["text"],
        arguments=arguments,
        tokenizer=setup.tokenizer,
        # Words that are known already may be rare in the new text.
        min_count=setup.min_count if origin is None else 1,
        phrases=setup.phrases if origin is None else origin.embedding.phrases,
        output=scratch / "text",
        console=console,
    )
    if origin is None:
        return corpus, None
    min_count = setup.min_count if corpus.path == scratch / "text" else corpus.min_count
    extended = origin.extend(corpus, min_count=min_count, folder=scratch / "extended")
    known = len(extended.old_ids)
    console.record(
        event="continuing", resumed_from=origin.reference, known_words=known, new_words=extended.new_words
    )
    console.say(
        f"going on from {origin.reference}: {known:,} words are known, {extended.new_words:,} are new"
    )
    return extended.corpus, extended


def _find_asked(arguments: Arguments) -> Collection[str]:
    """The options that ask for something: those turned off by name ask for nothing."""
    return {key for key in arguments.all_given() if arguments[key] not in (None, False)}


def check_interval(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"--checkpoint-seconds must be a number of at least 0, not {seconds}")
    return seconds


def find_interrupted(checkpoints: Checkpoints, arguments: Arguments, console: Console) -> Checkpoint | None:
    """The checkpoint to go on from, if that is asked for. Raises InputError where there is none."""
    saved = checkpoints.load()
    if arguments["resume"]:
        if saved is None:
            raise InputError(
                f"--resume: there is no interrupted training of {checkpoints.name} in {arguments['store']}"
            )
        return saved
    if saved is not None:
        share = 100 * saved.history.words / max(saved.history.total_words, 1)
        console.note(
            f"an interrupted training of {checkpoints.name} ({share:.0f} % done) is being replaced; --resume goes on with it"
        )
    return None


def _restore(learner: Learner, saved: Checkpoint, *, identity: str) -> History:
    if saved.corpus != identity:
        raise InputError("--resume: this is not the text that the interrupted training read")
    saved.restore(learner)
    return saved.history


def _take_vectors(learner: Learner) -> NDArray[float32]:
    vectors = learner.vectors()
    if not np.isfinite(vectors).all():
        raise Diverged(
            "some vectors are not finite numbers after training: a smaller --learning-rate may help"
        )
    return vectors


def _publish(store: Store, trained: Trained, console: Console) -> str:
    try:
        with show_progress(console) as progress:
            return publish_vectors(store, trained, progress=progress)
    except StoreError as error:
        raise StoreError(
            f"{error}; what was trained is kept, and the same command with --resume publishes it"
        ) from error


def _take_subwords(learner: Learner, corpus: Corpus, setup: Setup) -> Subwords | None:
    settings = setup.settings
    if settings.subwords is None:
        return None
    return take_subwords(
        learner.state()[0]["input"], corpus.tokens, Ngrams(*settings.subwords, settings.buckets)
    )


def _describe_setup(setup: Setup) -> str:
    settings = setup.settings
    parts = [
        settings.model,
        f"{settings.dim} dimensions",
        f"window {settings.window}",
        f"{settings.negatives} negatives" if settings.loss == "negative-sampling" else settings.loss,
        f"{settings.epochs} epoch" + ("s" if settings.epochs > 1 else ""),
        f"{settings.engine} engine on {_describe_device(setup)}",
    ]
    return ", ".join(parts)


def _describe_device(setup: Setup) -> str:
    return f"{setup.settings.gpus} GPUs" if setup.settings.gpus > 1 else f"the {setup.device}"


def say_stopped(stop: StopRequest, history: History, arguments: Arguments, console: Console) -> int:
    console.record(
        event="stopped", name=arguments["name"], words=history.words, total_words=history.total_words
    )
    share = 100 * history.words / max(history.total_words, 1)
    console.note(
        f"stopped after {share:.1f} % of the training; the same command with --resume goes on from there"
    )
    return stop.exit_code


def _say_published(
    trained: Trained, version: str, store: Store, *, total_seconds: float, console: Console
) -> None:
    history = trained.history
    console.record(
        event="published",
        name=trained.name,
        version=version,
        store=store.location,
        words=trained.corpus.report.words,
        vocabulary=len(trained.corpus.counts),
        dim=trained.setup.settings.dim,
        epochs=trained.setup.settings.epochs,
        words_per_second=round(history.words_per_second, 1),
        seconds=round(history.seconds, 3),
        total_seconds=round(total_seconds, 3),
        loss=history.loss,
        peak_rss_bytes=peak_rss_bytes(),
        generated=trained.generated,
    )
    loss = "" if history.loss is None else f"loss {history.loss:.3f}, "
    console.say(
        f"published {trained.name}@{version} in {store.location}\n"
        f"  {loss}{format_seconds(history.seconds)} of training at {format_count(history.words_per_second)} words/s, "
        f"{format_seconds(total_seconds)} in all, {format_bytes(peak_rss_bytes())} of memory at most"
    )
    if trained.generated:
        console.say("  the text was generated by a program: these vectors know nothing of the real world")


def is_generated(corpus: Corpus) -> bool:
    from trainer.corpus.sample import is_sample

    return is_sample(corpus.tokens)
