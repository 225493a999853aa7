//! The database: one SQLite file, in which everything that was reported as stored survives a loss of power.
//!
//! ```text
//! about    name -> value                 format, app, subject: whom the store belongs to
//! meta     (stream, key) -> value        ┐
//! objects  (stream, key) -> value        │
//! outbox   (stream, key) -> value        ├ the rows of the core's replicas
//! kept     (stream, key) -> value        │
//! parked   (stream, key) -> value        ┘
//! ```
//!
//! WAL with `synchronous=FULL`: a transaction is on the disk when its commit returns. The lock is exclusive and kept,
//! so that no second process can have the store. A file that is not ours, or not yet readable, is never written to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::ClientId;
use tapeline_core::replica::{Replica, Row, RowError, Start, StoreBatch, Table};

use super::{Owner, Write};
use crate::error::StoreError;

/// "TAPE": stands in the header of the file.
const APPLICATION: i32 = 0x5441_5045;
/// The format of the tables. The format of the rows is the core's.
const FORMAT: u32 = 1;
/// How long to wait for another client that is just closing the store.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    pub(super) fn open(path: &Path, owner: &Owner) -> Result<Self, StoreError> {
        // With a folder before it, no name means something else to SQLite, as an empty one and ":memory:" do.
        let connection = Connection::open(Path::new(".").join(path)).map_err(|error| told(path, &error))?;
        let mut database = Self { connection, path: path.to_owned() };
        let found = database.examine().map_err(|error| told(path, &error))?;
        match found {
            Found::Nothing => {}
            Found::SomethingElse => return Err(StoreError::NotAStore { path: path.to_owned() }),
            Found::Store { format, owner: whose } => database.check(&format, whose, owner)?,
        }
        database.prepare(owner).map_err(|error| told(path, &error))?;
        Ok(database)
    }

    /// Looks at the file without changing it, and keeps others out.
    fn examine(&self) -> rusqlite::Result<Found> {
        self.connection.busy_timeout(PATIENCE)?;
        self.connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let one = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, i32>(0));
        if one("SELECT count(*) FROM sqlite_schema")? == 0 {
            return Ok(Found::Nothing);
        }
        if one("PRAGMA application_id")? != APPLICATION {
            return Ok(Found::SomethingElse);
        }
        let about = |name: &str| {
            let sql = "SELECT value FROM about WHERE name = ?1";
            let value = self.connection.query_row(sql, [name], |row| row.get::<_, String>(0)).optional();
            value.map(Option::unwrap_or_default)
        };
        Ok(Found::Store { format: about("format")?, owner: Owner { app: about("app")?, subject: about("subject")? } })
    }

    fn check(&self, format: &str, found: Owner, owner: &Owner) -> Result<(), StoreError> {
        let path = self.path.clone();
        match format.parse::<u32>() {
            Ok(format) if format <= FORMAT => {}
            Ok(_) => return Err(StoreError::Newer { path, found: format.into() }),
            Err(_) => return Err(StoreError::Damaged { path, why: "it does not say its format".into() }),
        }
        match found == *owner {
            true => Ok(()),
            false => Err(StoreError::Foreign { path, app: found.app, subject: found.subject }),
        }
    }

    /// Makes what is missing, and takes the lock.
    fn prepare(&mut self, owner: &Owner) -> rusqlite::Result<()> {
        self.connection.set_prepared_statement_cache_capacity(2 * Table::ALL.len() + 2);
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        )?;
        for (name, value) in [("format", FORMAT.to_string().as_str()), ("app", &owner.app), ("subject", &owner.subject)]
        {
            transaction.execute("INSERT OR IGNORE INTO about VALUES (?1, ?2)", [name, value])?;
        }
        for table in Table::ALL {
            transaction.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {} (stream TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, \
                 PRIMARY KEY (stream, key)) WITHOUT ROWID",
                table.name()
            ))?;
        }
        transaction.commit()
    }

    /// Reads the replica of a stream.
    pub(super) fn load(&self, stream: StreamName, client: ClientId) -> Result<Replica, StoreError> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            self.read(table, &stream, &mut rows).map_err(|error| told(&self.path, &error))?;
        }
        Replica::restore(stream, client, Start::Played, rows).map_err(|error| match error {
            RowError::Newer { found } => StoreError::Newer { path: self.path.clone(), found: found.to_string() },
            RowError::Damaged { .. } => StoreError::Damaged { path: self.path.clone(), why: error.to_string() },
        })
    }

    fn read(&self, table: Table, stream: &StreamName, rows: &mut Vec<Row>) -> rusqlite::Result<()> {
        let sql = format!("SELECT key, value FROM {} WHERE stream = ?1", table.name());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement
            .query_map([stream.as_str()], |row| Ok(Row { table, key: row.get(0)?, value: Some(row.get(1)?) }))?;
        found.into_iter().try_for_each(|row| {
            rows.push(row?);
            Ok(())
        })
    }

    /// Writes batches in one transaction. They are durable when this returns.
    pub(super) fn write(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let written = self.try_write(writes);
        written.map_err(|error| told(&self.path, &error))
    }

    fn try_write(&mut self, writes: &[Write]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for Write { stream, batch, .. } in writes {
            put(&transaction, stream.as_str(), batch)?;
        }
        transaction.commit()
    }
}

/// What stands in a file.
enum Found {
    Nothing,
    SomethingElse,
    Store { format: String, owner: Owner },
}

fn put(transaction: &Transaction<'_>, stream: &str, batch: &StoreBatch) -> rusqlite::Result<()> {
    if batch.whole {
        for table in Table::ALL {
            transaction.execute(&format!("DELETE FROM {} WHERE stream = ?1", table.name()), [stream])?;
        }
    }
    for Row { table, key, value } in &batch.rows {
        let table = table.name();
        match value {
            Some(value) => transaction
                .prepare_cached(&format!("REPLACE INTO {table} VALUES (?1, ?2, ?3)"))?
                .execute(params![stream, key, value])?,
            None => transaction
                .prepare_cached(&format!("DELETE FROM {table} WHERE stream = ?1 AND key = ?2"))?
                .execute(params![stream, key])?,
        };
    }
    Ok(())
}

fn told(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { path },
        Some(ErrorCode::NotADatabase) => StoreError::NotAStore { path },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, why: error.to_string() },
        Some(_) => StoreError::Device { path, why: error.to_string() },
        None if matches!(error, rusqlite::Error::NulError(_)) => StoreError::Device { path, why: error.to_string() },
        None => StoreError::Damaged { path, why: error.to_string() },
    }
}
