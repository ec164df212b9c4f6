'use strict';

// A scratch copy of the library in a temporary directory, with its own root, reports and (if asked) repository.

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const SCRIPTS = path.resolve(__dirname, '..', '..');

/** The environment of the tests less what could lead a task or git elsewhere, and with a name to commit by. */
function environment(extra = {}) {
  const own = Object.entries(process.env).filter(([name]) => !/^(TASK|GIT_|RPM)/.test(name));
  return {
    ...Object.fromEntries(own),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'A Test',
    GIT_AUTHOR_EMAIL: 'test@example.com',
    GIT_COMMITTER_NAME: 'A Test',
    GIT_COMMITTER_EMAIL: 'test@example.com',
    ...extra,
  };
}

/** Makes a directory that is removed after the test `t`. */
function directory(t) {
  const made = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'task-test-')));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A scratch root with the library, and what a test does in it. */
function scratch(t) {
  const root = directory(t);
  fs.cpSync(path.join(SCRIPTS, 'lib'), path.join(root, 'scripts/lib'), {
    recursive: true,
    filter: (file) => file !== __dirname,
  });
  const git = (...args) => execFileSync('git', args, { cwd: root, env: environment(), encoding: 'utf8', stdio: 'pipe' }).trim();
  return {
    root,
    git,
    /** Makes the root a repository with one commit; `reports` is ignored as in ours. */
    commitAll() {
      fs.writeFileSync(path.join(root, '.gitignore'), 'reports/\n');
      git('init', '--quiet', '--initial-branch=main');
      git('add', '.');
      git('commit', '--quiet', '--message=first');
    },
    /** Adds a bare remote, `origin`; returns its path. */
    addRemote() {
      const remote = directory(t);
      git('init', '--quiet', '--bare', '--initial-branch=main', remote);
      git('remote', 'add', 'origin', remote);
      return remote;
    },
    /** Starts a task whose work is the source text of a function; `ended` resolves to how it ended. */
    start(name, work, extra = {}, cwd = root) {
      const script = path.join(root, 'scripts', `${name}.js`);
      const spec = { name, category: 'testing & quality', description: 'A test.' };
      fs.writeFileSync(script, `require('./lib/task').run(${JSON.stringify(spec)}, ${work});\n`);
      return start(t, process.execPath, [script], { cwd, env: environment(extra) });
    },
    report: (name, where = 'reports') => JSON.parse(fs.readFileSync(path.resolve(root, where, `${name}.json`), 'utf8')),
  };
}

/** Starts a program that does not outlive the test. */
function start(t, program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  /** Resolves once `text` has come on stdout; rejects if the program ends before. */
  const said = (text) =>
    new Promise((resolve, reject) => {
      const look = () => output.stdout.includes(text) && resolve();
      child.stdout.on('data', look);
      child.once('close', () => reject(new Error(`ended without saying ${text}: ${JSON.stringify(output)}`)));
      look();
    });
  return { child, ended, said };
}

module.exports = { SCRIPTS, directory, environment, scratch, start };
