'use strict';

// The catalogue of tasks: `catalogue.tsv`, one task a line, with a header.

const fs = require('node:fs');

/** The categories, in the order in which they are shown. */
const CATEGORIES = [
  'repository management',
  'AI & content generation',
  'marketing & social media',
  'testing & quality',
  'performance & SEO',
  'security & monitoring',
  'deployment & infrastructure',
  'content & media',
  'git & version control',
  'analytics & reporting',
];

/** What each column has to look like, in the order of the columns. */
const COLUMNS = {
  name: /^[a-z0-9]+(-[a-z0-9]+)*$/,
  category: new RegExp(`^(${CATEGORIES.join('|')})$`),
  cron_restart: /^[\d*/,-]+( [\d*/,-]+){4}$/,
  description: /^[A-Z][^\x00-\x1f]*\.$/,
};

/**
 * Reads the catalogue: a list of `{ name, category, cron_restart, description }` in the order of the file.
 *
 * Throws an error that names file, line and column when a value is not what it should be or a name comes twice.
 */
function readCatalogue(file) {
  const [header, ...lines] = fs.readFileSync(file, 'utf8').replace(/\n$/, '').split('\n');
  const expected = Object.keys(COLUMNS).join('\t');
  if (header !== expected) throw new Error(`${file}:1: the header has to be ${JSON.stringify(expected)}`);
  const seen = new Set();
  return lines.map((line, index) => {
    const place = `${file}:${index + 2}`;
    const values = line.split('\t');
    if (values.length !== Object.keys(COLUMNS).length) throw new Error(`${place}: ${values.length} columns instead of 4`);
    const task = Object.fromEntries(Object.keys(COLUMNS).map((column, at) => [column, values[at]]));
    for (const [column, shape] of Object.entries(COLUMNS)) {
      if (!shape.test(task[column])) throw new Error(`${place}: ${column} ${JSON.stringify(task[column])} does not match ${shape}`);
    }
    if (seen.has(task.name)) throw new Error(`${place}: the name ${task.name} is there already`);
    seen.add(task.name);
    return task;
  });
}

/** The file name, under `lib/looks/`, of the work of a category. */
const lookOf = (category) => category.toLowerCase().replace(/[^a-z]+/g, '-');

module.exports = { CATEGORIES, lookOf, readCatalogue };
