//! Draws a load under way. It reads without color: color and weight only repeat what the words say.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::line;
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Sparkline, Wrap};
use weighbridge_stats::histogram::Histogram;

use super::model::{Done, LiveModel};
use super::seconds::{RECENT, Second};
use super::text;

/// Columns and rows of the smallest terminal that the view fits in.
pub(crate) const SMALLEST: (u16, u16) = (60, 15);

/// Columns before a series: its name, its value, a space.
const SERIES_LABEL: u16 = 30;

/// Columns of a percentile.
const CELL: usize = 8;

/// Percentiles shown, of every latency.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// The lines that are always there: head, progress, series, latencies, requests, errors, client, foot.
const LINES: u16 = 14;

/// What is drawn besides the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// Whether colors may be used.
    pub(crate) color: bool,
    /// What was said to the user last; shown at the foot.
    pub(crate) said: Option<String>,
}

impl Look {
    fn colored(&self, color: Color) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.color { style.fg(color) } else { style }
    }
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws the model on the whole frame.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &LiveModel, look: &Look) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return too_small(frame, model, look);
    }
    let spare = area.height - LINES;
    // Every series gets a second and a third row, every group a blank line, once there is room.
    let (gap, series) = match spare {
        0..5 => (0, 1),
        5..11 => (1, 1 + u16::from(spare >= 8)),
        11..16 => (1, 3),
        _ => (1, 4),
    };
    let foot_text = foot_line(look, area.width);
    let foot_height = u16::from(foot_text.width() > usize::from(area.width)) + 1;
    let gaps = Constraint::Length(gap);
    let rows = [
        Constraint::Length(2),
        gaps,
        Constraint::Length(3 * series),
        gaps,
        Constraint::Length(5),
        gaps,
        Constraint::Length(3),
        gaps,
        Constraint::Min(0),
        Constraint::Length(foot_height),
    ];
    let [head, _, charts, _, table, _, counts, _, earlier, foot] = Layout::vertical(rows).areas(area);
    draw_head(frame, head, model, look);
    draw_series(frame, charts, series, model, look);
    frame.render_widget(Paragraph::new(latencies(model)), table);
    frame.render_widget(Paragraph::new(vec![requests(model, look), errors(model, look), client(model, look)]), counts);
    frame.render_widget(Paragraph::new(earlier_loads(model, earlier.height)), earlier);
    frame.render_widget(Paragraph::new(foot_text).wrap(Wrap { trim: true }), foot);
}

/// What is left of the view where it does not fit: the words of a plain line.
fn too_small(frame: &mut Frame<'_>, model: &LiveModel, look: &Look) {
    let (columns, rows) = SMALLEST;
    let mut lines: Vec<Line<'_>> = look.said.iter().map(|said| Line::from(said.clone())).collect();
    lines.extend(text::status(model).map(Line::from));
    lines.push(Line::styled(format!("({columns}x{rows} shows more)"), DIM));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), frame.area());
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &LiveModel, look: &Look) {
    let [title, progress] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
    let stage = Line::from(model.stage().name()).right_aligned();
    let width = u16::try_from(stage.width()).unwrap_or(u16::MAX);
    let [left, right] = Layout::horizontal([Constraint::Min(0), Constraint::Length(width)]).spacing(1).areas(title);
    let load = model
        .last_pulse()
        .map_or_else(|| "load".to_owned(), |pulse| format!("load {} of {}: {}", pulse.number, pulse.count, pulse.what));
    let load = vec![Span::styled(load, BOLD), Span::styled(format!("  {}", model.settings.target), DIM)];
    frame.render_widget(Paragraph::new(Line::from(load)), left);
    frame.render_widget(Paragraph::new(stage.style(BOLD)), right);

    let Some(done) = model.done() else { return };
    let label = match done {
        Done::Time { elapsed, of } if elapsed < of => format!("{}, {} left", text::done(done), left_of(elapsed, of)),
        Done::Time { .. } | Done::Sessions { .. } | Done::Open { .. } => text::done(done),
    };
    let Some(share) = done.share() else {
        frame.render_widget(Paragraph::new(label), progress);
        return;
    };
    let filled = if look.color { Style::new().fg(Color::Cyan) } else { Style::new() };
    let gauge = LineGauge::default().ratio(share).label(label).filled_symbol(line::THICK_HORIZONTAL);
    frame.render_widget(gauge.unfilled_symbol("·").filled_style(filled).unfilled_style(DIM), progress);
}

