'use strict';

const { look } = require('../look');

module.exports = look({
  about: 'test files, CI workflow files and other YAML, lint and type-check settings, pages and sources',
  listed: ['workflows', 'lint_settings'],
  counted: ['tests', 'yaml', 'pages', 'sources'],
  more: (task, files) => {
    const tests = new Set(files.of('tests'));
    return { sources_outside_tests: files.of('sources').filter((file) => !tests.has(file)).length };
  },
});
