"""A stand-in for OpenAI's chat completions and Anthropic's messages on loopback, in their real wire formats.

It answers without a model: text, tool calls and usage are drawn from the request and a seed, so that the same
request always costs the same. It streams, fails and dawdles on demand, and writes down what it sent, one JSON line
a response, which makes its log the reference that a bill can be checked against. It needs the standard library only.

    with Standin(log=Path("calls.jsonl")) as standin:
        client = OpenAI(base_url=standin.openai_url, api_key="any")

or, as a process that prints `ready http://127.0.0.1:PORT` once it accepts:

    python -m otel_llm_collector.demo.standin --port 0 --log calls.jsonl --latency-ms 40 --fault 429:Otto:1

**Failures** are chosen, first match wins, by the request header `x-standin-fault: KIND`, by the model name
`standin-KIND`, by the rules given (`KIND:TEXT:TIMES`, see `Fault`) or at random (`fail_rate`, drawn from the seed).
KIND is an HTTP status (429 and 503 and 529 carry Retry-After) or `sse_error`, `cut`, `drop`, `slow`.
The header `x-standin-usage: JSON` makes it report exactly that usage.
"""

from .calls import Call
from .faults import Fault
from .server import Standin

__all__ = ["Call", "Fault", "Standin"]
