'use strict';

const { look } = require('../look');

/** The ten biggest, the biggest first. */
const biggest = (files) =>
  [...files].sort((a, b) => b.bytes - a.bytes).slice(0, 10).map(({ path, bytes }) => ({ path, bytes }));

module.exports = look({
  about: 'pages, scripts, styles, images and media with their sizes, and files for search engines',
  listed: ['search_engine_files'],
  counted: ['pages', 'sources', 'styles', 'images', 'audio_and_video'],
  more: (task, files) => ({ biggest: biggest(files), biggest_images: biggest(files.of('images')) }),
});
