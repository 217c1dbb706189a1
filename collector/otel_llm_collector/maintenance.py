"""The commands that look after a data directory: `otel-llm compact | gc | forget`. A collector may be running."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from otel_llm.errors import NoDataError, UsageError

from .asking import DataOption, FormatOption, LimitOption, OutputOption, write_answer
from .commandline import run, say
from .config import data_dir
from .render import Format


def compact(argv: list[str]) -> int:
    """`otel-llm compact`: merge files now, as if every date was over."""
    return run("compact", _compact, argv)


def gc(argv: list[str]) -> int:
    """`otel-llm gc`: delete files that nobody needs."""
    return run("gc", _gc, argv)


def forget(argv: list[str]) -> int:
    """`otel-llm forget`: erase what one user said."""
    return run("forget", _forget, argv)


def _compact(
    *, data: DataOption = None, limit: LimitOption = None, format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Merge the files of every date into as few as 1 GB each allows, today's too. The collector does this by itself
    for dates that are over. Prints what became of each table. A collector may be running."""
    import pyarrow as pa

    from . import query as lake
    from .upkeep import Upkeep, remove_leftovers, work_alone

    place = _lake(data)
    with work_alone(place, "merge"):
        remove_leftovers(place)
        upkeep = Upkeep(place, clock=lambda: math.inf)
        before = dict(upkeep.sizes())
        while upkeep.merge():
            pass
        after = dict(upkeep.sizes())
    rows = [
        {"table": name, "files": files, "bytes": size, "files_after": after[name][0], "bytes_after": after[name][1]}
        for name, (files, size) in before.items()
    ]
    write_answer(lake.Table(pa.Table.from_pylist(rows)), limit, format, output, data)
    say("replaced files are deleted an hour from now by a running collector, else by `otel-llm gc`")


def _gc(
    *, data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    grace: Annotated[
        float, typer.Option(min=1, metavar="HOURS", help="A younger file may be one that is being written.")
    ] = 24,
    limit: LimitOption = None, format: FormatOption = Format.TABLE, output: OutputOption = None,
) -> None:  # fmt: skip
    """Delete files that no commit names: unfinished ones, those that a killed process left, those that others replaced
    more than an hour ago. A running collector does this by itself. Prints each."""
    import pyarrow as pa

    from . import query as lake
    from .lake.leftovers import find

    place = _lake(data)
    found = list(find(place, time.time(), grace))
    if not dry_run:
        for one in found:
            one.delete()
    rows = [(one.place, one.path, one.size, one.why) for one in found]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    kinds = (pa.string(), pa.string(), pa.int64(), pa.string())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    table = pa.Table.from_arrays(arrays, names=["place", "file", "bytes", "why"])
    write_answer(lake.Table(table), limit, format, output, data)
    say(f"{len(found):,} files, {sum(one.size for one in found):,} bytes {'would be' if dry_run else 'were'} deleted")


def _forget(
    *, user: Annotated[str, typer.Option(metavar="ID", help="The user whose content is erased.")] = "",
    session: Annotated[str, typer.Option(metavar="ID", help="Or the session.")] = "",
    data: DataOption = None, format: FormatOption = Format.TABLE, output: OutputOption = None,
) -> None:  # fmt: skip
    """Erase what one user, or one session, said: content, attributes and the id itself, in tables, archive and
    quarantine. Costs, counts and times stay, under a name that says nothing. Prints how much was erased of each; to be
    run again where it was ended. A collector may be running."""
    import pyarrow as pa

    from . import erasure
    from . import query as lake
    from .erasure.subject import Subject

    if bool(user) == bool(session):
        raise UsageError("give one of --user ID and --session ID")
    subject = Subject("user_id", user) if user else Subject("session_id", session)
    done = erasure.forget(_lake(data), subject)
    rows = {"place": pa.array(done.counts, pa.string()), "erased": pa.array(done.counts.values(), pa.int64())}
    write_answer(lake.Table(pa.table(rows)), None, format, output, data)
    for line in erasure.notes(done, subject):
        say(line)


def _lake(option: str | None) -> Path:
    """The data directory, where it holds a lake. NoDataError where it does not."""
    from .lake.log import LakeTable

    place = data_dir(option)
    if not LakeTable.exists(place, "spans"):
        raise NoDataError(f"no lake in {place}: name another place with --data")
    return place
