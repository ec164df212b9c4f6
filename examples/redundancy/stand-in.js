'use strict';

// A stand-in for GitHub's REST API and for Netlify's build hooks, as far as the redundancy system asks them.

const http = require('node:http');

/** GitHub's list of the workflows, whose runs and refusals the scenario changes. */
function workflow(file) {
  return { file, run: 1, conclusion: 'success', refuses: false, dispatched: 0 };
}

/** Starts it on a port of the system's choice; resolves to what the scenario changes and looks at. */
function standIn(files, build) {
  const state = { workflows: new Map(files.map((file) => [file, workflow(file)])), builds: 0, tokens: new Set() };
  const answer = (request) => {
    const { pathname } = new URL(request.url, 'http://stand-in');
    if (pathname.startsWith('/build_hooks/')) {
      state.builds += 1;
      return [build(state.builds), {}];
    }
    state.tokens.add(request.headers.authorization);
    const [, file, what] = /^\/repos\/me\/site\/actions\/workflows(?:\/([^/]+)\/(runs|dispatches|enable))?$/.exec(pathname) ?? [];
    const listed = (one) => ({ path: `.github/workflows/${one.file}`, state: 'active', created_at: new Date().toISOString() });
    if (pathname.endsWith('/workflows')) return [200, { workflows: Array.from(state.workflows.values(), listed) }];
    const one = state.workflows.get(file);
    if (!one) return [404, { message: 'Not Found' }];
    if (what === 'runs') {
      const run = { run_number: one.run, event: 'push', conclusion: one.conclusion, created_at: new Date().toISOString() };
      return [200, { workflow_runs: [run] }];
    }
    if (one.refuses) return [422, { message: "Workflow does not have 'workflow_dispatch' trigger" }];
    one.dispatched += 1;
    // The run that was asked for is a success.
    Object.assign(one, { run: one.run + 1, conclusion: 'success' });
    return [204, null];
  };
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      const [status, body] = answer(request);
      const text = body === null ? '' : JSON.stringify(body);
      // As GitHub does: what has not changed is not sent again.
      const etag = `"${Buffer.from(text).toString('base64url').slice(-40)}-${text.length}"`;
      const known = request.headers['if-none-match'] === etag;
      response.writeHead(known ? 304 : status, { 'content-type': 'application/json', etag });
      response.end(known ? '' : text);
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`;
      const close = () => (server.closeAllConnections(), server.close());
      resolve({ ...state, state, url, close });
    });
  });
}

module.exports = { standIn };
