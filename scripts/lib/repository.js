'use strict';

// The state of the git repository, read from its files: no git is started, and none has to be installed.

const fs = require('node:fs');
const path = require('node:path');
const { readText } = require('./files');

/**
 * The git directories of the working tree at `root`, null when it is not a repository: `own` has HEAD and the index,
 * `common` has refs and objects. They differ in a linked worktree, where `.git` is a file. `reftable` tells that the
 * refs are not files; they are not read here then.
 */
function gitDirectories(root) {
  const dotGit = path.join(root, '.git');
  const link = /^gitdir: (.+)$/m.exec(readText(dotGit) ?? '');
  const own = link ? path.resolve(root, link[1]) : dotGit;
  if (readText(path.join(own, 'HEAD')) === null) return null;
  const common = path.resolve(own, (readText(path.join(own, 'commondir')) ?? '.').trim());
  return { own, common, reftable: fs.existsSync(path.join(common, 'reftable')) };
}

/** `packed-refs` as a map from ref to object id. */
function packedRefs(common) {
  const lines = (readText(path.join(common, 'packed-refs')) ?? '').matchAll(/^([0-9a-f]{40,64}) (\S+)$/gm);
  return new Map(Array.from(lines, ([, id, ref]) => [ref, id]));
}

/** The names of the refs that have a file of their own, such as `refs/heads/main`. */
function looseRefs(common) {
  const under = (ref) =>
    fs.readdirSync(path.join(common, ref), { withFileTypes: true }).flatMap((entry) => {
      const child = `${ref}/${entry.name}`;
      if (entry.isDirectory()) return under(child);
      return child.endsWith('.lock') ? [] : [child];
    });
  return under('refs');
}

function resolveRef({ own, common }, ref) {
  const loose = readText(path.join(own, ref)) ?? readText(path.join(common, ref));
  return loose === null ? (packedRefs(common).get(ref) ?? null) : loose.trim();
}

/**
 * Branch and commit of the working tree at `root`; null when it is not a repository.
 *
 * `branch` is null when HEAD is detached, `commit` is null when the branch has none yet; both are null when
 * `ref_format` is `reftable`.
 */
function readRepository(root) {
  const directories = gitDirectories(root);
  if (directories === null) return null;
  if (directories.reftable) return { branch: null, commit: null, ref_format: 'reftable' };
  const head = readText(path.join(directories.own, 'HEAD')).trim();
  const ref = /^ref: (.+)$/.exec(head)?.[1];
  return {
    branch: ref ? ref.replace(/^refs\/heads\//, '') : null,
    commit: ref ? resolveRef(directories, ref) : head,
    ref_format: 'files',
  };
}

module.exports = { gitDirectories, looseRefs, packedRefs, readRepository };
