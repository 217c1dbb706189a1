"""Instructor, which asks again until the answer has the shape it should: a call each time."""

from __future__ import annotations

from typing import Any

import instructor
import openai
import pytest
from app.recording import Recorded
from pydantic import BaseModel
from sdks.agreement import one_call

from otel_llm_collector.demo.standin import Standin

pytestmark = pytest.mark.sdk("instructor")


class Patient(BaseModel):
    name: str
    age: int


@pytest.mark.feature("structured answer")
def test_a_structured_answer(recorded: Recorded, standin: Standin) -> None:
    with openai.OpenAI(base_url=standin.openai_url, api_key="k") as client:
        asker = instructor.from_openai(client)
        messages: Any = [{"role": "user", "content": "hello"}]
        assert asker.chat.completions.create(model="gpt-4o-mini", response_model=Patient, messages=messages).name
    one_call(recorded, standin, operation="chat", provider="openai")
