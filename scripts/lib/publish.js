'use strict';

// Commits a report, and pushes it when asked. Nothing but the report is committed: what else is changed or staged in
// the working tree stays as it is.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { ROOT } = require('./report');
const { gitDirectories } = require('./repository');

/** How long to go on while another git is in the way, in ms: all tasks may be committing at once. */
const PATIENCE = 300_000;

/** No single git command takes longer than this (ms), be the remote ever so silent. */
const TIMEOUT = 120_000;

// What git and we say when another git got there first. `non-fast-forward` is among it because a task which pushes an
// older head than its neighbour just did need only push again; when histories really differ it stays, and we give up.
const CONTENTION = /\.lock is there|\.lock': File exists|cannot lock ref|incorrect old value|non-fast-forward|failed to update ref/;

/**
 * Commits `file` alone, with a message that ends in `[skip ci]`; then pushes the current branch if `push`.
 *
 * The branch goes to the branch of the same name on its remote (`origin` if it has none). Rejects when there is no
 * repository, when git refuses, or when another git is in the way for longer than `patience` ms.
 */
async function publish({ file, task, status, push, log, signal, root = ROOT, patience = PATIENCE }) {
  const repository = gitDirectories(root);
  if (repository === null) throw new Error(`report not committed: ${root} is not a git repository`);
  const wait = waiting({ deadline: Date.now() + patience, log, signal });
  const run = (args, index) => wait(() => git(args, { root, signal, index }));

  const index = path.join(repository.own, 'index');
  // A new repository has no index; this makes one.
  if (!fs.existsSync(index)) await run(['add', '--force', '--', file]);
  const printed = await withIndex(index, wait, async (lock) => {
    // Git has to know a path that it is to commit; forced, because reports are ignored unless one asks for them.
    await run(['add', '--force', '--', file], lock);
    return run(['commit', '--only', `--message=report(${task}): ${status} [skip ci]`, '--', file], lock);
  });
  log.info('report committed', { commit: /([0-9a-f]{7,})\]/.exec(printed)?.[1] });
  if (push) {
    await run(['-c', 'push.default=current', 'push']);
    log.info('report pushed');
  }
}

/**
 * Holds git's own lock on the index while `action(lock)` works on the index that the lock file is, then puts that in
 * the place of the old one.
 *
 * `git commit --only` reads the index before it locks it. Of two that run at the same time, the later one therefore
 * writes an index without the earlier one's file, which reads as if the file had been removed. With the lock taken
 * first this cannot happen between tasks, and other gits wait or refuse as they do for any git.
 */
async function withIndex(index, wait, action) {
  const lock = `${index}.lock`;
  await wait(async () => takeLock(index, lock));
  const release = () => fs.rmSync(lock, { force: true });
  process.once('exit', release);
  try {
    const result = await action(lock);
    fs.renameSync(lock, index);
    return result;
  } catch (error) {
    // Only here: after the renaming the lock may already be another's.
    release();
    throw error;
  } finally {
    process.off('exit', release);
  }
}

/** Takes the lock and copies the index in one step: git replaces the files that it writes, so the old one stays whole. */
function takeLock(index, lock) {
  try {
    fs.linkSync(index, lock);
  } catch (error) {
    // ENOENT: the index was replaced while it was being linked, so another had the lock until now.
    if (!['EEXIST', 'ENOENT'].includes(error.code)) throw error;
    throw new Error(`report not committed: ${lock} is there; remove it if no git is running`, { cause: error });
  }
}

/** Makes a function that repeats an action while its error matches, at growing random intervals, until `deadline`. */
function waiting({ deadline, log, signal }) {
  return async (action) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await action();
      } catch (error) {
        if (!CONTENTION.test(error.message) || Date.now() >= deadline) throw error;
        if (attempt === 1) log.warn('another git is at work, trying again', { reason: error.message });
        await sleep(Math.random() * Math.min(2000, 50 * 2 ** attempt), undefined, { signal });
      }
    }
  };
}

/** Runs git in the repository, on another index if one is given; resolves to its stdout, rejects with what it said. */
function git(args, { root, signal, index }) {
  const env = { ...process.env, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' };
  // When set (by a git hook that started us) these would lead git to another repository than ours.
  for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_PREFIX']) delete env[name];
  if (index) env.GIT_INDEX_FILE = index;
  // Automatic maintenance would leave a process behind that nobody supervises.
  const quiet = ['-c', 'gc.auto=0', '-c', 'maintenance.auto=false'];
  return new Promise((resolve, reject) => {
    execFile('git', [...quiet, ...args], { cwd: root, env, signal, timeout: TIMEOUT }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const reason = error.code === 'ENOENT' ? 'git is not on the PATH' : `${stdout}${stderr}`.trim() || error.message;
      const verb = args.find((word) => /^[a-z]+$/.test(word));
      reject(new Error(`git ${verb} failed: ${reason}`, { cause: error }));
    });
  });
}

module.exports = { publish };
