'use strict';

const { look } = require('../look');

module.exports = look({
  about: 'instructions for coding agents, prompts, changelogs, documents and sources',
  listed: ['agent_instructions', 'prompts'],
  counted: ['changelogs', 'documents', 'sources'],
});
