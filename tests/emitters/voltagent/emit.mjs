// VoltAgent: an agent with a tool, streamed and not.
import { createOpenAI } from '@ai-sdk/openai';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Agent, VoltAgentObservability, createTool } from '@voltagent/core';
import { z } from 'zod';

import { CALLS, CONTEXT, STANDIN, run } from './emitting.mjs';

const { models, question, system, tool } = CALLS;
const openai = createOpenAI({ baseURL: `${STANDIN}/v1`, apiKey: 'k' });
const observability = new VoltAgentObservability({
  spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter())],
  flushOnFinishStrategy: 'always',
});
const lookUp = createTool({
  name: tool.name,
  description: tool.description,
  parameters: z.object({ patient: z.string() }),
  execute: async () => tool.result,
});
const context = { conversationId: CONTEXT.session, userId: CONTEXT.user };

function agent(model, tools = []) {
  return new Agent({ name: 'triage', instructions: system, model: openai.chat(model), tools, observability, maxRetries: 0 });
}

async function streamed(model) {
  const result = await agent(model).streamText(question, context);
  for await (const _ of result.textStream);
}

await run(
  {
    agent: () => agent(models.openai_thinking).generateText(question, context),
    agent_stream: () => streamed(models.openai_thinking),
    agent_tool: () => agent(models.openai, [lookUp]).generateText(question, context),
    agent_error: () => agent(models.refused).generateText(question, context),
  },
  { told: ['session', 'user'], flush: () => observability.forceFlush() },
);
process.exit(0);
