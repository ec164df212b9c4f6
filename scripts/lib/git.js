'use strict';

// Running git where nobody is there to answer it.

const { execFile } = require('node:child_process');

/** No single git command takes longer than this (ms), be the remote ever so silent. */
const TIMEOUT = 120_000;

/**
 * Runs git in `root`; resolves to its stdout without white space around it, rejects with what it said.
 *
 * `signal` ends it early.
 */
function git(root, args, { signal } = {}) {
  const env = { ...process.env, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' };
  // When set (by a git hook that started us) these would lead git to another repository than ours.
  for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_PREFIX']) delete env[name];
  return new Promise((resolve, reject) => {
    execFile('git', args, { cwd: root, env, signal, timeout: TIMEOUT }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout.trim());
      const reason = error.code === 'ENOENT' ? 'git is not on the PATH' : `${stderr}${stdout}`.trim() || error.message;
      reject(new Error(`git ${args[0]} failed: ${reason}`, { cause: error }));
    });
  });
}

module.exports = { git };
