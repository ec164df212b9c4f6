// Writes generated files of variables, and what npm's `dotenv` makes of each, to files.json beside this file:
// node record.js PATH_OF_THE_PACKAGE
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { parse } = require(process.argv[2]);

let state = 1;
const below = (limit) => {
  state = (state * 48271) % 2147483647;
  return state % limit;
};
const PARTS = [
  'A', 'B1', 'C.D', 'E-F', '1G', '=', ' = ', ': ', ':', 'export ', '#', ' # ', "'", '"', '`', '\\n', '\\r', '\\', "\\'",
  '\\"', '\n', '\n', '\nA=', '\nB=', '\nC: ', '\r\n', '\r', ' ', '\t', '$A', '${A}', 'ü', 'value', '{"a": 1}', '\ufeff',
];
const text = () => Array.from({ length: 1 + below(24) }, () => PARTS[below(PARTS.length)]).join('');
const files = Array.from({ length: 3000 }, text).map((file) => [file, parse(file)]);
writeFileSync(join(__dirname, 'files.json'), `[\n${files.map((file) => JSON.stringify(file)).join(',\n')}\n]\n`);
