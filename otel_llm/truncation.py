"""Content as JSON within a limit of bytes: always valid, and it says what was left out.

What is too long is cut where it hurts least. Of a list of messages the system prompt and the newest stay, the oldest
go, and a generic part says how many went. What stays shares the room: short values stay whole, long ones get the same
each. An object keeps its keys, a string its beginning and its end, with `… [cut 12,345 characters] …` between them.

The work is bounded by the limit and not by the size of what is cut: strings are sliced before they are looked at, but
for a search for base64 (0.4 ms a megabyte), and weighing stops at the limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from otel_llm_semconv import attributes as a

from .binary import BASE64_MARK, Blob, blob, without_data_urls
from .codec import written
from .encodable import clean

DEPTH_MAX: Final = 64
#: An item counts with this part of the room at most when it is decided what stays: so many always do.
_CROWD: Final = 8
#: ... but with so many bytes at least, if it has them: with fewer it says nothing.
_ITEM_BYTES_MIN: Final = 128
_ENTRY_BYTES_MIN: Final = 16
_NOTED_BYTES_MIN: Final = 64  # a string with less room has an ellipsis for a note
_ELLIPSIS: Final = "…"


def bounded(value: Any, bytes_max: int, *, is_json: bool = False) -> tuple[str, bool]:
    """The value as JSON of at most `bytes_max` bytes of UTF-8 (from 2 up), and whether something was cut for it.

    The data of `data:` URLs is replaced by its size and hash first, whatever the length. `is_json` says that all of
    the value came from JSON, which takes a third of the time to write.
    """
    if not _is_clearly_longer(value, bytes_max):
        text = (written(value) if is_json else None) or dump(value)
        if BASE64_MARK in text:
            value = without_data_urls(value)
            text = dump(value)
        if len(text) * 4 <= bytes_max or size_bytes(text) <= bytes_max:
            return text, False
    return _fit(value, bytes_max, 0) or '""', True


def plain(value: Any) -> Any:
    """The value in the types of JSON: NaN becomes null, bytes a blob, what JSON does not know becomes text."""
    if value is None or isinstance(value, str | bool | int | Blob):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return blob("document", None, bytes(value))
    return str(value)


_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=plain
).encode


def dump(value: Any) -> str:
    """The value as strict JSON that can be encoded in UTF-8."""
    try:
        return clean(_encode(value))
    except (TypeError, ValueError):  # a key that is no text, NaN
        return clean(_encode(plain(value)))


def size_bytes(text: str) -> int:
    """Bytes of a clean text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _is_clearly_longer(value: Any, bytes_max: int) -> bool:
    """True where the texts of the messages alone are longer: what is to be cut is then never written whole."""
    try:  # messages, as most are
        return sum([len(part["content"]) for item in value for part in item["parts"]]) > bytes_max
    except (KeyError, TypeError):
        pass
    chars = len(value) if isinstance(value, str) else 0
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            parts = item.get("parts")
            for part in parts if isinstance(parts, list) else (item,):
                if isinstance(part, dict):
                    content = part.get("content") or part.get("response")
                    if isinstance(content, str):
                        chars += len(content)
    return chars > bytes_max


def _fit(value: Any, room: int, depth: int) -> str:
    """The value as JSON of at most `room` bytes; nothing where not even a sign of it fits."""
    if isinstance(value, str):
        return _fit_text(value, room)
    if isinstance(value, dict | list | tuple):
        if depth >= DEPTH_MAX:
            return _fit_text(f"{_ELLIPSIS} [cut: nested too deep]", room)
        return _fit_object(value, room, depth) if isinstance(value, dict) else _fit_list(value, room, depth)
    known = plain(value)
    if isinstance(known, str | dict):
        return _fit(known, room, depth)
    text = dump(known)
    return text if len(text) <= room else ""


