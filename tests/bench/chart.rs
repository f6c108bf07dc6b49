//! Bar charts as SVG: each row's ratio to its floor, which is the line at 1.

use std::fmt::Write as _;

use crate::report::Row;

const LEFT: f64 = 330.0;
const BARS: f64 = 400.0;
const RIGHT: f64 = 210.0;
const STEP: f64 = 26.0;
const TOP: f64 = 44.0;

/// One chart of these rows.
pub(crate) fn draw(title: &str, rows: &[&Row]) -> String {
    let most = rows.iter().map(|row| row.ratio()).fold(1.0, f64::max);
    let scale = BARS / (most * 1.05);
    let mut y = TOP;
    let mut body = String::new();
    for row in rows {
        let (floor, ours) = row.medians();
        let middle = y + 13.0;
        let length = row.ratio() * scale;
        let label = escape(&format!("{} ÷ {}", row.what, row.floor_is));
        let value = format!(
            "{:.2} ({} : {})",
            row.ratio(),
            row.unit.show(ours),
            row.unit.show(floor)
        );
        let _ = writeln!(
            body,
            r##"<text x="{:.0}" y="{middle:.0}" text-anchor="end">{label}</text>
<rect x="{LEFT:.0}" y="{y:.0}" width="{length:.1}" height="18" fill="#4878a8"/>
<text x="{:.1}" y="{middle:.0}">{value}</text>"##,
            LEFT - 8.0,
            LEFT + length.max(scale) + 6.0,
        );
        y += STEP;
    }
    let (width, height) = (LEFT + BARS + RIGHT, y + 10.0);
    let line = LEFT + scale;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="8" y="20" font-size="15">{}</text>
{body}<line x1="{line:.1}" y1="{:.0}" x2="{line:.1}" y2="{:.0}" stroke="#c04030" stroke-dasharray="4 3"/>
<text x="{line:.1}" y="{:.0}" fill="#c04030" text-anchor="middle">floor</text>
</svg>
"##,
        escape(title),
        TOP - 4.0,
        height - 6.0,
        TOP - 8.0,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
