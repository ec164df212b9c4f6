'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { retry, synchronise } = require('../synchronise');
const { directory, environment, scratch } = require('./scratch');
const { execFileSync } = require('node:child_process');

// Git is started from here.
Object.assign(process.env, environment());

/** A repository with a remote, and a clone of that in which somebody else works. */
function two(t) {
  const ours = scratch(t);
  ours.commitAll();
  const remote = ours.addRemote();
  ours.git('push', '--quiet', '--set-upstream', 'origin', 'main');
  const other = directory(t);
  const git = (...args) => execFileSync('git', args, { cwd: other, env: environment(), encoding: 'utf8' }).trim();
  git('clone', '--quiet', remote, '.');
  const commit = (root, run, name, text = name) => {
    fs.writeFileSync(path.join(root, name), text);
    run('add', '.');
    run('commit', '--quiet', `--message=${name}`);
  };
  return {
    root: ours.root,
    ours: (name, text) => commit(ours.root, ours.git, name, text),
    theirs: (name, text) => (commit(other, git, name, text), git('push', '--quiet')),
    head: () => ours.git('rev-parse', 'HEAD'),
    remoteHead: () => execFileSync('git', ['-C', remote, 'rev-parse', 'main'], { encoding: 'utf8' }).trim(),
  };
}

test('without a remote there is nothing to do', async (t) => {
  const { commitAll, root } = scratch(t);
  commitAll();
  assert.strictEqual((await synchronise(root)).state, 'no-remote');
});

test('what is behind is moved forward, what is ahead is pushed if asked for', async (t) => {
  const { root, ours, theirs, head, remoteHead } = two(t);
  assert.strictEqual((await synchronise(root)).state, 'current');
  theirs('a');
  assert.deepStrictEqual(await synchronise(root), { branch: 'main', state: 'behind', ahead: 0, behind: 1, pulled: 1, pushed: 0 });
  assert.strictEqual(head(), remoteHead());
  ours('b');
  assert.deepStrictEqual([(await synchronise(root)).pushed, head() === remoteHead()], [0, false]);
  assert.deepStrictEqual([(await synchronise(root, { push: true })).pushed, head() === remoteHead()], [1, true]);
});

test('what differs on both sides, or would be overwritten, stays as it is', async (t) => {
  const { root, ours, theirs, head } = two(t);
  theirs('a', 'theirs');
  fs.writeFileSync(path.join(root, 'a'), 'ours, not committed');
  const before = head();
  const done = await synchronise(root);
  assert.deepStrictEqual([done.state, head(), fs.readFileSync(path.join(root, 'a'), 'utf8')], ['dirty', before, 'ours, not committed']);
  fs.rmSync(path.join(root, 'a'));
  ours('b');
  assert.deepStrictEqual([(await synchronise(root, { push: true })).state, (await synchronise(root)).ahead], ['diverged', 1]);
});

test('a failure is tried again, and the last one is told', async () => {
  let calls = 0;
  const fails = (times) => async () => {
    calls += 1;
    if (calls <= times) throw new Error(`no ${calls}`);
    return calls;
  };
  assert.strictEqual(await retry(fails(2), { attempts: 3, pause: 1 }), 3);
  calls = 0;
  await assert.rejects(retry(fails(9), { attempts: 3, pause: 1 }), { message: 'no 3' });
});
