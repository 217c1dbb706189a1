"""Numbers, prose and JSON drawn from a request: arbitrary, but always the same for the same request and seed."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

_SENTENCES: Final = (
    "Taken together this points to a moderate urgency.",
    "The history given does not suggest an immediate danger.",
    "Please repeat the measurement within the next hour.",
    "A clinician should look at this before the patient leaves.",
    "No contradiction with the current medication was found.",
    "The two findings are best read together.",
    "An electrocardiogram and a basic blood panel would settle the question.",
    "If the symptoms get worse, go to the emergency department at once.",
)
_CACHE_BLOCK: Final = 128  # OpenAI caches prompts from 1,024 tokens on in steps of 128
_CACHE_MIN: Final = 1024
_DEPTH_MAX: Final = 8  # of a JSON schema that refers to itself


class Draw:
    """Draws from a request. A name selects one of many independent draws, so that a new one changes no other."""

    def __init__(self, seed: int, request: object) -> None:
        text = json.dumps(request, sort_keys=True, default=str)
        self.length = len(text)
        self._key = hashlib.sha256(f"{seed}\n{text}".encode()).digest()

    def below(self, name: str, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int.from_bytes(hashlib.sha256(self._key + name.encode()).digest()[:8]) % limit

    def prose(self) -> str:
        """Two to four sentences."""
        first, count = self.below("first sentence", len(_SENTENCES)), 2 + self.below("sentences", 3)
        return " ".join(_SENTENCES[(first + i) % len(_SENTENCES)] for i in range(count))

    def prompt_tokens(self) -> tuple[int, int]:
        """Tokens of the prompt, and how many of them come from the cache."""
        prompt = 400 + self.length // 4 + self.below("prompt", 4000)
        blocks = prompt // _CACHE_BLOCK if prompt >= _CACHE_MIN else 0
        return prompt, _CACHE_BLOCK * self.below("cached", blocks + 1)

    def output_tokens(self, thinks: bool, limit: int | None) -> tuple[int, int, bool]:
        """Tokens of the answer, how many of them are reasoning, and whether it fitted into the limit."""
        reasoning = 64 * (1 + self.below("reasoning", 12)) if thinks else 0
        wanted = reasoning + 30 + self.below("completion", 400)
        output = min(wanted, limit or wanted)
        return output, min(reasoning, output), output == wanted

    def embedded_tokens(self) -> int:
        """Tokens of what is embedded."""
        return 1 + self.length // 5 + self.below("prompt", 40)

    def vector(self, name: str, dimensions: int) -> list[float]:
        """Numbers from -1 to 1 that 32 bits hold exactly."""
        data = hashlib.shake_256(self._key + name.encode()).digest(2 * dimensions)
        return [n / 32768 for n in struct.unpack(f"<{dimensions}h", data)]

    def value(self, schema: Mapping[str, Any], name: str = "value") -> Any:
        """A JSON value that fits `schema` (types, enum, const, $ref, anyOf, properties, items)."""
        return self._value(schema, schema, name, 0)

    def _value(self, schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> Any:
        schema = _resolve(schema, root)
        if "const" in schema:
            return schema["const"]
        if choices := schema.get("enum"):
            return choices[self.below(name, len(choices))]
        kind = _type_of(schema)
        if kind == "object" and depth < _DEPTH_MAX:
            properties: Mapping[str, Any] = schema.get("properties", {})
            return {key: self._value(sub, root, f"{name}.{key}", depth + 1) for key, sub in properties.items()}
        if kind == "array" and depth < _DEPTH_MAX:
            return [self._value(schema.get("items", {}), root, f"{name}[]", depth + 1)]
        return self._scalar(kind, schema, name)

    def _scalar(self, kind: str, schema: Mapping[str, Any], name: str) -> Any:
        low = schema.get("minimum", 1)
        numbers = {"integer": low + self.below(name, 5), "number": low + self.below(name, 50) / 10}
        fixed: dict[str, Any] = {"boolean": self.below(name, 2) == 1, "null": None, "object": {}, "array": []}
        return (numbers | fixed).get(kind, _SENTENCES[self.below(name, len(_SENTENCES))])


def pieces(text: str, size: int = 2) -> list[str]:
    """The text in streamed pieces of `size` words; joined they are the text again."""
    words = text.split(" ")
    spaced = [word if i == 0 else f" {word}" for i, word in enumerate(words)]
    return ["".join(spaced[i : i + size]) for i in range(0, len(spaced), size)]


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    if reference := schema.get("$ref"):
        found: Any = root
        for key in str(reference).removeprefix("#/").split("/"):
            found = found.get(key, {})
        return {"type": "object"} if found is schema else found
    alternatives: Sequence[Mapping[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or ()
    return _resolve(alternatives[0], root) if alternatives else schema


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind[0]) if isinstance(kind, list) else str(kind)
