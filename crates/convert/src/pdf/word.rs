//! What a page shows: words with their places, straight rules and filled boxes. Points, y grows downwards from the top.

use unpdf::parser::bidi;

/// How a word is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub bold: bool,
    pub italic: bool,
    pub mono: bool,
}

/// Letters without a gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub text: String,
    pub x0: f32,
    pub x1: f32,
    /// The baseline.
    pub y: f32,
    pub size: f32,
    pub style: Style,
    /// A space character stood before it.
    pub spaced: bool,
}

impl Word {
    pub(super) fn top(&self) -> f32 {
        self.y - 0.75 * self.size
    }

    pub(super) fn bottom(&self) -> f32 {
        self.y + 0.22 * self.size
    }

    pub(super) fn middle(&self) -> (f32, f32) {
        (0.5 * (self.x0 + self.x1), self.y - 0.3 * self.size)
    }
}

/// A box; also a rule, when it is thin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub x0: f32,
    pub y0: f32,
    pub x1: f32,
    pub y1: f32,
}

impl Frame {
    pub(super) fn of_points(a: (f32, f32), b: (f32, f32)) -> Self {
        Self { x0: a.0.min(b.0), y0: a.1.min(b.1), x1: a.0.max(b.0), y1: a.1.max(b.1) }
    }

    pub(super) fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    pub(super) fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    pub(super) fn holds(&self, (x, y): (f32, f32)) -> bool {
        self.x0 <= x && x <= self.x1 && self.y0 <= y && y <= self.y1
    }

    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }
}

/// A page as it is drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    pub number: u32,
    pub width: f32,
    pub height: f32,
    /// In the order in which they are drawn.
    pub words: Vec<Word>,
    /// Those that run another way than the page: stamps at margins, turned headers of columns.
    pub aside: Vec<Word>,
    /// Thin and level.
    pub level_rules: Vec<Frame>,
    /// Thin and upright.
    pub upright_rules: Vec<Frame>,
    /// Pictures.
    pub images: u32,
    /// Runs of text whose letters are not known.
    pub unreadable_runs: u32,
    /// Runs of text.
    pub runs: u32,
    /// Streams that could not be unpacked.
    pub lost_streams: u32,
}

/// Words on one baseline, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub words: Vec<Word>,
}

impl Line {
    pub(super) fn x0(&self) -> f32 {
        self.words.first().map_or(0.0, |word| word.x0)
    }

    pub(super) fn x1(&self) -> f32 {
        self.words.iter().map(|word| word.x1).fold(f32::MIN, f32::max)
    }

    /// The baseline of its largest words.
    pub(super) fn y(&self) -> f32 {
        self.largest().y
    }

    pub(super) fn size(&self) -> f32 {
        self.largest().size
    }

    fn largest(&self) -> &Word {
        // Lines are made of words: one has at least one.
        self.words
            .iter()
            .max_by(|a, b| (a.size * a.text.len() as f32).total_cmp(&(b.size * b.text.len() as f32)))
            .unwrap_or(&self.words[0])
    }

    pub(super) fn top(&self) -> f32 {
        self.words.iter().map(Word::top).fold(f32::MAX, f32::min)
    }

    pub(super) fn bottom(&self) -> f32 {
        self.words.iter().map(Word::bottom).fold(f32::MIN, f32::max)
    }

    pub(super) fn all(&self, is: impl Fn(Style) -> bool) -> bool {
        self.words.iter().all(|word| is(word.style))
    }

    /// Whether most of its words are read from right to left.
    pub(super) fn is_right_to_left(&self) -> bool {
        let words = self.words.iter().filter(|word| bidi::contains_rtl(&word.text)).count();
        2 * words > self.words.len()
    }

    /// Its words with a space where there is a gap.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 && gap_is_space(&self.words[index - 1], word) {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        text
    }
}

/// Whether two neighbors on a line are two words.
pub(super) fn gap_is_space(left: &Word, right: &Word) -> bool {
    right.spaced || right.x0 - left.x1 > 0.15 * left.size.min(right.size)
}

/// Words of one column as lines, from the top. Words of other sizes (indices, exponents) join the line that they overlap.
pub(super) fn lines_of(mut words: Vec<Word>) -> Vec<Line> {
    words.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    let mut lines: Vec<Line> = Vec::new();
    let mut extents: Vec<(f32, f32)> = Vec::new();
    for word in words {
        let (top, bottom) = (word.top(), word.bottom());
        let found = (0..lines.len()).rev().take(4).find(|&index| {
            let (from, to) = extents[index];
            let overlap = bottom.min(to) - top.max(from);
            overlap > 0.6 * (bottom - top).min(to - from)
                && !lines[index].words.iter().any(|other| covers(other, &word))
        });
        if let Some(index) = found {
            let extent = &mut extents[index];
            if word.size >= lines[index].size() {
                *extent = (top, bottom);
            }
            lines[index].words.push(word);
        } else {
            extents.push((top, bottom));
            lines.push(Line { words: vec![word] });
        }
    }
    for line in &mut lines {
        line.words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        line.words.dedup_by(|second, first| printed_twice(first, second));
    }
    lines.sort_by(|a, b| a.y().total_cmp(&b.y()));
    lines
}

/// Two words at one place and of different baselines are two lines that stand close.
fn covers(a: &Word, b: &Word) -> bool {
    let overlap = a.x1.min(b.x1) - a.x0.max(b.x0);
    overlap > 0.5 * (a.x1 - a.x0).min(b.x1 - b.x0) && (a.y - b.y).abs() > 0.3 * a.size.min(b.size)
}

/// Shadows and false bold print a word again, a little aside.
fn printed_twice(first: &mut Word, second: &mut Word) -> bool {
    let twice = first.text == second.text
        && (first.x0 - second.x0).abs() < 0.15 * first.size
        && (first.y - second.y).abs() < 0.15 * first.size;
    if twice {
        first.style.bold = true;
    }
    twice
}
