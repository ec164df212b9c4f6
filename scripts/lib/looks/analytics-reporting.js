'use strict';

const fs = require('node:fs/promises');
const path = require('node:path');
const { names } = require('../files');
const { look } = require('../look');

/** No more earlier reports than these are read. */
const REPORTS = 500;

module.exports = look({
  about: 'the reports that tasks left before this one, data files, documents and sources by type',
  counted: ['data', 'documents', 'sources'],
  more: async (task) => ({ earlier_reports: await earlierReports(task) }),
});

/** How the tasks ended whose reports are there, and the time (UTC) of the oldest and the newest end. */
async function earlierReports({ reportDirectory, signal }) {
  const files = names(reportDirectory).filter((name) => name.endsWith('.json'));
  const ends = [];
  const byStatus = {};
  for (const name of files.slice(0, REPORTS)) {
    const { status, finished_at: end } = await readReport(path.join(reportDirectory, name), signal);
    byStatus[status] = (byStatus[status] ?? 0) + 1;
    if (end) ends.push(end);
  }
  ends.sort();
  return { files: files.length, by_status: byStatus, oldest: ends[0] ?? null, newest: ends.at(-1) ?? null };
}

/** Other files may lie in the directory: what is no report of a task counts as `unknown`. */
async function readReport(file, signal) {
  try {
    const { status, finished_at } = JSON.parse(await fs.readFile(file, { encoding: 'utf8', signal }));
    return { status: String(status ?? 'unknown'), finished_at };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { status: 'unknown' };
  }
}
