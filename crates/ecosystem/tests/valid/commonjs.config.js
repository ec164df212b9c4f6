// --env production
const { join } = require('node:path');

console.log('what a file prints is no part of it');

module.exports = {
  apps: [{
    name: 'api',
    script: join(__dirname, 'api', 'server.js'),
    env: { PORT: 3000 + 1, GONE: undefined, NULL: null },
    env_production: { NODE_ENV: 'production' },
    append_env_to_name: true,
    callback() {},
  }],
  deploy: { production: { host: 'example.org', env: { REGION: 'eu', PORT: 1 } } },
};
