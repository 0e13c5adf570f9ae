"""Flip bits of an artifact and cut its files: every damaged one must be refused, with an error of the program's own.

    python -m bench.corruption [--flips 3000] [--store STORE --name NAME]

Without ``--store`` a small model of word vectors is published first. Its version is copied, and the copy opened once for each of
``--flips`` single flipped bits, drawn uniformly over the bytes of all files, and once for each length that each file could be
cut to (with ``--store``, where files are long, for ``--cuts`` lengths of each, its ends among them). Between damages the file
is put back; at last the copy must open as if nothing had been. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from artifact.errors import ArtifactError, NotFound
from artifact.store import Store
from bench.models import publish_words

WORDS, DIM = 40, 4


def open_model(store, name):
    """Open all of a model, as the server does."""
    artifact = store.open(name)
    return artifact.embedding() if artifact.manifest.kind == "embedding" else artifact.language_model()


class Damages:
    """Counts what became of opening a damaged artifact."""

    def __init__(self, store, name):
        self.store, self.name = store, name
        self.outcomes = Counter()
        self.accepted = []

    def check(self, what):
        """Open it, which must fail."""
        try:
            open_model(self.store, self.name)
        except (ArtifactError, NotFound) as error:
            self.outcomes[type(error).__name__] += 1
        except Exception as error:
            self.outcomes[f"unforeseen {type(error).__name__}"] += 1
            self.accepted.append(f"{what}: {error!r}"[:300])
        else:
            self.outcomes["accepted"] += 1
            self.accepted.append(what)


def damage_bits(damages, files, flips, rng):
    """Flip one bit at a time."""
    sizes = [path.stat().st_size for path in files]
    ends = np.cumsum(sizes)
    for drawn in rng.integers(0, int(ends[-1]), size=flips).tolist():
        number = int(np.searchsorted(ends, drawn, side="right"))
        path, place = files[number], drawn - int(ends[number]) + sizes[number]
        bit = 1 << int(rng.integers(8))
        with path.open("r+b") as file:
            file.seek(place)
            [good] = file.read(1)
            _put(file, place, good ^ bit)
            damages.check(f"{path.name}: bit {bit} of byte {place}")
            _put(file, place, good)


def damage_lengths(damages, files, cuts):
    """Cut each file to each length, or to ``cuts`` of them."""
    for path in files:
        good = path.read_bytes()
        lengths = range(len(good)) if not cuts else np.unique(np.linspace(0, len(good) - 1, cuts).astype(int))
        for length in reversed(list(lengths)):
            os.truncate(path, length)
            damages.check(f"{path.name}: cut to {length}")
        path.write_bytes(good)


def _put(file, place, value):
    file.seek(place)
    file.write(bytes([value]))
    file.flush()


def main(arguments=None):
    """Run; the exit code says whether all were refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=3_000)
    parser.add_argument("--cuts", type=int, default=200, help="lengths of each file, with --store")
    parser.add_argument("--store")
    parser.add_argument("--name")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORDKIN_CACHE"] = str(Path(folder, "cache"))
        root = Path(folder, "store")
        if given.store:
            name, version = Store(given.store).resolve(given.name)
            shutil.copytree(Path(given.store, name, version), root / name / version)
            (root / name / "latest").write_text(version + "\n")
        else:
            publish_words(root, "small", words=WORDS, dim=DIM, card=b"# small\n")
        store = Store(root)
        [name] = store.names()
        version = store.latest(name)
        files = sorted(path for path in (root / name / version).iterdir() if path.is_file())
        damages = Damages(store, name)
        damage_bits(damages, files, given.flips, np.random.default_rng(1))
        flipped = sum(damages.outcomes.values())
        damage_lengths(damages, files, given.cuts if given.store else 0)
        open_model(store, name)
        found = {
            "files": {path.name: path.stat().st_size for path in files},
            "flips": flipped,
            "cuts": sum(damages.outcomes.values()) - flipped,
            "outcomes": dict(damages.outcomes),
            "not_refused": damages.accepted[:20],
            "seconds": round(time.perf_counter() - began, 1),
            "ok": not damages.accepted,
        }
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
