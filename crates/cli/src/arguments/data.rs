//! Reading and editing what is on streams.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tapeline_core::name::{Collection, FieldName, ObjectId, StreamName};
use tapeline_core::numbers::Seq;

#[derive(Args, Debug)]
pub struct Tail {
    /// The stream.
    pub stream: StreamName,
    /// The first event to print.
    #[arg(long, default_value = "0", value_name = "SEQ", value_parser = parse_seq, conflicts_with = "collection")]
    pub from: Seq,
    /// Go on with what is recorded from now on, also across restarts of the server. What a query finds is followed anyway.
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub query: Query,
}

/// Which objects of one collection.
#[derive(Args, Debug)]
pub struct Query {
    /// Only the objects of this collection.
    #[arg(long, value_name = "C")]
    pub collection: Option<Collection>,
    /// Only those of the collection that meet these conditions: eq, ne, lt, le, gt, ge, in, contains, prefix, exists, and,
    /// or, not.
    #[arg(long = "where", value_name = "JSON", requires = "collection")]
    pub filter: Option<String>,
    /// Sorted by these fields of the collection's objects, with a comma between them; `-field` for the largest first.
    #[arg(long, value_name = "F", requires = "collection", allow_hyphen_values = true)]
    pub order_by: Option<String>,
    /// Only the first so many.
    #[arg(long, value_name = "N", requires = "collection")]
    pub limit: Option<usize>,
}

#[derive(Args, Debug)]
pub struct Objects {
    /// The stream.
    pub stream: StreamName,
    #[command(flatten)]
    pub query: Query,
    /// And what they refer to in these fields, with a comma between them, as the server's schema says; with a limit.
    #[arg(long, value_name = "F", requires = "limit", conflicts_with = "at")]
    pub with: Option<String>,
    /// As they were when the stream had so many events: plays its log to there.
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub at: Option<Seq>,
}

#[derive(Args, Debug)]
pub struct Diff {
    /// The stream.
    pub stream: StreamName,
    /// From how it was when the stream had so many events.
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub from: Seq,
    /// To how it was when the stream had so many. [default: as it is now]
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub to: Option<Seq>,
}

#[derive(Args, Debug)]
pub struct Object {
    /// The stream.
    pub stream: StreamName,
    /// The object's collection.
    pub collection: Collection,
    /// The object's id.
    pub id: ObjectId,
}

#[derive(Args, Debug)]
pub struct Edit {
    #[command(flatten)]
    pub object: Object,
    /// The fields, as a JSON object.
    #[arg(value_name = "JSON", default_value = "{}")]
    pub fields: String,
    /// Numbers to add to fields, as a JSON object; for update alone.
    #[arg(long, value_name = "JSON")]
    pub inc: Option<String>,
}

#[derive(Args, Debug)]
pub struct Import {
    /// The stream.
    pub stream: StreamName,
    /// The file: JSON, NDJSON or CSV in UTF-8; `-` for standard input.
    pub file: PathBuf,
    /// The collection the rows are of, where the file does not say it.
    #[arg(long, value_name = "C")]
    pub collection: Option<Collection>,
    /// The field or column with the ids.
    #[arg(long, value_name = "F", default_value = "id")]
    pub id_field: FieldName,
    /// Keep objects that the file does not have.
    #[arg(long)]
    pub keep: bool,
    /// Show what differs, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// What the file is, where its ending does not say it; standard input is NDJSON without.
    #[arg(long)]
    pub format: Option<Format>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// JSON, a row a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
}

fn parse_seq(text: &str) -> Result<Seq, std::num::ParseIntError> {
    text.parse().map(Seq)
}
