"""`otel-llm score`: say what an answer was worth, from a shell or a script. stdout carries the row's id alone."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

import typer

from otel_llm.errors import UsageError

from . import journal
from .commandline import run, stdout_bytes
from .config import contracts, data_dir
from .scores import read_score, request_of, row_ids

_Text = str | None


def score(argv: list[str]) -> int:
    """`otel-llm score --name helpful --value 1 --span ID`: record a score."""
    return run("score", _score, argv)


def _score(
    *, name: Annotated[str, typer.Option(metavar="NAME", help="What is judged: helpful, faithfulness ...")],
    value: Annotated[float | None, typer.Option(metavar="NUMBER", help="The score as a number.")] = None,
    label: Annotated[_Text, typer.Option(metavar="WORD", help="The score as a word: pass, fail ...")] = None,
    explanation: Annotated[_Text, typer.Option(metavar="TEXT", help="The reason.")] = None,
    trace: Annotated[_Text, typer.Option(metavar="ID", help="The trace that is judged, or the span's.")] = None,
    span: Annotated[_Text, typer.Option(metavar="ID", help="The span that is judged.")] = None,
    response: Annotated[_Text, typer.Option(metavar="ID", help="Or the provider's id of the response.")] = None,
    session: Annotated[_Text, typer.Option(metavar="ID", help="Or the session; beside others, whose it is.")] = None,
    user: Annotated[_Text, typer.Option(metavar="ID", help="Who the answer was for.")] = None,
    at: Annotated[_Text, typer.Option(metavar="TIME", help="When it was given, such as 2026-11-01T10:00Z.")] = None,
    collector: Annotated[
        _Text, typer.Option(metavar="URL", help="Default: $OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318.")
    ] = None,
    data: Annotated[
        _Text, typer.Option(metavar="DIR", help="Or a data directory that no collector is at work on.")
    ] = None,
) -> None:  # fmt: skip
    """Record what an answer was worth, as the conventions' evaluation event, which any OTLP receiver takes. With
    --at it is the same row however often it is sent. Prints the row's id in the table `scores`."""
    from .delivery import Delivery, to_collector, to_directory

    if collector and data:
        raise UsageError("give one of --collector URL and --data DIR")
    now_ns = time.time_ns()
    given = {
        "name": name, "value": value, "label": label, "explanation": explanation, "trace_id": trace, "span_id": span,
        "response_id": response, "session_id": session, "user_id": user, "time": at,
    }  # fmt: skip
    payload = request_of([read_score(given, now_ns)])
    way: contextlib.AbstractContextManager[Delivery]
    way = to_directory(data_dir(data), contracts()) if data else to_collector(collector)
    with way as delivery:
        delivery.take(journal.LOGS, payload, now_ns)
    with stdout_bytes() as out:
        out.write("".join(f"{one}\n" for one in row_ids(payload)).encode())
