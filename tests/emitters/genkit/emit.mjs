// Genkit: Google's models and OpenAI's, streamed and not, with a tool.
import { openAI } from '@genkit-ai/compat-oai/openai';
import { googleAI } from '@genkit-ai/google-genai';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { genkit, z } from 'genkit';
import { enableTelemetry, flushTracing } from 'genkit/tracing';

import { CALLS, STANDIN, run } from './emitting.mjs';

await enableTelemetry({ spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter())] });
const { models, question, system, tool } = CALLS;
const ai = genkit({
  plugins: [
    googleAI({ apiKey: 'k', baseUrl: STANDIN }),
    openAI({ apiKey: 'k', baseURL: `${STANDIN}/v1`, maxRetries: 0 }),
  ],
});
const lookUp = ai.defineTool(
  { name: tool.name, description: tool.description, inputSchema: z.object({ patient: z.string() }) },
  async () => tool.result,
);
const gemini = googleAI.model(models.gemini);
const asked = { system, prompt: question };

async function streamed(options) {
  const { stream, response } = ai.generateStream(options);
  for await (const _ of stream);
  await response;
}

await run(
  {
    generate: () => ai.generate({ ...asked, model: gemini }),
    generate_stream: () => streamed({ ...asked, model: gemini }),
    chat: () => ai.generate({ ...asked, model: openAI.model(models.openai_thinking) }),
    chat_tool: () => ai.generate({ ...asked, model: openAI.model(models.openai), tools: [lookUp] }),
    chat_error: () => ai.generate({ ...asked, model: openAI.model(models.refused) }),
  },
  { flush: flushTracing },
);
process.exit(0);
