'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { CATEGORIES, lookOf } = require('../catalogue');
const kinds = require('../kinds');
const { readRepository } = require('../repository');
const { walk } = require('../walk');
const { directory, scratch } = require('./scratch');

const log = { info() {} };

/** Writes files (path -> text) under `root`. */
function plant(root, files) {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
}

const look = (category, root, reports = 'reports') =>
  require(`../looks/${lookOf(category)}`)({ root, reportDirectory: path.join(root, reports), log });

test('every category looks at a directory that is no repository and has nothing in it', async (t) => {
  const root = directory(t);
  for (const category of CATEGORIES) {
    const { looked_at, repository, concerned } = await look(category, root);
    assert.deepStrictEqual([typeof looked_at, repository, concerned], ['string', null, { files: 0, bytes: 0 }], category);
  }
});

test('a category reports the kinds of files that concern it, and leaves alone what tools put there', async (t) => {
  const root = directory(t);
  plant(root, {
    'netlify.toml': '12345',
    'netlify/functions/hello.js': '123',
    'src/main.rs': 'not its concern',
    'node_modules/x/netlify.toml': 'skipped',
    'target/netlify.toml': 'skipped',
    'reports/netlify.toml': 'skipped',
  });
  const { concerned, by_type, by_kind, walk } = await look('deployment & infrastructure', root);
  assert.deepStrictEqual(concerned, { files: 2, bytes: 8 });
  assert.deepStrictEqual(by_type, { js: { files: 1, bytes: 3 }, toml: { files: 1, bytes: 5 } });
  assert.deepStrictEqual(by_kind.hosting, { files: 1, bytes: 5, paths: ['netlify.toml'] });
  assert.deepStrictEqual(by_kind.functions.paths, ['netlify/functions/hello.js']);
  assert.deepStrictEqual(walk, { files_seen: 3, complete: true, unreadable_directories: 0 });
});

test('links, pinned actions, social tags and earlier reports are counted', async (t) => {
  const root = directory(t);
  plant(root, {
    'a.md': '# A\n[out](https://example.com) [in](b.md) ![image](c.png)\n',
    '.github/workflows/ci.yml': `permissions: {}\nsteps:\n  - uses: a/b@${'0'.repeat(40)}\n  - uses: a/c@v1\n`,
    'index.html': '<meta property="og:title"><meta name="twitter:card">',
    '.env': 'SECRET=never shown',
    'reports/x.json': '{"status":"ok","finished_at":"2020-01-01T00:00:00.000Z"}',
    'reports/y.json': 'no JSON',
  });
  const content = await look('content & media', root);
  assert.deepStrictEqual(
    [content.headings, content.links_outward, content.links_inward, content.image_references],
    [1, 1, 1, 1],
  );
  const security = await look('security & monitoring', root);
  assert.deepStrictEqual(
    [security.actions_used, security.actions_pinned_to_a_commit, security.workflows_declaring_permissions],
    [2, 1, 1],
  );
  assert.deepStrictEqual(security.by_kind.secret_like.paths, ['.env']);
  assert.ok(!JSON.stringify(security).includes('never shown'));
  assert.strictEqual((await look('marketing & social media', root)).social_tags, 2);
  assert.deepStrictEqual((await look('analytics & reporting', root)).earlier_reports, {
    files: 2,
    by_status: { ok: 1, unknown: 1 },
    oldest: '2020-01-01T00:00:00.000Z',
    newest: '2020-01-01T00:00:00.000Z',
  });
});

test('the look of git agrees with git', async (t) => {
  const { root, git, commitAll } = scratch(t);
  commitAll();
  git('branch', 'packed');
  git('tag', 'v1');
  git('pack-refs', '--all');
  git('branch', 'deep/loose');
  git('update-ref', 'refs/remotes/origin/main', 'HEAD');
  fs.writeFileSync(path.join(root, '.git/MERGE_HEAD'), '');
  const { git: state } = await look('git & version control', root);
  const { branches, remote_branches, tags, stash, packed_refs, unfinished, linked_worktrees } = state;
  assert.deepStrictEqual(
    { branches, remote_branches, tags, stash, packed_refs, unfinished, linked_worktrees },
    { branches: 3, remote_branches: 1, tags: 1, stash: false, packed_refs: 3, unfinished: ['MERGE_HEAD'], linked_worktrees: 0 },
  );
});

test('branch and commit are read whether the ref is loose, packed, unborn, detached or of a worktree', (t) => {
  const { root, git, commitAll } = scratch(t);
  commitAll();
  const commit = git('rev-parse', 'HEAD');
  const state = (branch, commit) => ({ branch, commit, ref_format: 'files' });
  assert.deepStrictEqual(readRepository(root), state('main', commit));
  git('pack-refs', '--all');
  assert.deepStrictEqual(readRepository(root), state('main', commit));
  const linked = path.join(directory(t), 'linked');
  git('worktree', 'add', '--quiet', '-b', 'side/way', linked);
  assert.deepStrictEqual(readRepository(linked), state('side/way', commit));
  git('checkout', '--quiet', '--detach');
  assert.deepStrictEqual(readRepository(root), state(null, commit));
  git('checkout', '--quiet', '--orphan', 'new');
  assert.deepStrictEqual(readRepository(root), state('new', null));
  fs.rmSync(path.join(root, '.git'), { recursive: true });
  assert.strictEqual(readRepository(root), null);
});

test('the walk ends at its limit and says so, does not follow links, and can be interrupted', async (t) => {
  const root = directory(t);
  plant(root, { a: '', b: '', 'd/c': '' });
  fs.symlinkSync('.', path.join(root, 'loop'));
  const all = await walk(root, () => true);
  assert.deepStrictEqual([all.files.map((file) => file.path), all.complete], [['a', 'b', 'd/c'], true]);
  const some = await walk(root, () => true, { limit: 2 });
  assert.deepStrictEqual([some.files.map((file) => file.path), some.complete], [['a', 'b'], false]);
  await assert.rejects(walk(root, () => true, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('every kind that a category names exists, and every kind is named by a category', async (t) => {
  const root = directory(t);
  const named = new Set();
  for (const category of CATEGORIES) for (const kind of Object.keys((await look(category, root)).by_kind)) named.add(kind);
  assert.deepStrictEqual([...named].sort(), Object.keys(kinds).sort());
});
