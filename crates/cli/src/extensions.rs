//! `--ext`: only files with some extensions are watched. PM2 looks the others up once, and ignores them by name.

use std::path::{Path, PathBuf};

/// The files below `root` with other extensions, relative to it, and what is never watched.
pub(crate) fn ignored(root: &Path, extensions: &str) -> Vec<PathBuf> {
    let wanted: Vec<_> =
        extensions.split(',').map(|extension| extension.trim().trim_start_matches('.')).collect();
    let mut ignored = vec![PathBuf::from("**/node_modules"), PathBuf::from("**/.*")];
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        // What cannot be read cannot be watched either.
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') || name == "node_modules" {
                continue;
            }
            let path = entry.path();
            // A link to a directory may lead in a circle.
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if is_directory {
                directories.push(path);
            } else if !wanted.contains(&extension) {
                ignored.extend(path.strip_prefix(root).ok().map(Path::to_owned));
            }
        }
    }
    ignored.sort_unstable();
    ignored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_other_extensions_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["src/deep", "node_modules", ".git"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        for name in
            ["a.js", "b.log", "src/c.ts", "src/deep/d.json", "node_modules/x.log", ".git/y", "Makefile"]
        {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let ignored = ignored(directory.path(), "js,.json");
        let expected = ["**/.*", "**/node_modules", "Makefile", "b.log", "src/c.ts"];
        assert_eq!(ignored, expected.map(PathBuf::from));
    }
}
