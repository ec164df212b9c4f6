exports.handler = (event, context, done) => done(null, { statusCode: 200, body: 'up' });
