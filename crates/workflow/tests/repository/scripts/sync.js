console.log("synchronised " + process.argv[2])
