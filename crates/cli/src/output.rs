//! Printing: lines that pipe, figures that read, progress that shows on a terminal alone.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// Prints one line to standard output.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints lines as they come. Where they go elsewhere than to a terminal, shows there how many there were.
pub fn lines(lines: impl Iterator<Item = Result<String, Failure>>, what: &'static str) -> Result<(), Failure> {
    let spinner = if io::stdout().is_terminal() { ProgressBar::hidden() } else { spinner(what) };
    for text in lines {
        line(text?)?;
        spinner.inc(1);
    }
    spinner.finish_and_clear();
    Ok(())
}

/// A bar over `total` steps. Draws to standard error, and only where that is a terminal.
pub fn bar(total: u64, what: &'static str) -> ProgressBar {
    let style = "{msg} {wide_bar} {pos}/{len} · {per_sec} · {eta} left";
    let bar = ProgressBar::new(total).with_message(what);
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A count of something whose end is not known. Draws like [`bar`].
pub fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.set_style(
        ProgressStyle::with_template("{spinner} {pos} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// Lays rows out in columns, the first one to the left and the others to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let lay = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    let rows = rows.iter().map(|row| lay(row.iter().map(String::as_str).collect()));
    std::iter::once(lay(head.to_vec())).chain(rows).collect::<Vec<_>>().join("\n")
}

/// A number of bytes for people.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
