// Gemini CLI, asked once: what its spans tell, and what its events.
import { mkdirSync, writeFileSync } from 'node:fs';

import { command } from './command.mjs';
import { CALLS, RECEIVER, STANDIN, run } from './emitting.mjs';

const telemetry = { enabled: true, target: 'local', otlpEndpoint: RECEIVER, otlpProtocol: 'http', traces: true };
const folder = `${process.env.HOME}/.gemini`;
mkdirSync(folder, { recursive: true });
writeFileSync(
  `${folder}/settings.json`,
  JSON.stringify({ telemetry, security: { auth: { selectedType: 'gemini-api-key' } } }),
);

async function ask() {
  command('gemini', ['-p', CALLS.question, '-m', CALLS.models.gemini], {
    GEMINI_API_KEY: 'k',
    GEMINI_CLI_TRUST_WORKSPACE: 'true',
    GOOGLE_GEMINI_BASE_URL: STANDIN,
  });
}

await run({ events: ask, spans: ask }, { logs: ['events'], brief: true });
