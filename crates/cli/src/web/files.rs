//! Static files, as PM2 serves them: an index, a page for what is not there, single-page apps, listings, a password.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    answer::{Answer, Content, text},
    mime,
};

/// What is served, and how.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    /// What `/` is, and in a single-page app all that is no file.
    pub(crate) homepage: String,
    /// A single-page app has one page for every address.
    pub(crate) spa: bool,
    /// Directories without an index are listed.
    pub(crate) lists: bool,
    /// Files and directories whose names begin with a dot are served too; else `.well-known` alone is.
    pub(crate) dot_files: bool,
    /// Who may look, as `Authorization` says it.
    pub(crate) password: Option<String>,
}

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

impl Site {
    /// The answer to a request.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Answer {
        let mut answer = self.decide(request);
        put(&mut answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        put(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if request.method() == Method::HEAD {
            let length = match answer.body() {
                Content::Text(text) => text.len() as u64,
                Content::File(_, length) => *length,
            };
            put(&mut answer, header::CONTENT_LENGTH, &length.to_string());
            *answer.body_mut() = Content::Text(hyper::body::Bytes::new());
        }
        answer
    }

    fn decide<B>(&self, request: &Request<B>) -> Answer {
        if !self.admits(request.headers()) {
            let mut answer = text(StatusCode::UNAUTHORIZED, PLAIN, "401 Unauthorized");
            put(&mut answer, header::WWW_AUTHENTICATE, "Basic realm=\"Authentication service\"");
            return answer;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "405 Method Not Allowed");
            put(&mut answer, header::ALLOW, "GET, HEAD");
            return answer;
        }
        let Some(asked) = inside(request.uri().path()) else {
            return text(StatusCode::FORBIDDEN, PLAIN, "403 Forbidden");
        };
        if !self.dot_files && is_hidden(&asked) {
            // A hidden file is answered like one that does not exist.
            return self.absent();
        }
        self.find(&asked, request).unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => text(StatusCode::FORBIDDEN, PLAIN, "403 Forbidden"),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
                self.absent()
            }
            _ => text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("500 {error}")),
        })
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(password) = &self.password else { return true };
        let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        super::is_same(given, password.as_bytes())
    }

    fn find<B>(&self, asked: &Path, request: &Request<B>) -> io::Result<Answer> {
        let path = self.root.join(asked);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => return send(&path, request.headers()),
            Ok(meta) if meta.is_dir() => {
                let is_root = asked.as_os_str().is_empty();
                let index = if is_root { self.home() } else { path.join("index.html") };
                if index.is_file() {
                    // Relative links of a page in a directory begin in that directory.
                    if request.uri().path().ends_with('/') {
                        return send(&index, request.headers());
                    }
                    return Ok(moved(&format!("{}/", request.uri().path())));
                }
                if self.lists {
                    return listing(&path, request.uri().path());
                }
            }
            // Neither a device nor a pipe is ever read.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) => {}
        }
        if self.spa {
            // An address below a page asks for its scripts relative to itself.
            let beside = asked.file_name().map(|name| self.root.join(name)).filter(|path| path.is_file());
            return send(&beside.unwrap_or_else(|| self.home()), request.headers());
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn home(&self) -> PathBuf {
        self.root.join(self.homepage.trim_start_matches('/'))
    }

    fn absent(&self) -> Answer {
        let page = fs::read(self.root.join("404.html"));
        page.map_or_else(
            |_| text(StatusCode::NOT_FOUND, PLAIN, "404 Not Found"),
            |page| text(StatusCode::NOT_FOUND, HTML, page),
        )
    }
}

/// What `Authorization` says for a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = "Basic ".to_owned();
    for group in format!("{name}:{password}").as_bytes().chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            encoded.push(if place <= group.len() { letter.into() } else { '=' });
        }
    }
    encoded
}

fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// The path that an address means below the root; `None` if it leads out of it.
fn inside(address: &str) -> Option<PathBuf> {
    let decoded = PathBuf::from(std::ffi::OsString::from_vec(decode(address.as_bytes())?));
    let mut path = PathBuf::new();
    for component in decoded.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir if !path.pop() => return None,
            _ => {}
        }
    }
    Some(path)
}

