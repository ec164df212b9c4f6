const a = { script: 'app.js' };
a.io = a;
module.exports = a;
