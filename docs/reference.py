"""Writes the reference pages from the code that they describe: `make docs`. With --check it only compares.

docs/tables.md     from otel_llm_semconv.tables and the views
docs/settings.md   from otel_llm.settings and otel_llm_collector.options
docs/commands.md   from each command's --help
docs/dialects.md   from the tables of dialects, and from what was seen speaking them, tests/emitters
docs/operating.md  from the metrics of otel_llm_collector.receiver.telemetry
docs/peers.md      from the table of otel_llm.coexistence
docs/python.md, docs/sql.md    their table of questions alone, from otel_llm_collector.query.named
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from unittest import mock

import duckdb

from otel_llm.cli import GROUP, SUMMARIES
from otel_llm.cli import main as otel_llm
from otel_llm.coexistence import PEERS, SUPPRESSIONS, Spans
from otel_llm.settings import SETTINGS
from otel_llm_collector.counting.agreement import CLOCKS_MS
from otel_llm_collector.counting.reasons import MEANING
from otel_llm_collector.counting.recent import CALLS_MAX
from otel_llm_collector.options import OPTIONS, Option
from otel_llm_collector.query import named
from otel_llm_collector.query.opening import views_sql
from otel_llm_semconv import tables
from otel_llm_semconv.dialects import DIALECTS, Accounting, Dialect

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests"))  # for what emitters were seen sending
VIEWS = DOCS.parent / "collector/otel_llm_collector/views"
MADE = "<!-- Written by `make docs` from the code; change it there. -->"

TABLES_INTRO = """\
The collector keeps tables as Parquet files, `spans/date=YYYY-MM-DD/*.parquet`, `messages/...`, each with a Delta log
beside it. `otel-llm sql` and `views.sql` in the data directory add the views. Money is `DECIMAL(18,12)` in USD and
never a float; NULL means "not known", never zero. Plain DuckDB, Spark, Polars or pandas read the files as they are; for
ten minutes after files were merged or written again a plain glob can see a row twice, the views and `otel-llm sql`
never do.
"""

COUNTING = f"""\
Several rows may tell of one call of a model. One of them is counted: the one that tells what the call used, has a price
and tells the most parts of it; of equal ones that of the service that asked, there ours, then the innermost. The others
keep their usage, have no cost, and say here why. Where the second one comes later, the first one is written again
within seconds; the last {CALLS_MAX:,} calls are looked at.

Rows belong together by what they say of each other, by the response's id, by the tree of spans, or, where none of these
tells, by time, models and tokens: of two emitters' rows one lies within the other, and each is paired once. Time joins
rows of two services only where the inner one is a proxy's (of a gateway's dialect, or a span of kind SERVER), takes no
longer than the outer one, and not both of them have a response id; their clocks may be {CLOCKS_MS} ms apart. A row that
does not say what it used is joined by time only with one that begins and ends with it. What may be two calls is counted
as two: a call that is counted twice is seen in the sums, one that is missing is not. A gateway that hands on the trace
or the response's id leaves nothing to be guessed.
"""

SETTINGS_INTRO = """\
A keyword of `otel_llm.init(...)` or `otel_llm.instrument(...)`, or an environment variable; the keyword wins. All
other `OTEL_*` variables of the OpenTelemetry SDK work as usual (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
`OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED` ...).
"""

OPTIONS_INTRO = """\
Of `otel-llm collector`. A flag wins over the variable, that over the key in the file that `--config` or
`OTEL_LLM_COLLECTOR_CONFIG` names, that over the default; `otel-llm collector --print-config` prints what is in force
and where it came from, as such a file. A key that is none is an error that names its line. Sizes are bytes, or texts
such as `"64MiB"`.

```toml
http = "127.0.0.1:4318"
archive_days = 14
cors_origins = ["https://app.example.com"]

[tokens]                         # who is let in; rows carry the tenant
north = "TOKEN"
south = ["OLD", "NEW"]           # both, while senders change over

[[forward]]                      # as often as there are targets
url = "https://otlp.example.com" # two of one URL are told apart by a name: https://otlp.example.com#a
headers = {authorization = "Bearer KEY"}
only_llm = true                  # leaves out spans and records that have to do with no model
without_content = true           # leaves out prompts and answers, and what may quote them: content.md
enriched = false                 # true adds our cost and the conventions' attributes
queue_bytes_max = "1GiB"         # what may wait for it; older requests are then dropped for it
```

