//! The picture of a flame graph: boxes on boxes, in one file that needs nothing else.

use std::fmt::Write as _;

use super::names::fitting;

/// Width of the picture.
pub(super) const WIDTH: f64 = 1200.0;
/// Height of a row of boxes.
const ROW: f64 = 17.0;
/// Room at all sides.
const MARGIN: f64 = 10.0;
/// Room for the heading.
const HEAD: f64 = 58.0;
/// Width of a letter of the boxes, which have a typewriter's font.
const LETTER: f64 = 6.7;
/// Boxes narrower than this cannot be seen.
const THINNEST: f64 = 0.25;
/// Rows that are drawn; what lies above is as narrow as its caller and tells little.
const MOST_ROWS: usize = 256;

const STYLE: &str = "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1b1b1b}.head{font:600 16px system-ui,sans-serif;\
fill:#1b1b1b}.note{font:12px system-ui,sans-serif;fill:#555}.page{fill:#fdfdfc}rect.box{stroke:#fdfdfc;stroke-width:.5}\
g:hover>rect.box{stroke:#000;stroke-width:1}@media(prefers-color-scheme:dark){.page{fill:#17181b}.head{fill:#f0f0f0}\
.note{fill:#b8b8b8}rect.box{stroke:#17181b}g:hover>rect.box{stroke:#fff}}";

/// A frame of the graph. Places and widths are parts of the whole, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) name: &'a str,
    /// 0 is the lowest row.
    pub(super) row: usize,
    pub(super) start: f64,
    pub(super) width: f64,
    /// What a reader sees who points at it, below its name.
    pub(super) note: String,
    /// Color of its box; letters on it are dark.
    pub(super) color: String,
}

/// The whole picture. `title` and `notes` stand above the boxes.
pub(super) fn picture(title: &str, notes: &[String], frames: &[Frame<'_>]) -> String {
    let shown = |frame: &&Frame<'_>| frame.row < MOST_ROWS && frame.width * (WIDTH - 2.0 * MARGIN) >= THINNEST;
    let rows = frames.iter().filter(shown).map(|frame| frame.row + 1).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    let height = HEAD + rows as f64 * ROW + MARGIN;
    let left_out = frames.iter().filter(|frame| !shown(frame)).count();
    let mut notes = notes.join(" · ");
    if left_out > 0 {
        let _ = write!(notes, " · {left_out} frames are too thin to be drawn");
    }
    let (title, notes) = (escaped(title), escaped(&notes));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">{title}</title>\n<desc id=\"desc\">{notes}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"head\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n<text class=\"note\" x=\"{MARGIN}\" y=\"46\">{notes}</text>\n"
    );
    for frame in frames.iter().filter(shown) {
        draw(&mut svg, frame, height);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, frame: &Frame<'_>, height: f64) {
    let scale = WIDTH - 2.0 * MARGIN;
    let (x, width) = (MARGIN + frame.start * scale, frame.width * scale);
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    let y = height - MARGIN - (frame.row + 1) as f64 * ROW;
    let (name, note) = (escaped(frame.name), escaped(&frame.note));
    let _ = write!(
        svg,
        "<g><title>{name}\n{note}</title><rect class=\"box\" x=\"{x:.2}\" y=\"{y:.0}\" width=\"{width:.2}\" height=\"{ROW:.0}\" \
         rx=\"2\" fill=\"{}\"/>",
        frame.color
    );
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a box holds few letters")]
    let letters = ((width - 6.0) / LETTER).max(0.0) as usize;
    if let Some(label) = fitting(frame.name, letters) {
        let _ = write!(svg, "<text x=\"{:.2}\" y=\"{:.0}\">{}</text>", x + 3.0, y + 12.0, escaped(&label));
    }
    svg.push_str("</g>\n");
}

/// Text as XML holds it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no such characters, not even escaped.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
