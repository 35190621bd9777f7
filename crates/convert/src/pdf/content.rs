//! The content of a page, as words, rules and counts: the operators of ISO 32000-1 that place text and draw straight lines.
//!
//! Fonts, encodings and files are read by the PDF library; this reads what a page does with them, glyph by glyph, because the
//! library's own lines have lost where the words of a table's cells begin.

use std::borrow::Cow;
use std::collections::HashMap;

use unpdf::parser::backend::{
    BackendFontInfo, ContentOp, FormXObject, ObjectId, PageId, PaintedXObject, PdfBackend, PdfValue, ResourceScope,
};

use super::word::{Frame, Sheet, Style, Word};

/// Forms within forms; deeper ones are not drawn.
const FORM_DEPTH: usize = 12;
/// Operators of one page; a page beyond is cut and says so.
const OPERATORS: usize = 4_000_000;
/// A box thinner than this is a rule, in points.
const THIN: f32 = 2.6;
/// Gap between letters of one word, of their size.
const LETTER_GAP: f32 = 0.16;

type Matrix = [f32; 6];
const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// What the page shows, upright: turned pages are turned back.
pub(super) fn sheet(backend: &dyn PdfBackend, number: u32, page: PageId) -> Sheet {
    let area = backend.crop_box(page);
    let turn = backend.page_rotation(page);
    let (width, height) = if turn % 180 == 90 { (area.height(), area.width()) } else { (area.width(), area.height()) };
    // From the page's space to points from the top left of what is seen.
    let (w, h) = (area.width(), area.height());
    let start = match turn {
        90 => [0.0, 1.0, 1.0, 0.0, -area.lly, -area.llx],
        180 => [-1.0, 0.0, 0.0, 1.0, area.llx + w, -area.lly],
        270 => [0.0, -1.0, -1.0, 0.0, area.lly + h, area.llx + w],
        _ => [1.0, 0.0, 0.0, -1.0, -area.llx, area.lly + h],
    };
    let mut reader = Reader {
        backend,
        page,
        sheet: Sheet { number, width, height, ..Sheet::default() },
        fonts: HashMap::new(),
        turned: Vec::new(),
        hidden: Vec::new(),
        open: None,
        space: false,
        left: OPERATORS,
    };
    match backend.page_content_with_losses(page) {
        Ok(content) => {
            reader.sheet.lost_streams = u32::try_from(content.undecodable_streams).unwrap_or(u32::MAX);
            reader.draw(&content.data, None, start, 0);
        }
        Err(_) => reader.sheet.lost_streams = 1,
    }
    reader.close_word();
    reader.finish()
}

/// The graphics state that matters here.
#[derive(Debug, Clone)]
struct State {
    ctm: Matrix,
    font: Vec<u8>,
    size: f32,
    char_space: f32,
    word_space: f32,
    stretch: f32,
    leading: f32,
    rise: f32,
    mode: i64,
}

/// A glyph that is placed.
struct Glyph<'a> {
    text: &'a str,
    x0: f32,
    x1: f32,
    y: f32,
    size: f32,
    style: Style,
    quarter: u8,
    hidden: bool,
    /// Further room between letters that the page asked for.
    tracking: f32,
}

struct Reader<'a> {
    backend: &'a dyn PdfBackend,
    page: PageId,
    sheet: Sheet,
    fonts: HashMap<(Option<ObjectId>, Vec<u8>), Style>,
    /// Words that do not read from left to right, with their direction in quarter turns.
    turned: Vec<(u8, Word)>,
    /// Words that are not painted: the text layer of a scan.
    hidden: Vec<Word>,
    open: Option<Open>,
    /// A space was shown since the last word.
    space: bool,
    left: usize,
}

/// The word that is being read.
struct Open {
    word: Word,
    quarter: u8,
    hidden: bool,
    tracking: f32,
}

