'use strict';

// Keeps this repository and its remote together: fetches every few minutes and moves the branch forward. `--once` does
// it once and ends, which is the form for a schedule.
//
// Environment:
//   SYNC_INTERVAL   the pause (default 5m)
//   SYNC_PUSH=1     push commits that the remote lacks

const { synchronise } = require('./lib/synchronise');

const push = process.env.SYNC_PUSH === '1';

async function work({ root, log, signal }) {
  const done = await synchronise(root, { push, signal });
  const level = ['diverged', 'dirty'].includes(done.state) ? 'warn' : 'info';
  log[level]('synchronised', done);
  return done;
}

if (process.argv.includes('--once')) {
  const spec = { name: 'zion-auto-sync-cron', category: 'git & version control', description: 'Synchronises the repository once.' };
  require('./lib/task').run(spec, work);
} else {
  const { duration, serve } = require('./lib/service');
  const spec = { name: 'zion-auto-sync', description: 'Keeps the repository and its remote together.' };
  serve(spec, duration('SYNC_INTERVAL', 300_000), work);
}
