'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { directory, environment, SCRIPTS } = require('./scratch');

/** A stand-in for rpm that notes its arguments; `list` is what `jlist` prints, `fails` a verb that exits with 1. */
function standIn(file, { list = '[]', fails = 'nothing', version = '0.1.0' } = {}) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(
    file,
    `#!/bin/sh
case $1 in --version) echo '${version}'; exit ;; esac
echo "$*" >> "$CALLS"
case $1 in ${fails}) exit 1 ;; jlist) echo '${list}' ;; esac
`,
    { mode: 0o755 },
  );
  return file;
}

/** A copy of the start scripts alone, and how one of them went. */
function copy(t) {
  const root = directory(t);
  const files = ['start-complete.sh', 'start-minimal.sh', 'lib/start.sh'];
  for (const file of files) fs.cpSync(path.join(SCRIPTS, file), path.join(root, 'scripts', file));
  // No other rpm is to be found: the PATH has what the scripts use, and what a test adds.
  const bin = path.join(root, 'bin');
  fs.mkdirSync(bin);
  fs.symlinkSync('/usr/bin/dirname', path.join(bin, 'dirname'));
  const calls = path.join(root, 'calls');
  const run = (script, extra = {}) => {
    fs.writeFileSync(calls, '');
    const env = environment({ CALLS: calls, PATH: bin, ...extra });
    const { status, stderr } = spawnSync(path.join(root, 'scripts', script), { env, cwd: '/', encoding: 'utf8' });
    return { status, stderr, calls: fs.readFileSync(calls, 'utf8').trim().split('\n').filter(Boolean) };
  };
  return { root, run };
}

test('what runs is deleted, the file started, the list saved and shown', (t) => {
  const { root, run } = copy(t);
  const started = (name) => ['jlist', `start ${root}/ecosystem/${name}`, 'save', 'status'];
  const idle = { RPM: standIn(path.join(root, 'idle')) };
  assert.deepStrictEqual(run('start-complete.sh', idle), { status: 0, stderr: '', calls: started('ecosystem.complete.toml') });
  assert.deepStrictEqual(run('start-minimal.sh', idle).calls, started('ecosystem.minimal.toml'));
  const busy = { YES: '1', RPM: standIn(path.join(root, 'busy'), { list: '[{"pm2_env":{"args":[]}}]' }) };
  const expected = ['jlist', 'delete all', ...started('ecosystem.minimal.toml').slice(1)];
  assert.deepStrictEqual(run('start-minimal.sh', busy), { status: 0, stderr: '', calls: expected });
});

test('nothing is deleted that was not agreed to', (t) => {
  const { root, run } = copy(t);
  const { status, stderr, calls } = run('start-minimal.sh', { RPM: standIn(path.join(root, 'busy'), { list: '[{}]' }) });
  assert.deepStrictEqual([status, calls], [1, ['jlist']]);
  assert.match(stderr, /there are processes, which would be deleted/);
});

test('a verb that fails ends the script', (t) => {
  const { root, run } = copy(t);
  for (const fails of ['delete', 'start', 'save']) {
    const { status, calls } = run('start-minimal.sh', { YES: '1', RPM: standIn(path.join(root, fails), { fails, list: '[{}]' }) });
    assert.strictEqual(status, 1);
    assert.match(calls.at(-1), new RegExp(`^${fails}`));
  }
});

test('rpm is $RPM, else the one on the PATH unless that is the package manager, else the build', (t) => {
  const { root, run } = copy(t);
  const manager = standIn(path.join(root, 'bin/rpm'), { version: 'RPM version 4.18.0' });
  const none = run('start-minimal.sh');
  assert.deepStrictEqual([none.status, none.calls], [1, []]);
  assert.match(none.stderr, /there is no rpm on the PATH nor in target\/release: run 'cargo build --release'/);
  assert.match(run('start-minimal.sh', { RPM: `${root}/gone` }).stderr, /RPM=.*gone is not an executable/);

  standIn(path.join(root, 'target/release/rpm'));
  assert.strictEqual(run('start-minimal.sh').calls.length, 4);
  fs.rmSync(path.join(root, 'target'), { recursive: true });
  standIn(manager);
  assert.strictEqual(run('start-minimal.sh').calls.length, 4);
});
