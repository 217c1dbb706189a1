"""Two agents, a tool and both SDKs: each decorator is a span, each call of a model is a span below it."""

import asyncio

from anthropic import Anthropic
from openai import AsyncOpenAI

import otel_llm

TOPICS = ("dose", "interactions", "monitoring")


@otel_llm.tool
def look_up(topic: str) -> str:
    return f"leaflet of apixaban, chapter on {topic}"


@otel_llm.agent
async def researcher() -> list[str]:
    """Asks about all topics at the same time."""

    async def ask(topic: str) -> str:
        question = f"Three key facts, please: {look_up(topic)}"
        answer = await gpt.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": question}])
        return answer.choices[0].message.content or ""

    async with AsyncOpenAI() as gpt:
        return await asyncio.gather(*map(ask, TOPICS))


@otel_llm.agent(description="turns facts into one paragraph")
def writer(facts: list[str]) -> str:
    with (
        Anthropic() as claude,
        claude.messages.stream(
            model="claude-sonnet-4-6",
            max_tokens=800,
            messages=[{"role": "user", "content": "One paragraph for the patient:\n" + "\n".join(facts)}],
        ) as stream,
    ):
        return "".join(stream.text_stream)


@otel_llm.workflow("leaflet")
def leaflet() -> str:
    return writer(asyncio.run(researcher()))


if __name__ == "__main__":
    with otel_llm.session("order-12"), otel_llm.user("patient-7"), otel_llm.properties(department="cardiology"):
        print(leaflet())
