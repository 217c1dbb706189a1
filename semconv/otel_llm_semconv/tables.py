"""The tables of the lake, column by column: the collector builds its Arrow schemas, docs and checks from these rows.

`type` is DuckDB's spelling. `attribute` names the span attribute that a column is *promoted* from: it leaves the
`attributes` map when the value has the column's type, and is put back when a span is rebuilt. A column without one
is computed, or comes from a field of the span itself. Columns are only ever added, never renamed or retyped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import attributes as a

TEXT: Final = "VARCHAR"
LONG: Final = "BIGINT"
INT: Final = "INTEGER"
BOOL: Final = "BOOLEAN"
DATE: Final = "DATE"
TIME: Final = "TIMESTAMPTZ"
MONEY: Final = "DECIMAL(18,12)"
SUM: Final = "DECIMAL(38,12)"
MAP: Final = "MAP(VARCHAR, VARCHAR)"
TEXTS: Final = "VARCHAR[]"
BYTES: Final = "BLOB"
DOUBLE: Final = "DOUBLE"
DOUBLES: Final = "DOUBLE[]"
LONGS: Final = "BIGINT[]"
TYPES: Final = (TEXT, LONG, INT, BOOL, DATE, TIME, MONEY, SUM, MAP, TEXTS, BYTES, DOUBLE, DOUBLES, LONGS)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, DuckDB type, unit ('' where it has none), source attribute and meaning."""

    name: str
    type: str
    unit: str
    attribute: str | None
    meaning: str


def _c(name: str, type: str, meaning: str, *, unit: str = "", attribute: str | None = None) -> Column:
    return Column(name, type, unit, attribute, meaning)


_SENDER = (
    _c("service_name", TEXT, "service.name of the resource"),
    _c("environment", TEXT, "deployment.environment.name of the resource, or its old spelling"),
)

_IDENTITY = (
    _c(
        "row_id",
        TEXT,
        "Identity of the row, the same on every replay: 16 hex digits from trace and span id, or of a row of `logs`",
    ),
    _c("trace_id", TEXT, "Trace id, 32 lower-case hex digits, as Jaeger shows it; NULL of an event outside any"),
    _c("span_id", TEXT, "Span id, 16 lower-case hex digits; NULL where a log record tells of the call"),
    _c("parent_span_id", TEXT, "Span id of the parent, or of the span that an event belongs to; NULL for a root"),
    _c("date", DATE, "UTC day of start_time; the partition of the table"),
    _c("start_time", TIME, "When the operation began, to the microsecond; when it was received, if clock_flag says so"),
    _c("start_time_ns", LONG, "When the operation began, exactly", unit="ns since 1970 UTC"),
    _c("duration_ns", LONG, "End minus start as sent; negative where the sender's clock ran backwards", unit="ns"),
    _c(
        "time_to_first_chunk_ns",
        LONG,
        "From issuing the request to the first streamed chunk",
        unit="ns",
    ),
    _c("name", TEXT, "Span name"),
    _c("kind", TEXT, "INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER or UNSPECIFIED"),
    _c("status", TEXT, "UNSET, OK or ERROR"),
    _c("status_message", TEXT, "The sender's description of the status"),
    _c("error_type", TEXT, "Class of the error: exception name or HTTP status", attribute=a.ERROR_TYPE),
    *_SENDER,
)

_CALL = (
    _c("operation", TEXT, "chat, embeddings, invoke_agent, execute_tool ...", attribute=a.OPERATION),
    _c("provider", TEXT, "openai, anthropic, aws.bedrock ...", attribute=a.PROVIDER),
    _c("request_model", TEXT, "Model asked for", attribute=a.REQUEST_MODEL),
    _c("response_model", TEXT, "Model that answered", attribute=a.RESPONSE_MODEL),
    _c("response_id", TEXT, "The provider's id of the response", attribute=a.RESPONSE_ID),
    _c("finish_reasons", TEXTS, "Why generation stopped, one a choice", attribute=a.RESPONSE_FINISH_REASONS),
    _c("stream", BOOL, "The answer was streamed; NULL means no", attribute=a.REQUEST_STREAM),
    _c("attempts", INT, "HTTP attempts inside the call; NULL means one", attribute=a.ATTEMPTS),
    _c("http_status", INT, "HTTP status of the last attempt", attribute=a.HTTP_STATUS),
)

