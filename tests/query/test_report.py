"""The report: one page that needs nothing, Markdown, a folder of files, a mail."""

from __future__ import annotations

import csv
import datetime as dt
import email
import re
import socketserver
import threading
from collections.abc import Iterator
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pyarrow as pa
import pytest

from otel_llm_collector.query import Table, connect
from otel_llm_collector.report import Report, charts, compose, pages

from .conftest import Run, SmallLake, span

NOW = dt.datetime(2026, 11, 4, tzinfo=dt.UTC)
ARGV = ("--since", "2026-11-02", "--until", "2026-11-04")


@pytest.fixture
def report(clinic: SmallLake) -> Report:
    with connect(clinic.data) as connection:
        return compose(connection, since="2026-11-03", until="2026-11-04", now=NOW)


def test_the_figures_stand_beside_those_before(report: Report) -> None:
    figures = {figure.name: (figure.value, figure.before) for figure in report.figures}
    assert figures["calls"] == (1, 3)
    assert figures["tokens"] == (8, 1370)
    assert [str(value) for value in figures["cost_usd"]] == ["0.500000000000", "1.250150000001"]
    assert pages.when(report) == "2026-11-03 to 2026-11-04 (UTC)"


def test_the_page_needs_nothing_but_itself(report: Report) -> None:
    page = pages.html(report)
    assert not re.search(r"(?:src|href)=|@import|url\(", page.replace('xlink:href="#', "").replace("url(#", ""))
    assert page.count("<svg") == 4
    assert "gpt-4o-mini-2024-07-18" in page
    assert "<script" not in page


def test_no_two_parts_share_a_colour_and_none_costs_nothing() -> None:
    day = dt.date(2026, 11, 2)
    rows = [{"day": day, "model": f"m{n}", "cost_usd": Decimal(n)} for n in range(13)]
    spec = charts.stacked(Table(pa.Table.from_pylist(rows)), "day", "model").spec
    scale = spec["encoding"]["color"]["scale"]
    assert scale["domain"] == [*(f"m{n}" for n in range(12, 3, -1)), "others"]
    assert len(set(scale["range"])) == len(scale["range"]) == 10
    assert {value["model"] for value in spec["data"]["values"]} == set(scale["domain"])


def test_a_line_is_broken_where_hours_have_no_calls() -> None:
    hours = [dt.datetime(2026, 11, 2, hour, tzinfo=dt.UTC) for hour in (1, 2, 5)]
    rows = [{"hour": hour, "p95_ms": 1.0} for hour in hours]
    spec = charts.lines(Table(pa.Table.from_pylist(rows)), "hour").spec
    assert [value["p95_ms"] for value in spec["data"]["values"]] == [1.0, 1.0, None, 1.0]
    assert spec["mark"]["invalid"] == "break-paths-show-domains"


def test_times_are_those_of_the_zone_whatever_that_of_the_machine(clinic: SmallLake) -> None:
    with connect(clinic.data, tz="Asia/Kolkata") as connection:
        found = compose(connection, since="2026-11-02", until="2026-11-03T01:30", tz="Asia/Kolkata", now=NOW)
    assert pages.when(found) == "2026-11-02 00:00 to 2026-11-03 01:30 (Asia/Kolkata)"
    chart = next(section.chart for section in found.sections if section.key == "hours")
    assert chart is not None
    assert [value["hour"] for value in chart.spec["data"]["values"]] == ["2026-11-02T05:00:00Z"]
    assert chart.spec["encoding"]["x"]["scale"] == {"type": "utc"}


def test_names_of_others_are_text(lake: SmallLake) -> None:
    lake.add([span(1, cost="1", user_id="<i>|", request_model="<script>")])
    with connect(lake.data) as connection:
        found = compose(connection, since="2026-11-02", until="2026-11-04", now=NOW)
    page = pages.html(found)
    assert ("<i>" in page, "<script" in page, "&lt;i&gt;" in page) == (False, False, True)
    assert r"| <i>\| |" in pages.markdown(found)


