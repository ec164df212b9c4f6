//! `hashFiles()`: GitHub's hash of the files that match.

use std::{fmt::Write, fs, io, path::Path};

use globset::{GlobBuilder, GlobMatcher};
use sha2::{Digest, Sha256};

/// The SHA-256 of the SHA-256s of the files, in the order of their paths; nothing if no file matches.
///
/// A pattern is relative to the workspace; one that begins with `!` takes out what matched before, and one that
/// matches a directory means all that is in it.
pub(super) fn hash(workspace: &Path, patterns: &[String]) -> Result<String, String> {
    let patterns: Vec<_> = patterns
        .iter()
        .flat_map(|pattern| pattern.lines())
        .map(str::trim)
        .filter(|pattern| !pattern.is_empty() && !pattern.starts_with('#'))
        .map(Pattern::read)
        .collect::<Result<_, _>>()?;
    let mut hashes = Sha256::new();
    let mut is_any = false;
    let mut visit = |path: &Path| {
        hashes.update(file(path)?);
        is_any = true;
        Ok(())
    };
    walk(workspace, Path::new(""), &patterns, &mut visit)
        .map_err(|error| format!("hashFiles: cannot read {}: {error}", workspace.display()))?;
    Ok(if is_any { hex(&hashes.finalize()) } else { String::new() })
}

struct Pattern {
    takes_out: bool,
    matcher: GlobMatcher,
}

impl Pattern {
    fn read(text: &str) -> Result<Self, String> {
        let (takes_out, glob) = text.strip_prefix('!').map_or((false, text), |glob| (true, glob));
        let glob = glob.trim_start_matches("./").trim_end_matches('/');
        // Braces mean themselves here.
        let glob = glob.replace('{', "[{]").replace('}', "[}]");
        let glob = if glob.is_empty() || glob == "." { "**".to_owned() } else { glob };
        let matcher = GlobBuilder::new(&glob)
            .literal_separator(true)
            .build()
            .map_err(|error| format!("hashFiles: {text:?} is no pattern: {error}"))?
            .compile_matcher();
        Ok(Self { takes_out, matcher })
    }

    fn matches(&self, path: &Path) -> bool {
        path.ancestors().any(|path| path != Path::new("") && self.matcher.is_match(path))
    }
}

fn walk(
    root: &Path,
    relative: &Path,
    patterns: &[Pattern],
    visit: &mut impl FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(root.join(relative))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let relative = relative.join(name);
        let path = root.join(&relative);
        // A link to a directory is not followed, as with GitHub's defaults.
        if fs::symlink_metadata(&path)?.is_dir() {
            walk(root, &relative, patterns, visit)?;
        } else if path.is_file() {
            let decided = patterns.iter().rev().find(|pattern| pattern.matches(&relative));
            if decided.is_some_and(|pattern| !pattern.takes_out) {
                visit(&path)?;
            }
        }
    }
    Ok(())
}

fn file(path: &Path) -> io::Result<impl AsRef<[u8]>> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hash.finalize()),
            count => hash.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each hash is what `hashFiles` of `@actions/glob` 0.5.0 answers for the same files.
    #[test]
    fn hashes_are_those_of_github() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("package-lock.json", "{}\n");
        write("a/package-lock.json", "{\"a\": 1}\n");
        write("a/.hidden/b.txt", "b\n");
        write("z.txt", "z\n");
        let of = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            hash(directory.path(), &patterns).unwrap()
        };
        let one = of(&["package-lock.json"]);
        let both = of(&["**/package-lock.json"]);
        let all = of(&["**"]);
        assert_eq!(one, "99c9eabdf3d25ff2826c4296b31961c421da47bffdeb182ab32394973114c297");
        assert_eq!(both, "55ce7880dbdf3ca3cf281f6fb0602e12e556d8ded847ce47c163ed68c3a9df4d");
        assert_eq!(all, "11246831d9960384561fd8cd6fb113fa1352de3102f35ef22a334a6907e9c2f5");
        assert_eq!(of(&["**/package-lock.json", "!a/**"]), one);
        assert_eq!(of(&["**/package-lock.json", "!a"]), one);
        assert_eq!(of(&["a", "*.json"]), "17c934c845f84aba6fb933873ac809b4adb8eee80df1138b58526fd8b310ae0b");
        assert_eq!(of(&["./package-lock.json"]), one);
        assert_eq!(of(&["nothing/*"]), "");
    }
}