def _fit_text(text: str, room: int) -> str:
    text = without_data_urls(text)
    if len(text) + 2 <= room and size_bytes(whole := dump(text)) <= room:
        return whole
    if room < _NOTED_BYTES_MIN:
        start = _start(text, room - 2 - size_bytes(_ELLIPSIS))
        return dump(start + _ELLIPSIS) if room >= size_bytes(f'"{_ELLIPSIS}"') else '""' if room >= 2 else ""
    left = room - 2 - size_bytes(_text_note(len(text)))
    start = _start(text, left * 2 // 3)
    end = _start(text[-left:][::-1], left // 3)[::-1]
    return dump(start + _text_note(len(text) - len(start) - len(end)) + end)


def _text_note(chars: int) -> str:
    return f"{_ELLIPSIS} [cut {chars:,} characters] {_ELLIPSIS}"


def _start(text: str, bytes_max: int) -> str:
    """The beginning of a text that takes at most so many bytes inside JSON."""
    written = dump(text[: max(0, bytes_max)])[1:-1].encode()[: max(0, bytes_max)].decode("utf-8", "ignore")
    for end in range(len(written), max(-1, len(written) - 6), -1):
        try:
            return str(json.loads(f'"{written[:end]}"'))
        except ValueError:  # ends inside an escape, which has six characters at most
            continue
    return ""


def _fit_object(value: dict[Any, Any], room: int, depth: int) -> str:
    def fill(room: int) -> list[str]:
        entries = ((f"{dump(str(key)[:room])}:", item) for key, item in value.items())
        return _fill(entries, room - 2, depth, _ENTRY_BYTES_MIN)

    texts = fill(room)
    if len(texts) < len(value):
        note = '"…":"[cut %s entries]"'
        noted = fill(room - 1 - size_bytes(note % f"{len(value):,}"))
        if noted:
            left_out = len(value) - len(noted)
            texts = [*noted, note % f"{left_out:,}"] if left_out else noted
    return "{" + ",".join(filter(None, texts)) + "}" if room >= 2 else ""


def _fit_list(value: list[Any] | tuple[Any, ...], room: int, depth: int) -> str:
    order = _by_importance(value)

    def fill(room: int) -> dict[int, str]:
        texts = _fill((("", value[index]) for index in order), room - 2, depth, _ITEM_BYTES_MIN)
        return dict(zip(order, texts, strict=False))

    kept = fill(room)
    if len(kept) < len(value):
        noted = fill(room - 1 - size_bytes(_list_note(value[0], len(value))))
        if noted:
            gap = next((index for index in range(len(value)) if index not in noted), None)
            kept = noted if gap is None else {**noted, gap: _list_note(value[0], len(value) - len(noted))}
    return "[" + ",".join(kept[index] for index in sorted(kept) if kept[index]) + "]" if room >= 2 else ""


def _by_importance(value: list[Any] | tuple[Any, ...]) -> list[int]:
    """Of messages the system's, where it is the first, then the newest; of anything else the first."""
    if not value or not _is_message(value[0]):
        return list(range(len(value)))
    system = 1 if value[0].get("role") == "system" else 0
    return [*range(system), *range(len(value) - 1, system - 1, -1)]


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "parts" in value


def _list_note(sample: Any, count: int) -> str:
    """What stands for the items that were left out, in the shape of the others."""
    if _is_message(sample):
        part = {"type": "generic", "generic_type": a.CONTENT_CUT, "messages": count}
        return dump({"role": "system", "parts": [part]})
    if isinstance(sample, dict) and "type" in sample:
        return dump({"type": "generic", "generic_type": a.CONTENT_CUT, "items": count})
    return dump(f"{_ELLIPSIS} [cut {count:,} items]")


def _fill(entries: Iterable[tuple[str, Any]], room: int, depth: int, counted_bytes_min: int) -> list[str]:
    """The first entries, a prefix and a value each, as texts that together take at most `room` bytes with commas.

    A text is empty where there is room for the prefix alone.
    """
    counted_bytes_max = max(counted_bytes_min, room // _CROWD)
    counted = 0
    kept: list[tuple[str, Any]] = []
    weights: list[int] = []
    for prefix, item in entries if room > 0 else ():
        weight = size_bytes(prefix) + _weigh(item, room, depth + 1) + 1
        counted += min(weight, counted_bytes_max)
        if kept and counted > room:
            break
        kept.append((prefix, item))
        weights.append(weight)
    shares = _shares(weights, room)
    return [
        _fit_entry(prefix, item, share - 1, depth, is_whole=weight <= share)
        for (prefix, item), weight, share in zip(kept, weights, shares, strict=True)
    ]


def _fit_entry(prefix: str, item: Any, room: int, depth: int, *, is_whole: bool) -> str:
    if is_whole:
        text = dump(item)
        if BASE64_MARK not in text:
            return prefix + text
    text = _fit(item, room - size_bytes(prefix), depth + 1)
    return prefix + text if text else ""


def _shares(weights: list[int], room: int) -> list[int]:
    """The room of each: the light ones their weight, the heavy ones the same."""
    shares = [0] * len(weights)
    for done, index in enumerate(sorted(range(len(weights)), key=weights.__getitem__)):
        shares[index] = min(weights[index], room // (len(weights) - done))
        room -= shares[index]
    return shares


def _weigh(value: Any, limit: int, depth: int) -> int:
    """Bytes of the value as JSON, at most one too many for each list and object; or any number above the limit."""
    if isinstance(value, str):
        return len(value) + 2 if len(value) > limit else size_bytes(dump(value))
    if not isinstance(value, dict | list | tuple):
        known = plain(value)
        return _weigh(known, limit, depth) if isinstance(known, str | dict) else len(dump(known))
    if depth >= DEPTH_MAX:
        return limit + 1
    weight = 2
    if isinstance(value, dict):
        for key, item in value.items():
            weight += _weigh(str(key), limit, depth) + 1
            weight += _weigh(item, limit - weight, depth + 1) + 1
            if weight > limit:
                break
    else:
        for item in value:
            weight += _weigh(item, limit - weight, depth + 1) + 1
            if weight > limit:
                break
    return weight