_WHO = (
    _c("session_id", TEXT, "session.id, else the dialect's own, else gen_ai.conversation.id"),
    _c("session_name", TEXT, "Name of the session for people", attribute=a.SESSION_NAME),
    _c("session_path", TEXT, "Place of the call in the session, such as /intake/triage", attribute=a.SESSION_PATH),
    _c("conversation_id", TEXT, "Conversation or thread at the provider", attribute=a.CONVERSATION_ID),
    _c("user_id", TEXT, "End user on whose behalf the call was made", attribute=a.USER_ID),
    _c("prompt_name", TEXT, "Name of the prompt template", attribute=a.PROMPT_NAME),
    _c("prompt_version", TEXT, "Version of the prompt template", attribute=a.PROMPT_VERSION),
    _c("agent_name", TEXT, "The agent, or the nearest agent around a call", attribute=a.AGENT_NAME),
    _c("workflow_name", TEXT, "The workflow, or the nearest workflow around a call", attribute=a.WORKFLOW_NAME),
    _c("tool_name", TEXT, "The tool that was run", attribute=a.TOOL_NAME),
)

_TOKENS = (
    _c("input_tokens", LONG, "Input, cache reads and writes included", unit="tokens", attribute=a.USAGE_INPUT_TOKENS),
    _c("output_tokens", LONG, "Output, reasoning included", unit="tokens", attribute=a.USAGE_OUTPUT_TOKENS),
    _c(
        "cache_read_tokens",
        LONG,
        "Part of the input read from a cache",
        unit="tokens",
        attribute=a.USAGE_CACHE_READ_TOKENS,
    ),
    _c("cache_write_tokens", LONG, "Part of the input written to a cache, any TTL", unit="tokens"),
    _c(
        "cache_write_1h_tokens",
        LONG,
        "Part of cache_write_tokens kept for one hour",
        unit="tokens",
        attribute=a.USAGE_CACHE_WRITE_1H_TOKENS,
    ),
    _c(
        "reasoning_tokens",
        LONG,
        "Part of the output spent on reasoning",
        unit="tokens",
        attribute=a.USAGE_REASONING_TOKENS,
    ),
    _c(
        "audio_input_tokens",
        LONG,
        "Part of the input that is audio",
        unit="tokens",
        attribute=a.USAGE_AUDIO_INPUT_TOKENS,
    ),
    _c(
        "audio_output_tokens",
        LONG,
        "Part of the output that is audio",
        unit="tokens",
        attribute=a.USAGE_AUDIO_OUTPUT_TOKENS,
    ),
    _c(
        "tool_use_prompt_tokens",
        LONG,
        "Part of the input that tools brought",
        unit="tokens",
        attribute=a.USAGE_TOOL_USE_PROMPT_TOKENS,
    ),
    _c(
        "image_input_tokens",
        LONG,
        "Part of the input that is pictures",
        unit="tokens",
        attribute=a.USAGE_IMAGE_INPUT_TOKENS,
    ),
    _c(
        "image_output_tokens",
        LONG,
        "Part of the output that is pictures",
        unit="tokens",
        attribute=a.USAGE_IMAGE_OUTPUT_TOKENS,
    ),
    _c(
        "cache_read_audio_tokens",
        LONG,
        "Part of cache_read_tokens that is audio",
        unit="tokens",
        attribute=a.USAGE_CACHE_READ_AUDIO_TOKENS,
    ),
    _c(
        "cache_read_image_tokens",
        LONG,
        "Part of cache_read_tokens that is pictures",
        unit="tokens",
        attribute=a.USAGE_CACHE_READ_IMAGE_TOKENS,
    ),
    _c("web_searches", LONG, "Searches that the provider made and bills", attribute=a.USAGE_WEB_SEARCHES),
    _c(
        "unpriced_units",
        LONG,
        "What else the provider bills, which has no price here: hosted tools, an adviser without a name",
        attribute=a.USAGE_UNPRICED_UNITS,
    ),
    _c(
        "advisor_input_tokens",
        LONG,
        "Input of another model that advised this one, beside the call's own; billed by that model's prices",
        unit="tokens",
        attribute=a.USAGE_ADVISOR_INPUT_TOKENS,
    ),
    _c(
        "advisor_output_tokens",
        LONG,
        "Output of that model, beside the call's own",
        unit="tokens",
        attribute=a.USAGE_ADVISOR_OUTPUT_TOKENS,
    ),
    _c("advisor_model", TEXT, "The model that advised", attribute=a.USAGE_ADVISOR_MODEL),
    _c("usage_status", TEXT, "reported, partial, missing or estimated; NULL on rows that are no call"),
)

