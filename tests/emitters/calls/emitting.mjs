// The same as emitting.py, for programs in JavaScript.
import { readFileSync } from 'node:fs';

export const CALLS = JSON.parse(readFileSync(new URL('./calls.json', import.meta.url)));
export const CONTEXT = CALLS.context;
export const STANDIN = process.env.EMITTERS_STANDIN;
export const RECEIVER = process.env.EMITTERS_RECEIVER;

// Makes each call, then has what is held sent, and says that the call is over. A call that fails is meant to fail.
// `logs` are the calls that are told by log records, `brief` leaves out what is said, which is somebody else's text.
export async function run(calls, { told = [], logs = [], brief = false, flush = async () => {} } = {}) {
  for (const [name, call] of Object.entries(calls)) {
    let failure;
    await call().catch((error) => (failure = error));
    if (Boolean(failure) !== name.endsWith('_error')) throw failure ?? new Error(`${name} was answered`);
    await flush();
    const signal = logs.includes(name) ? 'logs' : 'traces';
    const about = new URLSearchParams({ name, told: told.join(','), signal, brief });
    await fetch(`${RECEIVER}/done?${about}`, { method: 'POST' });
  }
}
