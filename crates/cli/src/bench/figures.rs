//! Figures as they are found: one JSON line each for programs, a table at the end for people.

use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// The figures of a run.
pub struct Figures {
    json: bool,
    rows: Vec<Vec<String>>,
}

impl Figures {
    /// None yet.
    pub fn new(json: bool) -> Self {
        Self { json, rows: Vec::new() }
    }

    /// Takes one.
    pub fn add(&mut self, measure: impl Into<String>, value: f64, unit: &str) -> Result<(), Failure> {
        let measure = measure.into();
        if self.json {
            return output::line(json!({ "measure": measure, "value": rounded(value), "unit": unit }));
        }
        eprintln!("{measure}: {} {unit}", readable(value));
        self.rows.push(vec![measure, readable(value), unit.to_owned()]);
        Ok(())
    }

    /// Takes one that could not be measured, and why.
    pub fn miss(&mut self, measure: impl Into<String>, why: &str) -> Result<(), Failure> {
        let (measure, why) = (measure.into(), format!("{why}: not measured"));
        if self.json {
            return output::line(json!({ "measure": measure, "value": null, "why": why }));
        }
        eprintln!("{measure}: {why}");
        self.rows.push(vec![measure, why, String::new()]);
        Ok(())
    }

    /// Prints the table.
    pub fn finish(self) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => output::line(output::table(&["measure", "value", "unit"], &self.rows)),
        }
    }
}

fn rounded(value: f64) -> f64 {
    if value.abs() >= 1_000.0 { value.round() } else { (value * 1e4).round() / 1e4 }
}

fn readable(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
