'use strict';

// Leaves the name of each signal and message that it gets in `signals.txt`, and ends with the first one, unless it
// is `stubborn`.

const fs = require('node:fs');

const stubborn = process.argv.includes('stubborn');
const note = (what) => {
  fs.appendFileSync('signals.txt', `${what}\n`);
  if (!stubborn) process.exit(0);
};

for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2']) process.on(signal, () => note(signal));
process.on('message', (message) => note(`message ${JSON.stringify(message)}`));
setInterval(() => {}, 1_000_000);
fs.writeFileSync('up', '');
if (process.argv.includes('ready')) process.send('ready');
