"""A workflow of four agents in 47 steps: the case of one patient from the referral to the letter.

Every agent, task and tool below is a span because of its decorator; every call of a model is one by itself. The
steps of one run, which the tests count: 4 agents, 12 tasks, 15 tools and 16 calls, under one workflow.
"""

from __future__ import annotations

import asyncio
import json

from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.chat.chat_completion_message_function_tool_call_param import Function

import otel_llm

DOCUMENTS = ("referral", "electrocardiogram", "laboratory")
HYPOTHESES = ("angina", "anaemia", "atrial fibrillation", "anxiety")
DRUGS = ("bisoprolol", "apixaban", "ferrous sulfate")
SECTIONS = ("findings", "recommendation")
STYLE = "You write for clinicians: short sentences, no hedging, numbers with units. " * 12
ARCHIVE_TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "find_in_archive",
        "parameters": {"type": "object", "properties": {"query": {"type": "string", "enum": ["cardiology 2024"]}}},
    },
}


# --- tools: no model, only work -------------------------------------------------------------------------------


@otel_llm.tool
def fetch_document(name: str) -> str:
    return f"{name} of patient 1041, two pages"


@otel_llm.tool
async def search_guidelines(topic: str) -> str:
    await asyncio.sleep(0.01)
    return f"guideline on {topic}, chapter 3"


@otel_llm.tool
async def read_formulary() -> str:
    return "all three are listed"


@otel_llm.tool
async def check_interactions(drug: str) -> str:
    return f"{drug}: none with the others"


@otel_llm.tool
def load_template(section: str) -> str:
    return f"template of {section}"


@otel_llm.tool
def find_in_archive(query: str) -> str:
    return f"one earlier letter for {query}"


@otel_llm.tool
def file_letter(letter: str) -> int:
    return len(letter)


# --- the four agents ------------------------------------------------------------------------------------------


@otel_llm.agent
def intake() -> str:
    """Reads the documents one after the other. OpenAI, sync. 10 steps."""
    gpt, notes = OpenAI(), []
    for name in DOCUMENTS:
        with otel_llm.task(f"read {name}"):
            document = fetch_document(name)
            notes.append(ask_gpt(gpt, f"Extract the facts: {document}"))
    return ask_gpt(gpt, "Merge the facts:\n" + "\n".join(notes))


def ask_gpt(gpt: OpenAI, question: str) -> str:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
    return gpt.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content or ""


@otel_llm.agent
async def diagnosis(facts: str) -> str:
    """Weighs four hypotheses at the same time, then decides. Anthropic, async, the last one streamed. 13 steps."""
    async with AsyncAnthropic() as claude:
        opinions = await asyncio.gather(*(weigh(claude, hypothesis, facts) for hypothesis in HYPOTHESES))
        async with claude.messages.stream(
            model="claude-sonnet-4-6",
            max_tokens=2000,
            thinking={"type": "adaptive"},
            system=[{"type": "text", "text": STYLE, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=[{"role": "user", "content": "Decide:\n" + "\n".join(opinions)}],
        ) as stream:
            return "".join([text async for text in stream.text_stream])


@otel_llm.task
async def weigh(claude: AsyncAnthropic, hypothesis: str, facts: str) -> str:
    guideline = await search_guidelines(hypothesis)
    answer = await claude.messages.create(
        model="claude-haiku-4-5",
        max_tokens=400,
        system=[{"type": "text", "text": STYLE, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": f"How likely is {hypothesis}? {guideline}\n{facts}"}],
    )
    return "".join(block.text for block in answer.content if block.type == "text")


@otel_llm.agent
async def pharmacy(decision: str) -> list[str]:
    """Checks each drug with a reasoning model. OpenAI, async and streamed. 10 steps."""
    await read_formulary()
    async with AsyncOpenAI() as gpt:
        return [await check_drug(gpt, drug, decision) for drug in DRUGS]


@otel_llm.task("check drug")
async def check_drug(gpt: AsyncOpenAI, drug: str, decision: str) -> str:
    interactions = await check_interactions(drug)
    chunks = await gpt.chat.completions.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": f"Dose of {drug}? {interactions}\n{decision}"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])


@otel_llm.agent
def scribe(decision: str, doses: list[str]) -> str:
    """Writes the letter, after a look at earlier ones. Both SDKs, sync; the sections are streamed. 10 steps."""
    earlier = consult_archive()
    with Anthropic() as claude:
        letter = "\n\n".join(write_section(claude, section, decision, doses) for section in SECTIONS)
    file_letter(earlier + letter)
    return letter


def consult_archive() -> str:
    """One round of tool calling: the model asks for the tool, gets the result, answers."""
    gpt = OpenAI()
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which earlier letters matter?"}]
    first = gpt.chat.completions.create(model="o4-mini", messages=messages, tools=[ARCHIVE_TOOL])
    [call] = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    found = find_in_archive(**json.loads(call.function.arguments))
    function: Function = {"name": call.function.name, "arguments": call.function.arguments}
    messages += [
        {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call.id, "content": found},
    ]
    second = gpt.chat.completions.create(model="o4-mini", messages=messages, tools=[ARCHIVE_TOOL])
    return second.choices[0].message.content or ""


@otel_llm.task("write section")
def write_section(claude: Anthropic, section: str, decision: str, doses: list[str]) -> str:
    template = load_template(section)
    with claude.messages.stream(
        model="claude-sonnet-4-6",
        max_tokens=1500,
        system=[{"type": "text", "text": STYLE, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": f"{template}\n{decision}\n" + "\n".join(doses)}],
    ) as stream:
        return "".join(stream.text_stream)


@otel_llm.workflow("case review")
def review() -> str:
    """Referral to letter."""
    facts = intake()
    decision, doses = asyncio.run(decide(facts))
    return scribe(decision, doses)


async def decide(facts: str) -> tuple[str, list[str]]:
    decision = await diagnosis(facts)
    return decision, await pharmacy(decision)


def main() -> None:
    with (
        otel_llm.session("case-1041", name="Case 1041"),
        otel_llm.user("dr-okafor"),
        otel_llm.properties(department="cardiology"),
        otel_llm.prompt("case-review", version="v2"),
    ):
        letter = review()
    print(f"letter of {len(letter.split())} words: {letter.split('. ')[0]}.")


if __name__ == "__main__":
    main()
