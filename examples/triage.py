"""An ordinary application: two patients, two SDKs, a span of plain OpenTelemetry, and no line that knows of cost."""

from anthropic import Anthropic
from openai import OpenAI
from opentelemetry import trace

PATIENTS = {
    "patient-7": ("cardiology", "pressure in the chest on the stairs"),
    "patient-8": ("pediatrics", "39.4 degrees since last night, drinks little"),
}


def triage(patient: str, department: str, complaint: str) -> None:
    summary = OpenAI().chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Sum up for the nurse: {complaint}"}],
        user=patient,
        metadata={"prompt_name": "summary", "prompt_version": "v1"},
        store=True,  # OpenAI takes metadata only with it
    )
    print(f"{patient}, {department}: {summary.choices[0].message.content}")

    with Anthropic().messages.stream(
        model="claude-haiku-4-5",
        max_tokens=500,
        messages=[{"role": "user", "content": f"What should the patient do now? {complaint}"}],
        metadata={"user_id": patient},
    ) as advice:
        for text in advice.text_stream:
            print(text, end="", flush=True)
    print()


if __name__ == "__main__":
    for patient, (department, complaint) in PATIENTS.items():
        with trace.get_tracer("triage").start_as_current_span("triage", attributes={"department": department}):
            triage(patient, department, complaint)
