// The Vercel AI SDK from version 7 on, with its integration of OpenTelemetry.
import { OpenTelemetry } from '@ai-sdk/otel';
import { registerTelemetry } from 'ai';

import { run } from './emitting.mjs';
import { provider } from './provider.mjs';
import { calls } from './vercel_calls.mjs';

registerTelemetry(new OpenTelemetry());
await run(calls({ telemetry: { isEnabled: true, functionId: 'triage' } }, { systemOption: 'instructions' }), { flush: () => provider.forceFlush() });
await provider.shutdown();
