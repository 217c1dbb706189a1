"""Cutting content: any value within any limit is valid JSON, and says what was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.truncation import bounded, dump
from otel_llm_semconv import attributes as a

TEXT = st.text() | st.text(alphabet='"\\\n\x01é😀\ud800', max_size=80)
KEYS = TEXT  # as in JSON: keys that only become equal when written are none of our business
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner),
    max_leaves=30,
)
#: What the schema of the conventions asks of each kind of part.
REQUIRED = {
    "text": {"content"},
    "reasoning": {"content"},
    "tool_call": {"name"},
    "tool_call_response": {"response"},
    "blob": {"modality", "content"},
    "generic": {"generic_type"},
}
PARTS = st.one_of(
    st.builds(lambda text: {"type": "text", "content": text}, st.text() | st.text(min_size=5000, max_size=9000)),
    st.builds(lambda text: {"type": "reasoning", "content": text}, TEXT),
    st.builds(lambda args: {"type": "tool_call", "id": "call_1", "name": "f", "arguments": args}, JSON),
    st.builds(lambda answer: {"type": "tool_call_response", "id": "call_1", "response": answer}, JSON),
    st.just({"type": "blob", "modality": "image", "mime_type": "image/png", "content": "", "size_bytes": 9}),
)
MESSAGES = st.lists(
    st.builds(
        lambda role, parts: {"role": role, "parts": parts},
        st.sampled_from(["user", "assistant", "tool"]),
        st.lists(PARTS, min_size=1, max_size=4),
    ),
    max_size=12,
)


def read(text: str) -> Any:
    """Strict JSON: what Python alone would take is refused."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def content(message: dict[str, Any]) -> str:
    return str(message["parts"][0]["content"])


@given(st.lists(JSON) | JSON, st.integers(4, 700))
def test_whatever_it_is_it_fits_and_parses(value: Any, bytes_max: int) -> None:
    text, was_cut = bounded(value, bytes_max)
    assert len(text.encode()) <= bytes_max
    found = read(text)
    assert type(found) is list or not isinstance(value, list | tuple)
    assert was_cut is (len(dump(value).encode()) > bytes_max)
    assert was_cut or text == dump(value)


@given(st.lists(JSON), st.integers(4, 700))
def test_what_fits_is_not_cut_again(value: list[Any], bytes_max: int) -> None:
    text, _ = bounded(value, bytes_max)
    assert bounded(read(text), bytes_max) == (text, False)


@given(MESSAGES, st.integers(4_000, 20_000))
def test_cut_messages_keep_their_schema(messages: list[Any], bytes_max: int) -> None:
    for found in read(bounded(messages, bytes_max)[0]):
        assert found["role"] in ("user", "assistant", "tool", "system")
        for part in found["parts"]:
            assert part.keys() >= REQUIRED[part["type"]], part


def test_a_long_text_keeps_both_ends_and_says_how_much_went() -> None:
    text = "the beginning " + "x" * 500_000 + " the end"
    (found,) = read(bounded([message(text)], 1000)[0])
    cut = content(found)
    assert cut.startswith("the beginning xx")
    assert cut.endswith("xx the end")
    head, _, rest = cut.partition("… [cut ")
    number, _, tail = rest.partition(" characters] …")
    assert int(number.replace(",", "")) == len(text) - len(head) - len(tail)


@pytest.mark.parametrize("unit", ["x", '"', "\\", "\n", "\x01", "é", "😀", 'a"é😀\\\x1f'])
def test_the_limit_is_in_bytes_and_nearly_used_up(unit: str) -> None:
    for bytes_max in range(900, 930):
        text, _ = bounded([message(unit * 1000)], bytes_max)
        assert bytes_max - 40 <= len(text.encode()) <= bytes_max


def test_the_system_prompt_and_the_newest_messages_stay() -> None:
    talk = [message("be brief", "system"), *(message(f"{n} " + "z" * 90) for n in range(1000))]
    found = read(bounded(talk, 2000)[0])
    assert content(found[0]) == "be brief"
    (note,) = found[1]["parts"]
    assert note == {"type": "generic", "generic_type": a.CONTENT_CUT, "messages": 1000 - (len(found) - 2)}
    assert [content(one) for one in found[2:]] == [content(one) for one in talk[-len(found) + 2 :]]
    assert len(found) > 8


def test_short_messages_stay_whole_beside_a_long_one() -> None:
    talk = [message("a" * 100_000), message("what is this?"), message("b" * 50_000), message("and now?")]
    found = read(bounded(talk, 8_000)[0])
    assert [content(one) for one in found[1::2]] == ["what is this?", "and now?"]
    assert abs(len(content(found[0])) - len(content(found[2]))) <= 1
    assert len(content(found[0])) > 3_500


def test_arguments_are_cut_inside_their_strings() -> None:
    arguments = {"path": "/a/b", "lines": [1, 2, 3], "body": "q" * 90_000, "deep": {"note": "n" * 90_000}}
    call = {"type": "tool_call", "id": "t", "name": "write", "arguments": arguments}
    (found,) = read(bounded([{"role": "assistant", "parts": [call]}], 3_000)[0])
    (part,) = found["parts"]
    assert (part["id"], part["name"]) == ("t", "write")
    assert (part["arguments"]["path"], part["arguments"]["lines"]) == ("/a/b", [1, 2, 3])
    assert "[cut 8" in part["arguments"]["body"]
    assert "[cut 8" in part["arguments"]["deep"]["note"]


def test_long_lists_and_objects_say_how_many_are_missing() -> None:
    numbers = read(bounded(list(range(10_000)), 500)[0])
    assert numbers[:3] == [0, 1, 2]
    assert numbers[-1] == f"… [cut {10_000 - len(numbers) + 1:,} items]"
    named = read(bounded({f"key{n}": n for n in range(10_000)}, 500)[0])
    assert named["key0"] == 0
    assert named["…"] == f"[cut {10_000 - len(named) + 1:,} entries]"
    tools = read(bounded([{"type": "function", "name": f"f{n}"} for n in range(1000)], 500)[0])
    assert tools[-1] == {"type": "generic", "generic_type": a.CONTENT_CUT, "items": 1000 - len(tools) + 1}


def test_what_is_nested_too_deep_is_cut_and_no_fault() -> None:
    value: list[Any] = ["x" * 5000]
    for _ in range(200):
        value = [value]
    text, was_cut = bounded(value, 1000)
    assert was_cut
    assert "nested too deep" in text
    read(text)


def test_the_work_is_bounded_by_the_limit() -> None:
    """A string subclass counts what is read of it: the cut looks at no more than the limit."""
    looked_at: list[int] = []

    class Watched(str):
        __slots__ = ()

        def __getitem__(self, key: Any) -> str:
            piece = super().__getitem__(key)
            looked_at.append(len(piece))
            return piece

    bounded([message(Watched("x" * 10_000_000))], 10_000)
    assert 0 < sum(looked_at) < 30_000


def test_halves_of_surrogate_pairs_do_not_survive() -> None:
    text, _ = bounded([message("\ud83d\ude00 and \ud800")], 1000)
    assert content(read(text)[0]) == "😀 and �"


def test_what_json_does_not_know_becomes_what_it_knows() -> None:
    text, _ = bounded([{"n": float("nan"), 1: {2}, ("a", 1): object, "raw": b"abc"}], 1000)
    (found,) = read(text)
    assert (found["n"], found["1"], found["('a', 1)"]) == (None, "{2}", "<class 'object'>")
    assert (found["raw"]["type"], found["raw"]["size_bytes"]) == ("blob", 3)
