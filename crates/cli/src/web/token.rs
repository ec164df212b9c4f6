//! The token without which `rpm web` shows nothing: a file that its user alone can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use nix::unistd::geteuid;
use rpm_core::Home;

use crate::files;

/// Random bytes of a token.
const LENGTH: usize = 32;

/// Where the token of `home` is.
pub(crate) fn path(home: &Home) -> PathBuf {
    home.root().join("web.token")
}

/// The token of `home`; made if there is none, and replaced if others could have read it or written it.
pub(crate) fn load_or_make(home: &Home) -> io::Result<String> {
    let path = path(home);
    if let Some(token) = load(&path)? {
        return Ok(token);
    }
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let token = bytes.map(|byte| format!("{byte:02x}")).concat();
    files::replace(&path, format!("{token}\n").as_bytes(), 0o600)?;
    Ok(token)
}

/// The token, if it is there and private.
fn load(path: &Path) -> io::Result<Option<String>> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !meta.is_file() || meta.mode() & 0o077 != 0 || meta.uid() != geteuid().as_raw() {
        return Ok(None);
    }
    let mut text = String::new();
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    file.take(1024).read_to_string(&mut text)?;
    let token = text.trim();
    let is_whole = token.len() == 2 * LENGTH && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(is_whole.then(|| token.to_owned()))
}

/// Whether the headers carry the token (`Authorization: Bearer`).
pub(crate) fn is_given(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    super::is_same(given, format!("Bearer {token}").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rpm_core::Persona;

    use super::*;

    #[test]
    fn a_token_is_private_and_stays_unless_others_could_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        let first = load_or_make(&home).unwrap();
        assert_eq!(fs::metadata(path(&home)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&home).unwrap(), first);
        fs::set_permissions(path(&home), fs::Permissions::from_mode(0o644)).unwrap();
        let second = load_or_make(&home).unwrap();
        assert_ne!(second, first);
        fs::write(path(&home), "short").unwrap();
        assert_ne!(load_or_make(&home).unwrap(), second);
    }

    #[test]
    fn only_the_whole_token_opens() {
        let with =
            |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        assert!(is_given(&with("Bearer abc"), "abc"));
        for wrong in ["Bearer ab", "Bearer abcd", "abc", "Basic abc", ""] {
            assert!(!is_given(&with(wrong), "abc"), "{wrong}");
        }
        assert!(!is_given(&HeaderMap::new(), "abc"));
    }
}
