//! Many streams of one client take little memory.

#![cfg(target_os = "linux")]

use tapeline_client::Tapeline;

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[tokio::test]
async fn a_stream_in_which_nothing_is_takes_little_memory() {
    const STREAMS: u64 = 2_000;
    let tapeline = Tapeline::builder("ws://127.0.0.1:1").offline().open().await.unwrap();
    let before = resident();
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        streams.push(tapeline.stream(format!("many/{number}")).await.unwrap());
    }
    let each = resident().saturating_sub(before) / STREAMS;
    assert!(each < 32 << 10, "{each} bytes each");
}
