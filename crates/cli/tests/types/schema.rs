// Made by `tapeline types --lang rust` from the schema: make it anew when that changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tapeline_client::{NameError, Stream, Typed};

/// An object of `blog-posts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlogPosts {
    pub day: Option<serde_json::Value>,
}

impl BlogPosts {
    /// The collection of these on a stream.
    pub fn on(stream: &Stream) -> Result<Typed<Self>, NameError> {
        stream.typed("blog-posts")
    }
}

/// An object of `people`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct People {
    #[serde(flatten)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

impl People {
    /// The collection of these on a stream.
    pub fn on(stream: &Stream) -> Result<Typed<Self>, NameError> {
        stream.typed("people")
    }
}

/// An object of `tasks`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tasks {
    pub cost: Option<f64>,
    #[serde(rename = "due-date")]
    pub due_date: Option<String>,
    #[serde(rename = "dueDate")]
    pub due_date2: Option<i64>,
    pub effort: Option<i64>,
    pub more: Option<BTreeMap<String, serde_json::Value>>,
    pub note: Option<serde_json::Value>,
    /// Refers to `people`.
    pub owner: Option<String>,
    // `picture` is bytes: read and set it through the collection.
    pub size: Option<i64>,
    pub state: Option<TasksState>,
    pub tags: Option<Vec<serde_json::Value>>,
    pub title: String,
    #[serde(rename = "type")]
    pub type_: Option<serde_json::Value>,
    pub urgent: bool,
    /// Refers to `people`.
    pub watchers: Option<Vec<String>>,
}

impl Tasks {
    /// The collection of these on a stream.
    pub fn on(stream: &Stream) -> Result<Typed<Self>, NameError> {
        stream.typed("tasks")
    }
}

/// What `state` of `tasks` may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TasksState {
    /// `open`.
    #[serde(rename = "open")]
    Open,
    /// `in work`.
    #[serde(rename = "in work")]
    InWork,
    /// `done`.
    #[serde(rename = "done")]
    Done,
}
