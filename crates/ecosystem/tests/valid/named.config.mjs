export const apps = [{ script: 'app.js', name: 'named' }];
