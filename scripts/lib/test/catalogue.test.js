'use strict';

const assert = require('node:assert');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { readCatalogue } = require('../catalogue');
const { directory, environment, scratch, SCRIPTS } = require('./scratch');

const HEADER = 'name\tcategory\tcron_restart\tdescription\n';
const LINE = 'one\ttesting & quality\t0 2 * * 0\tIt is one.\n';

test('a catalogue with a wrong value is refused with its line', (t) => {
  const file = path.join(directory(t), 'catalogue.tsv');
  const refused = (text, message) => {
    fs.writeFileSync(file, text);
    assert.throws(() => readCatalogue(file), { message });
  };
  refused(`name\n${LINE}`, /:1: the header has to be/);
  refused(`${HEADER}${LINE}${LINE}`, /:3: the name one is there already/);
  refused(HEADER + LINE.replace('one\t', '../one\t'), /:2: name "\.\.\/one" does not match/);
  refused(HEADER + LINE.replace('quality', 'quantity'), /:2: category "testing & quantity"/);
  refused(HEADER + LINE.replace('0 2 * * 0', '0 2 * *'), /:2: cron_restart "0 2 \* \*"/);
  refused(HEADER + LINE.replace('It is one.', 'It is'), /:2: description "It is"/);
  refused(HEADER + LINE.replace('\tIt', ' It'), /:2: 3 columns instead of 4/);
});

test('the generator writes what is missing; --check writes nothing and names what differs or is left over', (t) => {
  const { root } = scratch(t);
  const generator = path.join(root, 'scripts/generate-complete-tasks');
  const catalogue = path.join(root, 'scripts/catalogue.tsv');
  fs.copyFileSync(path.join(SCRIPTS, 'generate-complete-tasks'), generator);
  fs.writeFileSync(catalogue, HEADER + LINE + LINE.replace('one', 'two').replace('It is one', "It's \\two"));
  fs.writeFileSync(path.join(root, 'scripts/by-hand.js'), '// not generated\n');
  const generate = (...options) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [generator, ...options], { encoding: 'utf8', cwd: '/' });
    return { status, stderr, lines: stdout.split('\n').filter((line) => line.includes(': ')) };
  };
  const one = path.join(root, 'scripts/one.js');

  const missing = ['ecosystem/ecosystem.complete.toml', 'scripts/one.js', 'scripts/two.js'];
  assert.deepStrictEqual(generate('--check'), { status: 1, stderr: '', lines: missing.map((file) => `${file}: missing`) });
  assert.ok(!fs.existsSync(one));
  assert.deepStrictEqual(generate(), { status: 0, stderr: '', lines: missing.map((file) => `${file}: written`) });
  assert.deepStrictEqual(generate('--check'), { status: 0, stderr: '', lines: [] });
  execFileSync(process.execPath, [path.join(root, 'scripts/two.js')], { env: environment() });
  assert.strictEqual(JSON.parse(fs.readFileSync(path.join(root, 'reports/two.json'), 'utf8')).description, "It's \\two.");

  fs.appendFileSync(one, '// by hand\n');
  assert.deepStrictEqual(generate('--check'), { status: 1, stderr: '', lines: ['scripts/one.js: differs'] });
  fs.writeFileSync(catalogue, HEADER + LINE);
  assert.deepStrictEqual(generate('--check').lines, [
    'ecosystem/ecosystem.complete.toml: differs',
    'scripts/one.js: differs',
    'scripts/two.js: left over',
  ]);
  generate();
  assert.deepStrictEqual(generate('--check'), { status: 0, stderr: '', lines: [] });
  assert.deepStrictEqual(fs.readdirSync(path.join(root, 'scripts')).filter((name) => name.endsWith('.js')), ['by-hand.js', 'one.js']);

  assert.strictEqual(generate('--chekc').status, 2);
  fs.writeFileSync(catalogue, 'nonsense');
  const { status, stderr } = generate();
  assert.strictEqual(status, 2);
  assert.match(stderr, /^generate-complete-tasks: .*catalogue\.tsv:1: /);
});

test('the five apps of the minimal ecosystem are the same in the complete one', () => {
  const apps = (name) => {
    const text = fs.readFileSync(path.join(SCRIPTS, '../ecosystem', name), 'utf8').replace(/^#.*\n/gm, '');
    assert.match(text, /^\s*root = "\.\."\n/);
    return text.split('[[apps]]\n').slice(1).map((app) => app.trim());
  };
  const complete = new Set(apps('ecosystem.complete.toml'));
  const minimal = apps('ecosystem.minimal.toml');
  assert.strictEqual(minimal.length, 5);
  for (const app of minimal) assert.ok(complete.has(app), app);
});
