'use strict';

const { look } = require('../look');

module.exports = look({
  about: 'community files, manifests and lockfiles, settings of bots, workflow files, sources by type',
  listed: ['community', 'manifests', 'maintenance_settings'],
  counted: ['lockfiles', 'workflows', 'sources'],
});
