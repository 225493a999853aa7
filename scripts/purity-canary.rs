//! Everything the core must not do, each thing once: what `scripts/check-purity` compiles in the core's place.

use std::collections::{HashMap, HashSet};

type Map = HashMap<u8, u8>;
type Set = HashSet<u8>;

fn types(_: std::fs::File, _: std::net::TcpStream, _: std::sync::Mutex<u8>, _: std::sync::RwLock<u8>) {}

fn time() -> (std::time::Instant, std::time::SystemTime) {
    std::thread::sleep(std::time::Duration::ZERO);
    (std::time::Instant::now(), std::time::SystemTime::now())
}

fn threads() {
    std::thread::spawn(|| ());
    std::thread::scope(|_| ());
}

#[cfg(test)]
fn chance() {
    fastrand::Rng::new();
    (fastrand::bool(), fastrand::u64(..), fastrand::usize(..));
    fastrand::shuffle(&mut [0]);
}

fn map_order(mut map: Map) {
    (map.iter(), map.keys(), map.values());
    map.iter_mut();
    map.values_mut();
    map.drain();
    map.clone().into_keys();
    map.into_values();
}

fn set_order(mut set: Set) {
    set.iter();
    set.drain();
}

fn outside() {
    let _ = (std::env::var(""), std::fs::read(""), std::fs::write("", ""));
}

fn printing() {
    print!("");
    println!();
    eprint!("");
    eprintln!();
    dbg!(0);
}

thread_local!(static GLOBAL: u8 = const { 0 });
