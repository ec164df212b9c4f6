'use strict';
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
  console.log('listening', server.address().port);
});
server.on('connection', (socket) => {
  socket.on('message', (text) => socket.send(`${process.pid} ${text}`));
});
