//! Looking at schema files, and at what their rules say.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tapeline_core::name::{Collection, ObjectId, StreamName, Subject};

#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Check a schema file, and print what it means.
    #[command(after_help = "Examples:
  tapeline schema check schema.toml
  tapeline schema check schema.toml --json | jq .collections.tasks")]
    Check {
        /// The TOML file.
        file: PathBuf,
    },
    /// Say what a newer schema means for apps that were written for an older one. Fails where something is refused them.
    #[command(after_help = "Example:
  tapeline schema diff released.toml schema.toml")]
    Diff {
        /// The TOML file that apps were written for.
        old: PathBuf,
        /// The newer one.
        new: PathBuf,
    },
    /// Give objects that were made before a field was renamed its new name, too, on all streams of the server.
    #[command(after_help = "Example:
  tapeline schema migrate schema.toml --dry-run")]
    Migrate {
        /// The TOML file by which the server goes.
        file: PathBuf,
        /// Say how many objects lack a name, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Check that the rules allow and refuse what a file of cases says.
    #[command(after_help = "Example:
  tapeline rules test cases.toml --schema schema.toml

A case, of as many as you like; without old it is an insert, without new a delete:
  [[cases]]
  name = \"an owner may close a task\"
  auth = { sub = \"ana\" }
  stream = \"lists/home\"
  collection = \"tasks\"
  old = { owner = \"ana\", state = \"open\" }
  new = { owner = \"ana\", state = \"closed\" }
  read = true
  write = true")]
    Test {
        /// The TOML file with the cases.
        file: PathBuf,
        /// The TOML file with the rules.
        #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
        schema: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct Why {
    /// Who: the subject of their token.
    pub subject: Subject,
    /// The stream.
    pub stream: StreamName,
    /// The collection.
    pub collection: Collection,
    /// The object's id.
    pub id: ObjectId,
    /// The TOML file with the rules.
    #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
    pub schema: PathBuf,
    /// What else their token claims, each as NAME=JSON.
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    pub claims: Vec<(String, serde_json::Value)>,
}

/// Reads a claim.
fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, json) = text.split_once('=').ok_or("a claim is written NAME=JSON, like role=\"editor\"")?;
    let value = serde_json::from_str(json).map_err(|error| format!("{json} is not JSON: {error}"))?;
    Ok((name.into(), value))
}

/// What to make types of, and in which language.
#[derive(Args, Debug)]
pub struct Types {
    /// The TOML file.
    pub file: PathBuf,
    /// The language.
    #[arg(long)]
    pub lang: Language,
}

/// A language that types are written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    /// TypeScript.
    Ts,
    /// Rust, with serde.
    Rust,
}
