'use strict';
// A web server that finishes its requests when it is asked to end.
const http = require('node:http');

const server = http.createServer((request, response) => {
  response.end(`hello from ${process.env.name} (pid ${process.pid})\n`);
});

server.listen(process.env.PORT || 3456, '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    console.log('closing');
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
