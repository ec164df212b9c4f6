'use strict';

const { look } = require('../look');

module.exports = look({
  about: 'hosting settings, serverless functions, containers, infrastructure code, workflow and ecosystem files',
  listed: ['hosting', 'functions', 'containers', 'infrastructure', 'workflows', 'ecosystem_files'],
});
