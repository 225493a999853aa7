//! Turns the compiled core into a module for JavaScript: `tapeline-bindgen IN.wasm OUT_DIRECTORY`.
//!
//! The library behind `wasm-bindgen`'s own program, in the very version the core is compiled with.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: tapeline-bindgen IN.wasm OUT_DIRECTORY");
        return ExitCode::from(2);
    };
    match generate(input, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(input: &str, output: &str) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    let web = bindgen.input_path(input).out_name("tapeline").web(true).map_err(|error| format!("{error:#}"))?;
    web.typescript(true).omit_default_module_path(true).generate(output).map_err(|error| format!("{error:#}"))
}
