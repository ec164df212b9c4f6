module.exports = {
  apps: [{ script: 'app.js' }],
};

null.boom;
