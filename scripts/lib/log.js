'use strict';

// Structured logging: one JSON object a line, errors to stderr and all else to stdout.

for (const stream of [process.stdout, process.stderr]) {
  // A reader that went away (`rpm logs | head`) must not turn a good task into a failed one.
  stream.on('error', () => {});
}

/**
 * The log of one task: `log.info(message, fields)`, likewise `warn` and `error`.
 *
 * A line has time (ISO 8601, UTC), level, task, message and, when there are any, fields.
 */
function createLog(task) {
  const at = (level, stream) => (message, fields) => {
    stream.write(`${JSON.stringify({ time: new Date().toISOString(), level, task, message, fields })}\n`);
  };
  return {
    info: at('info', process.stdout),
    warn: at('warn', process.stdout),
    error: at('error', process.stderr),
  };
}

module.exports = { createLog };
