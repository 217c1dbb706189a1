"""What was said, whoever sends it: the names that no receiver gets who is promised a trace without content.

A name that one dialect declares as content is content in all of them, and on a span of none: scopes are renamed, marks
left out, and emitters borrow from each other.
"""

from __future__ import annotations

from typing import Final

from .. import attributes as a
from . import DIALECTS, genai
from .names import Names

#: Content that stays where it is in our tables, since it is looked for there: of tools, retrievals, memories, scores.
#: `description` is what the conventions call sensitive.
_KEPT: Final = (
    a.TOOL_CALL_ARGUMENTS,
    a.TOOL_CALL_RESULT,
    a.TOOL_DESCRIPTION,
    a.RETRIEVAL_QUERY,
    a.EVALUATION_EXPLANATION,
    "gen_ai.memory.query.text",
    "gen_ai.memory.records.",
    "gen_ai.retrieval.documents.",
    "gen_ai.skill.description",
)
#: What emitters say for which there is no table, and what was in the conventions once, or in a draft of them.
_ELSEWHERE: Final = (
    "db.query.embeddings.",  # the vector stores of OpenLLMetry: in events
    "db.query.result.document",
    "db.query.result.metadata",
    "db.query.result.vector",
    "db.search.embeddings.",
    "db.search.result.entity",
    "gen_ai.agent.input",
    "gen_ai.agent.instructions",
    "gen_ai.agent.output",
    "gen_ai.completion.",
    "gen_ai.content.",
    "gen_ai.event.content",
    "gen_ai.input.text",
    "gen_ai.output.text",
    "gen_ai.prompt.",
    "gen_ai.request.tools.",
    "gen_ai.response.object",
    "gen_ai.retrieval.query",
    "gen_ai.tool.*.description",
    "gen_ai.tool.*.parameters",
    "gen_ai.tool.args",
    "gen_ai.tool.input",
    "gen_ai.tool.json_schema",
    "gen_ai.tool.output",
    "gen_ai.tool.parameters",
    "gen_ai.tool.result",
    "gen_ai.tool_calls",
    "gen_ai.workflow.input",
    "gen_ai.workflow.output",
    "haystack.agent.input",
    "haystack.agent.output",
    "haystack.component.input",
    "haystack.component.output",
    "haystack.pipeline.input_data",
    "haystack.pipeline.output_data",
    "mcp.request.argument",
    "mcp.response.value",
    "retrieval.query",
    "tool.arguments",
    "tool.description",
    "tool.input",
    "tool.output",
    "tool.result",
)
#: What may quote content: texts of errors (providers repeat what they refuse), lines of logs, the rest of a request
#: or response in one piece. What kind of error it was is said elsewhere, too, and so are counts.
_QUOTING: Final = (
    "ai.response.providerMetadata",
    "embedding.invocation_parameters",
    "error",
    "error.message",
    "error.stack",
    "error.stack_trace",
    "error_message",
    "exception.message",
    "exception.stacktrace",
    "langfuse.observation.status_message",
    "langsmith.metadata.ls_invocation_params",
    "litellm.provider.error.message",
    "litellm.provider.error.stack_trace",
    "llm.invocation_parameters",
    "logfire.msg",
    "message",
    "otel.status_description",
)
#: Events of models that hold more than what was said; what of it is content is known by its name.
_SPEECHLESS: Final = frozenset({a.EVALUATION_RESULT, "gen_ai.client.operation.exception"})
#: Of Claude Code: what a tool gave back.
_OUTPUT_EVENTS: Final = frozenset({"tool.output"})
_GENAI: Final = "gen_ai."
_MESSAGES: Final = ("gen_ai.choice", "gen_ai.content.")

_content: Final = Names(
    (*_KEPT, *_ELSEWHERE, *(name for dialect in DIALECTS for name in dialect.content)), but=genai.NO_CONTENT
)
_quoting: Final = Names(_QUOTING)


def is_content(name: str) -> bool:
    """Whether an attribute of that name holds what somebody said, a model answered or a tool was told."""
    return name.removeprefix(a.SENT_PREFIX) in _content


def may_quote(name: str) -> bool:
    """Whether a text of that name may repeat what was said."""
    return name.removeprefix(a.SENT_PREFIX) in _quoting


def is_speech(event: str) -> bool:
    """Whether an event of a span holds nothing but what was said."""
    return event in _OUTPUT_EVENTS or (event.startswith(_GENAI) and event not in _SPEECHLESS)


def is_message(event: str) -> bool:
    """Whether a log record of that event is a message: in older conventions each has one."""
    return event.startswith(_GENAI) and (event.endswith(".message") or event.startswith(_MESSAGES))
