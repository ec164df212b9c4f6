'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { names } = require('../files');
const { look } = require('../look');
const { gitDirectories, looseRefs, packedRefs } = require('../repository');

/** What git keeps in its directory while something is not finished. */
const UNFINISHED = ['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'BISECT_LOG', 'rebase-merge', 'rebase-apply'];

module.exports = look({
  about: "git's own files: refs, tags, objects, worktrees, unfinished operations, locks, hooks; git settings of the tree",
  listed: ['git_settings'],
  more: (task) => {
    const directories = gitDirectories(task.root);
    return directories === null ? {} : { git: { ...refs(directories), ...objects(directories), ...work(directories) } };
  },
});

function refs({ common, reftable }) {
  if (reftable) return {};
  const loose = looseRefs(common);
  const packed = packedRefs(common);
  // A packed ref that was moved since has a file too, which counts.
  const all = [...new Set([...loose, ...packed.keys()])];
  const under = (prefix) => all.filter((ref) => ref.startsWith(prefix)).length;
  return {
    branches: under('refs/heads/'),
    remote_branches: under('refs/remotes/'),
    tags: under('refs/tags/'),
    stash: all.includes('refs/stash'),
    loose_refs: loose.length,
    packed_refs: packed.size,
  };
}

function objects({ common }) {
  const directory = path.join(common, 'objects');
  const fanOut = names(directory).filter((name) => /^[0-9a-f]{2}$/.test(name));
  return {
    packs: names(path.join(directory, 'pack')).filter((name) => name.endsWith('.pack')).length,
    loose_objects: fanOut.reduce((sum, name) => sum + names(path.join(directory, name)).length, 0),
  };
}

function work({ own, common }) {
  return {
    linked_worktrees: names(path.join(common, 'worktrees')).length,
    unfinished: UNFINISHED.filter((name) => fs.existsSync(path.join(own, name))),
    locks: names(own).filter((name) => name.endsWith('.lock')),
    hooks: names(path.join(common, 'hooks')).filter((name) => !name.endsWith('.sample')),
  };
}
