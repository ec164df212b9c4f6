//! How a message lies on the socket: a `u32` length, little endian, then that many bytes of JSON.

use serde::{Serialize, de::DeserializeOwned};

/// Longest payload. A longer one is refused before anything is allocated for it.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// Bytes of the length before a payload.
pub const HEADER: usize = 4;

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is over [`MAX_PAYLOAD`].
    #[error("a frame of {0} bytes is over the limit of {MAX_PAYLOAD}")]
    TooLong(usize),
    /// The payload is not the JSON that was expected.
    #[error("a malformed frame: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// `message` as a whole frame.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut frame = Vec::new();
    append(&mut frame, message)?;
    Ok(frame)
}

/// Puts `message` behind the `frames`, which are as they were if it is refused.
pub fn append(frames: &mut Vec<u8>, message: &impl Serialize) -> Result<(), FrameError> {
    let header = frames.len();
    frames.extend([0; HEADER]);
    let begin = frames.len();
    let written = serde_json::to_writer(&mut *frames, message).map_err(FrameError::from);
    let written = written.and_then(|()| match frames.len() - begin {
        payload if payload > MAX_PAYLOAD => Err(FrameError::TooLong(payload)),
        payload => Ok(payload),
    });
    match written {
        Ok(payload) => {
            frames[header..begin].copy_from_slice(&(payload as u32).to_le_bytes());
            Ok(())
        }
        Err(error) => {
            frames.truncate(header);
            Err(error)
        }
    }
}

/// The length of the payload that follows `header`.
pub fn payload_length(header: [u8; HEADER]) -> Result<usize, FrameError> {
    match u32::from_le_bytes(header) as usize {
        length if length <= MAX_PAYLOAD => Ok(length),
        length => Err(FrameError::TooLong(length)),
    }
}

/// The message in a payload.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_its_length() {
        let frame = encode(&"hi").unwrap();
        assert_eq!(frame, b"\x04\0\0\0\"hi\"");
        assert_eq!(payload_length([4, 0, 0, 0]).unwrap(), 4);
        assert_eq!(decode::<String>(&frame[HEADER..]).unwrap(), "hi");
        let mut frames = frame.clone();
        append(&mut frames, &"hi").unwrap();
        assert_eq!(frames, [frame.clone(), frame].concat());
    }

    #[test]
    fn giants_and_garbage_are_refused() {
        assert!(matches!(payload_length([0xff; 4]), Err(FrameError::TooLong(_))));
        assert!(matches!(encode(&"x".repeat(MAX_PAYLOAD)), Err(FrameError::TooLong(_))));
        let mut frames = vec![7];
        assert!(append(&mut frames, &"x".repeat(MAX_PAYLOAD)).is_err());
        assert_eq!(frames, [7]);
        assert!(matches!(decode::<String>(b"{"), Err(FrameError::Malformed(_))));
    }
}