def test_a_name_that_no_drawing_can_have_is_drawn(lake: SmallLake) -> None:
    """A character that XML has not ends the process in the code that draws."""
    lake.add([span(1, cost="1", user_id="a\0b\x1b", request_model="m")])
    with connect(lake.data) as connection:
        found = compose(connection, since="2026-11-02", until="2026-11-04", now=NOW)
    (chart,) = (section.chart for section in found.sections if section.key == "users")
    assert chart is not None
    assert chart.spec["data"]["values"][0]["user"] == r"a\x00b\x1b"


def test_a_folder_has_it_all(clinic: SmallLake, run: Run, tmp_path: Path) -> None:
    ran = run("report", *ARGV, "--out", str(tmp_path / "all"))
    assert (ran.code, ran.out) == (0, "")
    files = {path.name for path in (tmp_path / "all").iterdir()}
    assert {"report.html", "report.md", "models.csv", "models.svg", "models.png", "errors.csv", "prompts.csv"} <= files
    assert "forecast.csv" not in files  # two days tell nothing of a month
    assert (tmp_path / "all" / "models.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "all" / "models.csv").open(newline="") as file:
        assert [row["cost_usd"] for row in csv.DictReader(file)] == ["1.250000000000", "0.500150000001"]


def test_markdown_names_its_charts(clinic: SmallLake, run: Run, tmp_path: Path) -> None:
    assert run("report", *ARGV, "--out", str(tmp_path / "week.md")).code == 0
    text = (tmp_path / "week.md").read_text()
    charts = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
    assert len(charts) == 4
    assert all((tmp_path / name).read_text().startswith("<svg") for name in charts)
    assert "1 of 4 calls has no cost and is not in the sums" in text


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--out", "report.pdf"), "give a file .html or .md, or a folder"),
        (("--until", "2026-11-01"), "--until 2026-11-01 is not after --since 2026-11-02"),
        (("--smtp", "mail.example.com"), "cannot read --smtp 'mail.example.com'"),
        (("--smtp", "smtp://me:secret@mail.example.com"), "goes into $OTEL_LLM_SMTP_PASSWORD"),
        (("--smtp", "smtp+plain://me@mail.example.com"), "sends no password"),
    ],
)
def test_what_cannot_be(clinic: SmallLake, run: Run, argv: tuple[str, ...], told: str) -> None:
    ran = run("report", *ARGV, *argv)
    assert (ran.code, told in ran.err, "secret" in ran.err.replace("me:secret@", "")) == (2, True, False)


def test_nothing_is_written_into_the_lake(clinic: SmallLake, run: Run) -> None:
    ran = run("report", "--out", str(clinic.data / "report.html"))
    assert (ran.code, "lies inside the data directory" in ran.err) == (2, True)


class _Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one mail needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(part.removeprefix(b".") for part in lines))  # type: ignore[attr-defined]
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"550 not him\r\n" if b"nobody@" in line and word == b"RCPT" else b"250 fine\r\n")


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[bytes]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox) as server:
        server.mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"smtp+plain://127.0.0.1:{server.server_address[1]}", server.mails  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_it_goes_by_mail(clinic: SmallLake, run: Run, mailbox: tuple[str, list[bytes]]) -> None:
    url, mails = mailbox
    ran = run("report", *ARGV, "--mail-to", "cfo@example.com", "--smtp", url)
    assert (ran.code, ran.err) == (0, "mailed to cfo@example.com\n")
    mail = email.message_from_bytes(mails[0], policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert (mail["To"], mail["Subject"]) == ("cfo@example.com", "LLM report, 2026-11-02 to 2026-11-04 (UTC)")
    (page,) = mail.iter_attachments()
    assert (page.get_filename(), "<svg" in page.get_content()) == ("report.html", True)
    ran = run("report", *ARGV, "--mail-to", "nobody@example.com", "--smtp", url)
    assert (ran.code, "did not take the mail" in ran.err) == (1, True)
