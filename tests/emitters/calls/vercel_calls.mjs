// The calls through the Vercel AI SDK, whichever of its versions it is; `more` is what switches telemetry on.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

import { CALLS, STANDIN } from './emitting.mjs';

const { models, question, system, tool: asked } = CALLS;
const openai = createOpenAI({ baseURL: `${STANDIN}/v1`, apiKey: 'k' });
const anthropic = createAnthropic({ baseURL: `${STANDIN}/v1`, apiKey: 'k' });

const tools = {
  [asked.name]: tool({
    description: asked.description,
    inputSchema: z.object({ patient: z.string() }),
    execute: async () => asked.result,
  }),
};

async function streamed(options) {
  const result = streamText({ ...options, onError: () => {} });
  for await (const _ of result.textStream);
  await result.usage;
}

export function calls(more, { systemOption = 'system' } = {}) {
  const prompt = { [systemOption]: system, prompt: question, maxRetries: 0, ...more };
  const claude = {
    [systemOption]: system,
    maxRetries: 0,
    ...more,
    model: anthropic(models.anthropic),
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: question, providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } } },
        ],
      },
    ],
  };
  return {
    chat: () => generateText({ ...prompt, model: openai.chat(models.openai_thinking) }),
    chat_stream: () => streamed({ ...prompt, model: openai.chat(models.openai_thinking) }),
    chat_tool: () => generateText({ ...prompt, model: openai.chat(models.openai), tools, stopWhen: stepCountIs(2) }),
    chat_error: () => generateText({ ...prompt, model: openai.chat(models.refused) }),
    responses: () => generateText({ ...prompt, model: openai.responses(models.openai_thinking) }),
    embeddings: () =>
      embed({ ...more, maxRetries: 0, model: openai.textEmbeddingModel(models.openai_embeddings), value: question }),
    messages: () => generateText(claude),
    messages_stream: () => streamed(claude),
  };
}