/// The time that is left, rounded so that it and the elapsed time give the whole.
fn left_of(elapsed: std::time::Duration, of: std::time::Duration) -> String {
    text::duration(of - std::time::Duration::from_secs(elapsed.as_secs()))
}

fn draw_series(frame: &mut Frame<'_>, area: Rect, height: u16, model: &LiveModel, look: &Look) {
    let rates = model.rates();
    let unknown = || "-".to_owned();
    let in_flight = model.last_pulse().map_or_else(unknown, |pulse| text::count(pulse.in_flight));
    type Of = fn(Second) -> Option<u64>;
    let rows: [(&str, String, Of); 3] = [
        ("requests/s", rates.map_or_else(unknown, |rates| text::rate(rates.0)), |second| Some(second.requests)),
        ("output tokens/s", rates.map_or_else(unknown, |rates| text::rate(rates.1)), |second| Some(second.tokens)),
        ("in flight", in_flight, |second| second.in_flight),
    ];
    let areas = Layout::vertical([Constraint::Length(height); 3]).split(area);
    for ((name, value, of), area) in rows.into_iter().zip(areas.iter()) {
        let columns = [Constraint::Length(SERIES_LABEL), Constraint::Min(0)];
        let [label, chart] = Layout::horizontal(columns).areas(*area);
        let series: Vec<Option<u64>> = model.seconds().settled(model.now()).map(of).collect();
        let shown = &series[series.len().saturating_sub(usize::from(chart.width))..];
        let peak = shown.iter().flatten().max().copied().unwrap_or(0);
        let mut lines =
            vec![Line::from(vec![Span::from(format!("{name:<16}")), Span::styled(format!("{value:>12}"), BOLD)])];
        if height > 1 && peak > 0 {
            lines.push(Line::styled(format!("{:>28}", format!("peak {}", text::count(peak))), DIM));
        }
        frame.render_widget(Paragraph::new(lines), label);
        let style = if look.color { Style::new().fg(Color::Cyan) } else { Style::new() };
        // The scale begins at zero: a bar twice as high is twice as much.
        frame.render_widget(Sparkline::default().data(shown.iter().copied()).max(peak.max(1)).style(style), chart);
    }
}

/// Percentiles of the whole load and of its last seconds.
fn latencies(model: &LiveModel) -> Vec<Line<'static>> {
    let (recent, all) = model.latencies();
    let wide = CELL * QUANTILES.len();
    let recent_title = format!("last {RECENT} s");
    let mut names = format!("{:<8}", "ms");
    for _ in 0..2 {
        ["p50", "p90", "p99"].iter().for_each(|name| _ = write!(names, "{name:>CELL$}"));
    }
    let all_title = if model.settings.with_warmup { "this load with warm-up" } else { "this load" };
    let mut lines = vec![
        Line::styled(format!("{:<8}{:>wide$}{:>wide$}", "latency", all_title, recent_title), DIM),
        Line::styled(names, DIM),
    ];
    let rows = [("TTFT", &all.ttft, &recent.ttft), ("ITL", &all.itl, &recent.itl), ("E2E", &all.e2e, &recent.e2e)];
    for (name, all, recent) in rows {
        let cells = [all, recent].map(|histogram| QUANTILES.map(|q| percentile(histogram, q)).concat()).concat();
        lines.push(Line::from(vec![Span::from(format!("{name:<8}")), Span::styled(cells, BOLD)]));
    }
    lines
}

/// A percentile; one of too few values for it to be bounded is marked.
fn percentile(histogram: &Histogram, q: f64) -> String {
    let Some(value) = histogram.quantile(q) else { return format!("{:>CELL$}", "-") };
    let mark = if histogram.supports(q) { "" } else { "?" };
    format!("{:>CELL$}", format!("{}{mark}", text::latency(value)))
}

