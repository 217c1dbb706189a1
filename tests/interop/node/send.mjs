// Sends a trace of an agent with calls of a model in it: `node send.mjs PROTOCOL ENDPOINT CALLS`. Prints its trace id.
import { SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const EXPORTERS = { grpc: GrpcExporter, json: JsonExporter, proto: ProtoExporter };
const [protocol, url, calls] = process.argv.slice(2);
const exporter = new EXPORTERS[protocol]({ url });
const failures = [];
const exportSpans = exporter.export.bind(exporter);
exporter.export = (spans, done) =>
  exportSpans(spans, (result) => {
    if (result.error) failures.push(String(result.error));
    done(result);
  });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": `node-${protocol}` }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("interop", "1.2.3");

const agent = tracer.startSpan("invoke_agent planner", {
  attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner" },
});
const inside = trace.setSpan(context.active(), agent);
for (let number = 0; number < Number(calls); number++) {
  const call = tracer.startSpan(
    "chat gpt-4o-mini",
    {
      kind: SpanKind.CLIENT,
      links: [{ context: agent.spanContext(), attributes: { why: "because" } }],
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": 500,
        "gen_ai.usage.output_tokens": 300,
        "gen_ai.response.finish_reasons": ["stop"],
        "app.number": number,
        "app.share": 0.5,
        "app.flag": true,
        "app.words": ["a", "b"],
        "app.text": "Grüße \u{1F600}",
      },
    },
    inside,
  );
  call.addEvent("first token", { delay_ms: 12.5 });
  if (number % 10 === 9) call.setStatus({ code: SpanStatusCode.ERROR, message: "cut" });
  call.end();
}
agent.end();
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify({ trace: agent.spanContext().traceId, failures }));
process.exit(failures.length ? 1 : 0);
