"""Spring AI, whose observations become spans of Spring Boot: the conventions, with a word for what is absent."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Accounting, Dialect, Reading, Span, Values

_NOTHING = "none"


def _drop_nothing(span: Span, reading: Reading) -> None:
    reading.columns |= {column: None for column, value in reading.columns.items() if value == _NOTHING}


DIALECT = Dialect(
    "spring_ai",
    "mlflow-tracing 3.17.2 translation/spring_ai.py",
    scope_prefixes=("org.springframework.ai", "org.springframework.boot"),
    among=("gen_ai.",),
    columns={"operation": (Values(a.OPERATION, {"embedding": a.OPERATION_EMBEDDINGS}), a.OPERATION)},
    accounting=Accounting.BY_PROVIDER,
    content=("gen_ai.prompt.", "gen_ai.completion."),
    complete=(_drop_nothing,),
)
