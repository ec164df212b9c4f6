'use strict';

// The life of one task: it logs, works, writes its report and ends with 0 (all went well) or 1.
//
// Environment:
//   TASK_REPORT_DIR      directory of the reports (default `reports`, relative to the repository root)
//   TASK_GIT_COMMIT=1    commit the report
//   TASK_GIT_PUSH=1      commit the report and push it

const path = require('node:path');
const { performance } = require('node:perf_hooks');
const { createLog } = require('./log');
const { ROOT, reportDirectory, writeReport } = require('./report');

/**
 * Runs a task and ends this process.
 *
 * `spec` is the task's line in the catalogue: name, category, description. `work` is an async function that is given
 * the task (the spec, `root`, `reportDirectory`, `log` and the abort `signal` that an interruption fires); what it
 * resolves to becomes the report's findings, what it throws becomes the report's error and exit code 1.
 */
async function run(spec, work) {
  const log = createLog(spec.name);
  const directory = reportDirectory();
  const file = path.join(directory, `${spec.name}.json`);
  const startedAt = new Date();
  const startedClock = performance.now();
  const interruption = new AbortController();
  const errors = [];
  let status = 'ok';
  let findings = null;

  const fail = (error) => {
    status = 'failed';
    // Anything can be thrown; a report needs a message.
    const { message, code, stack } = error instanceof Error ? error : new Error(String(error));
    errors.push({ message, code });
    log.error(message, { code, stack });
  };

  /** Writes the report as things stand; true if it is on disk. */
  const report = () => {
    const { user, system } = process.cpuUsage();
    try {
      writeReport(file, {
        task: spec.name,
        category: spec.category,
        description: spec.description,
        status,
        exit_code: status === 'ok' ? 0 : 1,
        errors,
        started_at: startedAt.toISOString(),
        finished_at: new Date().toISOString(),
        duration_ms: Math.round(performance.now() - startedClock),
        cpu_ms: Math.round((user + system) / 1000),
        findings,
      });
      return true;
    } catch (error) {
      fail(new Error(`report not written: ${error.message}`, { cause: error }));
      return false;
    }
  };

  const exit = () => {
    const code = status === 'ok' ? 0 : 1;
    log.info('ended', { status, exit_code: code, duration_ms: Math.round(performance.now() - startedClock), report: file });
    process.exit(code);
  };

  /** Ends at once, wherever the task is; a git command that is under way is ended too. */
  const abandon = (how, error) => {
    interruption.abort(error);
    fail(error);
    status = how;
    report();
    exit();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => abandon('interrupted', new Error(`interrupted by ${signal}`)));
  }
  process.once('uncaughtException', (error) => abandon('failed', error));
  // Without this, work that waits for something that cannot come would end with 0 and no report.
  process.once('beforeExit', () => abandon('failed', new Error('the task has nothing left to wait for and is not done')));

  log.info('started', { category: spec.category, pid: process.pid });
  try {
    findings = await work({ ...spec, root: ROOT, reportDirectory: directory, log, signal: interruption.signal });
  } catch (error) {
    fail(error);
  }

  const push = process.env.TASK_GIT_PUSH === '1';
  if (report() && (push || process.env.TASK_GIT_COMMIT === '1')) {
    try {
      // Loaded here because hardly a run needs it, and it needs child processes.
      await require('./publish').publish({ file, task: spec.name, status, push, log, signal: interruption.signal });
    } catch (error) {
      fail(error);
      report();
    }
  }
  exit();
}

module.exports = { run };
