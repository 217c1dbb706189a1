"""Events, which OpenTelemetry emits as log records: where a logger leads."""

from __future__ import annotations

from opentelemetry._logs import Logger, NoOpLogger


def leads_somewhere(logger: Logger, event_name: str) -> bool:
    """Whether an event of that name would reach a processor.

    A logger says so itself since OpenTelemetry 1.45. Before, one of the SDK does with processors only, the API's own
    never, a stranger's always; what the API gives out until a provider is set stands for another.
    """
    if (enabled := getattr(logger, "enabled", None)) is not None:
        return bool(enabled(event_name=event_name))
    real = getattr(logger, "_logger", logger)
    fan_out = getattr(real, "_multi_log_record_processor", None)
    return not isinstance(real, NoOpLogger) and bool(getattr(fan_out, "_log_record_processors", True))
