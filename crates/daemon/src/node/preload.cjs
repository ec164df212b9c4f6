'use strict';
// Loaded into a worker before its app. When the daemon asks for it, connections that are kept alive end after their
// next answer, and a moment later the servers are closed: so nobody sends a request into a connection that closes.
const at = process.execArgv.indexOf(__filename);
if (at > 0) process.execArgv.splice(at - 1, 2);

const cluster = require('node:cluster');

function drain({ cmd, act, after }) {
  if (cmd !== 'NODE_RPM' || act !== 'drain') return;
  process.off('internalMessage', drain);
  const { channel, subscribe } = require('node:diagnostics_channel');
  const lastAnswer = ({ response }) => {
    response.shouldKeepAlive = false;
  };
  const name = 'http.server.request.start';
  if (subscribe) subscribe(name, lastAnswer);
  else channel(name).subscribe(lastAnswer);
  setTimeout(() => {
    if (cluster.worker.isConnected()) cluster.worker.disconnect();
  }, after);
}

if (cluster.isWorker) process.on('internalMessage', drain);
