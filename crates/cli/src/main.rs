//! The `tapeline` binary: the server, and the tools to look into it, edit through it, load it and measure it.
//!
//! One file a command in `commands/`; `replay/` plays recordings, `bench/` measures.

mod arguments;
mod bench;
mod coming;
mod commands;
mod copy;
mod failure;
mod http;
mod import;
mod log;
mod output;
mod past;
mod relay;
mod replay;
mod schema_diff;
mod stop;
mod storage;
mod types;
mod wire;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, RulesCommand, SchemaCommand};
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = runtime().and_then(|runtime| runtime.block_on(run(arguments)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tapeline: {failure}");
            failure.exit_code()
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = arguments.server();
    let Arguments { server: named, json, command } = arguments;
    match command {
        Command::Demo(demo) => commands::demo::run(demo, json).await,
        Command::Serve(serve) => commands::serve::run(serve, json).await,
        Command::Schema { command: SchemaCommand::Check { file } } => commands::schema::check(&file, json),
        Command::Schema { command: SchemaCommand::Diff { old, new } } => schema_diff::run(&old, &new, json),
        Command::Schema { command: SchemaCommand::Migrate { file, dry_run } } => {
            commands::migrate::run(&server, &file, dry_run, json).await
        }
        Command::Types(arguments) => types::run(&arguments),
        Command::Rules { command: RulesCommand::Test { file, schema } } => commands::rules::test(&file, &schema, json),
        Command::Why(why) => commands::rules::why(&server, why, json),
        Command::Token(token) => commands::token::run(&token, json),
        Command::Key { name } => commands::key::run(&name, json),
        Command::Streams => commands::streams::run(&server, json),
        Command::Cluster { stream } => commands::cluster::run(&server, stream.as_ref(), json),
        Command::Status { stream } => commands::streams::status(&server, &stream, json),
        Command::Tail(tail) => match &tail.query.collection {
            Some(collection) => commands::part::tail(&server, &tail.stream, collection, &tail.query, json).await,
            None => commands::tail::run(&server, tail).await,
        },
        Command::Objects(objects) => commands::objects::run(&server, objects).await,
        Command::Diff(diff) => commands::diff::run(&server, diff, json).await,
        Command::Insert(edit) => commands::edit::run(&server, commands::edit::Verb::Insert, edit).await,
        Command::Update(edit) => commands::edit::run(&server, commands::edit::Verb::Update, edit).await,
        Command::Upsert(edit) => commands::edit::run(&server, commands::edit::Verb::Upsert, edit).await,
        Command::Delete(object) => commands::edit::delete(&server, object).await,
        Command::Get(object) => commands::objects::get(&server, &object),
        Command::History(object) => commands::objects::history(&server, &object),
        Command::Import(arguments) => import::run(&server, arguments, json).await,
        Command::Replay(arguments) => replay::run(&server, arguments, json).await,
        Command::Verify { data } => commands::verify::run(&data, json),
        Command::Compact { data, schema } => match named {
            Some(server) => commands::compact::ask(&server, json),
            None => commands::compact::run(&data, schema.as_deref(), json).await,
        },
        Command::Copy(arguments) => copy::run(arguments, json).await,
        Command::Stats { data } => commands::stats::run(&data, json),
        Command::Bench(arguments) => bench::run(arguments, named.as_deref(), json).await,
        Command::Completions { shell } => Ok(std::io::stdout().write_all(&arguments::completions(shell))?),
    }
}
