'use strict';

const { count, look, paths, readSome } = require('../look');

module.exports = look({
  about: 'names that suggest secrets (no contents), security settings, file modes, workflow permissions, run settings',
  listed: ['secret_like', 'security_settings'],
  counted: ['lockfiles', 'workflows', 'ecosystem_files', 'hosting'],
  more: async (task, files) => {
    const workflows = await readSome(task, files.of('workflows'));
    return {
      writable_by_all: paths(files.filter((file) => file.mode & 0o002)),
      workflows_read: workflows.length,
      workflows_declaring_permissions: workflows.filter((text) => /^\s*permissions:/m.test(text)).length,
      actions_used: count(workflows, /^[ \t]*(- *)?uses:[ \t]*\S+/gm),
      actions_pinned_to_a_commit: count(workflows, /^[ \t]*(- *)?uses:[ \t]*\S+@[0-9a-f]{40}\b/gm),
    };
  },
});
