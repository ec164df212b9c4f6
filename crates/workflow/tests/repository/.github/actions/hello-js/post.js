console.log(`post after ${process.env.STATE_began} for ${process.env["INPUT_WHO_TO_GREET"]}`);
