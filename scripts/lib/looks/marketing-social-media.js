'use strict';

const { count, look, readSome } = require('../look');

module.exports = look({
  about: 'pages and their social media tags, social images, campaign directories and documents',
  listed: ['social_images'],
  counted: ['pages', 'campaigns', 'documents'],
  more: async (task, files) => {
    const pages = await readSome(task, files.of('pages'));
    return { pages_read: pages.length, social_tags: count(pages, /["'](og|twitter):[a-z_:]+["']/g) };
  },
});
