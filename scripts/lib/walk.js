'use strict';

// A bounded walk over the files of the repository.

const fs = require('node:fs');
const path = require('node:path');
const { setImmediate: turn } = require('node:timers/promises');

/** Directories of tools and of output: nobody wrote what is in them. */
const SKIPPED = new Set(['.git', 'node_modules', 'target', 'reports']);

/** After so many entries the walk ends and says so: every task may be walking at once. */
const LIMIT = 20_000;

/**
 * Finds the files under `root` that `wanted(path)` asks for, the upper directories first. Links are not followed.
 *
 * Resolves to `files` (path relative to `root` with `/`, bytes, mode), `seen` (files met, wanted or not), `complete`
 * (false when `limit` ended the walk) and `unreadable` (directories that could not be listed).
 */
async function walk(root, wanted, { signal, limit = LIMIT } = {}) {
  const found = { files: [], seen: 0, complete: true, unreadable: 0 };
  const directories = [''];
  let entries = 0;
  for (const directory of directories) {
    // Between two directories a signal can be taken.
    await turn(undefined, { signal });
    for (const entry of list(path.join(root, directory), found)) {
      entries += 1;
      if (entries > limit) return { ...found, complete: false };
      const relative = directory + entry.name;
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) directories.push(`${relative}/`);
      if (!entry.isFile()) continue;
      found.seen += 1;
      // A file may vanish between the two looks: others work in the repository too.
      const stat = wanted(relative) && fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
      if (stat) found.files.push({ path: relative, bytes: stat.size, mode: stat.mode });
    }
  }
  return found;
}

/** The entries of a directory in the order of their names, so that equal trees give equal reports. */
function list(directory, found) {
  try {
    return fs.readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (error.code !== 'ENOENT') found.unreadable += 1;
    return [];
  }
}

module.exports = { walk };
