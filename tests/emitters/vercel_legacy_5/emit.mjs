// The Vercel AI SDK 5, whose telemetry comes with it.
import { CONTEXT, run } from './emitting.mjs';
import { provider } from './provider.mjs';
import { calls } from './vercel_calls.mjs';

const metadata = { sessionId: CONTEXT.session, userId: CONTEXT.user, ...CONTEXT.properties };
const telemetry = { experimental_telemetry: { isEnabled: true, functionId: 'triage', metadata } };
await run(calls(telemetry), { told: ['session', 'user', 'properties'], flush: () => provider.forceFlush() });
await provider.shutdown();
