'use strict';

// Breaks things and shows how the redundancy system makes them run again: scenario.js [RPM]
//
// In a home of its own, so that apps of the user that have the same names are left alone, and in a scratch repository
// with four processes, three workflows and five functions, in front of a stand-in for the web APIs of GitHub and
// Netlify. It ends with 0 if everything came as it should. RPM is the rpm to use (default: `rpm`).
// KEEP=1 keeps the scratch repository.

const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { standIn } = require('./stand-in');

const RPM = process.argv[2] ?? 'rpm';
const TOKEN = 'a-token-that-nobody-may-see';
const HOOK = 'a-hook-that-nobody-may-see';

/** Nothing here takes longer, however busy the machine is (ms). */
const PATIENCE = 20_000;

const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'redundancy-')));
/** Its path is short: that of a socket has a limit. */
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'rpm-home-'));
const file = (...parts) => path.join(root, ...parts);
const read = (...parts) => (fs.existsSync(file(...parts)) ? fs.readFileSync(file(...parts), 'utf8') : '');
const say = (text) => console.log(`--- ${text}`);

/** Git without what the user has set up, and with a name to commit by. */
function git(...args) {
  const settings = ['-c', 'user.name=Example', '-c', 'user.email=example@example.com', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', [...settings, ...args], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
}

/** Runs a verb; gives its exit code and output. */
function rpm(env, ...args) {
  const done = spawnSync(RPM, args, { cwd: root, env, encoding: 'utf8' });
  if (done.error) throw done.error;
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** Waits until the log of a part has these lines, in this order, after what it had before; prints them. */
function watcher(part) {
  let from = 0;
  return async (...patterns) => {
    const began = Date.now();
    for (const pattern of patterns) {
      for (;;) {
        const text = read('automation/logs', `${part}.log`).slice(from);
        const found = pattern.exec(text);
        if (found) {
          const start = text.lastIndexOf('\n', found.index) + 1;
          const end = text.indexOf('\n', found.index);
          console.log(text.slice(start, end === -1 ? undefined : end));
          from += found.index + found[0].length;
          break;
        }
        if (Date.now() - began > PATIENCE) throw new Error(`${part}.log does not say ${pattern}:\n${text}`);
        await sleep(10);
      }
    }
  };
}

/** Waits until the status is as `condition` wants it, and gives it. */
async function status(env, what, condition) {
  const began = Date.now();
  for (;;) {
    const { out, code } = rpm(env, 'redundancy', 'status', '--json');
    const health = out ? JSON.parse(out) : null;
    if (health && condition({ ...health, code })) return { ...health, code };
    if (Date.now() - began > PATIENCE) throw new Error(`the status never was ${what}: ${out}`);
    await sleep(20);
  }
}

function check(holds, what) {
  if (!holds) throw new Error(`it should be that ${what}`);
}

async function scenario() {
  fs.cpSync(path.join(__dirname, 'site'), root, { recursive: true });
  fs.writeFileSync(file('.gitignore'), 'automation/\n');
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=the site');

  // The first build fails; those after it bring back what was committed, as a deployment does.
  const build = (count) => {
    if (count === 1) return 500;
    git('checkout', '--quiet', '--', 'netlify');
    return 200;
  };
  const web = await standIn(['sync.yml', 'health.yml', 'nightly.yml'], build);
  const env = {
    ...process.env,
    RPM_HOME: home,
    PM2_HOME: home,
    GITHUB_TOKEN: TOKEN,
    GITHUB_API_URL: web.url,
    NETLIFY_BUILD_HOOK: `${web.url}/build_hooks/${HOOK}`,
  };
  const [processes, workflows, functions, whole] = ['pm2', 'github', 'netlify', 'orchestrator'].map(watcher);
  try {
    say('four processes, three workflows, five functions, and the redundancy system');
    rpm(env, 'start', 'ecosystem.toml');
    const started = rpm(env, 'redundancy', 'start');
    check(started.code === 0, `the redundancy system starts: ${started.out}${started.err}`);
    await status(env, 'healthy', (now) => now.level === 'healthy' && now.running && now.code === 0);
    console.log(rpm(env, 'redundancy', 'status').out);

    say('a process is killed, and one is deleted');
    process.kill(Number(rpm(env, 'pid', 'indexer').out), 'SIGKILL');
    rpm(env, 'delete', 'mailer');
    await processes(/indexer is stopped \(signal SIGKILL\): expected online|mailer is not in the table: expected online/);
    const isOnline = (name) => JSON.parse(rpm(env, 'jlist').out).some((one) => one.name === name && one.pm2_env.status === 'online');
    for (const name of ['indexer', 'mailer']) {
      await status(env, 'healthy', () => isOnline(name));
      check(read('automation/logs/pm2.log').includes(`${name} is online again`) || isOnline(name), `${name} is online again`);
    }
    await processes(/was degraded, is healthy: 4 of 4 healthy/);

    say('on GitHub a workflow fails: it is dispatched again');
    Object.assign(web.workflows.get('sync.yml'), { run: 7, conclusion: 'failure' });
    await workflows(/sync\.yml: on GitHub run 7 ended with failure/, /sync\.yml: 3 failed checks, the back-up begins/);
    await workflows(/sync\.yml: dispatch: workflow_dispatch asked for on main/, /sync\.yml is well again/);
    check(web.workflows.get('sync.yml').dispatched === 1, 'it was dispatched once');

    say('another one cannot be dispatched: it is run here');
    Object.assign(web.workflows.get('nightly.yml'), { run: 8, conclusion: 'failure', refuses: true });
    await workflows(/nightly\.yml: dispatch failed: 422: Workflow does not have/);
    await workflows(/nightly\.yml: local: 1 jobs ended with success/);

    say('a workflow file and two functions are broken: two unhealthy parts are an emergency');
    web.workflows.get('health.yml').refuses = true;
    fs.writeFileSync(file('.github/workflows/health.yml'), 'name: health\non:\n  push:\n jobs: [\n');
    fs.writeFileSync(file('netlify/functions/search.mjs'), "throw new Error('broken at load');\n");
    fs.rmSync(file('netlify/functions/form.js'));
    await workflows(/health\.yml: the file is not valid: health\.yml:4:\d+: /, /health\.yml: local failed: /);
    await workflows(/health\.yml: no back-up helped: it needs a person/);
    await functions(/(form: its file is not there|search: does not load: Error: broken at load)/);
    await functions(/3 failed checks of .*: recovery begins/, /manifest: unchanged, 5 functions; without a file, and kept: form/);
    await functions(/deployment failed: the build hook answered 500/);
    await whole(/emergency: github, netlify are unhealthy/, /recovery 1 of 3: github, netlify/);
    await whole(/recovery of github failed: /, /recovery of netlify: .*the build hook answered 200/);
    await whole(/the emergency is over after /);
    await functions(/search is well again/);

    say('somebody repairs the workflow file, and the night comes');
    git('checkout', '--quiet', '--', '.github');
    Object.assign(web.workflows.get('nightly.yml'), { run: 9, conclusion: 'success' });
    await workflows(/health\.yml is well again/);
    const health = await status(env, 'healthy again', (now) => now.level === 'healthy');
    check(health.parts.find((part) => part.part === 'netlify').units.length === 6, 'the manifest names five functions again');

    say('the report');
    const report = JSON.parse(rpm(env, 'redundancy', 'report', '--json').out);
    const levels = report.checks.map((one) => one.level).filter((level, index, all) => level !== all[index - 1]);
    console.log(`${report.schema} of ${report.date}: ${levels.join(', ')}`);
    check(levels.includes('emergency') && levels.at(-1) === 'healthy', 'it tells of the emergency and of its end');
    const written = fs.readdirSync(file('automation/logs')).map((name) => read('automation/logs', name)).join('');
    check(web.tokens.has(`Bearer ${TOKEN}`), 'the API was asked with the token');
    check(!written.includes(TOKEN) && !written.includes(HOOK), 'no log and no report holds a secret');
    say('everything came as it should');
  } finally {
    rpm(env, 'redundancy', 'stop');
    rpm(env, 'kill');
    fs.rmSync(home, { recursive: true, force: true });
    web.close();
    if (process.env.KEEP === '1') say(`kept: ${root}`);
    else fs.rmSync(root, { recursive: true, force: true });
  }
}

scenario().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
