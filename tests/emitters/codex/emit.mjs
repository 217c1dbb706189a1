// Codex, asked once: what its events tell.
import { mkdirSync, writeFileSync } from 'node:fs';

import { command } from './command.mjs';
import { CALLS, RECEIVER, STANDIN, run } from './emitting.mjs';

const folder = `${process.env.HOME}/.codex`;
mkdirSync(folder, { recursive: true });
writeFileSync(
  `${folder}/config.toml`,
  `model = "${CALLS.models.openai_thinking}"
model_provider = "standin"
[model_providers.standin]
name = "standin"
base_url = "${STANDIN}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
[otel]
exporter = { otlp-http = { endpoint = "${RECEIVER}/v1/logs", protocol = "binary" } }
`,
);
const options = ['--skip-git-repo-check', '--sandbox', 'read-only'];

await run(
  { events: async () => command('codex', ['exec', ...options, CALLS.question], { OPENAI_API_KEY: 'k' }) },
  { logs: ['events'], brief: true },
);
