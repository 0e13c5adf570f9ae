"""Whether the server keeps to its own description: requests drawn from the OpenAPI schema, and bodies that are no requests.

    python -m bench.requests

A server is started on small models. Each request is drawn for one operation of ``/openapi.json``: most
as the schema has it, the rest with something wrong in it. Every answer must have a status and a media type that the
operation documents, never a 5xx, and its JSON must be valid under the documented schema (jsonschema, draft 2020-12). Then
each operation with a body gets a list of raw bodies. What goes wrong is printed with the request; the last line is one JSON
object with the counts, and the exit code is 1 where anything went wrong.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
import urllib.parse

import httpx
import jsonschema
import numpy as np

from artifact.draft import write_embedding
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from bench.next import parse as parse_model
from bench.next import publish_random, serve

WORDS = [f"w{number}" for number in range(300)] + ["서울", "naïve", "a/b", "..", "don't", "%41", "+"]
STRANGE = ["", " ", "\0", "\u202e", "\x7f", "\ud7ff", "\U0010ffff", "..", "a/b", "null", "w" * 1001, "é" * 400, "'\"\\", "w1 w2"]  # fmt: skip
JUNK = [None, True, False, 0, -1, 1, 1.5, -0.0, 10**9, 10**30, 1e308, "", "w1", [], {}, [[]], [None], {"a": None}, ["w1"] * 3]  # fmt: skip
RAW_BODIES = [
    b"", b" ", b"null", b"nul", b"0", b'"w1"', b"[]", b"{}", b"{", b"}", b"{]", b"not json", b"{'a': 1}", b'{"a": 1,}',
    b'{"a": 1} x', b'{"top": NaN}', b'{"top": Infinity}', b'{"top": -Infinity}', b'{"top": 1e999}', b'{"top": 0x10}',
    b'{"top": ' + b"9" * 5_000 + b"}", b'{"text": "\\ud800"}', b'{"text": "\\udc00\\ud800"}', b'{"text": "\xff\xfe"}',
    b'{"text": "\xed\xa0\x80"}', b'{"text": "\xc0\x80"}', b'{"text": "a\x00b"}', b'{"text": "a\nb"}', b"\x00" * 99,
    b"\xff" * 99, b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 50_000, b'{"' + b"k" * 100_000 + b'": 1}', b'{"a": 1, "a": 2}', b"[" + b"1," * 100_000 + b"1]",
    b"{" + b",".join(b'"k%d": 1' % number for number in range(10_000)) + b"}", b"\x1f\x8b\x08\x00", b"--x\r\n\r\n--x--",
]  # fmt: skip


class Draw:
    """Draws values for the schemas of a document."""

    def __init__(self, document, seed, known, words):
        self.document = document
        self.random = random.Random(seed)
        self.known = known
        self.words = words

    def value(self, schema, name="", depth=0):
        """A value that fits ``schema``, which stands at the property ``name``."""
        schema = self.resolve(schema)
        if depth == 0 and "examples" in schema and self.chance(0.2):
            return self.random.choice(schema["examples"])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.value(self.random.choice(schema[union]), name, depth + 1)
        match schema.get("type"):
            case "object":
                return self.object(schema, depth)
            case "array":
                least = schema.get("minItems", 0)
                most = min(schema.get("maxItems", 4), least + 4)
                count = self.random.randint(least, most)
                return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(count)]
            case "string":
                return self.string(schema, name)
            case "integer":
                least, most = int(schema.get("minimum", 0)), int(schema.get("maximum", 50))
                return most if self.chance(0.05) else self.random.randint(least, min(most, least + 20))
            case "number":
                least = schema.get("minimum", schema.get("exclusiveMinimum", -2.0))
                most = schema.get("maximum", schema.get("exclusiveMaximum", least + 4.0))
                return self.random.uniform(least, most)
            case "boolean":
                return self.chance(0.5)
            case "null":
                return None
        return self.random.choice(JUNK)

    def object(self, schema, depth):
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        names = [name for name in properties if name in required or self.chance(0.3)]
        return {name: self.value(properties[name], name, depth + 1) for name in names}

    def string(self, schema, name):
        if name in self.known and self.chance(0.9):
            return self.random.choice(self.known[name])
        if name in {"text", "input"}:
            return " ".join(self.random.choices(self.words, k=self.random.randint(1, 8)))
        text = self.random.choice(self.words) if self.chance(0.9) else self.random.choice(STRANGE)
        return text[: schema.get("maxLength", len(text))] or "w1"

    def spoil(self, value):
        """``value`` with one thing in it changed for the worse."""
        if isinstance(value, dict) and value and self.chance(0.8):
            spoilt = dict(value)
            name = self.random.choice(list(spoilt))
            match self.random.randrange(4):
                case 0:
                    del spoilt[name]
                case 1:
                    spoilt["unknown"] = self.random.choice(JUNK)
                case _:
                    spoilt[name] = self.spoil(spoilt[name])
            return spoilt
        if isinstance(value, list) and value and self.chance(0.7):
            place = self.random.randrange(len(value))
            return [*value[:place], self.spoil(value[place]), *value[place + 1 :]]
        if isinstance(value, str) and self.chance(0.5):
            return self.random.choice(STRANGE)
        return self.random.choice(JUNK)

    def chance(self, share):
        return self.random.random() < share

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            schema = node
        return schema

    def request(self, method, path, operation):
        """The arguments of one httpx request for ``operation``."""
        spoils = self.chance(0.35)
        query = []
        for parameter in operation.get("parameters", []):
            if not (parameter.get("required") or self.chance(0.3)):
                continue
            value = self.value(parameter["schema"], parameter["name"])
            if spoils and self.chance(0.5):
                value = self.spoil(value)
            if value is None:
                continue
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(value)) or "w1")
            elif parameter["in"] == "query":
                query += [
                    (parameter["name"], str(one)) for one in (value if isinstance(value, list) else [value])
                ]
        if spoils and self.chance(0.1):
            query.append(("unknown", "1"))
        options = {"params": query or None, "headers": {}}
        success = operation["responses"].get("200", {}).get("content", {})
        if len(success) > 1 and self.chance(0.5):
            options["headers"]["accept"] = self.random.choice([*success, "image/png", "*/*", ";;"])
        if "requestBody" in operation:
            body = self.value(operation["requestBody"]["content"]["application/json"]["schema"])
            if spoils and self.chance(0.8):
                body = self.spoil(body)
            options["content"] = json.dumps(body, ensure_ascii=self.chance(0.5)).encode("utf-8", "replace")
            options["headers"]["content-type"] = "application/json"
        return method.upper(), path, options


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


def quote(text):
    """``text`` in a path. Dots, which httpx would read as steps up, are escaped too."""
    return urllib.parse.quote(text, safe="/@").replace(".", "%2E")


def _refuse(constant):
    raise ValueError(constant)


def publish_small(root):
    """A small model of each kind."""
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 16)).astype(np.float32)
    with Store(root, create=True).draft("small") as draft:
        counts = np.arange(len(WORDS), 0, -1, dtype=np.int64)
        write_embedding(draft, tokens=WORDS, counts=counts, vectors=vectors)
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


def run(options, port):
    """Ask everything; returns the judge."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        document = client.get("/openapi.json").json()
        served = client.get("/models").json()["models"]
        known = {
            "model": [model["name"] for model in served] + ["other"],
            "name": [model["name"] for model in served] + ["other"],
            "version": [version for model in served for version in model["versions"]] + ["other"],
        }
        draw, judge = Draw(document, options.seed, known, WORDS), Judge(document)
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
        process, port = serve(root, options)
        start = time.perf_counter()
        try:
            judge, counts = run(options, port)
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