_COST = (
    _c("cost_usd", MONEY, "Cost of the call, the sum of its components; NULL with a reason in cost_status", unit="USD"),
    _c("cost_input_usd", MONEY, "Input that was neither read from nor written to a cache", unit="USD"),
    _c("cost_output_usd", MONEY, "Output, without what has a component of its own", unit="USD"),
    _c("cost_cache_read_usd", MONEY, "Cache reads", unit="USD"),
    _c("cost_cache_write_usd", MONEY, "Cache writes of the default TTL", unit="USD"),
    _c("cost_cache_write_1h_usd", MONEY, "Cache writes kept for one hour", unit="USD"),
    _c("cost_reasoning_usd", MONEY, "Reasoning, where it has a price of its own", unit="USD"),
    _c("cost_audio_input_usd", MONEY, "Audio input", unit="USD"),
    _c("cost_audio_output_usd", MONEY, "Audio output", unit="USD"),
    _c("cost_image_usd", MONEY, "Images", unit="USD"),
    _c("cost_web_search_usd", MONEY, "Web searches run by the provider", unit="USD"),
    _c("cost_request_usd", MONEY, "Fee a request", unit="USD"),
    _c("cost_status", TEXT, "exact, or why the figure is assumed, estimated or NULL"),
    _c("price_version", TEXT, "Price data that the figure was computed with"),
    _c("service_tier", TEXT, "Service tier, speed, batch or size of a search, by which the call is priced"),
    _c("inference_place", TEXT, "Geography that the call was kept to, where that has a price"),
    _c(
        "deployed_model",
        TEXT,
        "Model behind the deployment that was asked for, which is priced: by the sender's settings, or the collector's",
    ),
    _c("emitted_cost_usd", MONEY, "What the sender said the call cost", unit="USD"),
    _c("emitted_cost_source", TEXT, "provider or local", attribute=a.COST_SOURCE),
)

_RECORD = (
    _c(
        "clock_flag",
        TEXT,
        "Why the times are doubtful: zero_time, out_of_range (both dated by receipt), end_before_start, "
        "end_out_of_range",
    ),
    _c("dialect", TEXT, "Spelling that the span was read as; NULL where it is no GenAI span"),
    _c("derived", TEXTS, "Columns, of messages too, read from other attributes than their own, or corrected"),
    _c("is_llm_call", BOOL, "The row is one counted call of a model"),
    _c("not_counted_reason", TEXT, "Why a row that looks like a call is not counted"),
    _c(
        "continues",
        TEXT,
        "Span id of a foreign span of the same call, which this one counts for",
        attribute=a.CONTINUES,
    ),
    _c("sample_rate", TEXT, "Sampling rate of the sender, where it is known", attribute=a.SAMPLE_RATE),
    _c("properties", MAP, "Custom properties, without their prefix"),
    _c("attributes", MAP, "All attributes that have no column of their own, as text"),
    _c("attribute_types", TEXT, "One letter an entry of attributes: s i d b n, y bytes, j JSON array, o OTLP JSON"),
    _c("resource", BYTES, "Resource and schema_url as OTLP protobuf (ResourceSpans without spans)"),
    _c("scope", BYTES, "Scope and schema_url as OTLP protobuf (ScopeSpans without spans)"),
    _c("side", BYTES, "The rest of the span's protobuf: events, links, flags, dropped counts, unknown fields"),
    _c("collector_id", TEXT, "Collector that stored the row"),
    _c("segment", LONG, "Journal segment that the row came from"),
    _c("tenant", TEXT, "Whose token the request came with; NULL where the collector asks for none"),
)