impl Reader<'_> {
    fn finish(mut self) -> Sheet {
        // A text layer under a scan is the text; beside painted text it is the same words again.
        if self.sheet.words.len() < self.hidden.len() / 2 {
            self.sheet.words = std::mem::take(&mut self.hidden);
        }
        // A page that is set sideways is read as if the paper were turned.
        if self.turned.len() > self.sheet.words.len() {
            let quarters = self.turned.iter().fold([0_usize; 4], |mut counts, (quarter, _)| {
                counts[usize::from(*quarter)] += 1;
                counts
            });
            let most = (1..4_u8).max_by_key(|&quarter| quarters[usize::from(quarter)]).unwrap_or(1);
            let (words, others): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.turned).into_iter().partition(|(quarter, _)| *quarter == most);
            self.sheet.aside = std::mem::take(&mut self.sheet.words);
            self.sheet.words = words.into_iter().map(|(_, word)| word).collect();
            self.turned = others;
            self.turn_rules(most);
            if most % 2 == 1 {
                std::mem::swap(&mut self.sheet.width, &mut self.sheet.height);
            }
        }
        self.sheet.aside.extend(self.turned.into_iter().map(|(_, word)| word));
        self.sheet
    }

    fn turn_rules(&mut self, quarter: u8) {
        let (width, height) = (self.sheet.width, self.sheet.height);
        let rules = std::mem::take(&mut self.sheet.level_rules).into_iter();
        let rules: Vec<Frame> = rules.chain(std::mem::take(&mut self.sheet.upright_rules)).collect();
        for rule in rules {
            let a = turn_back((rule.x0, rule.y0), quarter, width, height);
            let b = turn_back((rule.x1, rule.y1), quarter, width, height);
            self.rule(Frame::of_points(a, b));
        }
    }

    fn draw(&mut self, content: &[u8], form: Option<ObjectId>, start: Matrix, depth: usize) {
        let Ok(operators) = self.backend.decode_content(content) else {
            self.sheet.lost_streams += 1;
            return;
        };
        let scope = ResourceScope { page: self.page, form };
        let mut state = State {
            ctm: start,
            font: Vec::new(),
            size: 0.0,
            char_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
            mode: 0,
        };
        let mut saved: Vec<State> = Vec::new();
        let (mut text, mut line) = (IDENTITY, IDENTITY);
        let mut path = Path::default();
        for operator in &operators {
            if self.left == 0 {
                self.sheet.lost_streams += 1;
                return;
            }
            self.left -= 1;
            let values = &operator.operands;
            match operator.operator.as_str() {
                "q" if saved.len() < 512 => saved.push(state.clone()),
                "Q" => state = saved.pop().unwrap_or(state),
                "cm" => {
                    if let Some(matrix) = six(values) {
                        state.ctm = times(&matrix, &state.ctm);
                    }
                }
                "BT" => (text, line) = (IDENTITY, IDENTITY),
                "Tf" => {
                    if let Some(PdfValue::Name(name)) = values.first() {
                        state.font.clone_from(name);
                    }
                    state.size = number(values, 1);
                }
                "Tc" => state.char_space = number(values, 0),
                "Tw" => state.word_space = number(values, 0),
                "Tz" => state.stretch = number(values, 0) / 100.0,
                "TL" => state.leading = number(values, 0),
                "Ts" => state.rise = number(values, 0),
                #[expect(clippy::cast_possible_truncation, reason = "modes are 0 to 7")]
                "Tr" => state.mode = number(values, 0) as i64,
                "Td" | "TD" => {
                    if operator.operator == "TD" {
                        state.leading = -number(values, 1);
                    }
                    line = moved(&line, number(values, 0), number(values, 1));
                    text = line;
                }
                "Tm" => {
                    if let Some(matrix) = six(values) {
                        (text, line) = (matrix, matrix);
                    }
                }
                "T*" => {
                    line = moved(&line, 0.0, -state.leading);
                    text = line;
                }
                "'" | "\"" => {
                    if operator.operator == "\"" {
                        (state.word_space, state.char_space) = (number(values, 0), number(values, 1));
                    }
                    line = moved(&line, 0.0, -state.leading);
                    text = line;
                    self.show(scope, &state, &mut text, values);
                }
                "Tj" => self.show(scope, &state, &mut text, values),
                "TJ" => {
                    if let Some(PdfValue::Array(parts)) = values.first() {
                        self.show(scope, &state, &mut text, parts);
                    }
                }
                "Do" => self.paint_object(scope, &state, values, depth),
                "BI" => self.sheet.images += 1,
                _ => path.take(operator, &state.ctm, self),
            }
        }
    }

    fn paint_object(&mut self, scope: ResourceScope, state: &State, values: &[PdfValue], depth: usize) {
        let Some(PdfValue::Name(name)) = values.first() else { return };
        match self.backend.xobject(scope, name) {
            Some(PaintedXObject::Form(FormXObject { id, matrix, content: Some(content), .. }))
                if depth < FORM_DEPTH =>
            {
                self.draw(&content, Some(id), times(&matrix, &state.ctm), depth + 1);
            }
            Some(PaintedXObject::Form(_)) => self.sheet.lost_streams += 1,
            Some(PaintedXObject::Image) => self.sheet.images += 1,
            Some(PaintedXObject::Other) | None => {}
        }
    }

    fn style(&mut self, scope: ResourceScope, font: &[u8]) -> Style {
        if let Some(&style) = self.fonts.get(&(scope.form, font.to_vec())) {
            return style;
        }
        for info in self.backend.page_fonts(scope).unwrap_or_default() {
            self.fonts.insert((scope.form, info.name.clone()), style_of(&info));
        }
        *self.fonts.entry((scope.form, font.to_vec())).or_default()
    }

    /// Strings and the moves between them, in thousandths of the size.
    fn show(&mut self, scope: ResourceScope, state: &State, text: &mut Matrix, parts: &[PdfValue]) {
        let style = self.style(scope, &state.font);
        let upright = self.backend.is_vertical_font(scope, &state.font);
        for part in parts {
            match part {
                PdfValue::Str(bytes) => self.run(scope, state, style, text, bytes),
                PdfValue::Integer(_) | PdfValue::Real(_) => {
                    let by = -number(std::slice::from_ref(part), 0) / 1000.0 * state.size;
                    *text = if upright { moved(text, 0.0, by) } else { moved(text, by * state.stretch, 0.0) };
                }
                PdfValue::Name(_) | PdfValue::Array(_) | PdfValue::Other => {}
            }
        }
    }

    fn run(&mut self, scope: ResourceScope, state: &State, style: Style, text: &mut Matrix, bytes: &[u8]) {
        let run = self.backend.decode_run(scope, &state.font, bytes);
        self.sheet.runs += 1;
        if run.decoded.suppressed.is_some() || run.decoded.undecoded_codes > 0 {
            self.sheet.unreadable_runs += 1;
        }
        let all = times(text, &state.ctm);
        let look = (state.size.abs() * all[2].hypot(all[3]), style, matches!(state.mode, 3 | 7));
        let decoded = run.decoded.text.as_str();
        let letters = decoded.chars().count().max(1) as f32;
        let Some(glyphs) = run.glyphs.filter(|glyphs| !glyphs.is_empty()) else {
            // Widths are not known: half the size for each letter.
            let step = 0.5 * state.size * state.stretch;
            self.spread(decoded, text, step, look, state);
            return;
        };
        let advances = glyphs.iter().map(|glyph| {
            let space = state.char_space + if glyph.is_word_space { state.word_space } else { 0.0 };
            match glyph.vertical {
                Some(vertical) => (0.0, vertical.advance / 1000.0 * state.size + space),
                None => ((glyph.width / 1000.0 * state.size + space) * state.stretch, 0.0),
            }
        });
        let advances: Vec<(f32, f32)> = advances.collect();
        let Some(clusters) = run.clusters else {
            let end = advances.iter().fold(*text, |at, &(x, y)| moved(&at, x, y));
            let step = advances.iter().map(|advance| advance.0).sum::<f32>() / letters;
            self.spread(decoded, text, step, look, state);
            *text = end;
            return;
        };
        let mut next = 0;
        for cluster in clusters {
            *text = walk(text, &advances, &mut next, cluster.glyphs.start);
            let first = *text;
            *text = walk(text, &advances, &mut next, cluster.glyphs.end);
            let spaces = state.char_space * state.stretch;
            self.placed(decoded.get(cluster.text).unwrap_or_default(), (first, *text), spaces, look, state);
        }
        *text = walk(text, &advances, &mut next, advances.len());
    }

    /// Letters of equal width, where those of each are not known.
    fn spread(&mut self, letters: &str, text: &mut Matrix, step: f32, look: (f32, Style, bool), state: &State) {
        let mut buffer = [0; 4];
        for letter in letters.chars() {
            let first = *text;
            *text = moved(text, step, 0.0);
            self.placed(letter.encode_utf8(&mut buffer), (first, *text), 0.0, look, state);
        }
    }

    /// One cluster from a text matrix to the next joins the open word or begins one.
    fn placed(
        &mut self,
        text: &str,
        (first, last): (Matrix, Matrix),
        spaces: f32,
        (size, style, hidden): (f32, Style, bool),
        state: &State,
    ) {
        if text.trim().is_empty() {
            self.close_word();
            self.space = true;
            return;
        }
        let place = |matrix: &Matrix| apply(&state.ctm, apply(matrix, (0.0, state.rise)));
        let (from, to) = (place(&first), place(&last));
        if size < 0.5 || !(from.0.is_finite() && from.1.is_finite() && to.0.is_finite()) {
            return;
        }
        // A stamp across the page is not part of its text.
        let Some(quarter) = quarter_of(to.0 - from.0, to.1 - from.1) else { return };
        let (width, height) = (self.sheet.width, self.sheet.height);
        let (a, b) = (turn_back(from, quarter, width, height), turn_back(to, quarter, width, height));
        let all = times(&first, &state.ctm);
        let tracking = (spaces * all[0].hypot(all[1])).max(0.0);
        let glyph = Glyph {
            text,
            x0: a.0.min(b.0),
            x1: a.0.max(b.0) - tracking,
            y: a.1,
            size,
            style,
            quarter,
            hidden,
            tracking,
        };
        if !self.joined(&glyph) {
            self.close_word();
            let spaced = std::mem::take(&mut self.space);
            let word =
                Word { text: as_seen(text).into_owned(), x0: glyph.x0, x1: glyph.x1, y: glyph.y, size, style, spaced };
            self.open = Some(Open { word, quarter, hidden, tracking });
        }
    }

    /// Whether a glyph continues the open word; then it does.
    fn joined(&mut self, glyph: &Glyph<'_>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let word = &mut open.word;
        let same = open.quarter == glyph.quarter
            && open.hidden == glyph.hidden
            && word.style == glyph.style
            && (word.size - glyph.size).abs() < 0.02 * word.size
            && (word.y - glyph.y).abs() < 0.05 * word.size;
        let room = LETTER_GAP * word.size + open.tracking.max(glyph.tracking);
        if same && (glyph.x0 - word.x1).abs() <= room {
            word.text.push_str(&as_seen(glyph.text));
            word.x1 = word.x1.max(glyph.x1);
            return true;
        }
        // Letters that are placed one before the other, as some write Hebrew and Arabic: words are kept as they are seen.
        if same && is_right_to_left(glyph.text) && (glyph.x1 - word.x0).abs() <= room {
            word.text.insert_str(0, &as_seen(glyph.text));
            word.x0 = word.x0.min(glyph.x0);
            return true;
        }
        false
    }

    fn close_word(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.hidden {
            self.hidden.push(open.word);
        } else if open.quarter == 0 {
            self.sheet.words.push(open.word);
        } else {
            self.turned.push((open.quarter, open.word));
        }
    }

    fn rule(&mut self, frame: Frame) {
        if frame.height() <= THIN && frame.width() > 4.0 {
            self.sheet.level_rules.push(frame);
        } else if frame.width() <= THIN && frame.height() > 4.0 {
            self.sheet.upright_rules.push(frame);
        }
    }
}

