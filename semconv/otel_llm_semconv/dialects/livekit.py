"""LiveKit agents."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Accounting, Dialect

DIALECT = Dialect(
    "livekit",
    "mlflow-tracing 3.17.2 translation/livekit.py",
    scopes=("livekit-agents",),
    mark_prefixes=("lk.",),
    among=("gen_ai.", "lk."),
    columns={
        "agent_name": (a.AGENT_NAME, "lk.agent_name"),
        "session_id": (a.SESSION_ID, "lk.room_name", "lk.job_id"),
    },
    accounting=Accounting.BY_PROVIDER,
    providers={"api.anthropic.com": "anthropic", "api.openai.com": "openai"},
    content=(
        "lk.chat_ctx",
        "lk.function_tool.arguments",
        "lk.function_tool.output",
        "lk.input_text",
        "lk.instructions",
        "lk.pii.",
        "lk.response.function_calls",
        "lk.response.text",
        "lk.user_input",
        "lk.user_transcript",
    ),
)
