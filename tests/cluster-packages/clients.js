'use strict';
// node clients.js ws|socket.io PORT: four connections at once, which say something and print what they hear.
const [kind, port] = process.argv.slice(2);

const talk = {
  ws: (text) =>
    new Promise((resolve, reject) => {
      const socket = new (require('ws').WebSocket)(`ws://127.0.0.1:${port}`);
      socket.on('open', () => socket.send(text));
      socket.on('error', reject);
      socket.on('message', (answer) => {
        socket.close();
        resolve(String(answer));
      });
    }),
  'socket.io': (text) =>
    new Promise((resolve, reject) => {
      // Long polling wants each request of a client to come to the same worker.
      const socket = require('socket.io-client').io(`http://127.0.0.1:${port}`, { transports: ['websocket'] });
      socket.on('connect_error', reject);
      socket.emit('say', text, (answer) => {
        socket.close();
        resolve(answer);
      });
    }),
}[kind];

Promise.all(['a', 'b', 'c', 'd'].map(talk)).then(
  (answers) => console.log(answers.join('\n')),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
