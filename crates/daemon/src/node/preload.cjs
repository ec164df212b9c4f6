'use strict';
// Loaded into a worker before its app.
const at = process.execArgv.indexOf(__filename);
if (at > 0) process.execArgv.splice(at - 1, 2);

const cluster = require('node:cluster');

// When the daemon asks for it, connections that are kept alive end after their next answer, and a moment later the
// servers are closed: so nobody sends a request into a connection that closes.
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

// A connection costs Node two turns through its message events and two messages to the primary. Here a line that
// carries one goes straight to where Node's cluster module takes it, those that come together are taken together, and
// one message answers them. It leaves before anything is read from these connections, so what the daemon has no answer
// for is still whole. Whatever looks different than in Node 18 to 24 stays Node's own business.
function hasten() {
  const pipe = Object.getOwnPropertySymbols(process)
    .map((symbol) => process[symbol])
    .find((value) => value && typeof value === 'object' && 'pendingHandle' in value && value.onread);
  const take = process.listeners('internalMessage').pop();
  const { _send: send, _disconnect: disconnect } = process;
  if (!pipe || !take || typeof send !== 'function' || typeof disconnect !== 'function') return;

  let taken = [];
  function answer() {
    if (taken.length === 0) return;
    const seqs = taken;
    taken = [];
    if (process.channel) send.call(process, { cmd: 'NODE_RPM', act: 'taken', seqs }, undefined, true);
  }
  process._send = function (message, ...rest) {
    if (message && message.accepted === true && message.cmd === 'NODE_CLUSTER') {
      if (taken.push(message.ack) === 1) setImmediate(answer);
      return true;
    }
    answer();
    return send.call(this, message, ...rest);
  };
  process._disconnect = function () {
    answer();
    return disconnect.call(this);
  };
  process.on('exit', answer);

  const held = [];
  function release() {
    if (held.length === 0) return;
    const [message, handle] = held.shift();
    // What the app throws must not cost the other connections.
    try {
      take.call(process, message, handle);
    } finally {
      release();
    }
  }

  const start = '{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn","key":"';
  const between = '","seq":';
  const end = ',"more":0}}\n';
  const { onread } = pipe;
  pipe.onread = function (bytes) {
    const handle = this.pendingHandle;
    if (bytes && handle) {
      const line = Buffer.from(bytes).latin1Slice();
      const middle = line.indexOf(between, start.length);
      if (middle > 0 && line.startsWith(start) && line.indexOf('\n') === line.length - 1) {
        this.pendingHandle = null;
        const key = line.slice(start.length, middle);
        const seq = Number(line.slice(middle + between.length, -end.length));
        held.push([{ cmd: 'NODE_CLUSTER', act: 'newconn', key, seq }, handle]);
        if (line[line.length - 4] === '0') release();
        return;
      }
    }
    if (bytes) release();
    return onread.apply(this, arguments);
  };
}

if (cluster.isWorker) {
  hasten();
  process.on('internalMessage', drain);
}
