'use strict';

// Runs until a signal ends it.

setInterval(() => {}, 1_000_000);
require('node:fs').writeFileSync('up', '');
