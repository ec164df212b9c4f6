module.exports = { apps: [{ name: 'a', script: 'absent.js', kill_timeout: 'soon' }] };
