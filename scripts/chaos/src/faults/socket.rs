//! Clients that do not keep to the protocol.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::{Scene, Told};
use crate::{
    deed::Deed,
    failure::{Outcome, at},
};

pub(super) fn babble(scene: &mut Scene<'_>) -> Outcome<Told> {
    let path = scene.stage.world.home().join("rpm.sock");
    let hello = frame(br#"{"protocol":1,"version":"chaos","pid":1}"#);
    let mut held = Vec::new();
    for number in 0..40 {
        let mut stream = UnixStream::connect(&path).map_err(at(&path))?;
        let random: Vec<u8> = (0..scene.random.within(1..5000)).map(|_| scene.random.next() as u8).collect();
        let bytes = match number % 8 {
            0 => random,
            // The largest length there is.
            1 => vec![0xff; 4],
            2 => frame(&random),
            3 => [hello.clone(), frame(&random)].concat(),
            4 => [hello.clone(), frame(br#"{"act":{"action":"delete"}}"#)].concat(),
            5 => [hello.clone(), frame("[".repeat(100_000).as_bytes())].concat(),
            // A frame that never ends.
            6 => [hello.clone(), 1000_u32.to_le_bytes().to_vec(), b"{".to_vec()].concat(),
            _ => hello.clone(),
        };
        // The daemon may have closed it already.
        let _ = stream.write_all(&bytes);
        held.push(stream);
    }
    let deed = Deed::any(scene.stage, scene.random);
    let said = deed.perform(scene.stage)?;
    let mut told = Told::from(format!("40 connections, beside them {deed:?}"));
    if !(said.is_done() || said.had_nothing_to_do()) {
        told.violations.push(format!("`rpm {}`: {:?}: {}", said.words, said.status, said.text.trim()));
    }
    for stream in &mut held {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
        let _ = stream.read(&mut [0; 4096]);
    }
    Ok(told)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..], payload].concat()
}