_MESSAGES = (
    _c("row_id", TEXT, "Row of `spans` that the content belongs to"),
    _c("date", DATE, "UTC day of the span's start; the partition of the table"),
    _c("trace_id", TEXT, "Trace id, 32 lower-case hex digits"),
    _c("span_id", TEXT, "Span id, 16 lower-case hex digits"),
    _c("input_messages", TEXT, "Messages sent, JSON as in the GenAI conventions", attribute=a.INPUT_MESSAGES),
    _c("output_messages", TEXT, "Messages received, JSON", attribute=a.OUTPUT_MESSAGES),
    _c("system_instructions", TEXT, "System prompt, JSON", attribute=a.SYSTEM_INSTRUCTIONS),
    _c("tool_definitions", TEXT, "Tools offered to the model, JSON", attribute=a.TOOL_DEFINITIONS),
    _c("attributes", MAP, "Content that came otherwise, as it was sent: in attributes of a dialect's own, structured"),
    _c("attribute_types", TEXT, "One letter an entry of attributes, as in `spans`"),
)

_REPRICED = (
    _c("row_id", TEXT, "Row of `spans` that was priced again"),
    _c("date", DATE, "UTC day of the span's start; the partition of the table"),
    _c("trace_id", TEXT, "Trace id, 32 lower-case hex digits"),
    _c("price_version", TEXT, "Price data, and contract, that the figure was computed with"),
    _c("cost_usd", MONEY, "Cost by these prices; NULL with a reason in cost_status", unit="USD"),
    _c("cost_status", TEXT, "exact, or why the figure is assumed, estimated or NULL"),
    _c("billed_usd", MONEY, "The figure of record at that time, which stays", unit="USD"),
    _c("run_id", TEXT, "The run of `otel-llm reprice` that wrote the row"),
    _c("run_time", TIME, "When it ran"),
)

_STORED = (
    _c("tenant", TEXT, "Whose token the request came with; NULL where the collector asks for none"),
    _c("collector_id", TEXT, "Collector that stored the row"),
    _c("segment", LONG, "Journal segment that the row came from"),
)

_RECEIVED = (
    _c("resource", BYTES, "Resource and schema_url as OTLP protobuf"),
    _c("scope", BYTES, "Scope and schema_url as OTLP protobuf"),
    *_STORED,
)

_LOGS = (
    _c("row_id", TEXT, "Identity of the row, the same on every replay: 16 hex digits from all that was sent of it"),
    _c("date", DATE, "UTC day of time; the partition of the table"),
    _c("time", TIME, "When it happened, else when it was observed; when it was received, if clock_flag says so"),
    _c("time_ns", LONG, "When it happened, as sent; 0 where the sender does not say", unit="ns since 1970 UTC"),
    _c("observed_time_ns", LONG, "When it was observed, as sent", unit="ns since 1970 UTC"),
    _c("trace_id", TEXT, "Trace id, 32 lower-case hex digits; NULL where the record belongs to no trace"),
    _c("span_id", TEXT, "Span id, 16 lower-case hex digits; NULL where the record belongs to no span"),
    _c("event_name", TEXT, "Name of the event; NULL for a plain line"),
    _c("severity_number", INT, "1 to 4 trace, to 8 debug, to 12 info, to 16 warn, to 20 error, to 24 fatal"),
    _c("severity_text", TEXT, "The sender's word for it"),
    _c("body", TEXT, "The body as text; OTLP/JSON where it is a structure"),
    _c("body_type", TEXT, "Letter of its type, as in attribute_types; NULL where there is no body"),
    *_SENDER,
    _c("session_id", TEXT, "session.id, else gen_ai.conversation.id"),
    _c("user_id", TEXT, "user.id"),
    _c("clock_flag", TEXT, "Why the times are doubtful: zero_time, out_of_range; both dated by receipt"),
    _c("attributes", MAP, "All attributes, as text"),
    _c("attribute_types", TEXT, "One letter an entry of attributes, as in `spans`"),
    _c("side", BYTES, "The rest of the record's protobuf: flags, dropped count, repeated keys, unknown fields"),
    *_RECEIVED,
)

