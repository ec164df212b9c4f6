export default { apps: [{ script: 'app.js', name: 'default' }] };