/// A path that is being built: only level and upright strokes and boxes matter.
#[derive(Default)]
struct Path {
    at: (f32, f32),
    start: (f32, f32),
    strokes: Vec<Frame>,
    boxes: Vec<Frame>,
}

impl Path {
    fn take(&mut self, operator: &ContentOp, ctm: &Matrix, reader: &mut Reader<'_>) {
        let values = &operator.operands;
        let point = |index| apply(ctm, (number(values, index), number(values, index + 1)));
        match operator.operator.as_str() {
            "m" => (self.at, self.start) = (point(0), point(0)),
            "l" => self.line(point(0)),
            "c" => self.at = point(4),
            "v" | "y" => self.at = point(2),
            "h" => self.line(self.start),
            "re" => {
                let corner = (number(values, 0) + number(values, 2), number(values, 1) + number(values, 3));
                self.boxes.push(Frame::of_points(point(0), apply(ctm, corner)));
            }
            "S" | "s" | "B" | "B*" | "b" | "b*" => self.paint(reader, true),
            "f" | "F" | "f*" => self.paint(reader, false),
            "n" => self.clear(),
            _ => {}
        }
        // A drawing of many strokes is no table.
        if self.strokes.len() + self.boxes.len() > 20_000 {
            self.clear();
        }
    }

