exports.apps = [{ script: 'app.js', max_restarts: 2 }];
