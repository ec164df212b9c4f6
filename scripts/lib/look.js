'use strict';

// What a task of every category does: it looks at its part of the repository and tells what is there. It changes
// nothing. A category is told apart by a small declaration in `looks/`.

const path = require('node:path');
const fs = require('node:fs/promises');
const kindPatterns = require('./kinds');
const { readRepository } = require('./repository');
const { walk } = require('./walk');

/** A report names so many file types, the commonest; the rest is summed up. */
const TYPES = 24;

/**
 * Makes the work of a category.
 *
 * `about` says in words what is looked at. `listed` and `counted` name the kinds of files (see `kinds.js`) that concern
 * the category; the former are reported with their paths. `more(task, files)` may add findings, `files.of(kind)` being
 * the files of one kind.
 */
function look({ about, listed = [], counted = [], more = () => ({}) }) {
  const kinds = [...listed, ...counted];
  const concerns = (file) => kinds.some((kind) => kindPatterns[kind].test(file));
  return async (task) => {
    const { files, seen, complete, unreadable } = await walk(task.root, concerns, { signal: task.signal });
    const of = (kind) => files.filter((file) => kindPatterns[kind].test(file.path));
    const describe = (kind) => ({ ...total(of(kind)), ...(listed.includes(kind) && { paths: paths(of(kind)) }) });
    const findings = {
      looked_at: about,
      repository: readRepository(task.root),
      walk: { files_seen: seen, complete, unreadable_directories: unreadable },
      concerned: total(files),
      by_type: byType(files),
      by_kind: Object.fromEntries(kinds.map((kind) => [kind, describe(kind)])),
      ...(await more(task, Object.assign(files, { of }))),
    };
    task.log.info('looked', { files_seen: seen, files_concerned: files.length, complete });
    return findings;
  };
}

const total = (files) => ({ files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) });

/** Files and bytes by file name extension, the commonest first. */
function byType(files) {
  const types = new Map();
  for (const file of files) {
    const type = path.extname(file.path).slice(1).toLowerCase() || '(none)';
    if (!types.has(type)) types.set(type, []);
    types.get(type).push(file);
  }
  const sorted = [...types].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  const rest = sorted.slice(TYPES).flatMap(([, files]) => files);
  const shown = rest.length > 0 ? [...sorted.slice(0, TYPES), ['(other)', rest]] : sorted;
  return Object.fromEntries(shown.map(([type, files]) => [type, total(files)]));
}

/** The paths of at most `most` files. */
const paths = (files, most = 50) => files.slice(0, most).map((file) => file.path);

/**
 * Reads at most `most` of the files, skipping those above `bytes`, so that a look stays cheap; the number that was
 * read tells how far the findings reach.
 */
async function readSome(task, files, { most = 200, bytes = 65_536 } = {}) {
  const texts = [];
  for (const file of files.filter((file) => file.bytes <= bytes).slice(0, most)) {
    try {
      texts.push(await fs.readFile(path.join(task.root, file.path), { encoding: 'utf8', signal: task.signal }));
    } catch (error) {
      // A file that vanished or may not be read is one that was not read.
      if (error.name === 'AbortError') throw error;
    }
  }
  return texts;
}

/** How often `pattern` (global) occurs in all the texts. */
const count = (texts, pattern) => texts.reduce((sum, text) => sum + (text.match(pattern) ?? []).length, 0);

module.exports = { count, look, paths, readSome };
