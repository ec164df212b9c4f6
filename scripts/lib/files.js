'use strict';

// Reading what may not be there.

const fs = require('node:fs');

/** The text of a file, null when there is none. */
function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(error.code)) return null;
    throw error;
  }
}

/** The names in a directory, sorted; none when it does not exist. */
function names(directory) {
  try {
    return fs.readdirSync(directory).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(error.code)) return [];
    throw error;
  }
}

module.exports = { names, readText };
