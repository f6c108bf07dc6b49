//! What was measured: as a table, and as JSON.

use std::fmt::Write as _;

use crate::Group;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Instructions,
}

impl Unit {
    /// The value with three digits that mean something.
    pub(crate) fn show(self, value: f64) -> String {
        let scales: &[(f64, &str)] = match self {
            Self::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")],
            Self::Bytes => &[(1e6, "MB"), (1e3, "kB"), (1.0, "B")],
            Self::Instructions => &[(1e6, "M"), (1e3, "k"), (1.0, "")],
        };
        let fits = |(scale, _): &&(f64, &str)| value.abs() >= *scale;
        let smallest = scales.last().copied().unwrap_or((1.0, ""));
        let (scale, name) = scales.iter().find(fits).copied().unwrap_or(smallest);
        let scaled = value / scale;
        let digits = match scaled.abs() {
            n if n >= 100.0 || n == 0.0 || scale == 1.0 && self != Self::Seconds => 0,
            n if n >= 10.0 => 1,
            _ => 2,
        };
        format!("{scaled:.digits$} {name}").trim_end().to_owned()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Instructions => "instructions",
        }
    }
}

/// One thing beside its floor.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) floor_is: &'static str,
    floor: Vec<f64>,
    ours: Vec<f64>,
    budget: Option<f64>,
}

impl Row {
    pub(crate) fn new(group: Group, what: &str, unit: Unit) -> Self {
        Self {
            group,
            what: what.to_owned(),
            unit,
            floor_is: "",
            floor: Vec::new(),
            ours: Vec::new(),
            budget: None,
        }
    }

    /// What the floor is, and its values.
    pub(crate) fn floor(mut self, is: &'static str, values: Vec<f64>) -> Self {
        self.floor_is = is;
        self.floor = values;
        self
    }

    pub(crate) fn ours(mut self, values: Vec<f64>) -> Self {
        self.ours = values;
        self
    }

    /// How much more than the floor it may be.
    pub(crate) fn budget(mut self, difference: f64) -> Self {
        self.budget = Some(difference);
        self
    }

    /// The medians of floor and ours.
    pub(crate) fn medians(&self) -> (f64, f64) {
        (median(&self.floor), median(&self.ours))
    }

    /// How many times the floor, by the medians.
    pub(crate) fn ratio(&self) -> f64 {
        let (floor, ours) = self.medians();
        ours / floor
    }

    fn cells(&self) -> [String; 9] {
        let (floor, ours) = self.medians();
        let difference = ours - floor;
        let sign = if difference > 0.0 { "+" } else { "" };
        [
            self.what.clone(),
            self.floor_is.to_owned(),
            self.unit.show(floor),
            self.unit.show(ours),
            format!("{:.2}", self.ratio()),
            format!("{:.2}", least(&self.ours) / least(&self.floor)),
            format!("{sign}{}", self.unit.show(difference)),
            self.budget
                .map_or(String::new(), |most| format!("+{}", self.unit.show(most))),
            self.ours.len().to_string(),
        ]
    }
}

/// The middle value; zero if there is none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |n: usize| sorted.get(n).copied().unwrap_or(0.0);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) && half > 0 {
        f64::midpoint(at(half - 1), at(half))
    } else {
        at(half)
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

const HEADS: [&str; 9] = [
    "measured",
    "floor",
    "floor takes",
    "ours takes",
    "ratio",
    "ratio of the best",
    "difference",
    "allowed",
    "runs",
];

impl Report {
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The rows of one group.
    pub(crate) fn of(&self, group: Group) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.group == group)
    }

    /// A table that is Markdown and can be read as it is.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![HEADS.map(str::to_owned)];
        for group in Group::ALL {
            lines.extend(self.of(group).map(Row::cells));
        }
        let width = |column: usize| {
            let cell = |line: &[String; 9]| line.get(column).map_or(0, |c| c.chars().count());
            lines.iter().map(cell).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
        let mut text = String::new();
        for (n, line) in lines.iter().enumerate() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                let _ = if column < 2 {
                    write!(text, "| {cell}{pad} ")
                } else {
                    write!(text, "| {pad}{cell} ")
                };
            }
            text.push_str("|\n");
            if n == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let end = if column < 2 { "-" } else { ":" };
                    let _ = write!(text, "| {}{end} ", "-".repeat(width - 1));
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// Every single value, in seconds, bytes or instructions.
    pub(crate) fn json(&self) -> String {
        let mut text = String::from("[\n");
        for (n, row) in self.rows.iter().enumerate() {
            let comma = if n + 1 < self.rows.len() { "," } else { "" };
            let budget = row
                .budget
                .map_or_else(|| "null".to_owned(), |b| b.to_string());
            let _ = writeln!(
                text,
                "  {{\"measured\": {:?}, \"unit\": {:?}, \"floor\": {:?}, \"floor_values\": {:?}, \"values\": {:?}, \"allowed_difference\": {budget}}}{comma}",
                row.what,
                row.unit.name(),
                row.floor_is,
                row.floor,
                row.ours,
            );
        }
        text + "]\n"
    }
}
