//! Where the bodies of POSTs find their sessions. Each session has a door, under a secret that its client alone is told.

use std::fmt;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use crate::budget::Held;
use crate::lock::lock;

/// Names a session to those who may speak in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Secret(u128);

/// What was posted.
pub(crate) struct Post {
    pub(super) bytes: Vec<u8>,
    /// The client says goodbye.
    pub(super) goodbye: bool,
    /// Told once the session has taken all of it.
    pub(super) taken: oneshot::Sender<()>,
    /// What the bytes take of what all may hold together.
    _held: Option<Held>,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostError {
    /// There is no such session, or it has ended.
    NoSession,
    /// A body before this one has not come.
    OutOfOrder,
}

/// The doors of all sessions that are carried so.
#[derive(Default)]
pub(crate) struct Doors(Mutex<FxHashMap<Secret, Arc<Door>>>);

struct Door {
    posts: mpsc::Sender<Post>,
    /// The number of the last body that was handed to the session. Held while one is handed over.
    last: tokio::sync::Mutex<u64>,
}

/// A new door, seen from its session.
pub(super) struct Entry {
    pub(super) secret: Secret,
    pub(super) posts: mpsc::Receiver<Post>,
    pub(super) open: Open,
}

/// A door that is open. Dropped, it is closed.
pub(super) struct Open {
    doors: Arc<Doors>,
    secret: Secret,
}

impl Doors {
    pub(super) fn open(self: &Arc<Self>) -> Entry {
        let secret = Secret::new();
        let (sender, posts) = mpsc::channel(1);
        let door = Door { posts: sender, last: tokio::sync::Mutex::new(0) };
        lock(&self.0).insert(secret, Arc::new(door));
        Entry { secret, posts, open: Open { doors: self.clone(), secret } }
    }

    /// Hands a body to its session, once however often it comes, and waits until it is taken.
    pub(crate) async fn post(&self, secret: Secret, number: u64, bytes: Vec<u8>, held: Held) -> Result<(), PostError> {
        let door = self.find(secret)?;
        let mut last = door.last.lock().await;
        if number <= *last {
            return Ok(());
        }
        if number > *last + 1 {
            return Err(PostError::OutOfOrder);
        }
        let (post, taken) = Post::frames(bytes, Some(held));
        door.posts.send(post).await.map_err(|_| PostError::NoSession)?;
        *last = number;
        drop(last);
        taken.await.map_err(|_| PostError::NoSession)
    }

    /// Tells a session that its client says goodbye.
    pub(crate) async fn say_goodbye(&self, secret: Secret) -> Result<(), PostError> {
        let (mut post, taken) = Post::frames(Vec::new(), None);
        post.goodbye = true;
        self.find(secret)?.posts.send(post).await.map_err(|_| PostError::NoSession)?;
        // The session ends by it, whether it says so or not.
        let _ = taken.await;
        Ok(())
    }

    fn find(&self, secret: Secret) -> Result<Arc<Door>, PostError> {
        lock(&self.0).get(&secret).cloned().ok_or(PostError::NoSession)
    }
}

impl Post {
    /// What was posted, and how to hear that it was taken.
    pub(super) fn frames(bytes: Vec<u8>, held: Option<Held>) -> (Self, oneshot::Receiver<()>) {
        let (taken, is_taken) = oneshot::channel();
        (Self { bytes, goodbye: false, taken, _held: held }, is_taken)
    }
}

impl Secret {
    fn new() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(u128::from_ne_bytes(bytes))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| is_one).map(Self)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Not the secret itself: it is not for logs.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.doors.0).remove(&self.secret);
    }
}
