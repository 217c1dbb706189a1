"""Healthcare triage assistant: ranks what patients complain of, and tells them what to do until a nurse has time.

An ordinary application: two SDKs, and plain OpenTelemetry where a provider has no field for the department.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from anthropic import Anthropic, APIStatusError
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from opentelemetry import trace

gpt, claude = OpenAI(max_retries=2), Anthropic(max_retries=1)
tracer = trace.get_tracer("triage")


class Patient(NamedTuple):
    id: str
    name: str
    department: str
    complaint: str


PATIENTS = (
    Patient("patient-1041", "Anna", "cardiology", "pressure in the chest on the stairs, gone after a minute of rest"),
    Patient("patient-1042", "Otto", "emergency", "fell from a ladder, the wrist is bent and the fingers are numb"),
    Patient("patient-1043", "Mila", "pediatrics", "three years old, 39.4 degrees since last night, drinks little"),
    Patient("patient-1044", "Noor", "cardiology", "heart racing and skipping since the morning, slightly dizzy"),
    Patient("patient-1045", "Yusuf", "emergency", "sudden headache, the worst of his life, stiff neck"),
    Patient("patient-1041", "Anna", "cardiology", "the same pressure again, now while sitting"),
)
PROTOCOL = "You are the triage nurse of a city hospital. " + "Ask what changes the urgency, never diagnose. " * 20
LEVEL: dict[str, object] = {"properties": {"level": {"type": "integer", "minimum": 1, "maximum": 5}}}
URGENCY: ChatCompletionToolParam = {"type": "function", "function": {"name": "set_urgency", "parameters": LEVEL}}


def rank(patient: Patient) -> int:
    """Urgency from 1 (can wait) to 5 (now), as the model's structured answer."""
    answer = gpt.chat.completions.create(
        model="o4-mini" if patient.department == "emergency" else "gpt-4o-mini",
        messages=conversation(f"Rank {patient.name}: {patient.complaint}"),
        tools=[URGENCY],
        tool_choice={"type": "function", "function": {"name": "set_urgency"}},
        user=patient.id,
        metadata={"department": patient.department, "prompt_name": "rank", "prompt_version": "v4"},
        store=True,
    )
    [call] = answer.choices[0].message.tool_calls or []
    return int(json.loads(call.function.arguments)["level"]) if call.type == "function" else 3


def advise(patient: Patient) -> str:
    """What the patient should do; a second provider answers where the first has no capacity."""
    question = f"Advise {patient.name}: {patient.complaint}"
    attributes = {"department": patient.department, "gen_ai.prompt.name": "advise", "gen_ai.prompt.version": "v3"}
    with tracer.start_as_current_span("advise", attributes=attributes):
        try:
            with claude.messages.stream(
                model="claude-sonnet-4-6",
                max_tokens=1000,
                system=[{"type": "text", "text": PROTOCOL, "cache_control": {"type": "ephemeral"}}],
                messages=[{"role": "user", "content": question}],
                metadata={"user_id": patient.id},
            ) as stream:
                return "".join(stream.text_stream)
        except APIStatusError as error:
            print(f"{'':<11} Claude answered {error.status_code}, asking GPT")
            return advise_with_gpt(patient, question)


def advise_with_gpt(patient: Patient, question: str) -> str:
    chunks = gpt.chat.completions.create(
        model="gpt-5-mini",
        messages=conversation(question),
        user=patient.id,
        metadata={"department": patient.department, "prompt_name": "advise", "prompt_version": "v3"},
        store=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def hand_over(department: str, notes: list[str]) -> str:
    """The note for the department's next shift."""
    attributes = {"department": department, "gen_ai.prompt.name": "hand_over", "gen_ai.prompt.version": "v1"}
    with tracer.start_as_current_span("hand_over", attributes=attributes):
        answer = claude.messages.create(
            model="claude-haiku-4-5",
            max_tokens=600,
            system=[{"type": "text", "text": PROTOCOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=[{"role": "user", "content": "Sum up for the night shift:\n" + "\n".join(notes)}],
        )
    return "".join(block.text for block in answer.content if block.type == "text")


def conversation(question: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "system", "content": PROTOCOL}, {"role": "user", "content": question}]


def main() -> None:
    notes: dict[str, list[str]] = {}
    for patient in PATIENTS:
        level, advice = rank(patient), advise(patient)
        print(f"{patient.department:<11} {patient.name:<6} urgency {level}: {advice.split('. ')[0].rstrip('.')}.")
        notes.setdefault(patient.department, []).append(f"{patient.name}, urgency {level}: {advice}")
    for department, lines in notes.items():
        print(f"{department:<11} hand-over: {hand_over(department, lines).split('. ')[0].rstrip('.')}.")


if __name__ == "__main__":
    main()