fn requests(model: &LiveModel, look: &Look) -> Line<'static> {
    let counts = model.counts();
    let released = model.last_pulse().map_or(0, |pulse| pulse.released);
    let mut spans = vec![Span::from(format!("{:<10}", "requests"))];
    let mut say = |number: u64, what: &str, is_bad: bool| {
        let style = if is_bad && number > 0 { look.colored(Color::Red) } else { BOLD };
        spans.push(Span::styled(text::count(number), style));
        spans.push(Span::from(format!(" {what}  ")));
    };
    say(released, "released", false);
    say(counts.succeeded, "ok", false);
    say(counts.errors(), "failed", true);
    say(counts.dropped, "dropped", true);
    for (number, what) in [(counts.retries, "retries"), (counts.cancelled, "cancelled"), (counts.warmup, "warm-up")] {
        if number > 0 {
            say(number, what, false);
        }
    }
    Line::from(spans)
}

fn errors(model: &LiveModel, look: &Look) -> Line<'static> {
    let counts = model.counts();
    let name = Span::from(format!("{:<10}", "errors"));
    if counts.errors() == 0 {
        return Line::from(vec![name, Span::styled("none", BOLD)]);
    }
    let mut spans = vec![name, Span::styled(text::failures(counts), look.colored(Color::Red))];
    spans.extend(counts.last_failure.as_ref().map(|said| Span::from(format!("; last: {said}"))));
    Line::from(spans)
}

fn client(model: &LiveModel, look: &Look) -> Line<'static> {
    let (measured, disturbed) = model.disturbed();
    let name = Span::from(format!("{:<10}", "client"));
    if measured == 0 {
        return Line::from(vec![name, Span::styled("nothing measured yet", DIM)]);
    }
    let share = disturbed as f64 / measured as f64;
    let limit = model.settings.disturbed_limit;
    let (style, relation) = if share > limit { (look.colored(Color::Yellow), "above") } else { (BOLD, "limit") };
    let said = format!("{:.1} % of the run disturbed", share * 100.0);
    let mut rest = format!(", {relation} {:.1} %", limit * 100.0);
    let causes: Vec<String> = model
        .faults()
        .iter()
        .map(|(fault, number)| format!("{} {}", text::fault(*fault), text::count(*number)))
        .collect();
    if !causes.is_empty() {
        _ = write!(rest, ": {}", causes.join(", "));
    }
    Line::from(vec![name, Span::styled(said, style), Span::from(rest)])
}

/// Loads that are over, the last ones that fit.
fn earlier_loads(model: &LiveModel, height: u16) -> Vec<Line<'static>> {
    // The load whose last state is still on the screen needs no second line.
    let loads = model.earlier();
    let count = loads.len() - usize::from(model.is_over() && !loads.is_empty());
    let room = usize::from(height).saturating_sub(1);
    if count == 0 || room == 0 {
        return Vec::new();
    }
    let title = format!("{:<24}{:>12}{:>12}{:>12}{:>8}", "earlier", "requests/s", "TTFT p50", "p99 ms", "failed");
    let mut lines = vec![Line::styled(title, DIM)];
    for load in loads.iter().take(count).skip(count.saturating_sub(room)) {
        let unknown = || "-".to_owned();
        let name: String = format!("{} {}", load.number, load.what).chars().take(23).collect();
        let rate = load.rate.map_or_else(unknown, text::rate);
        let (p50, p99) =
            load.ttft.map_or_else(|| (unknown(), unknown()), |(p50, p99)| (text::latency(p50), text::latency(p99)));
        lines.push(Line::from(format!("{name:<24}{rate:>12}{p50:>12}{p99:>12}{:>8}", text::count(load.errors))));
    }
    lines
}

fn foot_line(look: &Look, width: u16) -> Line<'static> {
    match &look.said {
        Some(said) => Line::styled(said.clone(), look.colored(Color::Yellow)),
        None if width < 80 => Line::styled("Ctrl-C ends the run, keeps the record.  ? = too few values", DIM),
        None => Line::styled("Ctrl-C ends the run and keeps what was measured.  ? = too few values to be sure", DIM),
    }
}

#[cfg(test)]
mod tests;
