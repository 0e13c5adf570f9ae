"""Where platforms put a training's texts and want its results: Amazon SageMaker's folders, the URIs of Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import InputError

_TRAINING = ("train", "training")
_VALIDATION = ("valid", "validation", "val")
_TEST = ("test",)
_NO_TEXT = ("model", "code", "checkpoint", "checkpoints")
_CHANNEL = "SM_CHANNEL_"
_GOOGLE = "gs://"
_GOOGLE_MOUNT = "gcs"


@dataclass(frozen=True)
class Places:
    """What a platform says of a training, as options of ``train`` take it; None where it says nothing."""

    found: bool = False
    """Whether there is a platform at all."""
    texts: tuple[str, ...] = ()
    valid: str | None = None
    test: str | None = None
    store: str | None = None
    checkpoints: str | None = None
    hyperparameters: Path | None = None
    failure: Path | None = None
    """A file for why the training failed."""


def find_places(environment: Mapping[str, str], root: Path, *, checked: bool = True) -> Places:
    """The places that the environment names, or that are there under ``root``.

    Raises InputError for those that cannot be used, unless ``checked`` is false.
    """
    google = any(
        environment.get(name) for name in ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TRAINING_DATA_URI")
    )
    amazon = (root / "opt/ml/input").is_dir() or any(name.startswith("SM_") for name in environment)
    if not checked:
        return Places(found=amazon or google, failure=_find_failure(root))
    if amazon:
        return _find_amazon(environment, root / "opt/ml")
    return _find_google(environment, root) if google else Places()


def _find_amazon(environment: Mapping[str, str], folder: Path) -> Places:
    """SageMaker's: ``SM_*`` where its toolkit set them, else the folders that it makes for every container."""
    channels = {path.name.lower(): str(path) for path in sorted(folder.glob("input/data/*")) if path.is_dir()}
    for name, value in sorted(environment.items()):
        if name.startswith(_CHANNEL) and value:
            channels[name.removeprefix(_CHANNEL).lower()] = value
    held_out = {*_VALIDATION, *_TEST, *_NO_TEXT}
    texts = [channels[name] for name in _TRAINING if name in channels]
    hyperparameters = folder / "input/config/hyperparameters.json"
    checkpoints = folder / "checkpoints"
    model = environment.get("SM_MODEL_DIR") or str(folder / "model")
    return Places(
        found=True,
        texts=tuple(texts or [path for name, path in channels.items() if name not in held_out]),
        valid=next((channels[name] for name in _VALIDATION if name in channels), None),
        test=next((channels[name] for name in _TEST if name in channels), None),
        store=model,
        checkpoints=str(checkpoints) if checkpoints.is_dir() else None,
        hyperparameters=hyperparameters if hyperparameters.is_file() else None,
        failure=_find_failure(folder.parent.parent),
    )


def _find_google(environment: Mapping[str, str], root: Path) -> Places:
    """Vertex AI's: it mounts buckets, so that all but the store are folders; the store is published to by its URL."""
    kind = environment.get("AIP_DATA_FORMAT")
    uri = environment.get("AIP_TRAINING_DATA_URI")
    if uri and kind and kind != "text":
        raise InputError(
            f"AIP_DATA_FORMAT is {kind[:40]!a}: what is trained on is plain text; name its files on the command line"
        )
    return Places(
        found=True,
        texts=tuple(filter(None, [_find_folder(environment, "AIP_TRAINING_DATA_URI", root)])),
        valid=_find_folder(environment, "AIP_VALIDATION_DATA_URI", root),
        test=_find_folder(environment, "AIP_TEST_DATA_URI", root),
        store=environment.get("AIP_MODEL_DIR") or None,
        checkpoints=_find_folder(environment, "AIP_CHECKPOINT_DIR", root),
    )


def _find_folder(environment: Mapping[str, str], name: str, root: Path) -> str | None:
    uri = environment.get(name)
    if not uri:
        return None
    path = mount(uri, root)
    if "://" in path:
        bucket = uri.removeprefix(_GOOGLE).partition("/")[0]
        raise InputError(
            f"{name} is {uri[:200]!a}, but {root / _GOOGLE_MOUNT / bucket} is not there: it can be used only where buckets are "
            "mounted, as Vertex AI does"
        )
    return path


def mount(uri: str, root: Path) -> str:
    """The folder where a bucket is mounted in place of ``gs://bucket``; anything else stays as it is."""
    bucket, _, path = uri.removeprefix(_GOOGLE).partition("/")
    folder = root / _GOOGLE_MOUNT / bucket
    return str(folder / path) if uri.startswith(_GOOGLE) and bucket and folder.is_dir() else uri


def _find_failure(root: Path) -> Path | None:
    output = root / "opt/ml/output"
    return output / "failure" if output.is_dir() else None
