"""Charts of answers by Altair, drawn without a browser and without the network (vl-convert)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ..console import printable
from ..query import Table

WIDTH: Final = 640
_HEIGHT: Final = 220
_VALUES_MAX: Final = 10
_OTHERS: Final = "others"
_NONE: Final = "none"
_MONEY: Final = "USD"
#: As many colours as Vega's palette has, its grey aside, which is that of all others.
_PARTS_MAX: Final = 9
_COLOURS: Final = ("#4c78a8", "#f58518", "#e45756", "#72b7b2", "#54a24b", "#eeca3b", "#b279a2", "#ff9da6", "#9d755d")
_GREY: Final = "#bab0ac"
_STEPS: Final = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification with its data inside."""

    spec: Mapping[str, Any]

    def svg(self) -> str:
        """The drawing as SVG."""
        import vl_convert

        drawn: str = vl_convert.vegalite_to_svg(dict(self.spec))
        return drawn

    def png(self) -> bytes:
        """The drawing as PNG, twice as fine as a screen's dots."""
        import vl_convert

        drawn: bytes = vl_convert.vegalite_to_png(dict(self.spec), scale=2)
        return drawn


def stacked(answer: Table, time: str, part: str) -> Chart:
    """Cost over time, a colour for each of the parts that cost most, one for all others."""
    import altair as alt

    rows = [row for row in answer.rows() if row["cost_usd"]]
    kept = _largest(rows, part)
    values = [
        {time: _text(row[time]), part: _name(row[part]) if row[part] in kept else _OTHERS, "usd": _usd(row)}
        for row in rows
    ]
    order = [*map(_name, kept), *([_OTHERS] if any(value[part] == _OTHERS for value in values) else [])]
    colours = [*_COLOURS[: len(kept)], _GREY]
    return _chart(
        _over(values)
        .mark_bar()
        .encode(
            x=alt.X(f"{time}:O", title=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("sum(usd):Q", title=_MONEY),
            color=alt.Color(f"{part}:N", title=part, scale=alt.Scale(domain=order, range=colours[: len(order)])),
        )
    )


def bars(answer: Table, part: str) -> Chart:
    """Cost of the parts that cost most, a bar each."""
    import altair as alt

    values = [{part: _name(row[part]), "usd": _usd(row)} for row in answer.rows()[:_VALUES_MAX]]
    return _chart(
        _over(values).mark_bar().encode(x=alt.X("usd:Q", title=_MONEY), y=alt.Y(f"{part}:N", title=None, sort=None)),
        height=24 * len(values),
    )


def lines(answer: Table, time: str, figure: str = "p95_ms") -> Chart:
    """A figure over time; the line is broken where a step of it has none."""
    import altair as alt

    values = [{time: _clock(at), figure: value} for at, value in _stepped(answer.rows(), time, figure)]
    return _chart(
        _over(values)
        .mark_line(invalid="break-paths-show-domains", point=alt.OverlayMarkDef(size=12))
        .encode(
            x=alt.X(f"{time}:T", title=None, scale=alt.Scale(type="utc")),
            y=alt.Y(f"{figure}:Q", title=figure.replace("_", " ")),
        )
    )


def _stepped(rows: Sequence[Mapping[str, Any]], time: str, figure: str) -> Iterator[tuple[Any, Any]]:
    """Times and their figures, with None once where steps in between are missing."""
    before = None
    for row in rows:
        if before is not None and row[time] - before > _STEPS[time]:
            yield before + _STEPS[time], None
        yield row[time], row[figure]
        before = row[time]


def _over(values: list[dict[str, Any]]) -> Any:
    """A chart of these values, which stand in its specification."""
    import altair as alt

    return alt.Chart(alt.Data(values=values))  # type: ignore[no-untyped-call]


def _chart(chart: Any, height: int = _HEIGHT) -> Chart:
    return Chart(chart.properties(width=WIDTH, height=height).configure_view(strokeWidth=0).to_dict())


def _largest(rows: Sequence[Mapping[str, Any]], part: str) -> list[Any]:
    sums: dict[Any, float] = {}
    for row in rows:
        sums[row[part]] = sums.get(row[part], 0) + _usd(row)
    return sorted(sums, key=lambda value: (-sums[value], str(value)))[:_PARTS_MAX]


def _usd(row: Mapping[str, Any]) -> float:
    return float(row["cost_usd"] or Decimal(0))


def _name(value: Any) -> str:
    return _NONE if value is None else printable(str(value))  # no drawing can have a control character


def _clock(moment: dt.datetime) -> str:
    """What clocks of its zone show, as if it were UTC: else Vega would show those of this machine's zone."""
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)
