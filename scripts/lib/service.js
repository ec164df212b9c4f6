'use strict';

// The life of a script that goes on: it works, writes its report, waits, and works again until it is told to end.

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { createLog } = require('./log');
const { ROOT, reportDirectory, writeReport } = require('./report');

/**
 * Runs a service until SIGINT or SIGTERM, then ends this process with 0.
 *
 * `spec` has name and description. `work` is an async function that is given { root, log, signal }; what it resolves to
 * becomes the report's findings, what it throws becomes its error: a failure is told, and tried again the next time.
 * `interval` is the pause in ms.
 */
async function serve(spec, interval, work) {
  const log = createLog(spec.name);
  const file = path.join(reportDirectory(), `${spec.name}.json`);
  const end = new AbortController();
  const { signal } = end;
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => end.abort(new Error(`ended by ${name}`)));
  log.info('started', { pid: process.pid, interval_ms: interval });
  for (let runs = 1; !signal.aborted; runs += 1) {
    const startedAt = new Date();
    let findings = null;
    const errors = [];
    try {
      findings = await work({ root: ROOT, log, signal });
    } catch (error) {
      if (signal.aborted) break;
      errors.push({ message: error.message, code: error.code });
      log.error(error.message, { code: error.code });
    }
    try {
      writeReport(file, {
        task: spec.name,
        description: spec.description,
        status: errors.length === 0 ? 'ok' : 'failed',
        errors,
        runs,
        started_at: startedAt.toISOString(),
        finished_at: new Date().toISOString(),
        duration_ms: Date.now() - startedAt.getTime(),
        findings,
      });
    } catch (error) {
      log.error(`report not written: ${error.message}`, { code: error.code });
    }
    // Aborted is the usual end.
    await sleep(interval, undefined, { signal }).catch(() => {});
  }
  log.info('ended');
  process.exit(0);
}

/** A duration from the environment in ms: a number, or one with s, m or h; `usual` when it is not set. */
function duration(name, usual) {
  const text = process.env[name];
  if (!text) return usual;
  const [, number, unit] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`${name}: expected a duration such as 30s or 5m, found ${JSON.stringify(text)}`);
  return Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? 'ms'];
}

module.exports = { duration, serve };
