"""LangChain: chains, tools and retrievers around counted calls, however a chain is run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import langchain_core.callbacks.manager
import pytest
from app.recording import Recorded
from langchain_anthropic import ChatAnthropic
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, config
from langchain_core.tools import ToolException, tool
from langchain_core.tracers import context as tracers
from sdks.langchain.ward import look_up, lose
from sdks.tree import attributes, calls_agree, named, saw

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("langchain-core")
PROMPT = ChatPromptTemplate.from_template("How urgent is {complaint}?")
VISITS = 8
Ask = Callable[[Runnable[Any, Any], Any], None]


async def _stream(chain: Runnable[Any, Any], given: Any) -> None:
    assert [chunk async for chunk in chain.astream(given)]


WAYS: dict[str, Ask] = {
    "invoke": lambda chain, given: chain.invoke(given),
    "ainvoke": lambda chain, given: asyncio.run(chain.ainvoke(given)),
    "stream": lambda chain, given: list(chain.stream(given)).clear(),
    "astream": lambda chain, given: asyncio.run(_stream(chain, given)),
}


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.feature(name)) for name, way in WAYS.items()], ids=WAYS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each way to run a chain."""
    way: Ask = request.param
    return way


class Records(BaseRetriever):
    """Finds one document."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content="no known allergies")]


@pytest.mark.sdk("langchain-openai")
@pytest.mark.feature("chain")
def test_a_chain(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    ask(PROMPT | model | StrOutputParser(), {"complaint": "chest pain"})
    saw(
        recorded,
        """
        task RunnableSequence
          chat gpt-4o-mini
        """,
    )
    (call,) = calls_agree(recorded, standin)
    assert a.WORKFLOW_NAME not in call


@pytest.mark.feature("chain")
def test_a_chain_with_a_name_is_a_workflow(
    recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask
) -> None:
    inner = PROMPT | model | StrOutputParser()
    chain = (inner | (lambda text: {"complaint": text}) | inner).with_config(run_name="admission")
    with otel_llm.agent("triage"):
        ask(chain, {"complaint": "chest pain"})
    saw(
        recorded,
        """
        invoke_agent triage
          invoke_workflow admission
            chat gpt-4o-mini
            chat gpt-4o-mini
        """,
    )
    carried = [(call[a.WORKFLOW_NAME], call[a.AGENT_NAME]) for call in calls_agree(recorded, standin)]
    assert carried == [("admission", "triage")] * 2


@pytest.mark.feature("chat")
def test_a_model_alone_is_a_call_alone(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    ask(model, "chest pain")
    saw(recorded, "chat gpt-4o-mini")
    calls_agree(recorded, standin)


@pytest.mark.feature("batch")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_is_a_tree_each(recorded: Recorded, standin: Standin, model: BaseChatModel, is_async: bool) -> None:
    chain, given = PROMPT | model, [{"complaint": str(number)} for number in range(3)]
    with recorded.tracer.start_as_current_span("mine"):
        if is_async:
            asyncio.run(chain.abatch(given))
        else:
            chain.batch(given)
    saw(
        recorded,
        """
        mine
          task RunnableSequence
            chat gpt-4o-mini
          task RunnableSequence
            chat gpt-4o-mini
          task RunnableSequence
            chat gpt-4o-mini
        """,
    )
    assert len(calls_agree(recorded, standin)) == 3


@pytest.mark.feature("parallel")
def test_branches_have_one_parent(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    branches: Any = RunnableParallel(urgency=PROMPT | model, other=PROMPT | model)
    ask(branches.with_config(run_name="both"), {"complaint": "chest pain"})
    saw(
        recorded,
        """
        invoke_workflow both
          chat gpt-4o-mini
          chat gpt-4o-mini
        """,
    )
    assert len(calls_agree(recorded, standin)) == 2


@pytest.mark.feature("fallback")
def test_a_fallback_is_two_calls(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    broken = model.model_copy(update={"model_name": "standin-503"})
    ask(PROMPT | broken.with_fallbacks([model]), {"complaint": "chest pain"})
    saw(
        recorded,
        """
        task RunnableSequence
          chat standin-503 !server_error
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("error")
def test_an_error_marks_what_it_passes(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    broken = model.model_copy(update={"model_name": "standin-401"})
    with pytest.raises(Exception, match="401"):
        ask((PROMPT | broken).with_config(run_name="admission"), {"complaint": "chest pain"})
    saw(
        recorded,
        """
        invoke_workflow admission !OpenAIAuthenticationError
          chat standin-401 !invalid_request_error
        """,
    )


@pytest.mark.sdk("langchain-anthropic")
@pytest.mark.feature("chain")
def test_a_chain_over_anthropic(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    name = "claude-sonnet-4-5"
    claude = ChatAnthropic(model_name=name, base_url=standin.anthropic_url, api_key="k", timeout=9, stop=None)
    ask(PROMPT | claude, {"complaint": "chest pain"})
    saw(
        recorded,
        f"""
        task RunnableSequence
          chat {name}
        """,
    )
    calls_agree(recorded, standin)


@pytest.mark.feature("tool")
def test_a_tool(recorded: Recorded, model: BaseChatModel, ask: Ask) -> None:
    ask(look_up, {"name": "look_up", "args": {"patient": "Anna"}, "id": "call_1", "type": "tool_call"})
    found = named(saw(recorded, "execute_tool look_up"), "execute_tool look_up")
    assert found == {
        a.OPERATION: "execute_tool",
        a.TOOL_NAME: "look_up",
        a.TOOL_TYPE: "function",
        a.TOOL_CALL_ID: "call_1",
        a.TOOL_DESCRIPTION: "What is known of a patient.",
    }


@pytest.mark.feature("content")
def test_what_went_in_and_out_is_recorded_where_asked_for(capturing: Recorded, model: BaseChatModel) -> None:
    look_up.invoke({"patient": "Anna"})
    Records().invoke("allergies of Anna")
    spans = saw(
        capturing,
        """
        execute_tool look_up
        retrieval Records
        """,
    )
    found = named(spans, "execute_tool look_up")
    assert found[a.TOOL_CALL_ARGUMENTS] == '{"patient":"Anna"}'
    assert found[a.TOOL_CALL_RESULT] == '"Anna: no known allergies"'
    assert named(spans, "retrieval Records")[a.RETRIEVAL_QUERY] == '"allergies of Anna"'


@pytest.mark.feature("tool")
def test_a_tool_that_fails(recorded: Recorded, model: BaseChatModel, ask: Ask) -> None:
    with pytest.raises(LookupError):
        ask(lose, {"patient": "Anna"})
    (span,) = saw(recorded, "execute_tool lose !LookupError")
    assert span.status.description == "no such patient"
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.feature("tool")
def test_a_tool_whose_failure_is_an_answer(recorded: Recorded, model: BaseChatModel) -> None:
    @tool
    def refuse(patient: str) -> str:
        """Fails, and says so to the model."""
        raise ToolException("not yours")

    refuse.handle_tool_error = True
    refuse.invoke({"name": "refuse", "args": {"patient": "Anna"}, "id": "call_1", "type": "tool_call"})
    (span,) = saw(recorded, "execute_tool refuse !_OTHER")
    assert not span.status.description, "what the model is told is content"


@pytest.mark.feature("retriever")
def test_a_retriever_in_a_chain(recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask) -> None:
    chain: Any = {"complaint": Records()} | PROMPT | model
    ask(chain.with_config(run_name="answer"), "allergies")
    spans = saw(
        recorded,
        """
        invoke_workflow answer
          retrieval Records
          chat gpt-4o-mini
        """,
    )
    assert a.RETRIEVAL_QUERY not in named(spans, "retrieval Records")


@pytest.mark.feature("spans of the app")
def test_the_apps_own_spans_are_in_between(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    def think(complaint: str) -> Any:
        with recorded.tracer.start_as_current_span("mine"), otel_llm.session("visit-1"):
            return look_up.invoke({"patient": (PROMPT | model).invoke({"complaint": complaint}).id})

    RunnableLambda(think).invoke("chest pain")
    spans = saw(
        recorded,
        """
        invoke_workflow think
          mine
            chat gpt-4o-mini
            execute_tool look_up
        """,
    )
    sessions = {span.name: attributes(span).get(a.SESSION_ID) for span in spans}
    assert sessions["chat gpt-4o-mini"] == sessions["execute_tool look_up"] == "visit-1"
    assert sessions["invoke_workflow think"] is None


@pytest.mark.feature("threads")
def test_a_thread_of_the_apps_own_is_told_by_the_config(recorded: Recorded, model: BaseChatModel) -> None:
    def think(complaint: str, config: RunnableConfig) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit((PROMPT | model).invoke, {"complaint": complaint}, config).result()

    RunnableLambda(think).invoke("chest pain")
    saw(
        recorded,
        """
        invoke_workflow think
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("retriever")
def test_what_a_retriever_calls_is_below_it(
    recorded: Recorded, standin: Standin, model: BaseChatModel, ask: Ask
) -> None:
    class Asking(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(page_content=str(model.invoke(query).content))]

    chain: Any = {"complaint": Asking()} | PROMPT | model
    ask(chain.with_config(run_name="answer"), "allergies")
    saw(
        recorded,
        """
        invoke_workflow answer
          retrieval Asking
            chat gpt-4o-mini
          chat gpt-4o-mini
        """,
    )


async def _at_once(visit: Callable[[int], Any]) -> None:
    await asyncio.gather(*map(visit, range(VISITS)))


@pytest.mark.feature("threads", "tasks")
@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_parallel_sessions_do_not_mix(recorded: Recorded, model: BaseChatModel, kind: str) -> None:
    def chain(number: int) -> Any:
        tail = RunnableLambda(lambda _: look_up.invoke({"patient": "Anna"}))
        return (PROMPT | model | tail).with_config(run_name=f"admission-{number}")

    def visit(number: int) -> None:
        with otel_llm.session(f"visit-{number}"):
            chain(number).invoke({"complaint": str(number)})

    async def visit_async(number: int) -> None:
        with otel_llm.session(f"visit-{number}"):
            await chain(number).ainvoke({"complaint": str(number)})

    if kind == "tasks":
        asyncio.run(_at_once(visit_async))
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(visit, range(VISITS)))
    traces: dict[int, set[tuple[Any, ...]]] = {}
    for span in recorded.spans():
        found = attributes(span)
        seen = (found[a.OPERATION], found[a.SESSION_ID], found[a.WORKFLOW_NAME])
        traces.setdefault(span.context.trace_id, set()).add(seen)
    operations = ("invoke_workflow", "chat", "execute_tool")
    wanted = [{(one, f"visit-{number}", f"admission-{number}") for one in operations} for number in range(VISITS)]
    assert sorted(map(sorted, traces.values())) == sorted(map(sorted, wanted))


@pytest.mark.feature("abandoned stream")
@pytest.mark.parametrize("ending", ["close", "collect"])
def test_an_abandoned_stream_ends(recorded: Recorded, standin: Standin, model: BaseChatModel, ending: str) -> None:
    stream = (PROMPT | model).with_config(run_name="admission").stream({"complaint": "chest pain"})
    next(stream)
    if ending == "close":
        stream.close()
    del stream
    gc.collect()
    saw(
        recorded,
        """
        invoke_workflow admission
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("abandoned stream")
def test_an_abandoned_async_stream_ends(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    async def peek() -> None:
        async for _ in (PROMPT | model).with_config(run_name="admission").astream({"complaint": "chest pain"}):
            break

    asyncio.run(peek())
    saw(
        recorded,
        """
        invoke_workflow admission
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    chain = PROMPT | model
    chain.invoke({"complaint": "chest pain"})
    hooks, hooked = list(tracers._configure_hooks), config._set_config_context
    otel_llm.uninstrument()
    assert len(tracers._configure_hooks) == len(hooks) - 1
    assert config._set_config_context is hooked.__wrapped__
    chain.invoke({"complaint": "chest pain"})
    assert len(recorded.spans()) == 2
    handlers = langchain_core.callbacks.manager.CallbackManager.configure().handlers
    assert [handler for handler in handlers if "otel_llm" in type(handler).__module__] == []


@pytest.mark.feature("uninstrument")
def test_a_run_that_uninstrument_interrupts(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    def stop(complaint: str) -> Any:
        otel_llm.uninstrument()
        return (PROMPT | model).invoke({"complaint": complaint})

    RunnableLambda(stop).invoke("chest pain")
    saw(recorded, "invoke_workflow stop")
