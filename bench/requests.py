"""Whether the server keeps to its own description: requests drawn from the OpenAPI schema, and bodies that are no requests.

    python -m bench.requests

A server is started on small models, with a key of scope admin. Each request is drawn for one operation of ``/openapi.json``: most
as the schema has it, the rest with something wrong in it. Every answer must have a status and a media type that the
operation documents, never a 5xx, and its JSON must be valid under the documented schema (jsonschema, draft 2020-12). Then
each operation with a body gets a list of raw bodies. What goes wrong is printed with the request; the last line is one JSON
object with the counts, and the exit code is 1 where anything went wrong.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import tempfile
import time

import httpx
import jsonschema
import numpy as np

from app.keys import draw_key
from artifact.draft import write_embedding, write_neighbours
from artifact.neighbours import NeighbourTable
from artifact.search import Search
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from bench.drawing import Draw
from bench.next import parse as parse_model
from bench.next import publish_random, serve

WORDS = [f"w{number}" for number in range(300)] + ["서울", "naïve", "a/b", "..", "don't", "%41", "+"]
NEIGHBOURS = 12
RAW_BODIES = [
    b"", b" ", b"null", b"nul", b"0", b'"w1"', b"[]", b"{}", b"{", b"}", b"{]", b"not json", b"{'a': 1}", b'{"a": 1,}',
    b'{"a": 1} x', b'{"top": NaN}', b'{"top": Infinity}', b'{"top": -Infinity}', b'{"top": 1e999}', b'{"top": 0x10}',
    b'{"top": ' + b"9" * 5_000 + b"}", b'{"text": "\\ud800"}', b'{"text": "\\udc00\\ud800"}', b'{"text": "\xff\xfe"}',
    b'{"text": "\xed\xa0\x80"}', b'{"text": "\xc0\x80"}', b'{"text": "a\x00b"}', b'{"text": "a\nb"}', b"\x00" * 99,
    b"\xff" * 99, b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 50_000, b'{"' + b"k" * 100_000 + b'": 1}', b'{"a": 1, "a": 2}', b"[" + b"1," * 100_000 + b"1]",
    b"{" + b",".join(b'"k%d": 1' % number for number in range(10_000)) + b"}", b"\x1f\x8b\x08\x00", b"--x\r\n\r\n--x--",
]  # fmt: skip


class Judge:
    """Compares answers with what the document promises, and counts."""

    def __init__(self, document):
        self.document = document
        self.statuses = collections.Counter()
        self.faults = []
        self._validators = {}

    def judge(self, operation, request, answer):
        """Note what is wrong with the ``answer`` to ``request``."""
        self.statuses[answer.status_code] += 1
        fault = self._find_fault(operation, answer)
        if fault:
            method, path, options = request
            shown = f"{method} {path} {options.get('params') or ''} {options.get('content', b'')[:300]!r}"
            self.faults.append(f"{answer.status_code} {fault}: {shown}: {answer.text[:300]}")
            print(self.faults[-1], file=sys.stderr, flush=True)

    def _find_fault(self, operation, answer):
        if answer.status_code >= 500:
            return "a 5xx"
        documented = operation["responses"].get(str(answer.status_code))
        if documented is None:
            return "a status that is not documented"
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        content = documented.get("content", {})
        if media_type not in content:
            return f"the media type {media_type} is not documented"
        if media_type.endswith("json"):
            try:
                body = json.loads(answer.content.decode("utf-8"), parse_constant=_refuse)
            except ValueError as error:
                return f"not strict JSON ({error})"
            error = jsonschema.exceptions.best_match(
                self._validator(content[media_type]["schema"]).iter_errors(body)
            )
            if error:
                return f"not valid at {error.json_path} ({error.message[:200]})"
        return None

    def _validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            rooted = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema.Draft202012Validator(rooted)
        return self._validators[key]


def _refuse(constant):
    raise ValueError(constant)


def publish_small(root):
    """A small model of each kind, the word vectors with a table of neighbours."""
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 16)).astype(np.float32)
    with Store(root, create=True).draft("small") as draft:
        counts = np.arange(len(WORDS), 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=WORDS, counts=counts, vectors=vectors)
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)
        nearest = Search(vectors, norms).neighbours(np.arange(len(WORDS)), NEIGHBOURS)
        write_neighbours(draft, NeighbourTable(*nearest))
        draft.publish(kind="embedding", tokenizer=Tokenizer("whitespace"), recipe={}, metrics={})
    publish_random(
        root, parse_model(["--hidden", "8", "--layers", "1", "--words", "300", "--ngram-words", "2000"])
    )


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", default="", help="more options for python -m app")
    return parser.parse_args(arguments)


def run(options, port, key):
    """Ask everything; returns the judge."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers={"x-api-key": key}) as client:
        document = client.get("/openapi.json").json()
        served = client.get("/models").json()["models"]
        known = {
            "model": [model["name"] for model in served] + ["other"],
            "name": [model["name"] for model in served] + ["other"],
            "version": [version for model in served for version in model["versions"]] + ["other"],
        }
        draw, judge = Draw(document, options.seed, known, WORDS, key), Judge(document)
        operations = [
            (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        ]
        for number in range(options.requests):
            method, path, operation = operations[number % len(operations)]
            request = draw.request(method, path, operation)
            judge.judge(operation, request, client.request(request[0], request[1], **request[2]))
        raw = 0
        for method, path, operation in operations:
            for body in RAW_BODIES if "requestBody" in operation else []:
                _, address, _ = draw.request(method, path, operation)
                request = (
                    method.upper(),
                    address,
                    {"content": body, "headers": {"content-type": "application/json"}},
                )
                judge.judge(operation, request, client.request(request[0], address, **request[2]))
                raw += 1
    return judge, {"operations": len(operations), "drawn": options.requests, "raw_bodies": raw}


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as root:
        publish_small(root)
        secret, key = draw_key("bench", "admin")
        options.server += f" --keys {key.format()}"
        process, port = serve(root, options)
        start = time.perf_counter()
        try:
            judge, counts = run(options, port, secret)
            alive = process.poll() is None
        finally:
            process.terminate()
            process.wait()
        counts |= {
            "seconds": round(time.perf_counter() - start, 1),
            "statuses": {str(status): count for status, count in sorted(judge.statuses.items())},
            "faults": len(judge.faults),
            "alive": alive,
        }
    print(json.dumps(counts))
    return int(bool(judge.faults) or not alive)


if __name__ == "__main__":
    sys.exit(main())
