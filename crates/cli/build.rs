//! How the executable is linked: for a quick start.
//!
//! At a fixed address: ten thousand addresses in its tables are known then, and not written at each start of a verb into
//! fifty pages, which every process would have for itself. That takes a verb a tenth of its time, and a daemon 0.2 MB.
//! (Stack, heap and libraries still lie at random addresses; the executable's own code is safe Rust but for the few
//! modules that say why not.)
//!
//! The unwinder is linked into the executable where the C compiler has it as an archive. Rust asks for `libgcc_s.so`, of
//! which a program that aborts on panic needs next to nothing. To load it takes every call of a verb a fifth of the time
//! in which a program can start at all.

use std::{path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu") {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-no-pie");
    let Ok(output) = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output() else { return };
    let archive = String::from_utf8_lossy(&output.stdout);
    // A compiler that does not have it answers with the bare name.
    let directory = Path::new(archive.trim()).parent().filter(|directory| directory.is_absolute());
    if let Some(directory) = directory {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