_SCORES = (
    _c("row_id", TEXT, "Row of `logs` that the score came as"),
    _c("date", DATE, "UTC day of time; the partition of the table"),
    _c("time", TIME, "When it was given"),
    _c("trace_id", TEXT, "Trace that is judged; NULL where only response_id names what is"),
    _c("span_id", TEXT, "Span that is judged; NULL where the whole trace is, or a response"),
    _c("response_id", TEXT, "The provider's id of the response that is judged", attribute=a.RESPONSE_ID),
    _c("name", TEXT, "What is judged: helpful, faithfulness ...", attribute=a.EVALUATION_NAME),
    _c("value", DOUBLE, "The score as a number", attribute=a.EVALUATION_SCORE_VALUE),
    _c("label", TEXT, "The score as a word: pass, fail ...", attribute=a.EVALUATION_SCORE_LABEL),
    _c("explanation", TEXT, "The reason that was given", attribute=a.EVALUATION_EXPLANATION),
    _c("error_type", TEXT, "Why the evaluator failed", attribute=a.ERROR_TYPE),
    *_SENDER,
    _c("session_id", TEXT, "session.id, else gen_ai.conversation.id"),
    _c("user_id", TEXT, "user.id"),
    _c("properties", MAP, "Custom properties, without their prefix"),
    *_STORED,
)

_METRICS = (
    _c("row_id", TEXT, "Identity of the row, the same on every replay: 16 hex digits from all that was sent of it"),
    _c("date", DATE, "UTC day of time; the partition of the table"),
    _c("time", TIME, "When the value was taken; when it was received, if clock_flag says so"),
    _c("time_ns", LONG, "When the value was taken, as sent", unit="ns since 1970 UTC"),
    _c("start_time_ns", LONG, "Since when it adds up, as sent; 0 where the sender does not say"),
    _c("name", TEXT, "Name of the metric"),
    _c("type", TEXT, "gauge, sum, histogram, exponential_histogram or summary"),
    _c("unit", TEXT, "Unit of the values, as the sender spells it"),
    _c("temporality", TEXT, "delta or cumulative; NULL where it is neither"),
    _c("is_monotonic", BOOL, "The sum only ever grows; NULL where it is no sum"),
    _c("value", DOUBLE, "Value of a gauge or sum; NULL where there is none"),
    _c("value_int", LONG, "The same, where it was sent as an integer"),
    _c("count", LONG, "Number of values in a histogram or summary"),
    _c("sum", DOUBLE, "Their sum"),
    _c("min", DOUBLE, "The smallest"),
    _c("max", DOUBLE, "The largest"),
    _c("bucket_counts", LONGS, "Values in each bucket of a histogram"),
    _c("bucket_bounds", DOUBLES, "Upper bounds of all buckets but the last"),
    *_SENDER,
    _c("clock_flag", TEXT, "Why the times are doubtful: zero_time, out_of_range; both dated by receipt"),
    _c("attributes", MAP, "All attributes, as text"),
    _c("attribute_types", TEXT, "One letter an entry of attributes, as in `spans`"),
    _c("metric", BYTES, "The metric without its points as OTLP protobuf: description, metadata ..."),
    _c("side", BYTES, "The rest of the point's protobuf: exemplars, exponential buckets, quantiles, flags ..."),
    *_RECEIVED,
)

