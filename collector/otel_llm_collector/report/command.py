"""`otel-llm report`: a page, Markdown, or a folder of everything; by mail, too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import altair as alt  # noqa: F401 - without the extra the command says how to get it
import jinja2  # noqa: F401
import typer
import vl_convert  # noqa: F401

from otel_llm.errors import UsageError

from ..asking import DataOption, TzOption, UntilOption, WhereOption, opened
from ..commandline import run, say
from ..config import data_dir
from . import compose, mail, pages
from .contents import Report

_Since = Annotated[str, typer.Option(metavar="TIME", help="From then on: 2026-11-01, or 7d back from --until.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="PLACE",
        help="A file .html (everything in one), a file .md (its charts beside it as SVG), or a folder: page, Markdown, "
        "and each section as CSV, its chart as SVG and PNG. Default: report.html, if it is not mailed.",
    ),
]
_To = Annotated[list[str] | None, typer.Option("--mail-to", metavar="ADDRESS", help="Mail it there. Repeatable.")]
_From = Annotated[str, typer.Option("--mail-from", metavar="ADDRESS", help="Whose mail it is.")]
_Smtp = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help=f"Who takes the mail: smtp://USER@HOST:PORT (STARTTLS), smtps:// or smtp+plain://. Its password is "
        f"${mail.PASSWORD_ENV}.",
    ),
]


def command(argv: list[str]) -> int:
    """`otel-llm report`: what was spent, on what, and what has changed."""
    return run("report", _report, argv)


def _report(
    *,
    since: _Since = "7d",
    until: UntilOption = None,
    out: _Out = None,
    mail_to: _To = None,
    mail_from: _From = "otel-llm@localhost",
    smtp: _Smtp = "smtp+plain://localhost",
    tz: TzOption = "UTC",
    where: WhereOption = None,
    data: DataOption = None,
) -> None:
    """What was spent in a time, on what, and what has changed against the time before: figures, charts, tables. Nothing
    is fetched, the page works offline. For a report each Monday: `--since 7d --until today` by cron."""
    server = mail.server_of(smtp)
    place = Path("report.html") if out is None and not mail_to else out
    if place is not None and place.resolve().is_relative_to(data_dir(data).resolve()):
        raise UsageError(f"--out {place} lies inside the data directory: choose another place")
    with opened(data, tz, where) as connection:
        report = compose(connection, since=since, until=until, where=where, tz=tz)
    if place is not None:
        for path in _write(report, place):
            say(f"wrote {path}")
    if mail_to:
        mail.send(report, server, mail_from, mail_to)
        say(f"mailed to {', '.join(mail_to)}")


def _write(report: Report, place: Path) -> list[Path]:
    if place.suffix == ".html":
        place.write_text(pages.html(report), "utf-8")
        return [place]
    if place.suffix == ".md":
        return _write_markdown(report, place)
    if place.suffix:
        raise UsageError(f"--out {place}: give a file .html or .md, or a folder")
    return pages.save(report, place)


def _write_markdown(report: Report, place: Path) -> list[Path]:
    written = [place]
    place.write_text(pages.markdown(report, charts=f"{place.stem}-"), "utf-8")
    for section in report.sections:
        if section.chart is not None:
            written.append(place.with_name(f"{place.stem}-{section.key}.svg"))
            written[-1].write_text(section.chart.svg(), "utf-8")
    return written
