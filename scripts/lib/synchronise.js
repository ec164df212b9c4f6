'use strict';

// Bringing a branch and its remote together, where that loses nothing.

const { setTimeout: sleep } = require('node:timers/promises');
const { git } = require('./git');

/**
 * Fetches the upstream of the branch that is checked out in `root`, moves the branch forward to it, and pushes what it
 * lacks if `push`. Nothing is merged, rebased or forced: where both sides have commits of their own, that is told.
 *
 * Resolves to { branch, state, ahead, behind, pulled, pushed }; `state` is `no-remote`, `no-upstream`, `current`,
 * `ahead`, `behind`, `diverged` or `dirty`. Rejects when git fails.
 */
async function synchronise(root, { push = false, signal } = {}) {
  const run = (...args) => git(root, args, { signal });
  const branch = await run('symbolic-ref', '--short', 'HEAD');
  const done = { branch, state: 'current', ahead: 0, behind: 0, pulled: 0, pushed: 0 };
  if ((await run('remote')) === '') return { ...done, state: 'no-remote' };
  const remote = await run('config', `branch.${branch}.remote`).catch(() => 'origin');
  await run('fetch', '--quiet', remote);
  const upstream = `${remote}/${branch}`;
  const known = await run('rev-parse', '--verify', '--quiet', `refs/remotes/${upstream}`).catch(() => '');
  if (known === '') {
    if (push) await run('push', '--quiet', '--set-upstream', remote, branch);
    return { ...done, state: 'no-upstream', pushed: push ? 1 : 0 };
  }
  const [ahead, behind] = (await run('rev-list', '--left-right', '--count', `HEAD...${upstream}`)).split(/\s+/).map(Number);
  Object.assign(done, { ahead, behind });
  if (ahead > 0 && behind > 0) return { ...done, state: 'diverged' };
  if (behind > 0) {
    // Git refuses where a file that is changed here is changed there as well, and leaves all as it was.
    const dirty = await run('merge', '--quiet', '--ff-only', upstream).then(() => false, (error) => error);
    if (dirty) return { ...done, state: 'dirty', reason: dirty.message };
    return { ...done, state: 'behind', pulled: behind };
  }
  if (ahead > 0) {
    if (push) await run('push', '--quiet', remote, branch);
    return { ...done, state: 'ahead', pushed: push ? ahead : 0 };
  }
  return done;
}

/**
 * Does `action` until it does not reject, at most `attempts` times, with pauses that begin with `pause` ms, double, and
 * vary so that several do not go in step. Rejects with the last error.
 */
async function retry(action, { attempts = 5, pause = 2000, longest = 60_000, log, signal } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await action();
    } catch (error) {
      if (attempt >= attempts || signal?.aborted) throw error;
      const wait = Math.round(Math.min(longest, pause * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2));
      log?.warn('failed, trying again', { attempt, attempts, wait_ms: wait, reason: error.message });
      await sleep(wait, undefined, { signal });
    }
  }
}

module.exports = { retry, synchronise };
