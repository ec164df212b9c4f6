throw 'a text';
