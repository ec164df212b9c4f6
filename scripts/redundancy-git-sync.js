'use strict';

// Synchronises this repository with its remote, and does not give up at the first failure: each time it tries again
// with pauses that grow.
//
// Environment:
//   GIT_SYNC_INTERVAL   the pause between two synchronisations (default 10m)
//   GIT_SYNC_ATTEMPTS   attempts each time (default 5)
//   GIT_SYNC_PAUSE      the pause after the first failed attempt (default 2s)
//   GIT_SYNC_PUSH=1     push commits that the remote lacks

const { duration, serve } = require('./lib/service');
const { retry, synchronise } = require('./lib/synchronise');

const push = process.env.GIT_SYNC_PUSH === '1';
const attempts = Number(process.env.GIT_SYNC_ATTEMPTS) || 5;
const pause = duration('GIT_SYNC_PAUSE', 2000);
const spec = { name: 'redundancy-git-sync', description: 'Synchronises the repository, with retries and back-off.' };

serve(spec, duration('GIT_SYNC_INTERVAL', 600_000), async ({ root, log, signal }) => {
  const done = await retry(() => synchronise(root, { push, signal }), { attempts, pause, log, signal });
  log.info('synchronised', done);
  return done;
});
