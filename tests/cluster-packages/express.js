'use strict';
const express = require('express');

const app = express();
app.get('/', (request, response) => response.send(`${process.pid}`));
const server = app.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
