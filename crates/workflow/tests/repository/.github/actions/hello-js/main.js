const fs = require("node:fs");
const append = (name, text) => fs.appendFileSync(process.env[name], text + "\n");
console.log(`hello ${process.env["INPUT_WHO_TO_GREET"]} in ${process.env.GITHUB_REPOSITORY}`);
append("GITHUB_OUTPUT", "time<<END\n12:00\n13:00\nEND");
append("GITHUB_STATE", "began=main");
append("GITHUB_ENV", "FROM_JS=1");
console.log("::notice file=main.js,line=4::said hello");
