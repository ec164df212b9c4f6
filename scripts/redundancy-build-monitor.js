'use strict';

// Runs the project's build command now and then, and reports how it went.
//
// Environment:
//   BUILD_COMMAND    what to run with `sh -c` (default `npm run build` where package.json has that script)
//   BUILD_INTERVAL   the pause between two builds (default 30m)
//   BUILD_LIMIT      the time that one may take (default 10m)

const { spawn } = require('node:child_process');
const path = require('node:path');
const { readText } = require('./lib/files');
const { duration, serve } = require('./lib/service');

const limit = duration('BUILD_LIMIT', 600_000);
const spec = { name: 'redundancy-build-monitor', description: 'Runs the build command and reports.' };

/** The last of a build's output is what tells. */
const KEPT = 4000;

function command(root) {
  if (process.env.BUILD_COMMAND) return process.env.BUILD_COMMAND;
  const manifest = JSON.parse(readText(path.join(root, 'package.json')) ?? '{}');
  return manifest.scripts?.build ? 'npm run build' : null;
}

/** Runs a command in a process group of its own, which is gone afterwards. */
function build(line, { root, signal }) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    const child = spawn('sh', ['-c', line], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-KEPT)));
    }
    const end = (how) => {
      try {
        process.kill(-child.pid, how);
      } catch {
        // The group is gone.
      }
    };
    let timedOut = false;
    const timer = setTimeout(() => ((timedOut = true), end('SIGKILL')), limit);
    const abort = () => end('SIGTERM');
    signal.addEventListener('abort', abort);
    child.once('error', reject);
    child.once('close', (code, by) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve({ command: line, exit_code: code, signal: by, timed_out: timedOut, build_ms: Date.now() - began, output });
    });
  });
}

serve(spec, duration('BUILD_INTERVAL', 1_800_000), async ({ root, log, signal }) => {
  const line = command(root);
  if (line === null) {
    log.info('nothing to build: set BUILD_COMMAND, or a build script in package.json');
    return { command: null };
  }
  const done = await build(line, { root, signal });
  const { output, ...fields } = done;
  if (done.exit_code === 0) log.info('the build succeeded', fields);
  else log.error('the build failed', { ...fields, last: output.trim().split('\n').slice(-3) });
  return done;
});
