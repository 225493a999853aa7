//! Where a log on JetStream is, and how it is kept: `nats://HOST:PORT[,HOST:PORT…][?SETTING=VALUE[&…]]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// The prefix where nothing else is said.
const PREFIX: &str = "tapeline";
const SCHEMES: [&str; 2] = ["nats://", "tls://"];

/// Where a log on JetStream is, and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The addresses of servers of the cluster; one that can be reached is enough.
    pub servers: Vec<String>,
    /// What the names of its JetStream streams and subjects begin with: a cluster may have several logs.
    pub prefix: String,
    /// How many JetStream streams it is spread over. Cannot be changed later.
    pub streams: Option<NonZeroUsize>,
    /// How many servers have each message.
    pub replicas: Option<NonZeroUsize>,
    /// Where servers keep messages.
    pub storage: Option<Storage>,
    /// A file with credentials.
    pub credentials: Option<PathBuf>,
}

/// Where servers keep messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In memory: what is acknowledged is gone when too many servers are down at once.
    Memory,
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is the address of something else.
    #[error("{0:?} is no address of a log: say nats://HOST:PORT, or tls://HOST:PORT")]
    Address(String),
    /// There is no such setting.
    #[error("there is no setting {0:?} of a log; there are prefix, streams, replicas, storage, credentials")]
    Unknown(String),
    /// A setting cannot have this value.
    #[error("{value:?} cannot be the {setting} of a log: say {wanted}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What it was to be.
        value: String,
        /// What it can be.
        wanted: &'static str,
    },
}

impl FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let (servers, query) = text.split_once('?').unwrap_or((text, ""));
        let mut settings = Self {
            servers: read_servers(servers)?,
            prefix: PREFIX.into(),
            streams: None,
            replicas: None,
            storage: None,
            credentials: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (setting, value) = pair.split_once('=').unwrap_or((pair, ""));
            settings.take(setting, value)?;
        }
        Ok(settings)
    }
}

impl Settings {
    /// Where it is, as it may be shown: without names and passwords.
    pub fn shown(&self) -> String {
        let shown = |server: &String| match (server.split_once("://"), server.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => server.clone(),
        };
        self.servers.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    fn take(&mut self, setting: &str, value: &str) -> Result<(), SettingsError> {
        let wrong = |setting, wanted| SettingsError::Value { setting, value: value.to_owned(), wanted };
        match setting {
            "prefix" if !is_prefix(value) => return Err(wrong("prefix", "letters, digits, - and _")),
            "prefix" => self.prefix = value.to_owned(),
            "streams" => {
                let number = number(value, 1_000).ok_or_else(|| wrong("streams", "a number from 1 to 1000"))?;
                self.streams = Some(number);
            }
            "replicas" => {
                self.replicas = Some(number(value, 5).ok_or_else(|| wrong("replicas", "1, 3 or 5"))?);
            }
            "storage" => {
                self.storage = Some(match value {
                    "file" => Storage::File,
                    "memory" => Storage::Memory,
                    _ => return Err(wrong("storage", "file or memory")),
                });
            }
            "credentials" => self.credentials = Some(value.into()),
            _ => return Err(SettingsError::Unknown(setting.to_owned())),
        }
        Ok(())
    }
}

/// The addresses of a list, each with its scheme.
fn read_servers(text: &str) -> Result<Vec<String>, SettingsError> {
    let wrong = || SettingsError::Address(text.to_owned());
    let scheme = SCHEMES.into_iter().find(|scheme| text.starts_with(scheme)).ok_or_else(wrong)?;
    let hosts = text.trim_start_matches(scheme).trim_end_matches('/').split(',');
    hosts.map(|host| if host.is_empty() { Err(wrong()) } else { Ok(format!("{scheme}{host}")) }).collect()
}

fn is_prefix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn number(text: &str, most: usize) -> Option<NonZeroUsize> {
    text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_where_and_how() {
        let plain: Settings = "nats://localhost:4222".parse().unwrap();
        assert_eq!(
            (plain.servers, plain.prefix, plain.streams),
            (vec!["nats://localhost:4222".into()], "tapeline".into(), None)
        );
        let text = "tls://me:secret@a:4222,b?prefix=shop-1&streams=8&replicas=3&storage=memory&credentials=/run/creds";
        let all: Settings = text.parse().unwrap();
        assert_eq!(all.servers, ["tls://me:secret@a:4222", "tls://b"]);
        assert_eq!(
            (all.prefix.as_str(), all.streams, all.replicas),
            ("shop-1", NonZeroUsize::new(8), NonZeroUsize::new(3))
        );
        assert_eq!(all.shown(), "tls://a:4222, tls://b");
        assert_eq!((all.storage, all.credentials), (Some(Storage::Memory), Some("/run/creds".into())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("http://a", "say nats://HOST:PORT"),
            ("nats://", "no address"),
            ("nats://a,,b", "no address"),
            ("nats://a?stream=3", "no setting \"stream\""),
            ("nats://a?streams=0", "1 to 1000"),
            ("nats://a?streams=x", "1 to 1000"),
            ("nats://a?replicas=9", "1, 3 or 5"),
            ("nats://a?storage=tape", "file or memory"),
            ("nats://a?prefix=a.b", "letters, digits"),
            ("nats://a?prefix", "letters, digits"),
        ] {
            let error = text.parse::<Settings>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
