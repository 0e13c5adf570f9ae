"""Requests drawn at random from an OpenAPI document: most as a schema has them, the rest with something wrong in them."""

from __future__ import annotations

import json
import random
import urllib.parse

STRANGE = ["", " ", "\0", "\u202e", "\x7f", "\ud7ff", "\U0010ffff", "..", "a/b", "null", "w" * 1001, "é" * 400, "'\"\\", "w1 w2"]  # fmt: skip
JUNK = [None, True, False, 0, -1, 1, 1.5, -0.0, 10**9, 10**30, 1e308, "", "w1", [], {}, [[]], [None], {"a": None}, ["w1"] * 3]  # fmt: skip


class Draw:
    """Draws values for the schemas of a document."""

    def __init__(self, document, seed, known, words, key=""):
        self.document = document
        self.random = random.Random(seed)
        self.known = known
        self.words = words
        self.key = key

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
        # A choice of few values leads to another way through the server more often than the rest.
        shares = {name: 0.6 if "enum" in self.resolve(properties[name]) else 0.3 for name in properties}
        names = [name for name in properties if name in required or self.chance(shares[name])]
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
        if self.key:
            sent = self.key if self.chance(0.95) else self.random.choice([self.key[:-1], "none", "k" * 300])
            options["headers"]["x-api-key"] = sent.encode()
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


def quote(text):
    """``text`` in a path. Dots, which httpx would read as steps up, are escaped too."""
    return urllib.parse.quote(text, safe="/@").replace(".", "%2E")
