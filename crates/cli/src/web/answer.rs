//! What is answered: a text, or a file that is read while it is sent.

use std::{
    convert::Infallible,
    fs::File,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{
    Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
};

/// An answer.
pub(crate) type Answer = Response<Content>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Text(Bytes),
    /// So many bytes from where a file stands.
    File(File, u64),
}

/// A file is sent in pieces of this size.
const PIECE: u64 = 64 << 10;

impl Content {
    fn left(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(_, left) => *left,
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Text(text) => Ok(std::mem::take(text)),
            Self::File(file, left) => {
                // Blocking: what is served often is in the page cache, and another connection can wait for the rest.
                let mut piece = vec![0; PIECE.min(*left) as usize];
                let length = file.read(&mut piece)?;
                if length == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
                }
                piece.truncate(length);
                *left -= length as u64;
                Ok(piece.into())
            }
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.next().map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// A text of a type.
pub(crate) fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Content::Text(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// What a handler cannot fail with.
pub(crate) type Never = Infallible;
