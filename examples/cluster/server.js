'use strict';
// A web server that knows nothing of the cluster it runs in.
const http = require('node:http');

const server = http.createServer((request, response) => {
  response.end(`worker ${process.env.NODE_APP_INSTANCE}, pid ${process.pid}\n`);
});

server.listen(process.env.PORT || 3460, '127.0.0.1', () => {
  console.log('listening on', server.address().port);
});
