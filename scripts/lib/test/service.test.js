'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { duration } = require('../service');
const { environment, scratch, start } = require('./scratch');

/** Starts a service whose work is the source text of a function. */
function serve(t, work) {
  const { root, report } = scratch(t);
  const script = path.join(root, 'scripts/a-service.js');
  const spec = { name: 'a-service', description: 'A test.' };
  fs.writeFileSync(script, `require('./lib/service').serve(${JSON.stringify(spec)}, 5, ${work});\n`);
  return { ...start(t, process.execPath, [script], { cwd: root, env: environment() }), report };
}

test('a service that fails goes on, and ends with 0 at SIGTERM', async (t) => {
  const service = serve(t, `(() => { let n = 0; return async ({ log }) => {
    n += 1;
    if (n === 1) throw new Error('the first fails');
    log.info('worked', { n });
    return n;
  }; })()`);
  await service.said('"worked"');
  service.child.kill('SIGTERM');
  const { code, stderr } = await service.ended;
  assert.deepStrictEqual([code, /the first fails/.test(stderr)], [0, true]);
  const report = service.report('a-service');
  // The signal may have come during the first run that worked, before its report.
  assert.ok(report.runs === 1 || (report.status === 'ok' && report.findings === report.runs), JSON.stringify(report));
});

test('durations have units', (t) => {
  process.env.A_DURATION = '5m';
  t.after(() => delete process.env.A_DURATION);
  assert.deepStrictEqual([duration('A_DURATION', 1), duration('NONE', 1)], [300_000, 1]);
  process.env.A_DURATION = 'soon';
  assert.throws(() => duration('A_DURATION', 1), /A_DURATION: expected a duration/);
});
