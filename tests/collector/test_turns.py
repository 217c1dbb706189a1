"""Turns of queries, and the way of one to the process that answers it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from otel_llm_collector.config_file import Configured
from otel_llm_collector.endpoint.wire import Asked
from otel_llm_collector.receiver.access import Access
from otel_llm_collector.receiver.connection import Request
from otel_llm_collector.receiver.refusals import BusyError
from otel_llm_collector.receiver.sql import Conversation, SqlDoor
from otel_llm_collector.receiver.telemetry import Telemetry
from otel_llm_collector.receiver.turns import WAITING_MAX, Turns


def test_who_waits_for_a_process_that_says_nothing_is_told_so() -> None:
    async def wait() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            client = Conversation(*await asyncio.open_connection(sock=ours), 1)
            with pytest.raises(BusyError, match="says nothing"):
                await client.ask(Asked(b"SELECT 1", "text/plain", "", None), 0.01)
            client.close()

    asyncio.run(wait())


def test_who_goes_between_the_turn_and_the_query_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        config = Configured({}, {}, None).config
        ours, theirs = socket.socketpair()
        (tmp_path / "journal").mkdir()
        door = SqlDoor(Access(config), config, Telemetry(tmp_path), None)
        request = Request(path="/v1/sql", method="POST", parts=[b"SELECT 1"])

        async def hand_on() -> Conversation:
            request.is_gone = True
            assert request.on_gone
            request.on_gone()
            return Conversation(*await asyncio.open_connection(sock=ours), 1)

        monkeypatch.setattr(door, "_hand_on", hand_on)
        with ours, theirs, pytest.raises(BusyError, match="ended"):
            await asyncio.wait_for(door.answer(request), 10)
        assert door._turns.running == 0

    asyncio.run(ask())


def test_turns_are_given_in_order_and_given_up() -> None:
    async def take() -> None:
        turns = Turns(1)
        first, second, third = turns.ask(), turns.ask(), turns.ask()
        assert (first.done(), second.done(), turns.waiting) == (True, False, 2)
        second.cancel()
        await asyncio.sleep(0)
        assert turns.waiting == 1
        turns.end()
        assert third.done()
        assert (turns.running, turns.waiting) == (1, 0)
        turns.end()
        assert turns.running == 0
        places = [turns.ask() for _ in range(WAITING_MAX + 1)]
        with pytest.raises(BusyError):
            turns.ask()
        for place in places:
            place.cancel()
        await asyncio.sleep(0)

    asyncio.run(take())
