'use strict';
const http = require('node:http').createServer();
const io = new (require('socket.io').Server)(http);

io.on('connection', (socket) => {
  socket.on('say', (text, answer) => answer(`${process.pid} ${text}`));
});
http.listen(0, '127.0.0.1', () => console.log('listening', http.address().port));
