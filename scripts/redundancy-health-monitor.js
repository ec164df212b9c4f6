'use strict';

// Looks after those who look: asks the redundancy system how things stand, and tells when they stand badly, or when it
// does not say any more.
//
// Environment:
//   HEALTH_INTERVAL   the pause (default 5m)
//   RPM               the rpm to ask

const { execFile } = require('node:child_process');
const path = require('node:path');
const { duration, serve } = require('./lib/service');

const spec = { name: 'redundancy-health-monitor', description: 'Reports how the redundancy system says that things stand.' };

/** It reads files only: one that takes longer hangs. */
const TIMEOUT = 30_000;

function status(root, signal) {
  const script = path.join(root, 'scripts/start-enhanced-redundancy-system.sh');
  return new Promise((resolve, reject) => {
    // Exit codes 1 and 2 are levels, with an answer all the same.
    execFile(script, ['status', '--json'], { cwd: root, signal, timeout: TIMEOUT }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        reject(new Error(`the redundancy system does not say how it stands: ${stderr.trim() || error?.message || stdout}`));
      }
    });
  });
}

serve(spec, duration('HEALTH_INTERVAL', 300_000), async ({ root, log, signal }) => {
  const health = await status(root, signal);
  const parts = Object.fromEntries(health.parts.map((part) => [part.part, part.level]));
  const ill = health.parts.flatMap((part) =>
    part.units.filter((unit) => unit.level !== 'healthy').map((unit) => `${part.part} ${unit.name}: ${unit.note}`),
  );
  const isWell = health.level === 'healthy' && health.running;
  log[isWell ? 'info' : 'warn'](health.level, { running: health.running, parts, ill });
  return { level: health.level, running: health.running, parts, ill };
});
