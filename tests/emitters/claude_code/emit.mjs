// Claude Code, asked once: what its spans tell, and what its events.
import { command } from './command.mjs';
import { CALLS, RECEIVER, STANDIN, run } from './emitting.mjs';

function ask(signals) {
  command('claude', ['-p', CALLS.question, '--model', CALLS.models.anthropic, '--tools', ''], {
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: STANDIN,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_ENABLE_TELEMETRY: '1',
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
    DISABLE_AUTOUPDATER: '1',
    OTEL_EXPORTER_OTLP_ENDPOINT: RECEIVER,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    ...signals,
  });
}

await run(
  {
    events: async () => ask({ OTEL_LOGS_EXPORTER: 'otlp' }),
    spans: async () => ask({ OTEL_TRACES_EXPORTER: 'otlp' }),
  },
  { logs: ['events'], brief: true },
);
