// Runs a command line tool to its end, with no more of the environment than it needs.
import { spawnSync } from 'node:child_process';

export function command(name, args, env) {
  const { PATH, HOME } = process.env;
  const path = new URL(`./node_modules/.bin/${name}`, import.meta.url).pathname;
  const done = spawnSync(path, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  if (done.status !== 0) throw new Error(`${name} ended with ${done.status}: ${done.stdout}${done.stderr}`);
}
