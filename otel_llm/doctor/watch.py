"""In the processes of `otel-llm doctor -- COMMAND`: counts what is seen, and writes it down at the end of each.

A folder made for the run is the first entry of PYTHONPATH: the `sitecustomize.py` in it calls `arm`, then starts
OpenTelemetry's own. The files beside it are the reports: `armed-PID` once a Python of the command starts, `busy-PID`
at the first thing that is counted, `seen-PID.json` at the end. Who was busy and has written no end was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from otel_llm_semconv import attributes as a

from ..failures import guarded, shielded
from .scene import Observed, Run, seen_hooks

SITECUSTOMIZE: Final = """\
import pathlib
try:
    from otel_llm.doctor import watch
except ImportError:
    pass  # a Python without otel-llm
else:
    watch.start(pathlib.Path(__file__).parent)
"""
_EXPORTERS: Final = (
    ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "OTLPSpanExporter"),
    ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
)
_LAST: Final = -1000  # priority among what such a child does at its end


def start(folder: Path) -> None:
    """Arm this process and let OpenTelemetry start. A fault of ours stops neither it nor the app."""
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    watch = Watch(folder)
    guarded(watch.arm)
    try:
        initialize(swallow_exceptions=False)
    except Exception as error:  # OpenTelemetry has logged it
        watch.error = f"{type(error).__name__}: {error}"


class Watch:
    """What this process does; a forked child begins at nothing. `error` is what stopped the set-up."""

    def __init__(self, folder: Path) -> None:
        self.error = ""
        self._folder = folder
        self._run = Run(processes=1)
        self._inherited: dict[str, Counter[str]] = {}
        self._is_busy = False

    def arm(self) -> None:
        """Hook what is to be counted. First of all `atexit` handlers in, last one out: the exporters have ended."""
        import wrapt

        self._path("armed").touch()
        atexit.register(shielded(self._write))
        os.register_at_fork(after_in_child=self._begin_anew)
        wrapt.register_post_import_hook(self._watch_children, "multiprocessing.util")
        wrapt.register_post_import_hook(self._watch_celery, "billiard.pool")
        for module, exporter in _EXPORTERS:
            wrapt.register_post_import_hook(functools.partial(self._watch_exporter, name=exporter), module)
        wrapt.register_post_import_hook(self._watch_providers, "opentelemetry.sdk.trace")
        wrapt.register_post_import_hook(self._watch_requests, "otel_llm.exchange")

    def count(self, counter: Counter[str], key: str, number: int = 1) -> None:
        """Count one more."""
        if not self._is_busy:
            self._is_busy = True
            with contextlib.suppress(OSError):  # the command that waits for us has gone
                self._path("busy").touch()
        counter[key] += number

    def count_span(self, span: Any) -> None:
        """Count a span, and the call that it may stand for."""
        self._run.ended += span.context.trace_flags.sampled
        found = span.attributes or {}
        if a.USAGE_STATUS not in found:
            return
        model = found.get(a.RESPONSE_MODEL) or found.get(a.REQUEST_MODEL) or "?"
        key = f"{found.get(a.PROVIDER, '?')} {found.get(a.OPERATION, '?')} {model}"
        self.count(self._run.calls, key)
        if found[a.USAGE_STATUS] == "missing" and a.ERROR_TYPE not in found:
            self.count(self._run.calls_without_usage, key)
        elif a.COST_AMOUNT not in found and a.ERROR_TYPE not in found:
            self.count(self._run.calls_without_price, f"{key}: {found.get(a.COST_STATUS, 'no usage')}")

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}-{os.getpid()}"

    def _begin_anew(self) -> None:
        self._run = Run(processes=1)
        self._inherited = _losses()
        self._is_busy = False

    def _watch_children(self, module: ModuleType) -> None:
        """Children of `multiprocessing` leave without `atexit`."""
        module.register_after_fork(self, lambda mine: module.Finalize(None, shielded(mine._write), exitpriority=_LAST))

    def _watch_celery(self, module: ModuleType) -> None:
        """Those of Celery leave even without that."""
        leave = module.Worker._do_exit

        @functools.wraps(leave)
        def hooked(*args: Any, **kwargs: Any) -> Any:
            guarded(self._write)
            return leave(*args, **kwargs)

        module.Worker._do_exit = hooked

    def _watch_exporter(self, module: ModuleType, name: str) -> None:
        from .setup import endpoint_of, kind_of

        def wrap(export: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(export)
            def counted(exporter: Any, spans: Any) -> Any:
                result = export(exporter, spans)
                counter = self._run.exported if result.name == "SUCCESS" else self._run.refused
                self.count(counter, f"{kind_of(exporter)} {endpoint_of(exporter)}".strip(), len(spans))
                return result

            return counted

        exporter = getattr(module, name)
        exporter.export = wrap(exporter.export)

    def _watch_providers(self, module: ModuleType) -> None:
        members = {"on_end": lambda _, span: self.count_span(span), "is_of_its_provider": True}
        counting = type("Counting", (module.SpanProcessor,), members)

        def wrap(init: Callable[..., None]) -> Callable[..., None]:
            @functools.wraps(init)
            def counted(provider: Any, *args: Any, **kwargs: Any) -> None:
                init(provider, *args, **kwargs)
                provider.add_span_processor(counting())

            return counted

        module.TracerProvider.__init__ = wrap(module.TracerProvider.__init__)

    def _watch_requests(self, module: ModuleType) -> None:
        """Requests to a provider that are not calls of a model: what we may fail to read."""

        def wrap(begin: Callable[..., Any]) -> Callable[..., Any]:
            signature = inspect.signature(begin)

            @functools.wraps(begin)
            def counted(*args: Any, **kwargs: Any) -> Any:
                found = begin(*args, **kwargs)
                if type(found) is module.Passage:
                    given = signature.bind(*args, **kwargs).arguments
                    self.count(self._run.unrecognised, f"{given['method']} {given['host']}{given['path']}")
                return found

            return counted

        module.Exchanges.begin = wrap(module.Exchanges.begin)

    def _write(self) -> None:
        """The end: what was counted here, and how this process was set up."""
        from ..patching import ledger
        from .setup import read_setup

        observed = Observed(error=self.error, loaded=bool(ledger()), hooks=seen_hooks(ledger()), run=self._run)
        read_setup(observed, ask=False)
        for name, counts in _losses().items():
            setattr(self._run, name, counts - self._inherited.get(name, Counter()))
        whole = self._path("new")
        whole.write_text(json.dumps(observed.as_json()))
        whole.replace(self._path("seen").with_suffix(".json"))


def _losses() -> dict[str, Counter[str]]:
    """What was dropped, and our own faults, since the process began."""
    from ..export import drops, log_drops, metric_drops
    from ..failures import counts

    lost = {
        f"{one.what}: {why}": count for one in (drops, log_drops, metric_drops) for why, count in one.counts.items()
    }
    return {"drops": Counter(lost), "faults": Counter(counts)}
