"""A report as a page, as Markdown, and as files of data."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, Final

from ..console import heading, pretty
from ..render import Format, write
from .contents import CHART_ALONE, Report, Section

_TITLES: Final = {
    "cost_usd": "Cost, USD",
    "calls": "Calls",
    "users": "Users",
    "usd_per_call": "USD a call",
    "tokens": "Tokens",
    "error_rate": "Failed",
    "p95_ms": "p95, ms",
}


def html(report: Report) -> str:
    """The report as one page, charts inside: it can be mailed and opened anywhere."""
    import jinja2

    source = resources.files("otel_llm_collector.report").joinpath("page.html.jinja").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        report=report, when=when(report), figures=list(_figures(report)), sections=list(_shown(report))
    )


def markdown(report: Report, *, charts: str = "") -> str:
    """The report as Markdown; its charts are the files `<charts><key>.svg`."""
    parts = [f"# LLM report, {when(report)}", _grid([["", "now", "change"], *([*row] for row in _figures(report))])]
    for section in report.sections:
        parts.append(f"## {section.title}")
        if section.chart is not None:
            parts.append(f"![{section.title}]({charts}{section.key}.svg)")
        if section.key not in CHART_ALONE:
            parts.append(_grid([_headings(section), *_cells(section)]))
            parts += [f"{section.hidden:,} more."] if section.hidden else []
    return "\n\n".join([*parts, *report.notes]) + "\n"


def save(report: Report, folder: Path) -> list[Path]:
    """Everything as files of a folder: the page, Markdown; of each section rows as CSV, its chart as SVG, PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {"report.html": html(report).encode(), "report.md": markdown(report).encode()}
    for section in report.sections:
        files[f"{section.key}.csv"] = csv(section)
        if section.chart is not None:
            files |= {f"{section.key}.svg": section.chart.svg().encode(), f"{section.key}.png": section.chart.png()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


def csv(section: Section) -> bytes:
    """All rows of a section, every digit of its money."""
    out = io.BytesIO()
    write(Format.CSV, section.answer.data.schema, section.answer.data.to_batches(), out)
    return out.getvalue()


def when(report: Report) -> str:
    """The time it is about: `2026-11-01 to 2026-11-08 (UTC)`."""
    form = "%Y-%m-%d" if _at_midnight(report.since) and _at_midnight(report.until) else "%Y-%m-%d %H:%M"
    return f"{report.since:{form}} to {report.until:{form}} ({report.tz})"


def _at_midnight(moment: dt.datetime) -> bool:
    return moment.time() == dt.time()


def _figures(report: Report) -> Iterator[tuple[str, str, str]]:
    """Name, value and change of each figure."""
    for figure in report.figures:
        (value,) = pretty(figure.name, [figure.value])
        if isinstance(figure.value, Decimal) and figure.name == "cost_usd":
            value = f"{figure.value:,.2f}"
        yield _TITLES[figure.name], value, "" if figure.change is None else f"{figure.change:+,.1%}"


def _shown(report: Report) -> Iterator[dict[str, Any]]:
    for section in report.sections:
        has_table = section.key not in CHART_ALONE
        yield {
            "key": section.key,
            "title": section.title,
            "svg": section.chart.svg() if section.chart is not None else None,
            "headings": _headings(section) if has_table else [],
            "rows": _cells(section) if has_table else [],
            "hidden": section.hidden if has_table else 0,
        }


def _columns(section: Section) -> list[str]:
    """Those that say something in a row that is shown, but for what a table can do without."""
    answer = section.answer
    names = [name for name in answer.data.column_names if name not in {*answer.minor, "unpriced_reasons"}]
    return [name for name in names if any(row[name] not in (None, 0) for row in section.rows) or name == names[0]]


def _headings(section: Section) -> list[str]:
    return [heading(name) for name in _columns(section)]


def _cells(section: Section) -> list[list[str]]:
    columns = [pretty(name, [row[name] for row in section.rows]) for name in _columns(section)]
    return [list(row) for row in zip(*columns, strict=True)]


def _grid(rows: list[list[str]]) -> str:
    """The rows as a table of Markdown, the first as its heading."""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    rule = ["---"] * len(rows[0])
    return "\n".join(f"| {' | '.join(row)} |" for row in (escaped[0], rule, *escaped[1:]))
