exports.handler = async (event) => ({ statusCode: event.httpMethod === 'POST' ? 200 : 405, body: '' });
