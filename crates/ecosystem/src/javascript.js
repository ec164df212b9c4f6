// Evaluates an ecosystem file and writes what it exports, as JSON; or why it cannot.
// Standard input is a file in memory: it holds the text of an expression, and takes the answer. A pipe would do for
// neither, because what the file does to `process.stdout` or leaves running decides whether a pipe blocks and ends.
const { spawnSync } = require('node:child_process');
const { fstatSync, ftruncateSync, readSync, writeSync } = require('node:fs');
const { pathToFileURL, fileURLToPath } = require('node:url');
const { types } = require('node:util');
const { runInThisContext } = require('node:vm');

const [kind, file] = process.argv.slice(1);
const MAX_ANSWER = 16 << 20;

// PM2's limit for an expression, in milliseconds.
const EXPRESSION_LIMIT = 1000;

const write = (bytes) => {
  ftruncateSync(0);
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(0, bytes, at, bytes.length - at, at);
  }
};

const answer = (said) => {
  const bytes = Buffer.from(JSON.stringify(said));
  const tooLarge = JSON.stringify({ error: `its value is larger than ${MAX_ANSWER} bytes` });
  write(bytes.length > MAX_ANSWER ? Buffer.from(tooLarge) : bytes);
  process.exit(0);
};

// The variables that the file set, and null for those that it deleted.
const before = { ...process.env };
const changed = () => {
  const names = [...new Set([...Object.keys(before), ...Object.keys(process.env)])];
  const differs = names.filter((name) => before[name] !== process.env[name]);
  return Object.fromEntries(differs.map((name) => [name, process.env[name] ?? null]));
};

// The first place in a stack that is no part of Node.
const place = (stack) => {
  for (const line of stack.split('\n').filter((text) => !text.includes('node:'))) {
    const found = /((?:file:\/\/)?\/[^()]*?):(\d+)(?::(\d+))?\)?$/.exec(line.trim());
    if (found) {
      const path = found[1].startsWith('file:') ? fileURLToPath(found[1]) : found[1];
      return { file: path, line: Number(found[2]), column: Number(found[3] ?? 1) };
    }
  }
  return {};
};

const fail = (error) => {
  if (!types.isNativeError(error)) {
    answer({ error: String(error) });
  }
  let where = place(String(error.stack));
  if (error.name === 'SyntaxError' && where.line === undefined) {
    // Of a module that cannot be parsed only a check tells the line.
    where = place(String(spawnSync(process.execPath, ['--check', file]).stderr));
  }
  answer({ error: `${error.name}: ${error.message.split('\n')[0]}`, ...where });
};

// As PM2 evaluates a file that is called JSON; a text that cannot be parsed as that is told as JSON that is wrong.
const expression = () => {
  const bytes = Buffer.alloc(fstatSync(0).size);
  for (let at = 0; at < bytes.length; ) {
    at += readSync(0, bytes, at, bytes.length - at, at);
  }
  // What `node -e` adds to the global object.
  for (const name of ['require', 'module', 'exports', '__filename', '__dirname']) {
    delete globalThis[name];
  }
  return runInThisContext(`(${bytes})`, { filename: file, displayErrors: false, timeout: EXPRESSION_LIMIT });
};

const load = async () => {
  if (kind === 'expression') {
    return expression();
  }
  if (file.endsWith('.mjs')) {
    return import(pathToFileURL(file));
  }
  try {
    return require(file);
  } catch (error) {
    if (error?.code === 'ERR_REQUIRE_ESM' || error?.code === 'ERR_REQUIRE_ASYNC_MODULE') {
      return import(pathToFileURL(file));
    }
    throw error;
  }
};

process.on('uncaughtException', fail);
load().then((exported) => {
  let value = exported;
  if (types.isModuleNamespaceObject(exported) && !('apps' in exported || 'pm2' in exported)) {
    value = exported.default ?? exported;
  }
  if (typeof value === 'function' || value === undefined) {
    answer({ exported: typeof value });
  }
  answer({ value, env: changed() });
}).catch(fail);
