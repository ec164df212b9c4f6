'use strict';

const { count, look, readSome } = require('../look');

module.exports = look({
  about: 'documents with their links and image references (counted, not followed), pages, images, audio and video',
  counted: ['documents', 'pages', 'images', 'audio_and_video'],
  more: async (task, files) => {
    const documents = await readSome(task, files.of('documents'));
    return {
      documents_read: documents.length,
      headings: count(documents, /^#{1,6} /gm),
      links_outward: count(documents, /(?<!!)\[[^\]\n]*\]\(https?:/g),
      links_inward: count(documents, /(?<!!)\[[^\]\n]*\]\((?!https?:)/g),
      image_references: count(documents, /!\[[^\]\n]*\]\(/g),
    };
  },
});
