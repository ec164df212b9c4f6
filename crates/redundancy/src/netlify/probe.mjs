// Loads one Netlify function and sends it a test event. The verdict is the last line of standard output that begins
// with the mark; whatever the function does with its output, or to itself, cannot be taken for one.
//
// Arguments: the mark, the file, the name, `invoke` or `load`, an empty home directory, and the names of the variables
// that are withheld, because they are secret.
import { pathToFileURL } from 'node:url';
import { writeSync } from 'node:fs';
const [mark, file, name, mode, home, names] = process.argv.slice(1);
const exit = process.exit.bind(process);

// In the real one are credentials. It is set here because what starts `node` may need it.
process.env.HOME = home;
const withheld = new Set(JSON.parse(names));
const missed = new Set();
process.env = new Proxy(process.env, {
  get(env, key) {
    if (withheld.has(key) && env[key] === undefined) missed.add(key);
    return env[key];
  },
});

let said = false;
function verdict(outcome, text) {
  if (said) return;
  said = true;
  const line = Buffer.from(`\n${mark}${JSON.stringify({ [outcome]: String(text).slice(0, 500) })}\n`);
  // The pipe may be full of what the function said.
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') exit(1);
    }
  }
  exit(0);
}

/** What went wrong in the function itself. Without a secret that it reads, that says nothing. */
function failure(version, text) {
  if (missed.size === 0) verdict('err', text);
  else verdict('ok', `${version}not judged: it reads ${[...missed].join(', ')}, which checks do not pass on (${text})`);
}

const message = (error) => (error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : String(error));
process.on('uncaughtException', (error) => failure('', `throws: ${message(error)}`));
process.on('unhandledRejection', (error) => failure('', `throws: ${message(error)}`));
process.on('exit', () => failure('', 'it ended before it had answered'));

let module;
try {
  module = await import(pathToFileURL(file));
} catch (error) {
  if (error?.code === 'ERR_UNKNOWN_FILE_EXTENSION') verdict('ok', `is there; ${process.version} does not load its kind of file`);
  const missing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error?.code);
  const wrong = `${missing ? 'a dependency cannot be resolved' : 'does not load'}: ${message(error)}`;
  if (missing || error instanceof SyntaxError) verdict('err', wrong);
  failure('', wrong);
}

// What CommonJS exports is the default export, where it is not named.
const find = (key) => [module, module.default, module.default?.default].map((where) => where?.[key]);
const handler = find('handler').find((value) => typeof value === 'function');
const fallback = [module.default, module.default?.default].find((value) => typeof value === 'function');
if (!handler && !fallback) verdict('err', 'exports neither a handler nor a default function');
const version = handler ? 'v1' : 'v2';
const config = find('config').find((value) => value !== undefined);
const trigger = config?.schedule ? 'scheduled' : config?.background ? 'background' : null;
if (trigger) verdict('ok', `${version}, loads, not called: a ${trigger} function`);
if (mode === 'load') verdict('ok', `${version}, loads`);

const path = `/.netlify/functions/${name}`;
const headers = { host: 'localhost', 'user-agent': 'rpm-redundancy', 'x-rpm-redundancy': 'check' };
const url = `http://localhost${path}`;
try {
  if (handler) {
    const event = { httpMethod: 'GET', path, rawUrl: url, rawQuery: '', headers, multiValueHeaders: {}, queryStringParameters: {},
      multiValueQueryStringParameters: {}, body: null, isBase64Encoded: false };
    const context = { functionName: name, functionVersion: '1', awsRequestId: 'rpm-redundancy', clientContext: {},
      callbackWaitsForEmptyEventLoop: false, getRemainingTimeInMillis: () => 10000 };
    const answer = await new Promise((resolve, reject) => {
      const done = (error, value) => (error ? reject(error) : resolve(value));
      const returned = handler(event, context, done);
      // A handler that takes a callback and returns no promise answers through it.
      if (typeof returned?.then === 'function') returned.then(resolve, reject);
      else if (handler.length < 3) resolve(returned);
    });
    const status = answer?.statusCode ?? 200;
    if (typeof status !== 'number') verdict('err', `answers with a statusCode that is no number: ${JSON.stringify(status)}`);
    if (status < 500) verdict('ok', `${version}, answers ${status}`);
    failure(`${version}, `, `${version}, answers ${status}`);
  } else {
    const context = { requestId: 'rpm-redundancy', params: {}, geo: {}, ip: '127.0.0.1', site: {}, deploy: {}, account: {},
      cookies: { get() {}, set() {}, delete() {} }, json: (value) => Response.json(value), log: () => {}, next: () => {},
      waitUntil: () => {} };
    const answer = await fallback(new Request(url, { headers }), context);
    const status = answer?.status ?? 204;
    if (status < 500) verdict('ok', `${version}, answers ${status}`);
    failure(`${version}, `, `${version}, answers ${status}`);
  }
} catch (error) {
  failure(`${version}, `, `throws: ${message(error)}`);
}
