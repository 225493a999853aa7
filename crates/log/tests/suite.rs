//! Every backend passes the executable contract.

use std::sync::Arc;

use tapeline_log::embedded::Embedded;
use tapeline_log::memory::MemoryLog;
use tapeline_log::suite::{Fresh, run_all};

#[test]
fn memory() {
    run_all("memory", || Fresh { log: Arc::new(MemoryLog::new()), reopen: None });
}

#[test]
fn memory_that_crashes() {
    run_all("memory that crashes", || {
        let reopen = |log: Arc<MemoryLog>| Arc::new(MemoryLog::restore(log.crash(0), false));
        Fresh { log: Arc::new(MemoryLog::new()), reopen: Some(Box::new(reopen)) }
    });
}

#[test]
fn embedded_closed_well() {
    let directory = tempfile::tempdir().unwrap();
    let mut logs = 0;
    run_all("embedded", || {
        logs += 1;
        let path = directory.path().join(logs.to_string());
        let log = Arc::new(Embedded::open(&path).unwrap());
        let reopen = move |log: Arc<Embedded>| {
            log.close().unwrap();
            drop(log);
            Arc::new(Embedded::open(&path).unwrap())
        };
        Fresh { log, reopen: Some(Box::new(reopen)) }
    });
}

/// Everything goes through the store at once, so that no reader finds it in memory.
#[test]
fn embedded_always_flushing() {
    let directory = tempfile::tempdir().unwrap();
    let mut logs = 0;
    run_all("embedded, always flushing", || {
        logs += 1;
        let path = directory.path().join(logs.to_string());
        let open = move || {
            let log = Arc::new(Embedded::open(&path).unwrap());
            let flushed = Arc::downgrade(&log);
            let always = move || {
                while let Some(log) = flushed.upgrade() {
                    log.flush_soon();
                    drop(log);
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
            };
            std::thread::spawn(always);
            log
        };
        let log = open();
        let reopen = move |log: Arc<Embedded>| {
            log.close().unwrap();
            drop(log);
            open()
        };
        Fresh { log, reopen: Some(Box::new(reopen)) }
    });
}

#[test]
fn embedded_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let mut logs = 0;
    run_all("embedded, dropped", || {
        logs += 1;
        let path = directory.path().join(logs.to_string());
        let log = Arc::new(Embedded::open(&path).unwrap());
        let reopen = move |log: Arc<Embedded>| {
            drop(log);
            Arc::new(Embedded::open(&path).unwrap())
        };
        Fresh { log, reopen: Some(Box::new(reopen)) }
    });
}
