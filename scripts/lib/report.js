'use strict';

// Where the reports are, and how one is written.

const fs = require('node:fs');
const path = require('node:path');

/** The root of the repository in which these scripts lie, whatever the working directory is. */
const ROOT = path.resolve(__dirname, '..', '..');

/** `TASK_REPORT_DIR`, else `reports`; a relative path is relative to the repository root. */
function reportDirectory() {
  return path.resolve(ROOT, process.env.TASK_REPORT_DIR || 'reports');
}

/**
 * Writes `report` as JSON, atomically: a reader sees the former report or this one, never half of one.
 *
 * There is no fsync: a report that a power failure takes is made again at the task's next tick.
 */
function writeReport(file, report) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  // Two runs of one task may overlap (a tick during a manual start): each has its own temporary file.
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    fs.writeFileSync(temporary, `${JSON.stringify(report, null, 2)}\n`);
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

module.exports = { ROOT, reportDirectory, writeReport };
