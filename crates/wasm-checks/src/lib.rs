//! The browser's way into what is valid: a module beside the core's, for apps that want their edits checked before they are
//! taken. The other side of it is `packages/tapeline/src/checks`.
//!
//! ```text
//! input(bytes) -> place      JavaScript writes what a function takes there …
//! read(…), check(…)          … calls it …
//! output() -> place          … and reads what it answers there, so many bytes.
//! ```

use std::cell::RefCell;
use std::sync::Arc;

use tapeline_authority::{DeviceChecks, SchemaFile, read_schema};
use tapeline_core::codec::cbor;
use tapeline_core::name::FieldName;
use tapeline_core::valid::{Objection, Validity};

/// Everything on this side. A browser's module has one thread.
#[derive(Default)]
struct State {
    input: Vec<u8>,
    output: Vec<u8>,
    schemas: Vec<Arc<SchemaFile>>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Makes room for so many bytes of input, and answers where.
#[unsafe(no_mangle)]
extern "C" fn input(bytes: usize) -> *mut u8 {
    STATE.with_borrow_mut(|state| {
        state.input.resize(bytes, 0);
        state.input.as_mut_ptr()
    })
}

/// Where the output is.
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    STATE.with_borrow(|state| state.output.as_ptr())
}

/// Reads the schema file in the input. Answers 0 where it is one, from now on known by its place among those that were read;
/// otherwise how many bytes the words have that say what is wrong with it.
#[unsafe(no_mangle)]
extern "C" fn read() -> usize {
    STATE.with_borrow_mut(|state| match read_schema(&String::from_utf8_lossy(&state.input)) {
        Ok(file) => {
            state.schemas.push(Arc::new(file));
            0
        }
        Err(error) => state.put_out(error.to_string().into_bytes()),
    })
}

/// Asks a schema of the change in the input: `change` of `codec::cbor::local`. Answers how many bytes there are of a field's name,
/// a zero, and the reason; 0 where nothing stands against it.
#[unsafe(no_mangle)]
extern "C" fn check(schema: usize) -> usize {
    STATE.with_borrow_mut(|state| {
        let Some(Objection { field, reason, .. }) = state.objection(schema) else { return 0 };
        state.put_out([field.as_ref().map_or("", FieldName::as_str), &reason].join("\0").into_bytes())
    })
}

impl State {
    /// What is no change is left to the server.
    fn objection(&self, schema: usize) -> Option<Objection> {
        let (stream, changed) = cbor::decode_change(&self.input).ok()?;
        DeviceChecks::new(self.schemas.get(schema)?.clone(), &stream).objection(&changed.as_change())
    }

    fn put_out(&mut self, bytes: Vec<u8>) -> usize {
        self.output = bytes;
        self.output.len()
    }
}
