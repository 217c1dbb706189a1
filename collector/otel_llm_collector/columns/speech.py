"""Which spans can be read by columns, and in which dialect: those that say what they say in the plainest way.

That is, by attributes of the types that the columns have, in a dialect that is a table and nothing else. All others are
odd, and left to the reference.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from otel_llm_semconv import attributes as a
from otel_llm_semconv import dialects, tables
from otel_llm_semconv.dialects import DIALECTS, Accounting, Dialect, genai, messages, reading
from otel_llm_semconv.dialects.dialect import NS_PER_S, Scaled, Source

from ..normalise import PROMOTED
from .arrays import Bools, Ints, dense
from .spans import Spans

#: Groups of spans that no dialect reads: our own, and those that have to do with no model.
NOBODY: Final = -1
_ODD: Final = -2
_LETTER_OF: Final[Mapping[str, str]] = {
    tables.TEXT: "s",
    tables.LONG: "i",
    tables.INT: "i",
    tables.BOOL: "b",
    tables.TEXTS: "j",
    tables.MONEY: "di",
}
_TYPE_OF: Final = {column.name: column.type for column in tables.TABLES["spans"]}
_FIRST_CHUNK: Final = Scaled(a.RESPONSE_TIME_TO_FIRST_CHUNK, NS_PER_S)
#: What is read by the rules of `normalise`, and the types that it takes.
_READ: Final[Mapping[str, str]] = {
    a.RESPONSE_TIME_TO_FIRST_CHUNK: "di",
    a.COST_AMOUNT: "di",
    a.COST_CURRENCY: "s",
    a.USAGE_CACHE_WRITE_TOKENS: "i",
    a.USAGE_CACHE_CREATION_TOKENS: "i",
    a.USAGE_STATUS: "s",
    a.SESSION_ID: "s",
    a.ECHO: "b",
    a.OPENAI_RESPONSE_SERVICE_TIER: "s",
    a.SERVICE_TIER: "s",
    a.INFERENCE_PLACE: "s",
    a.DEPLOYED_MODEL: "s",
    a.SERVER_ADDRESS: "s",
    **dict.fromkeys(a.CONTENT, "s"),
}
#: Ways of counting that change nothing where the cache fits into the input.
_PLAIN: Final = (Accounting.INCLUSIVE, Accounting.BY_PROVIDER)
_CACHED: Final = ("cache_read_tokens", "cache_write_tokens")
_SIZE_MAX: Final = (1 << 63) - 1
_KNOWN_MAX: Final = 4096
_FIRST_CHUNK_S_MAX: Final = 1e9


def _is_table(dialect: Dialect) -> bool:
    """True where nothing of it is a function, or changes what was sent."""
    is_plain = dialect.accounting in _PLAIN and not dialect.output_excludes_reasoning
    return is_plain and not (dialect.complete or dialect.properties or dialect.tags)


#: The dialects that are read here.
TABLES: Final = tuple(dialect for dialect in DIALECTS if _is_table(dialect))


def sources(dialect: Dialect, column: str) -> Sequence[str]:
    """The attributes that a column is read from, the likeliest first."""
    return [_name(source) for source in reading.sources(dialect).get(column, ())]


def _name(source: Source) -> str:
    return source if isinstance(source, str) else source.attribute


class _Fit(NamedTuple):
    """What the values of an attribute may be: their types, and their size on the wire."""

    letters: str
    size_min: int = 0
    size_max: int = _SIZE_MAX


def _fits() -> dict[str, _Fit]:
    found = {column.attribute: _fit(column.type, column.name) for column in PROMOTED if column.attribute}
    for dialect in TABLES:
        for column, places in reading.sources(dialect).items():
            for source in places:
                fit = _fit(_TYPE_OF.get(column, ""), column)
                is_read = isinstance(source, str) or source == _FIRST_CHUNK
                is_read &= column != "emitted_cost_usd" or source == a.COST_AMOUNT
                is_read &= column != "service_tier"  # of others', the reference knows where it stands
                if found.setdefault(_name(source), fit) != fit or not is_read:
                    found[_name(source)] = _Fit("")
    return found | {name: _fit("", "", letters) for name, letters in _READ.items()}


def _fit(type: str, column: str, letters: str | None = None) -> _Fit:
    """A text or a list has to say something, a count not to be negative (ten bytes), an INTEGER to be small."""
    letters = _LETTER_OF.get(type, "") if letters is None else letters
    match letters:
        case "s":
            return _Fit(letters, size_min=1)
        case "j":
            return _Fit(letters, size_min=3)  # a tag and a length is what an empty one has
        case "i":
            return _Fit(letters, size_max=4 if type == tables.INT else 9)
    return _Fit(letters)


_FITS: Final = _fits()


class _Key(NamedTuple):
    """What the name of an attribute says: the types that are read, and whose mark it is, a bit a dialect."""

    fit: _Fit | None
    marks: int
    among: int


@functools.lru_cache(maxsize=_KNOWN_MAX)
def _key(name: str) -> _Key:
    marks = among = 0
    for bit, dialect in enumerate(DIALECTS):
        is_mark = name in dialect.marks or (bool(dialect.mark_prefixes) and name.startswith(dialect.mark_prefixes))
        marks |= is_mark << bit
        among |= (bool(dialect.among) and name.startswith(dialect.among)) << bit
    return _Key(_FITS.get(name), marks, among)


def judge(spans: Spans) -> tuple[Ints, Bools]:
    """Of each span the place of its dialect in `TABLES`, or NOBODY; and which spans are odd."""
    keys = [_key(name) for name in spans.attributes.names]
    is_odd = _misfits(spans, keys)
    dialect = _dialects(spans, keys)
    is_odd |= dialect == _ODD
    is_odd |= (dialect >= 0) & spans.has_events
    for number in np.unique(dialect[dialect >= 0]).tolist():
        is_odd |= (dialect == number) & _is_oddly_said(spans, TABLES[number])
    if (dialect >= 0).any():
        is_odd |= (dialect >= 0) & _has_odd_content(spans)
    return dialect, is_odd


def _misfits(spans: Spans, keys: Sequence[_Key]) -> Bools:
    """The rows with a value that is not what is read."""
    found = spans.attributes
    is_odd = np.zeros(len(spans), np.bool_)
    if not keys:
        return is_odd
    for place, key in enumerate(keys):
        if key.fit is None:
            continue
        chosen = found.span_of(place)
        letter, size = found.letter[chosen], found.sizes(chosen)
        fits = (size >= key.fit.size_min) & (size <= key.fit.size_max) & _is_one_of(letter, key.fit.letters)
        if not fits.all():
            is_odd[found.row[chosen][~fits]] = True
    chunks = found.of(a.RESPONSE_TIME_TO_FIRST_CHUNK)
    seconds = numbers(spans, chunks)
    is_odd[found.row[chunks[~((seconds >= 0) & (seconds < _FIRST_CHUNK_S_MAX))]]] = True
    return is_odd


def _is_one_of(letter: npt.NDArray[np.uint8], letters: str) -> Bools:
    if not letters:
        return np.zeros(len(letter), np.bool_)
    return np.asarray(np.logical_or.reduce([letter == ord(one) for one in letters]))


def numbers(spans: Spans, chosen: Ints) -> npt.NDArray[np.float64]:
    """The values of attributes that are doubles or integers."""
    found = spans.attributes
    is_whole = found.letter[chosen] == ord("i")
    if not is_whole.any():
        return found.doubles(chosen)
    return np.where(is_whole, found.integers(chosen), found.doubles(chosen))


def _dialects(spans: Spans, keys: Sequence[_Key]) -> Ints:
    """Spans of one scope with the same marks speak the same dialect: it is asked for once."""
    runs = spans.requests.runs
    scopes: dict[str, int] = {}
    scope_of_run = np.array([scopes.setdefault(around.scope.name, len(scopes)) for _, around in runs], np.int64)
    group = scope_of_run[spans.run] if len(runs) else spans.run
    for bits in ([key.marks for key in keys], [key.among for key in keys]):
        seen = dense(spans.attributes.rows_with(np.array(bits, np.int64)))[0]
        group, rows = dense(group * (int(seen.max(initial=0)) + 1) + seen)
    found = np.array([_dialect(spans, row) for row in rows.tolist()], np.int64)
    return found[group] if len(found) else group


def _dialect(spans: Spans, row: int) -> int:
    scope = spans.requests.runs[spans.run[row]][1].scope.name
    dialect = None if scope == a.SCOPE_APP else dialects.find(scope, spans.attributes.names_of(row))
    if dialect is None:
        return NOBODY
    if dialect not in TABLES or any(part in scope for part in dialect.exclusive_scopes):
        return _ODD
    return TABLES.index(dialect)


def _is_oddly_said(spans: Spans, dialect: Dialect) -> Bools:
    """Where spans of a dialect say something twice, or what their table has a rule of its own for."""
    is_odd = np.zeros(len(spans), np.bool_)
    for attributes in _contradicting(dialect):
        told = [rows_with(spans, name) for name in attributes]
        is_odd |= np.logical_and.reduce(told) if all(one.any() for one in told) else np.False_
    for name in _content_of(dialect, spans.attributes.names):
        is_odd |= rows_with(spans, name)
    if dialect.accounting is Accounting.BY_PROVIDER:
        is_odd |= _may_exceed(spans, dialect)
    failed = np.logical_or.reduce([rows_with(spans, name) for name in sources(dialect, "error_type")])
    if failed.any():
        answered = np.zeros(len(spans), np.bool_)
        outputs = spans.attributes.of(a.USAGE_OUTPUT_TOKENS)
        answered[spans.attributes.row[outputs]] = spans.attributes.integers(outputs) > 0
        is_odd |= failed & ~answered
    return is_odd


def _may_exceed(spans: Spans, dialect: Dialect) -> Bools:
    """Where the cache, all that is said of it, is not less than the least that is said of the input.

    Equal, too, as doubles are rounded.
    """
    cached, asked = np.zeros(len(spans)), np.full(len(spans), np.inf)
    for row, count in _said(spans, dialect, *_CACHED):
        cached[row] += count
    for row, count in _said(spans, dialect, "input_tokens"):
        asked[row] = np.minimum(asked[row], count)
    return np.asarray((cached > 0) & (cached >= asked))


def _said(spans: Spans, dialect: Dialect, *columns: str) -> Iterator[tuple[Ints, npt.NDArray[np.float64]]]:
    """The rows of each attribute that some columns are read from, and what it says."""
    for name in {name for column in columns for name in sources(dialect, column)}:
        entries = spans.attributes.of(name)
        yield spans.attributes.row[entries], numbers(spans, entries)


@functools.cache
def _contradicting_of(place: int) -> tuple[tuple[str, str], ...]:
    return tuple(_pairs(TABLES[place]))


def _contradicting(dialect: Dialect) -> tuple[tuple[str, str], ...]:
    return _contradicting_of(TABLES.index(dialect))


def _pairs(dialect: Dialect) -> Iterator[tuple[str, str]]:
    """Attributes that are looked at before the one that the row takes: together they say two things."""
    own = {column.name: (column.attribute,) for column in PROMOTED} | ROW_SOURCES
    for column in reading.sources(dialect):
        asked = sources(dialect, column)
        for place, name in enumerate(asked):
            taken = own.get(column, ())
            before = taken[: taken.index(name)] if name in taken else asked
            yield from ((earlier, name) for earlier in asked[:place] if earlier not in before)


#: Columns that the row takes from one of several attributes.
ROW_SOURCES: Final[dict[str, tuple[str | None, ...]]] = {
    "session_id": (a.SESSION_ID, a.CONVERSATION_ID),
    "cache_write_tokens": (a.USAGE_CACHE_WRITE_TOKENS, a.USAGE_CACHE_CREATION_TOKENS),
    "time_to_first_chunk_ns": (a.RESPONSE_TIME_TO_FIRST_CHUNK,),
}


def _content_of(dialect: Dialect, names: Sequence[str]) -> list[str]:
    """Content that is not where the conventions have it."""
    content = reading.content_names(dialect)
    return [name for name in names if name in content and name not in genai.DIALECT.content]


def rows_with(spans: Spans, name: str) -> Bools:
    """The rows that have an attribute."""
    found = np.zeros(len(spans), np.bool_)
    found[spans.attributes.row[spans.attributes.of(name)]] = True
    return found


def _has_odd_content(spans: Spans) -> Bools:
    """Where messages are, or may be, in another schema than the conventions'."""
    is_odd, found = np.zeros(len(spans), np.bool_), spans.attributes
    for name in (a.INPUT_MESSAGES, a.OUTPUT_MESSAGES):
        entries = found.of(name)
        is_in, has_odd = found.search(name, (messages.IN_SCHEMA, messages.ODD))
        is_odd[found.row[entries[~is_in | has_odd]]] = True
    entries = found.of(a.SYSTEM_INSTRUCTIONS)
    if len(entries):
        encoded: Any = found.once_of(a.SYSTEM_INSTRUCTIONS).dictionary_encode()
        is_plain = np.array([_is_plain_system(text) for text in encoded.dictionary.to_pylist()], np.bool_)
        is_odd[found.row[entries[~is_plain[encoded.indices.to_numpy()]]]] = True
    return is_odd


@functools.lru_cache(maxsize=256)
def _is_plain_system(text: str) -> bool:
    said = dialects.Reading("")
    messages.settle(dialects.Span(attributes={a.SYSTEM_INSTRUCTIONS: text}), said)
    return not said.messages