/// Whether a path leads to or through a dot file. `.well-known` (RFC 8615) is meant for the public, at the root only.
fn is_hidden(path: &Path) -> bool {
    let mut parts = path.iter().map(OsStr::as_bytes).enumerate();
    parts.any(|(place, part)| part.starts_with(b".") && !(place == 0 && part == b".well-known"))
}

fn decode(address: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(address.len());
    let mut bytes = address.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => *byte,
        };
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
    }
    Some(decoded)
}

fn encode(name: &OsStr) -> String {
    let mut encoded = String::new();
    for byte in name.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push((*byte).into());
            }
            byte => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

fn moved(to: &str) -> Answer {
    let mut answer = text(StatusCode::MOVED_PERMANENTLY, PLAIN, "301 Moved Permanently");
    // Two slashes at the beginning would lead to another host.
    put(&mut answer, header::LOCATION, &format!("/{}", to.trim_start_matches('/')));
    answer
}

/// A file, or the part of it that is asked for.
fn send(path: &Path, headers: &HeaderMap) -> io::Result<Answer> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let asked = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let since = asked(header::IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    // The date has whole seconds.
    if since.is_some_and(|since| since + std::time::Duration::from_secs(1) > modified) {
        let mut answer = Response::new(Content::Text(hyper::body::Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    let length = meta.len();
    let (status, from, count) = match asked(header::RANGE).map(|range| part(range, length)) {
        None | Some(Part::All) => (StatusCode::OK, 0, length),
        Some(Part::Some { from, count }) => (StatusCode::PARTIAL_CONTENT, from, count),
        Some(Part::Nothing) => {
            let mut answer = text(StatusCode::RANGE_NOT_SATISFIABLE, PLAIN, "416 Range Not Satisfiable");
            put(&mut answer, header::CONTENT_RANGE, &format!("bytes */{length}"));
            return Ok(answer);
        }
    };
    file.seek(SeekFrom::Start(from))?;
    let mut answer = Response::new(Content::File(file, count));
    *answer.status_mut() = status;
    put(&mut answer, header::CONTENT_TYPE, mime::of(path));
    put(&mut answer, header::ACCEPT_RANGES, "bytes");
    put(&mut answer, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = from + count - 1;
        put(&mut answer, header::CONTENT_RANGE, &format!("bytes {from}-{last}/{length}"));
    }
    Ok(answer)
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The header says nothing that is understood, and is passed over.
    All,
    Some {
        from: u64,
        count: u64,
    },
    /// It lies behind the end.
    Nothing,
}

/// The bytes that `Range` asks for; of several ranges none is given, which is allowed.
fn part(range: &str, length: u64) -> Part {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::All;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(from), Ok(last)) if from > last => Part::All,
        (Ok(from), _) if from >= length => Part::Nothing,
        (Ok(from), Ok(last)) => Part::Some { from, count: last.min(length - 1) - from + 1 },
        (Ok(from), Err(_)) if last.trim().is_empty() => Part::Some { from, count: length - from },
        (Err(_), Ok(0)) if first.trim().is_empty() => Part::Nothing,
        (Err(_), Ok(_)) if first.trim().is_empty() && length == 0 => Part::Nothing,
        (Err(_), Ok(count)) if first.trim().is_empty() => {
            let count = count.min(length);
            Part::Some { from: length - count, count }
        }
        _ => Part::All,
    }
}

/// The names in a directory but for those that begin with a dot.
fn listing(directory: &Path, address: &str) -> io::Result<Answer> {
    if !address.ends_with('/') {
        return Ok(moved(&format!("{address}/")));
    }
    let mut names: Vec<_> = fs::read_dir(directory)?
        .filter_map(Result::ok)
        .map(|entry| (entry.file_name(), entry.path().is_dir()))
        .filter(|(name, _)| !name.as_bytes().starts_with(b"."))
        .collect();
    names.sort_unstable();
    let mut page = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Index</title>\n<ul>\n".to_owned();
    if address != "/" {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for (name, is_directory) in names {
        let slash = if is_directory { "/" } else { "" };
        let shown = name.to_string_lossy().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        _ = writeln!(page, "<li><a href=\"{}{slash}\">{shown}{slash}</a></li>", encode(&name));
    }
    page.push_str("</ul>\n");
    Ok(text(StatusCode::OK, HTML, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leads_out() {
        let path = |address: &str| inside(address).map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(path("/a/./b//c").as_deref(), Some("a/b/c"));
        assert_eq!(path("/a/../b").as_deref(), Some("b"));
        assert_eq!(path("/a%20b/%C3%A4").as_deref(), Some("a b/ä"));
        for out in [
            "/..",
            "/a/../../b",
            "/%2e%2e/x",
            "/..%2f..%2fetc/passwd",
            "/%00",
            "/%zz",
            "/%2",
            "/a/%2e%2e/%2e%2e/x",
        ] {
            assert_eq!(path(out), None, "{out}");
        }
        // Whatever is asked for, it is below the root.
        assert_eq!(path("//etc/passwd").as_deref(), Some("etc/passwd"));
    }

    #[test]
    fn parts_of_files_are_those_of_the_standard() {
        let some = |from, count| Part::Some { from, count };
        for (range, expected) in [
            ("bytes=0-4", some(0, 5)),
            ("bytes=5-", some(5, 5)),
            ("bytes=-3", some(7, 3)),
            ("bytes=-30", some(0, 10)),
            ("bytes=8-99", some(8, 2)),
            ("bytes=10-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=4-2", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("bytes=", Part::All),
            ("bytes=-", Part::All),
            ("lines=1-2", Part::All),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=-5", 0), Part::Nothing);
        assert_eq!(part("bytes=0-", 0), Part::Nothing);
    }

    #[test]
    fn a_password_is_encoded_as_browsers_do() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("a", "bc"), "Basic YTpiYw==");
        assert_eq!(basic("a", "b"), "Basic YTpi");
    }

    fn asked(site: &Site, address: &str) -> (u16, String) {
        let answer = site.answer(&Request::get(address).body(()).unwrap());
        let status = answer.status().as_u16();
        let body = match answer.into_body() {
            Content::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Content::File(file, _) => io::read_to_string(file).unwrap(),
        };
        (status, body)
    }

    #[test]
    fn a_site_has_its_pages() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::create_dir(directory.path().join("bare")).unwrap();
        write("index.html", "home");
        write("app.js", "script");
        write("sub/index.html", "sub");
        write("bare/a&b.txt", "x");
        write("bare/.hidden", "x");
        let mut site = Site {
            root: directory.path().into(),
            homepage: "/index.html".into(),
            spa: false,
            lists: false,
            dot_files: false,
            password: None,
        };
        assert_eq!(asked(&site, "/"), (200, "home".into()));
        assert_eq!(asked(&site, "/app.js"), (200, "script".into()));
        assert_eq!(asked(&site, "/sub/"), (200, "sub".into()));
        assert_eq!(asked(&site, "/sub").0, 301);
        assert_eq!(asked(&site, "/nowhere"), (404, "404 Not Found".into()));
        assert_eq!(asked(&site, "/bare/").0, 404);
        assert_eq!(asked(&site, "/../x").0, 403);
        write("404.html", "my own");
        assert_eq!(asked(&site, "/nowhere"), (404, "my own".into()));
        site.lists = true;
        let (status, page) = asked(&site, "/bare/");
        assert_eq!(status, 200);
        assert!(page.contains("<a href=\"a%26b.txt\">a&amp;b.txt</a>") && !page.contains("hidden"), "{page}");
        fs::create_dir_all(directory.path().join(".well-known/.git")).unwrap();
        write(".env", "SECRET=1");
        write(".well-known/security.txt", "contact");
        write(".well-known/.git/config", "x");
        assert_eq!(asked(&site, "/.well-known/security.txt"), (200, "contact".into()));
        let hidden =
            ["/.env", "/%2eenv", "/sub/../.env", "/bare/.hidden", "/.well-known/.git/config", "//.env"];
        for address in hidden {
            assert_eq!(asked(&site, address), (404, "my own".into()), "{address}");
        }
        site.spa = true;
        assert_eq!(asked(&site, "/users/.env").0, 404);
        site.dot_files = true;
        assert_eq!(asked(&site, "/.env"), (200, "SECRET=1".into()));
        assert_eq!(asked(&site, "/users/7"), (200, "home".into()));
        assert_eq!(asked(&site, "/users/app.js"), (200, "script".into()));
        site.password = Some(basic("a", "b"));
        assert_eq!(asked(&site, "/").0, 401);
        let with = Request::get("/").header("authorization", basic("a", "b")).body(()).unwrap();
        assert_eq!(site.answer(&with).status(), 200);
    }
}
