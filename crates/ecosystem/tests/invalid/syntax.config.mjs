export default {
  apps: [{ script: 'app.js',, }],
};