_ROLLUPS = (
    _c("date", DATE, "First UTC day that is added up in the file; the partition of the table"),
    _c("made_of", TEXT, "What the file was made of: dates, files of `spans`, as JSON. It counts while all are live"),
    _c(
        "cube",
        TEXT,
        "calls, users, people, latency, models or model_days: what is told apart; traces; none where there is nothing",
    ),
    _c("grain", TEXT, "hour, day or month: what is told apart of the time. Files of months repeat those of days"),
    _c("start_time", TIME, "Beginning of the hour, day or month, of UTC, in which the calls began"),
    _c("provider", TEXT, "As in `spans`"),
    _c("model", TEXT, "response_model, else request_model"),
    _c("request_model", TEXT, "As in `spans`; of the cube calls"),
    _c("response_model", TEXT, "As in `spans`; of the cube calls"),
    _c("operation", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("service_name", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("environment", TEXT, "As in `spans`; of the cubes calls, users and latency"),
    _c("agent_name", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("workflow_name", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("prompt_name", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("prompt_version", TEXT, "As in `spans`; of the cubes calls and latency"),
    _c("user_id", TEXT, "As in `spans`; of the cubes users and people"),
    _c("tenant", TEXT, "As in `spans`; of the cubes calls, users and latency"),
    _c("status", TEXT, "As in `spans`; of the cube calls"),
    _c("error_type", TEXT, "As in `spans`; of the cube calls"),
    _c("properties", MAP, "Those that rollup_properties names; of the cubes calls, users and latency"),
    _c("cost_status", TEXT, "As in `spans`; of the cubes calls, users and people"),
    _c("usage_status", TEXT, "As in `spans`; of the cubes calls, users and people"),
    _c("calls", LONG, "Counted calls; of latency those whose duration is in the bucket, or that have none"),
    _c("errors", LONG, "Those of them that failed"),
    _c("input_tokens", LONG, "Sum of the calls' input_tokens", unit="tokens"),
    _c("cache_read_tokens", LONG, "Sum of the calls' cache_read_tokens", unit="tokens"),
    _c("output_tokens", LONG, "Sum of the calls' output_tokens", unit="tokens"),
    _c("cost_usd", SUM, "What the calls cost, exactly; NULL where they have no price", unit="USD"),
    _c("unpriced_calls", LONG, "Calls without a price: all of the row's, or none"),
    _c("bucket", INT, "Bucket of times, in models and latency: n holds (1.01/0.99)^n to (1.01/0.99)^(n+1) ns, -1 zero"),
    _c("durations", LONG, "Calls whose duration is in the bucket"),
    _c("first_chunks", LONG, "Calls whose time to the first chunk is in the bucket"),
    _c("paces", LONG, "Calls whose output came at so many millionths of a token a second"),
    _c("trace_id", TEXT, "As in `spans`; of traces, of which there is a row each, in files of dates alone"),
    _c("timed_calls", LONG, "Calls of the trace whose provider, or server, told its time"),
    _c("total_ns", LONG, "How long any span of the trace lasts; NULL where it has no call here", unit="ns"),
    _c("model_ns", LONG, "Of that, how long a model was at work", unit="ns"),
    _c("network_ns", LONG, "Else, the network; NULL where it is known of nothing", unit="ns"),
    _c("waiting_ns", LONG, "Else, waits between attempts", unit="ns"),
    _c("services_ns", LONG, "Else, other services that were asked; the rest is own code", unit="ns"),
)

_ALERTS = (
    _c("row_id", TEXT, "Identity of the row, the same however often it is delivered: 16 hex digits"),
    _c("date", DATE, "UTC day of time; the partition of the table"),
    _c("time", TIME, "The moment at which the rule was looked at"),
    _c("event", TEXT, "firing or resolved"),
    _c("alert", TEXT, "Name of the rule"),
    _c("kind", TEXT, "What it breached: threshold, change, budget or burn_rate"),
    _c("labels", MAP, "The group, by the names that the rule groups by"),
    _c("value", DOUBLE, "What was measured; NULL where nothing is left to measure"),
    _c("threshold", DOUBLE, "What it was held against, in the same unit"),
    _c("baseline", DOUBLE, "What it was before, where the rule compares"),
    _c("calls", LONG, "Calls that the value is taken from"),
    _c("window_start", TIME, "Since when they ended"),
    _c("window_end", TIME, "Before when they ended"),
    _c("fired_at", TIME, "When the breach began, in both of its rows"),
    _c("breach_id", TEXT, "The same in both rows of a breach"),
    _c("is_silenced", BOOL, "Nobody was told then"),
    _c("text", TEXT, "The same in a line for people"),
    _c("collector_id", TEXT, "Collector whose rule it was"),
)

#: Table name -> columns, in the order of the Parquet schema.
TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "spans": _IDENTITY + _CALL + _WHO + _TOKENS + _COST + _RECORD,
    "messages": _MESSAGES,
    "repriced_costs": _REPRICED,
    "logs": _LOGS,
    "scores": _SCORES,
    "metrics": _METRICS,
    "rollups": _ROLLUPS,
    "alerts": _ALERTS,
}
#: Tables that are made of others, and are gone with them.
DERIVED: Final = frozenset({"rollups"})
