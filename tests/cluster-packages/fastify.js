'use strict';
const fastify = require('fastify')();

fastify.get('/', async () => `${process.pid}`);
fastify.listen({ port: 0, host: '127.0.0.1' }).then(() => {
  console.log('listening', fastify.server.address().port);
});
