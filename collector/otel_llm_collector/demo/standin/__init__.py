"""A stand-in for the providers on loopback, in their real wire formats: `formats/` has one file each.

It answers without a model: text, tool calls and usage are drawn from the request and a seed, so that the same
request always costs the same. It streams, fails and dawdles on demand, and writes down what it sent, one JSON line
an answer, which makes its log the reference that a bill can be checked against: `usage` as the provider spells it,
`tokens` in one convention. It needs the standard library only.

    with Standin(log=Path("calls.jsonl")) as standin:
        client = OpenAI(base_url=standin.openai_url, api_key="any")

or, as a process that prints `ready http://127.0.0.1:PORT` once it accepts:

    python -m otel_llm_collector.demo.standin --port 0 --log calls.jsonl --latency-ms 40 --fault 429:Otto:1

**Where** each official SDK finds it (a prefix tells apart what else has the same path):

    openai_url       OpenAI(base_url=...)                              URL/v1
    anthropic_url    Anthropic(base_url=...)                           URL
    gemini_url       genai.Client(http_options={"base_url": ...})      URL
    vertex_url       the same; AnthropicVertex(base_url=.../v1)        URL
    azure_url        AzureOpenAI(azure_endpoint=...)                   URL, or OpenAI(base_url=URL/openai/v1/)
    bedrock_url      boto3.client("bedrock-runtime", endpoint_url=...) URL
    mistral_url      Mistral(server_url=...)                           URL/mistral
    cohere_url       ClientV2(base_url=...)                            URL
    ollama_url       ollama.Client(host=...)                           URL
    huggingface_url  InferenceClient(base_url=...)                     URL/huggingface, /models/NAME behind it
    realtime_url     OpenAI(websocket_base_url=...)                    ws://127.0.0.1:PORT/v1

**Failures** are chosen, first match wins, by the request header `x-standin-fault: KIND`, by the model name
`standin-KIND`, by the rules given (`KIND:TEXT:TIMES`, see `Fault`) or at random (`fail_rate`, drawn from the seed).
KIND is an HTTP status (429 and 503 and 529 carry Retry-After) or `sse_error` (an error in the stream, as the format has
it), `cut`, `drop`, `slow`. Header and model take `KIND*N` too: the first N attempts of a request.
The header `x-standin-usage: JSON` makes it report exactly that usage, in the provider's own spelling.
"""

from .calls import Call
from .faults import Fault
from .server import Standin

__all__ = ["Call", "Fault", "Standin"]
