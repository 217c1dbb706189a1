"""Every check of `otel-llm doctor` both ways, on set-ups made by hand, and the page that the findings are put on."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from otel_llm.doctor.checks import CHECKS, TOPICS, Result, examine
from otel_llm.doctor.finding import note, ok, problem
from otel_llm.doctor.page import COLUMNS, as_json, as_table
from otel_llm.doctor.scene import Destination, Observed, Run, Scene, SeenHook, normal, take_in
from otel_llm_semconv import attributes as a

BIN = Path(sys.executable).parent
HTTP = "http://127.0.0.1:4318/v1/traces"
#: Nothing is wrong with it.
OBSERVED = {
    "hooks": [SeenHook("httpx2:Client.send", "attached", "", "httpx2", "2.16")],
    "provider": "TracerProvider",
    "destinations": [Destination("OTLP over HTTP", HTTP, [], "200")],
    "sampler": "ParentBased",
    "sampled_share": 1.0,
    "attributes_max": 128,
}
ENVIRONMENT = {"OTEL_SERVICE_NAME": "shop"}
INSTALLED = {
    "otel-llm": "0.1.0",
    "opentelemetry-api": "1.45.2",
    "opentelemetry-sdk": "1.45.2",
    "opentelemetry-instrumentation": "0.66b2",
    "opentelemetry-exporter-otlp-proto-grpc": "1.45.2",
    "opentelemetry-configuration": "0.66b2",
    "openai": "3.54",
    "httpx2": "2.16",
}
ENTRY_POINTS = {
    "opentelemetry_configurator": (("otel_llm", "otel-llm"),),
    "opentelemetry_distro": (("otel_llm", "otel-llm"),),
    "opentelemetry_instrumentor": (("otel_llm", "otel-llm"), ("openai", "opentelemetry-instrumentation-openai")),
    "opentelemetry_traces_exporter": (("otlp", ""), ("console", ""), ("zipkin", "")),
}
NEEDS = {"openai": frozenset({"anyio", "httpx2"}), "groq": frozenset({"niquests"})}


def scene(
    *, installed: dict[str, str] | None = None, points: dict[str, Any] | None = None, **environment: str
) -> Scene:
    """A set-up in order, with these variables and packages besides."""
    return Scene(
        {**ENVIRONMENT, **environment},
        {**INSTALLED, **(installed or {})},
        NEEDS,
        {**ENTRY_POINTS, **(points or {})},
        ("genai-prices-0.2.3", date(2999, 1, 1)),
        Observed(**OBSERVED),  # type: ignore[arg-type]
    )


def seen(base: Scene | None = None, **observed: Any) -> Scene:
    """The same, with something else observed."""
    base = base or scene()
    made = Observed(**{**OBSERVED, **observed})
    return Scene(base.environment, base.installed, base.needs, base.entry_points, base.prices, made)


def ran(**run: Any) -> Scene:
    """The same, with a command that ran."""
    return seen(run=Run(**{"armed": 1, "processes": 1, "calls": Counter({"openai chat gpt-4o": 1}), **run}))


def answered(answer: str) -> Scene:
    return seen(destinations=[Destination("OTLP over HTTP", HTTP, [], answer)])


def hooks(*rows: tuple[str, str], **observed: Any) -> Scene:
    return seen(hooks=[SeenHook(target, state, "", "openai", "9.0") for target, state in rows], **observed)


def aged(day: date) -> Scene:
    base = scene()
    return Scene(base.environment, base.installed, base.needs, base.entry_points, ("p-1", day), base.observed)


GONE = {"openai._base_client": "ModuleNotFoundError: No module named 'openai._base_client'"}
HERE = "openai._base_client:SyncAPIClient.request"
RIVAL = {"opentelemetry-instrumentation-openai": "0.62.4"}
TWO = {"opentelemetry_distro": (("distro", "opentelemetry-distro"), ("otel_llm", "otel-llm"))}
TWO_OURS = {"opentelemetry_distro": (("otel_llm", "otel-llm"), ("distro", "opentelemetry-distro"))}
SHORT = {"chars_max": 1000}
CONTENT = a.OPT_IN_CONTENT_ENV

#: Check -> scenes that it objects to, scenes that it does not.
CASES: dict[str, tuple[list[Scene], list[Scene]]] = {
    "answer": (
        [answered(word) for word in ("refused", "silent", "unknown host", "certificate", "not tls", "not http")]
        + [answered(code) for code in ("301", "401", "403", "404", "415", "429", "500", "503", "error: OSError")],
        [answered("200"), answered("202"), answered("")],
    ),
    "attached": (
        [
            hooks((HERE, "missing")),
            hooks((HERE, "failed")),
            hooks((HERE, "waiting"), broken=GONE),
            hooks((HERE, "attached"), ("openai:Client.gone", "missing")),
            seen(hooks=[]),
        ],
        [hooks((HERE, "attached")), hooks((HERE, "attached"), ("agents", "waiting"))],
    ),
    "calls": ([ran(calls=Counter())], [ran(), scene(), ran(armed=0, calls=Counter())]),
    "config-file": (
        [
            scene(OTEL_CONFIG_FILE="/nowhere.yaml"),
            scene(OTEL_CONFIG_FILE=__file__),
            Scene({"OTEL_CONFIG_FILE": __file__}),
        ],
        [scene()],
    ),
    "content": (
        [scene(**{CONTENT: mode}) for mode in ("true", "yes", "EVENT_ONLY")],
        [scene(), scene(**{CONTENT: "span_only"}), scene(OTEL_LOGS_EXPORTER="otlp", **{CONTENT: "SPAN_AND_EVENT"})],
    ),
    "data": ([scene(OTEL_LLM_DATA="/nowhere"), scene(OTEL_LLM_DATA=__file__)], [scene(), scene(OTEL_LLM_DATA="/tmp")]),
    "destination": (
        [seen(destinations=[]), seen(provider="", destinations=[])],
        [scene(), seen(error="no", provider="", destinations=[]), seen(destinations=[Destination("Mine")])],
    ),
    "disabled": (
        [scene(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=value) for value in ("httpx, otel_llm", "*")],
        [scene(), scene(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx")],
    ),
    "distro": (
        [
            scene(points=TWO),
            scene(points=TWO_OURS),
            scene(points={"opentelemetry_distro": ()}),
            scene(OTEL_PYTHON_DISTRO="aws"),
            scene(points=TWO, OTEL_PYTHON_DISTRO="distro"),
        ],
        [scene(), scene(points=TWO, OTEL_PYTHON_DISTRO="otel_llm")],
    ),
    "endpoint": (
        [
            scene(OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4318"),
            scene(OTEL_EXPORTER_OTLP_ENDPOINT=HTTP),
            scene(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://collector:4318"),
        ],
        [
            scene(),
            scene(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318/"),
            scene(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=HTTP),
            scene(OTEL_EXPORTER_OTLP_ENDPOINT="collector:4317", OTEL_EXPORTER_OTLP_PROTOCOL="grpc"),
        ],
    ),
    "ends": ([ran(silent=2), ran(exit_code=3)], [ran(), scene()]),
    "exported": (
        [ran(drops=Counter({"span(s): x": 1})), ran(refused=Counter({HTTP: 2})), ran(ended=2)],
        [ran(ended=2, exported=Counter({HTTP: 2})), scene()],
    ),
    "exporter": (
        [
            *(scene(OTEL_TRACES_EXPORTER=value) for value in ("none", "console", "otlp,zipking")),
            scene(OTEL_EXPORTER_OTLP_PROTOCOL="http/json"),
            Scene({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}),
        ],
        [
            scene(),
            scene(OTEL_TRACES_EXPORTER="otlp,zipkin", OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"),
            scene(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc"),
        ],
    ),
    "faults": ([ran(faults=Counter({"begin: KeyError": 2}))], [ran(), scene()]),
    "headers": (
        [scene(OTEL_EXPORTER_OTLP_HEADERS="Bearer abc"), scene(OTEL_EXPORTER_OTLP_TRACES_HEADERS="a=1,=2")],
        [scene(), scene(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc, team=blue")],
    ),
    "importable": (
        [seen(importing="openai"), seen(broken={"openai": "ImportError: no"})],
        [scene(), seen(broken=GONE)],
    ),
    "limits": (
        [seen(attributes_max=20), seen(chars_max=100), seen(scene(**{CONTENT: "SPAN_ONLY"}), **SHORT)],
        [scene(), seen(**SHORT), seen(attributes_max=None)],
    ),
    "money": (
        [ran(calls_without_usage=Counter({"openai": 1})), ran(calls_without_price=Counter({"acme": 1}))],
        [ran(), scene()],
    ),
    "prices": ([aged(date(2025, 1, 1))], [scene()]),
    "processes": ([ran(armed=0)], [ran(), scene()]),
    "proxy": (
        [
            scene(HTTP_PROXY="http://me:secret@proxy:3128"),
            scene(all_proxy="http://proxy:3128", NO_PROXY="localhost"),
            seen(scene(http_proxy="http://proxy"), destinations=[Destination("OTLP over HTTP", "http://otel.corp/x")]),
        ],
        [
            scene(),
            scene(HTTP_PROXY="http://proxy:3128", NO_PROXY="localhost,127.0.0.1"),
            scene(HTTPS_PROXY="http://proxy:3128"),
            scene(http_proxy="http://proxy:3128", no_proxy="*"),
        ],
    ),
    "queue": (
        [
            scene(OTEL_BSP_MAX_QUEUE_SIZE="many"),
            scene(OTEL_BSP_MAX_QUEUE_SIZE="100"),
            scene(OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4096"),
            scene(OTEL_BSP_SCHEDULE_DELAY="60000"),
        ],
        [scene(), scene(OTEL_BSP_MAX_QUEUE_SIZE="4096", OTEL_BSP_SCHEDULE_DELAY="200")],
    ),
    "raise-errors": ([scene(OTEL_LLM_RAISE_ERRORS="true")], [scene(), scene(OTEL_LLM_RAISE_ERRORS="false")]),
    "readable": (
        [scene(OTEL_LLM_EXIT_MS_MAX="soon"), scene(OTEL_LLM_HOSTS="x"), scene(OTEL_LLM_HTTP_SPANS="2")],
        [scene(), scene(OTEL_LLM_EXIT_MS_MAX="500")],
    ),
    "rivals": (
        [
            scene(installed=RIVAL),
            scene(installed={"openinference-instrumentation-openai": "0.1"}),
            scene(installed={"anthropic": "2.12"}, ANTHROPIC_OPEN_TELEMETRY="true"),
        ],
        [scene(), scene(installed={"opentelemetry-instrumentation-flask": "1"}, ANTHROPIC_OPEN_TELEMETRY="true")],
    ),
    "sampling": ([seen(sampled_share=0.1), seen(sampled_share=0.0)], [scene(), seen(sampled_share=None)]),
    "sdk-disabled": ([scene(OTEL_SDK_DISABLED="True")], [scene(), scene(OTEL_SDK_DISABLED="false")]),
    "service-name": (
        [Scene(), Scene({"OTEL_RESOURCE_ATTRIBUTES": "team=blue"})],
        [scene(), Scene({"OTEL_RESOURCE_ATTRIBUTES": "team=blue,service.name=shop"})],
    ),
    "set-up": (
        [seen(error="ValueError: x"), seen(loaded=False), seen(loaded=False, run=Run(armed=1))],
        [scene(), seen(loaded=False, run=Run(armed=0))],
    ),
    "spelling": ([scene(OTEL_LLM_EXIT_MS="1"), scene(OTEL_LLM_NOTHING_OF_THIS="1")], [scene(OTEL_LLM_HOSTS="")]),
    "unrecognised": ([ran(unrecognised=Counter({"POST x/v1/y": 3}))], [ran(), scene()]),
    "unseen": (
        [scene(installed={"xai-sdk": "1.2"}), scene(installed={"groq": "1.7"})],
        [scene(), seen(scene(installed={"xai-sdk": "1.2"}), hooks=[])],
    ),
    "versions": ([scene(installed={"opentelemetry-api": "1.44.0"})], [scene()]),
}
FIXLESS = {"ends", "unrecognised"}  # notes that there is nothing to be done about


def test_every_check_has_its_cases_and_the_table_is_in_order() -> None:
    assert sorted(CASES) == sorted(check.name for check in CHECKS)
    assert [(check.topic, check.name) for check in CHECKS] == sorted(
        ((check.topic, check.name) for check in CHECKS), key=lambda row: (TOPICS.index(row[0]), row[1])
    )
    assert all(check.find.__doc__ for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_objects_to_what_is_wrong_and_to_nothing_else(check: Any) -> None:
    wrong, right = CASES[check.name]
    for bad in wrong:
        objections = [found for found in check.find(bad) if found.level != "ok"]
        assert objections, bad
        assert all(found.fix or (found.level == "note" and check.name in FIXLESS) for found in objections)
    for good in right:
        assert [found for found in check.find(good) if found.level != "ok"] == []


def test_a_set_up_in_order_has_nothing_to_mend() -> None:
    assert {result.finding.level for result in examine(scene())} == {"ok"}


def test_a_page_is_80_columns_wide_and_says_how_many_problems() -> None:
    long = "word " * 60
    results = [
        Result("hooks", "attached", ok(long)),
        Result("spans", "answer", problem(long, long + "https://" + "x" * 90)),
        Result("spans", "queue", note(long)),
    ]
    lines = as_table(results).splitlines()
    assert max(len(line) for line in lines if "https://" not in line) <= COLUMNS == 80
    assert lines[-1] == "1 problem, 1 note"
    assert as_table(results[:1]).endswith("everything is fine")
    written = json.loads(as_json(results, Observed()))
    assert (written["problems"], len(written["findings"])) == (1, 3)
    assert written["findings"][1]["fix"] == results[1].finding.fix


def test_what_is_observed_survives_being_written() -> None:
    observed = ran(exported=Counter({HTTP: 2}), silent=1).observed
    assert Observed.read(json.loads(json.dumps(observed.as_json()))) == observed
    assert Observed.read(json.loads(json.dumps(scene().observed.as_json()))) == scene().observed


def test_the_scene_of_this_environment() -> None:
    found = take_in({}, Observed())
    assert found.installed["otel-llm"] == "0.1.0"
    assert "httpx2" in found.needs["openai"]
    assert "openai" not in found.needs["otel-llm"]  # which an extra asks for
    assert ("otel_llm", "otel-llm") in found.entry_points["opentelemetry_distro"]
    assert found.prices is not None
    assert date(2026, 1, 1) < found.prices[1] <= date.today()  # noqa: DTZ011 - a day, not a moment
    assert normal("Google_GenAI") == "google-genai"
