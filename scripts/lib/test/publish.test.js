'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { publish } = require('../publish');
const { environment, scratch } = require('./scratch');

// For the tests that call `publish` here instead of in a task of its own.
Object.assign(process.env, environment());

const WORK = 'async () => ({})';
const log = { info() {}, warn() {} };

test('no commit is made unless it is asked for', async (t) => {
  const { start, commitAll, git } = scratch(t);
  commitAll();
  assert.strictEqual((await start('quiet', WORK, { TASK_GIT_COMMIT: '0' }).ended).code, 0);
  assert.strictEqual(git('log', '--format=%s'), 'first');
});

test('TASK_GIT_COMMIT commits the report alone, though it is ignored and other changes are staged', async (t) => {
  const { start, commitAll, git, root } = scratch(t);
  commitAll();
  fs.writeFileSync(path.join(root, 'other'), '');
  git('add', 'other');
  for (const run of [1, 2]) assert.strictEqual((await start('kept', WORK, { TASK_GIT_COMMIT: '1' }).ended).code, 0, `run ${run}`);
  const commit = 'report(kept): ok [skip ci]\n\nreports/kept.json';
  assert.strictEqual(git('log', '--format=%s', '--name-only', '-2'), `${commit}\n${commit}`);
  assert.strictEqual(git('status', '--porcelain', '--', 'other', 'reports'), 'A  other');
});

test('the report of a task that failed is committed too, and the task still ends with 1', async (t) => {
  const { start, commitAll, git } = scratch(t);
  commitAll();
  assert.strictEqual((await start('ill', "async () => { throw new Error('x') }", { TASK_GIT_COMMIT: '1' }).ended).code, 1);
  assert.strictEqual(git('log', '--format=%s', '-1'), 'report(ill): failed [skip ci]');
});

test('tasks that commit and push at the same time all arrive', async (t) => {
  const { start, commitAll, addRemote, git } = scratch(t);
  commitAll();
  const remote = addRemote();
  const names = [...'abcdefghij'];
  const ends = await Promise.all(names.map((name) => start(name, WORK, { TASK_GIT_PUSH: '1' }).ended));
  assert.deepStrictEqual(ends.map(({ code, stderr }) => ({ code, stderr })), names.map(() => ({ code: 0, stderr: '' })));
  const arrived = git('--git-dir', remote, 'log', 'main', '--format=%s').split('\n').sort();
  assert.deepStrictEqual(arrived, ['first', ...names.map((name) => `report(${name}): ok [skip ci]`)]);
  assert.strictEqual(git('status', '--porcelain', '--', 'reports'), '', 'the index has all of them');
});

test('a lock of another git is waited for', async (t) => {
  const { start, commitAll, git, root } = scratch(t);
  commitAll();
  const lock = path.join(root, '.git/index.lock');
  fs.writeFileSync(lock, '');
  const { said, ended } = start('patient', WORK, { TASK_GIT_COMMIT: '1' });
  await said('another git is at work');
  fs.rmSync(lock);
  assert.strictEqual((await ended).code, 0);
  assert.strictEqual(git('log', '--format=%s', '-1'), 'report(patient): ok [skip ci]');
});

test('a lock that stays is an error when patience is at its end', async (t) => {
  const { commitAll, root } = scratch(t);
  commitAll();
  fs.writeFileSync(path.join(root, '.git/index.lock'), '');
  await assert.rejects(
    publish({ root, file: path.join(root, '.gitignore'), task: 'x', status: 'ok', log, patience: 0 }),
    /^Error: report not committed: .*index\.lock is there; remove it if no git is running$/,
  );
});

test('an interruption during a commit leaves neither a lock nor a commit', async (t) => {
  const { start, commitAll, git, root, report } = scratch(t);
  commitAll();
  const pid = path.join(root, 'pid');
  const hook = `#!/bin/sh\necho $$ > '${pid}.new'; mv '${pid}.new' '${pid}'; exec sleep 3600\n`;
  fs.writeFileSync(path.join(root, '.git/hooks/pre-commit'), hook, { mode: 0o755 });
  const { child, ended } = start('cut', WORK, { TASK_GIT_COMMIT: '1' });
  while (!fs.existsSync(pid) && child.exitCode === null) await sleep(5);
  // Git does not end its hooks; a process manager ends the whole group.
  const sleeper = Number(fs.readFileSync(pid, 'utf8'));
  t.after(() => process.kill(sleeper));
  child.kill('SIGTERM');
  assert.strictEqual((await ended).code, 1);
  assert.strictEqual(report('cut').status, 'interrupted');
  assert.ok(!fs.existsSync(path.join(root, '.git/index.lock')));
  assert.strictEqual(git('log', '--format=%s'), 'first');
});

const refusals = {
  'no repository': [() => {}, { TASK_GIT_COMMIT: '1' }, /^report not committed: .* is not a git repository$/],
  'a hook that says no': [
    ({ commitAll, root }) => {
      commitAll();
      fs.writeFileSync(path.join(root, '.git/hooks/pre-commit'), '#!/bin/sh\necho not today >&2\nexit 1\n', { mode: 0o755 });
    },
    { TASK_GIT_COMMIT: '1' },
    /^git commit failed: not today$/,
  ],
  'no remote': [({ commitAll }) => commitAll(), { TASK_GIT_PUSH: '1' }, /^git push failed: .*No configured push destination/],
  'a remote that is not there': [
    ({ commitAll, addRemote }) => (commitAll(), fs.rmSync(addRemote(), { recursive: true })),
    { TASK_GIT_PUSH: '1' },
    /^git push failed: .*does not appear to be a git repository/,
  ],
  'no git': [({ commitAll }) => commitAll(), { TASK_GIT_COMMIT: '1', PATH: '/nonexistent' }, /^git add failed: git is not on the PATH/],
};
for (const [name, [prepare, extra, message]] of Object.entries(refusals)) {
  test(`${name}: the task ends with 1, and log and report say why`, async (t) => {
    const repository = scratch(t);
    prepare(repository);
    const { code, stderr } = await repository.start('vain', WORK, extra).ended;
    const { status, errors } = repository.report('vain');
    assert.deepStrictEqual([code, status, errors.length], [1, 'failed', 1]);
    assert.match(errors[0].message, message);
    assert.strictEqual(JSON.parse(stderr).message, errors[0].message);
    assert.ok(!fs.existsSync(path.join(repository.root, '.git/index.lock')));
  });
}

test('histories that differ are not forced', async (t) => {
  const mine = scratch(t);
  mine.commitAll();
  const remote = mine.addRemote();
  mine.git('push', '--quiet', 'origin', 'main');
  const theirs = mine.git('commit-tree', '-p', 'HEAD', '-m', 'theirs', 'HEAD^{tree}');
  mine.git('push', '--quiet', 'origin', `${theirs}:refs/heads/main`);
  fs.writeFileSync(path.join(mine.root, 'report.json'), '{}');
  await assert.rejects(
    publish({ root: mine.root, file: path.join(mine.root, 'report.json'), task: 'x', status: 'ok', push: true, log, patience: 0 }),
    /^Error: git push failed: .*rejected/s,
  );
  assert.strictEqual(mine.git('--git-dir', remote, 'rev-parse', 'main'), theirs);
});
