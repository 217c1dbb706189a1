"""Scores over plain HTTP: JSON comes in, the conventions' evaluation event goes into the journal.

`POST /v1/scores` takes a score or a list of them. `POST /v1/request/{id}/score` and `/feedback` take what Helicone's
paths of these names do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from otel_llm.errors import UsageError

from ..scores import judged_by, read_score, request_of, row_ids
from .refusals import BadDataError

PATH: Final = "/v1/scores"
SCORES_MAX: Final = 10_000
_OF_REQUEST: Final = re.compile(r"/v1/request/([^/]+)/(score|feedback)")


def is_at(path: str) -> bool:
    """True where scores are taken."""
    return path == PATH or _OF_REQUEST.fullmatch(path) is not None


def request_from_json(path: str, body: bytes, now_ns: int) -> bytes:
    """The OTLP request that a body means. Raises BadDataError with what is wrong, and in which score."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"the body is no JSON: {str(error)[:200]}") from None
    given = _scores(path, document)
    if not 0 < len(given) <= SCORES_MAX:
        raise BadDataError(f"a request has 1 to {SCORES_MAX} scores, not {len(given)}")
    return request_of([_read(number, one, now_ns) for number, one in enumerate(given)])


def answer(path: str, payload: bytes) -> bytes:
    """The body of success: the rows' ids, or what Helicone's clients wait for."""
    said = {"ids": row_ids(payload)} if path == PATH else {"data": None, "error": None}
    return json.dumps(said).encode()


def _read(number: int, given: Any, now_ns: int) -> Any:
    try:
        score = read_score(given, now_ns)
        score.record()  # half of a surrogate pair is no text
    except UsageError as error:
        raise BadDataError(f"score {number}: {error}") from None
    except UnicodeEncodeError:
        raise BadDataError(f"score {number}: a text in it is no Unicode") from None
    return score


def _scores(path: str, document: Any) -> list[Any]:
    asked = _OF_REQUEST.fullmatch(path)
    if asked is None:
        return document if isinstance(document, list) else [document]
    judged = judged_by(unquote(asked[1]))
    if asked[2] == "feedback":
        rating = document.get("rating") if isinstance(document, Mapping) else None
        if not isinstance(rating, bool):
            raise BadDataError('send {"rating": true} or {"rating": false}')
        return [{"name": "feedback", "value": rating, **judged}]
    scores = document.get("scores") if isinstance(document, Mapping) else None
    if not isinstance(scores, Mapping):
        raise BadDataError('send {"scores": {"helpful": 1}}')
    return [{"name": name, "value": value, **judged} for name, value in scores.items()]