    fn line(&mut self, to: (f32, f32)) {
        self.strokes.push(Frame::of_points(self.at, to));
        self.at = to;
    }

    fn paint(&mut self, reader: &mut Reader<'_>, stroked: bool) {
        if stroked {
            self.strokes.iter().for_each(|&stroke| reader.rule(stroke));
        } else if let Some(all) = self.strokes.iter().copied().reduce(|all, stroke| all.with(&stroke)) {
            self.boxes.push(all);
        }
        for &area in &self.boxes {
            if area.width() <= THIN || area.height() <= THIN {
                reader.rule(area);
            } else {
                let Frame { x0, y0, x1, y1 } = area;
                reader.rule(Frame { y1: y0, ..area });
                reader.rule(Frame { y0: y1, ..area });
                reader.rule(Frame { x1: x0, ..area });
                reader.rule(Frame { x0: x1, ..area });
            }
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.strokes.clear();
        self.boxes.clear();
    }
}

/// Which way text runs, in quarter turns clockwise from left to right; `None` askew.
fn quarter_of(across: f32, down: f32) -> Option<u8> {
    let (long, short) = (across.abs().max(down.abs()), across.abs().min(down.abs()));
    if short > 0.18 * long {
        return None;
    }
    Some(match (across.abs() >= down.abs(), across >= 0.0, down >= 0.0) {
        (true, true, _) => 0,
        (false, _, true) => 1,
        (true, false, _) => 2,
        (false, _, false) => 3,
    })
}

/// Where a point comes to lie when the paper is turned so that text of a direction reads from left to right.
fn turn_back((x, y): (f32, f32), quarter: u8, width: f32, height: f32) -> (f32, f32) {
    match quarter {
        1 => (y, width - x),
        2 => (width - x, height - y),
        3 => (height - y, x),
        _ => (x, y),
    }
}

fn style_of(font: &BackendFontInfo) -> Style {
    let name = font.base_font.to_ascii_lowercase();
    let named = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    Style {
        bold: font.bold || named(&["bold", "black", "heavy", "demi", "cmbx"]),
        italic: font.italic || named(&["italic", "oblique", "cmti"]),
        mono: font.fixed_pitch || named(&["mono", "courier", "consol", "typewriter", "menlo", "cmtt", "code"]),
    }
}

fn is_right_to_left(text: &str) -> bool {
    unpdf::parser::bidi::contains_rtl(text)
}

/// A glyph of several letters that are read from right to left holds them in the order of reading; words hold what is seen.
fn as_seen(text: &str) -> Cow<'_, str> {
    if text.len() > 2 && is_right_to_left(text) {
        Cow::Owned(text.chars().rev().collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn number(values: &[PdfValue], index: usize) -> f32 {
    match values.get(index) {
        Some(PdfValue::Integer(value)) => *value as f32,
        Some(PdfValue::Real(value)) => *value,
        _ => 0.0,
    }
}

fn six(values: &[PdfValue]) -> Option<Matrix> {
    (values.len() >= 6).then(|| std::array::from_fn(|index| number(values, index)))
}

/// First `a`, then `b`.
fn times(a: &Matrix, b: &Matrix) -> Matrix {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    ]
}

/// A matrix after a move in its own space.
fn moved(matrix: &Matrix, x: f32, y: f32) -> Matrix {
    let mut moved = *matrix;
    moved[4] += x * matrix[0] + y * matrix[2];
    moved[5] += x * matrix[1] + y * matrix[3];
    moved
}

/// Past the glyphs up to one.
fn walk(text: &Matrix, advances: &[(f32, f32)], next: &mut usize, end: usize) -> Matrix {
    let passed = advances.get(*next..end).unwrap_or_default();
    *next = end.max(*next);
    passed.iter().fold(*text, |at, &(x, y)| moved(&at, x, y))
}

fn apply(matrix: &Matrix, (x, y): (f32, f32)) -> (f32, f32) {
    (x * matrix[0] + y * matrix[2] + matrix[4], x * matrix[1] + y * matrix[3] + matrix[5])
}