`SIGHUP` (`kill -HUP PID`) reads file and environment again: what the table says yes to changes without a restart, a
file that is wrong changes nothing. `SIGTERM` takes nothing new, converts what was acknowledged, and ends within 10
seconds.
"""

COMMANDS_INTRO = """\
Every command that reads works with or without a running collector. stdout carries data only; everything else goes to
stderr. Exit codes: 0 fine (also with no rows), 1 failed, 2 wrong usage (flags, SQL syntax, an unknown column), 3 no
data there yet.
"""

PEERS_INTRO = """\
SDKs and frameworks trace themselves, and people stack instrumentations. A call is counted once all the same, whoever is
set up first: `tests/sdks/peers*` try it with the packages themselves. Tokens and cost then stand on the span that is
counted. Where that is one of ours inside somebody else's, or the inner one of two others', its attribute
`otel_llm.continues` names the span that is not; an echo carries `otel_llm.echo`. The collector counts neither, other
backends show them. Where the other side records the conventions' metrics, ours adds the cost only.
"""


KEYS_INTRO = """\
Instrumentations tell each other to be silent by keys of the OpenTelemetry context. Headers of traces are taken off a
request to a provider whatever they say.
"""


def peers_page() -> str:
    kinds = "\n".join(f"- **{kind.name.lower()}**: {kind.value}." for kind in Spans)
    head = "| scope | package | whose | its spans | metrics | to switch it off | |\n|---|---|---|---|---|---|---|"
    rows = [
        f"| `{p.scope}` | {p.package} | {p.owner} | {p.spans.name.lower()} | {'yes' if p.emits_metrics else '-'} "
        f"| {p.off} | {p.note} |"
        for p in sorted(PEERS, key=lambda peer: peer.scope.lower())
    ]
    keys = "| key | used by | what it does to ours | we set it |\n|---|---|---|---|"
    silenced = [f"| `{s.key}` | {s.used_by} | {s.honoured} | {s.is_set} |" for s in SUPPRESSIONS]
    parts = [
        "# Who switches off whom",
        MADE,
        PEERS_INTRO.strip(),
        kinds,
        head + "\n" + "\n".join(rows),
        "## Keys that silence others",
        KEYS_INTRO.strip(),
        keys + "\n" + "\n".join(silenced),
    ]
    return "\n\n".join(parts) + "\n"


def tables_page() -> str:
    parts = ["# Tables and views", MADE, TABLES_INTRO.strip()]
    for name, columns in tables.TABLES.items():
        rows = [
            f"| `{c.name}` | {c.type} | {c.unit or '-'} | {f'`{c.attribute}`' if c.attribute else '-'} | {c.meaning} |"
            for c in columns
        ]
        head = "| column | type | unit | span attribute | meaning |\n|---|---|---|---|---|"
        parts.append(f"## `{name}`\n\n{head}\n" + "\n".join(rows))
        if name == "spans":
            parts.append(_not_counted())
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(views_sql(Path(folder)))
        views = [_view(connection, name) for name in _view_names()]
    return "\n\n".join([*parts, "## Views", *views]) + "\n"


def _not_counted() -> str:
    rows = [f"| `{reason}` | {meaning} |" for reason, meaning in sorted(MEANING.items())]
    head = "| reason | the row is not counted, as |\n|---|---|"
    return f"### `not_counted_reason`\n\n{COUNTING.strip()}\n\n{head}\n" + "\n".join(rows)


def _view_names() -> list[str]:
    return sorted(path.stem for path in VIEWS.glob("[a-z]*.sql") if path.stem != "messages")


def _view(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    comment = []
    for line in (VIEWS / f"{name}.sql").read_text().splitlines():
        if not line.startswith("-- "):
            break
        comment.append(line.removeprefix("-- "))
    columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    if name in ("spans", "llm_calls"):
        own = {c.name for c in tables.TABLES["spans"]}
        columns = ["all columns of the table", *(f"`{column}`" for column in columns if column not in own)]
    else:
        columns = [f"`{column}`" for column in columns]
    return f"### `{name}`\n\n{' '.join(comment)}\n\nColumns: {', '.join(columns)}."


def settings_page() -> str:
    head = "| variable | keyword | default | meaning |\n|---|---|---|---|"
    rows = [f"| `{row.env}` | `{row.name}` | {row.default or '-'} | {row.doc} |" for row in SETTINGS]
    return "\n\n".join(["# Settings", MADE, SETTINGS_INTRO.strip(), head + "\n" + "\n".join(rows), *_options()]) + "\n"


def _options() -> list[str]:
    head = "| key | flag | variable | default | SIGHUP | meaning |\n|---|---|---|---|---|---|"
    rows = [
        f"| `{row.name}` | {f'`{row.flag}`' if row.flag else '-'} | `{row.env}` | {_default(row)} "
        f"| {'yes' if row.reloads else '-'} | {row.doc} |"
        for row in OPTIONS
    ]
    return ["## The collector's options", OPTIONS_INTRO.strip(), head + "\n" + "\n".join(rows)]


def _default(row: Option) -> str:
    return f"{row.default}" if row.default not in ("", [], {}) else "-"


def commands_page() -> str:
    names = sorted(point.name for point in entry_points(group=GROUP))
    parts = [f"### `otel-llm {name}`\n\n{SUMMARIES[name]}\n\n```text\n{_help(name)}\n```" for name in names]
    return "\n\n".join(["# Commands", MADE, COMMANDS_INTRO.strip(), *parts]) + "\n"


def _help(name: str) -> str:
    """What the command shows, without a process for each."""
    plain = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    with mock.patch.dict(os.environ, plain), contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            code: object = otel_llm([name, "--help"])
        except SystemExit as ended:  # some parsers end by themselves
            code = ended.code
    if code:
        raise RuntimeError(f"otel-llm {name} --help: exit code {code}")
    return re.sub(r"[ \t]+$", "", out.getvalue(), flags=re.MULTILINE).strip()


DIALECTS_INTRO = """\
Whoever sends the spans, the tables are the same. The collector knows a span's dialect by its scope or by attributes
that only that emitter has, in this order, and reads from it what the columns hold: model, provider, operation, tokens
in one convention (input includes what was read from and written to a cache, output includes reasoning), session,
user, prompt, agent, tool, tags (the property `tags`), the time to the first chunk, what the emitter says that it cost.
`derived` names the
columns that were read from attributes of other names, or corrected; what was sent stays in `attributes`, unknown
attributes too, and content moves to `messages`. Calls that Claude Code, Codex and Gemini CLI tell of in log records are
rows, too. Which of several rows that tell of one call is counted, and why the
others are not, is said in [tables.md](tables.md#not_counted_reason).

`counts` says how the input that is told stands to the cache. Where the emitter does not settle it, the provider does:
Anthropic's and Bedrock's own count leaves the cache out, so a cache that does not fit into the input is added to it. Of
any other provider such usage is inconsistent. Where no provider is named, it is the one whose model it is, if the name
is one that nobody else gives (`gpt-4o`, `claude-…`, not `llama-…`).

`seen in` are the packages that `make test-emitters` runs: what they send of a call is stored in `tests/emitters`, and
held, column by column, against the row of our own instrumentation of the very same request. What an emitter cannot
tell is listed there, with the reason, in its `differs.json`.
"""
_ACCOUNTS = {
    Accounting.INCLUSIVE: "input includes the cache",
    Accounting.EXCLUSIVE: "the cache is added",
    Accounting.MIXED: "added where it does not fit",
    Accounting.BY_PROVIDER: "added where it does not fit, of Claude and Bedrock",
    Accounting.BUCKETS: "buckets that leave each other out",
}


def dialects_page() -> str:
    head = "| dialect | known by | counts | seen in |\n|---|---|---|---|"
    rows = [
        f"| `{dialect.id}` | {_marks(dialect)} | {_accounting(dialect)} | {_seen(dialect)} |" for dialect in DIALECTS
    ]
    return "\n\n".join(["# Dialects", MADE, DIALECTS_INTRO.strip(), head + "\n" + "\n".join(rows)]) + "\n"


def _seen(dialect: Dialect) -> str:
    from emitters.registry import versions

    return ", ".join(versions(dialect.id)) or f"not run here; {dialect.source}"


def _marks(dialect: Dialect) -> str:
    scopes = [f"scope `{name}`" for name in dialect.scopes] + [f"scope `{name}*`" for name in dialect.scope_prefixes]
    marks = [f"`{name}`" for name in dialect.marks] + [f"`{name}*`" for name in dialect.mark_prefixes]
    return ", ".join(scopes + marks)


def _accounting(dialect: Dialect) -> str:
    return _ACCOUNTS[dialect.accounting] if isinstance(dialect.accounting, Accounting) else "by scope or provider"


OPERATING_INTRO = """\
One command, one data directory, one port each for HTTP and gRPC. Options are in [settings.md](settings.md).

## Who is let in

The collector listens on 127.0.0.1 alone unless it is told otherwise. Before it listens elsewhere, give it `tokens` or
`tls_client_authority`: without either, whoever reaches the port can write into the tables, and a warning says so.

- **Tokens**: senders set `OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN`; anybody else gets 401,
  `UNAUTHENTICATED`. A tenant may have several tokens, so that one can be replaced without a gap. The column `tenant` of
  every table but `messages` says whose token a row came with. Queries over HTTP see the rows of their token's tenant:
  [sql.md](sql.md).
- **TLS**: `tls_certificate` and `tls_key` for both ports; with `tls_client_authority` only those who show a certificate
  of it are let in. A renewed certificate is read by `kill -HUP`.
- **Browsers**: `cors_origins` lists the origins of pages that may send.

## Is it well?

`otel-llm doctor --collector http://HOST:4318` asks the pages below and says what is wrong, with the fix.
It takes, as the exporter does, a token from `OTEL_EXPORTER_OTLP_HEADERS`, the authority to trust from
`OTEL_EXPORTER_OTLP_CERTIFICATE`, and the certificate to show from `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and
`OTEL_EXPORTER_OTLP_CLIENT_KEY`.

| page | answers |
|---|---|
| `/health` | 200 while the process lives |
| `/ready` | 200 while requests are taken; 503 with the reason while journal or disk are full, or it is stopping |
| `/metrics` | the counts below for Prometheus; with a token, where there are tokens |

Lines on stderr say what went wrong, `log_format = "json"` makes each an object, a fault that
ends a process, too. None tells anything of what was sent. What gRPC's own library would write is left out, unless
`GRPC_VERBOSITY=ERROR` or more asks for it.

## Full, slow, broken

What cannot be taken now is refused with 503 or `UNAVAILABLE` and the time to come again, as OpenTelemetry's exporters
do: nothing is acknowledged before it is on disk. Requests are taken again by themselves once there is room. A segment
of which something could not be read is kept in `journal/quarantine`, the rest of it is converted. SIGTERM takes nothing
new, converts what was acknowledged and ends within 10 seconds; what is left is converted at the next start.

## How long things are kept

Each table has an option: `spans_days`, `messages_days` ... A date leaves a table, as a whole, once it ended so long
ago; its files are deleted ten minutes later. Costs outlive content: `messages` goes after 30 days, `spans` after 400,
and `LEFT JOIN messages USING (row_id)` then answers NULL. The archive of requests as they came has `archive_days` and
`archive_bytes_max`; what waits for a target of `forward` stays until it has it, or its queue is full. What is in
quarantine goes with content.

## Forgetting somebody

`otel-llm forget --user ID` (or `--session ID`) erases what one user said until now, beside a running collector:

- `messages` lose the rows of the user's spans, and of those spans of the same traces that name nobody.
- `spans`, `logs`, `scores`, `metrics`, `alerts` keep these rows: times, models, tokens, costs, numbers. Attributes,
  events, bodies, explanations and status messages are emptied; the id is replaced by a name that says nothing, the
  same in all rows of a run, also inside of `session_id`, `session_path`, `conversation_id`, `name` and properties.
- Open alerts, messages that no channel has taken yet and silences go on under that name. Ids of breaches are made of
  the names of their groups, so they change: who was told of a firing before does not know its end by `breach_id`.
- The archive loses the user's spans, records and metrics; what of it could not be read goes as a whole, from
  quarantine too. `otel-llm renormalise` leaves their rows as they are from then on.

Files that held any of it are deleted at once: a query that has one open may fail. Where it was ended, run it again; the
second run says that nothing is stored. While `otel-llm renormalise` is at work in the directory it refuses, as that
does while this is. What was handed on to other receivers, or uploaded by applications, is theirs to erase; an id that
others mention in their own messages stays there. Where several collectors share a bucket, run it on the directory of
each, one after the other, and with no `renormalise` at work in any: in the archives of all but the first only what
names the user is found, and the rest goes with its age.

## Few files

A process of its own, at a lower priority, merges files: never 200 small ones in a table, besides one of each date, and
as few as 1 GB each allows once a date is over, six hours after its end. It has no option; `otel-llm compact` does the
same now, for today too. Files that a killed process left are deleted after a day, replaced ones after an hour at most;
`otel-llm gc --dry-run` lists them, `otel-llm gc` deletes them without a collector.

## Questions that are asked often

Once a date is over and its files are merged, the same process adds its calls up, into the table `rollups`: by the hour
for model, provider, service, environment, agent, workflow, operation, prompt and version, status and tenant, by the day
for users, with histograms of how long calls took. `rollup_properties` names properties to tell apart, too: of few
values, as department or team. `otel-llm cost`, `latency` and `forecast` read that where it tells what is asked, and
the calls themselves for the rest: dates that go on, that came late, or that `--since` cuts. `--explain` says what was
read, `--exact` reads the calls alone. Costs and counts are the same to the last digit, percentiles within 1 %, which a
note says. `otel-llm compact` adds up now, today too.

## The lake in a bucket

```text
export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=eu-central-1
otel-llm collector --data ./journal --lake s3://telemetry/llm
otel-llm cost --data s3://telemetry/llm
```

The journal stays on the local disk: what is acknowledged is there, whatever becomes of the bucket, and waits in
`--data` while it cannot be reached. The tables are below the address, `s3://telemetry/llm/spans/...`, each with its
Delta log, so that Spark and others find them. `lake-url` in the data directory says where they are; once they are
somewhere, they stay. Several collectors may write to one address, each with a data directory of its own: their commits
and merges are compare-and-swap, for which the store has to know conditional writes (`If-None-Match`), as S3, GCS and
Azure do. None of them looks at the rows of the others: a span that is sent to two collectors is stored by each, and
where several rows tell of one call (an application's and its proxy's), they are found to be one only where the same
collector receives them. So let all that tells of the same calls go to one, by hashing the trace id or the sender.

Addresses are `s3://`, `gs://` and `abfss://`, of letters, digits and `. _ - / = @`; only S3 is tested (against a server
on this machine). Keys, region and endpoint come from the usual variables of each vendor; for a store of your own set
`AWS_ENDPOINT_URL`, and `AWS_ALLOW_HTTP=true` where it has no TLS. DuckDB by itself reads `views.sql` of such a lake
with its `httpfs` extension.
"""


#: What Prometheus has behind the names of metrics of some types.
_SUFFIXES = {"counter": "_total", "info": "_info"}


def operating_page() -> str:
    from otel_llm_collector.receiver.telemetry import PREFIX, Telemetry

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "journal").mkdir()
        families = sorted(Telemetry(Path(folder)).registry.collect(), key=lambda family: family.name)
    rows = [
        f"| `{family.name.removeprefix(PREFIX)}{_SUFFIXES.get(family.type, '')}` | {family.type} "
        f"| {family.documentation} |"
        for family in families
    ]
    head = f"## Metrics\n\nEach name begins with `{PREFIX}`.\n\n| metric | type | meaning |\n|---|---|---|"
    return "\n\n".join(["# Operating a collector", MADE, OPERATING_INTRO.strip(), "\n".join([head, *rows])]) + "\n"


#: A question that is an option of another one's command, or goes by another name there.
COMMANDS = {
    "change": "cost --compare previous",
    "latency_split": "latency --split",
    "unpriced": "prices check",
}


def questions_table() -> str:
    rows = []
    for name in sorted(named.NAMED):
        arguments = ", ".join(f"`{one}`" for one in named.signature(name).parameters)
        rows.append(f"| `{name}` | {arguments} | `otel-llm {COMMANDS.get(name, name)}` |")
    return "\n".join(["| question | its arguments | the command |\n|---|---|---|", *rows])


def with_questions(name: str) -> str:
    """A page that is written by hand, with the table of questions in its place."""
    begin, end = "<!-- questions -->\n", "<!-- end of questions -->\n"
    before, _, rest = (DOCS / name).read_text().partition(begin)
    return f"{before}{begin}{questions_table()}\n{end}{rest.partition(end)[2]}"


PAGES = {
    "commands.md": commands_page,
    "dialects.md": dialects_page,
    "operating.md": operating_page,
    "peers.md": peers_page,
    "python.md": partial(with_questions, "python.md"),
    "settings.md": settings_page,
    "sql.md": partial(with_questions, "sql.md"),
    "tables.md": tables_page,
}


def stale() -> list[str]:
    """The pages that do not say what the code says."""
    return [n for n, page in PAGES.items() if not (DOCS / n).exists() or (DOCS / n).read_text() != page()]


def main() -> int:
    names = stale()
    if "--check" in sys.argv[1:]:
        print("\n".join(f"docs/{name} is stale: run `make docs`" for name in names))
        return bool(names)
    for name in names:
        (DOCS / name).write_text(PAGES[name]())
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
