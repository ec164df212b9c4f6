'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { directory, scratch } = require('./scratch');

test('a task that goes well writes its report under the root, wherever it is started, and ends with 0', async (t) => {
  const { start, report, root } = scratch(t);
  const { code, stdout, stderr } = await start('well', 'async (task) => ({ root: task.root })', {}, '/').ended;
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: '' });
  const { status, exit_code, errors, findings, description } = report('well');
  assert.deepStrictEqual(
    { status, exit_code, errors, findings, description },
    { status: 'ok', exit_code: 0, errors: [], findings: { root }, description: 'A test.' },
  );
  for (const line of stdout.trim().split('\n')) {
    const { time, level, task, message } = JSON.parse(line);
    assert.deepStrictEqual({ level, task, type: typeof message }, { level: 'info', task: 'well', type: 'string' });
    assert.strictEqual(new Date(time).toISOString(), time);
  }
  assert.deepStrictEqual(fs.readdirSync(path.join(root, 'reports')), ['well.json'], 'no temporary file is left');
});

test('TASK_REPORT_DIR says where the report goes', async (t) => {
  const elsewhere = directory(t);
  const { start, report, root } = scratch(t);
  assert.strictEqual((await start('absolute', 'async () => 1', { TASK_REPORT_DIR: elsewhere }).ended).code, 0);
  assert.strictEqual(report('absolute', elsewhere).status, 'ok');
  assert.strictEqual((await start('relative', 'async () => 1', { TASK_REPORT_DIR: 'a/b' }, '/').ended).code, 0);
  assert.strictEqual(report('relative', 'a/b').status, 'ok');
  assert.ok(!fs.existsSync(path.join(root, 'reports')));
});

const failures = {
  'an error that is thrown': ["async () => { throw Object.assign(new Error('no luck'), { code: 'ELUCK' }) }", 'no luck'],
  'something thrown that is no error': ["async () => { throw 'just text' }", 'just text'],
  'a rejection that nobody awaits': ["() => { Promise.reject(new Error('stray')); return new Promise((r) => setTimeout(r, 60000)) }", 'stray'],
  'work that waits for what cannot come': ['() => new Promise(() => {})', 'the task has nothing left to wait for and is not done'],
};
for (const [name, [work, message]] of Object.entries(failures)) {
  test(`${name} ends the task with 1, a report and a line on stderr`, async (t) => {
    const { start, report } = scratch(t);
    const { code, stderr } = await start('ill', work).ended;
    assert.strictEqual(code, 1);
    const { status, exit_code, errors } = report('ill');
    assert.deepStrictEqual([status, exit_code, errors.map((error) => error.message)], ['failed', 1, [message]]);
    const line = JSON.parse(stderr);
    assert.deepStrictEqual([line.level, line.task, line.message], ['error', 'ill', message]);
  });
}

test('a report directory that cannot be written to ends the task with 1', async (t) => {
  const { start, root } = scratch(t);
  fs.writeFileSync(path.join(root, 'file'), '');
  const { code, stderr } = await start('nowhere', 'async () => 1', { TASK_REPORT_DIR: 'file/reports' }).ended;
  assert.strictEqual(code, 1);
  assert.match(JSON.parse(stderr).message, /^report not written: ENOTDIR/);
});

test('a report takes the place of the former one whole, and a failure leaves nothing half-done', async (t) => {
  const { start, root } = scratch(t);
  const former = path.join(root, 'former');
  await start('again', 'async () => 1').ended;
  fs.linkSync(path.join(root, 'reports/again.json'), former);
  const text = fs.readFileSync(former, 'utf8');
  assert.strictEqual((await start('again', 'async () => 2').ended).code, 0);
  assert.strictEqual(fs.readFileSync(former, 'utf8'), text, 'the former report was not written into');
  fs.rmSync(path.join(root, 'reports/again.json'));
  fs.mkdirSync(path.join(root, 'reports/again.json'));
  assert.strictEqual((await start('again', 'async () => 3').ended).code, 1);
  assert.deepStrictEqual(fs.readdirSync(path.join(root, 'reports')), ['again.json']);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} ends a task at once, and the report says so`, async (t) => {
    const { start, report } = scratch(t);
    const wait = "async (task) => { task.log.info('at work'); await new Promise((r) => setTimeout(r, 3600000)) }";
    const { child, said, ended } = start('long', wait);
    await said('at work');
    child.kill(signal);
    const { code } = await ended;
    const { status, errors } = report('long');
    assert.deepStrictEqual([code, status, errors.map((e) => e.message)], [1, 'interrupted', [`interrupted by ${signal}`]]);
  });
}
