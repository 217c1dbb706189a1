"""A conversation with OpenAI Realtime, as far as it has to be known to say what a response was asked with.

Pure state: `transports/websockets.py` tells it what goes by.
"""

from __future__ import annotations

from typing import Any, Final

from ..wire import Json, mapping, text

_SESSION_UPDATE: Final = "session.update"
_SESSIONS: Final = ("session.created", "session.updated")
#: What the server says of items. The first interface calls them created, the current one added and then done.
_ITEMS: Final = ("conversation.item.added", "conversation.item.created", "conversation.item.done")
_DELETED: Final = "conversation.item.deleted"
_HEARD: Final = "conversation.item.input_audio_transcription.completed"
#: Events that `hear` wants to know.
TOLD: Final = frozenset({_SESSION_UPDATE, *_SESSIONS})
SAID: Final = frozenset({*_ITEMS, _DELETED, _HEARD})
_ITEMS_MAX: Final = 1000


class Conversation:
    """`model` is the one that the URL asks for, `answering` the one that the server says it is."""

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.answering: str | None = None
        self._settings: dict[str, Any] = {}  # what the client has set, not what the server's defaults are
        self._items: dict[str, Json] = {}

    def request(self, response: Json) -> dict[str, Any]:
        """What a response is asked for with, as the reader wants it; `items` is filled in when it begins."""
        return {"model": self.model, "session": dict(self._settings), "response": response}

    def items(self) -> list[Json]:
        """What was said so far."""
        return list(self._items.values())

    def hear(self, kind: str, event: Json) -> None:
        """An event went by."""
        session = mapping(event.get("session"))
        if kind == _SESSION_UPDATE:
            self._settings.update(session)
        elif kind in _SESSIONS:
            self.answering = text(session.get("model")) or self.answering
        elif kind == _DELETED:
            self._items.pop(str(event.get("item_id")), None)
        elif kind == _HEARD:
            self._hear_voice(event)
        elif kind in _ITEMS:
            self._keep(mapping(event.get("item")))

    def _keep(self, item: Json) -> None:
        if len(self._items) >= _ITEMS_MAX:
            del self._items[next(iter(self._items))]
        self._items[str(item.get("id"))] = item

    def _hear_voice(self, event: Json) -> None:
        """What the user said turns out later than that something was said."""
        key, place = str(event.get("item_id")), event.get("content_index")
        parts = mapping(self._items.get(key)).get("content")
        if isinstance(parts, list):
            voice = {"transcript": event.get("transcript")}
            heard = [{**mapping(part), **voice} if at == place else part for at, part in enumerate(parts)]
            self._items[key] = {**self._items[key], "content": heard}
