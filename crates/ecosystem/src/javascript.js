// Evaluates an ecosystem file and writes what it exports, as JSON; or why it cannot.
// Standard output is for that alone: what the file itself prints goes to standard error.
const { spawnSync } = require('node:child_process');
const { writeSync } = require('node:fs');
const { pathToFileURL, fileURLToPath } = require('node:url');
const { types } = require('node:util');

const [file] = process.argv.slice(1);
process.stdout.write = process.stderr.write.bind(process.stderr);

const answer = (said) => {
  let bytes = Buffer.from(JSON.stringify(said));
  while (bytes.length > 0) {
    bytes = bytes.subarray(writeSync(1, bytes));
  }
  process.exit(0);
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

const load = async () => {
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
  answer(typeof value === 'function' || value === undefined ? { exported: typeof value } : { value });
}).catch(fail);
