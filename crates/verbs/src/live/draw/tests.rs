use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::samples::{busy, model, pulse};
use super::*;

fn drawn(model: &LiveModel, size: (u16, u16), said: Option<&str>) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let look = Look { color: false, said: said.map(str::to_owned) };
    terminal.draw(|frame| draw(frame, model, &look)).unwrap();
    terminal
}

#[test]
fn a_busy_load_at_every_size() {
    for size in [(80, 24), (60, 15), (120, 40)] {
        let terminal = drawn(&busy(), size, None);
        insta::assert_snapshot!(format!("busy_{}x{}", size.0, size.1), terminal.backend());
    }
}

#[test]
fn a_load_of_which_nothing_is_known_yet() {
    let mut model = model();
    model.take(&pulse(1, 0, 0));
    insta::assert_snapshot!("first_80x24", drawn(&model, (80, 24), None).backend());
}

#[test]
fn what_was_said_stands_at_the_foot() {
    let said = "interrupted: cancelling what is in flight, keeping what was measured (again to stop at once)";
    insta::assert_snapshot!("interrupted_60x15", drawn(&busy(), (60, 15), Some(said)).backend());
}

#[test]
fn a_small_terminal_shows_the_words() {
    insta::assert_snapshot!("small_40x8", drawn(&busy(), (40, 8), None).backend());
    // No size is too small to be drawn on.
    for size in [(1, 1), (59, 15), (60, 14), (3, 200), (300, 1), (400, 100)] {
        drawn(&busy(), size, Some("said"));
    }
}

#[test]
fn no_color_means_none() {
    let terminal = drawn(&busy(), (80, 24), Some("said"));
    let colored =
        terminal.backend().buffer().content.iter().find(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert_eq!(colored, None);
}

/// Prints what the view costs; run it with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a test"]
fn cost() {
    let clock = weighbridge_types::time::Clock::start();
    let row = super::super::samples::row(40_000, 64, super::super::samples::ok());
    let event = weighbridge_types::event::RunEvent::Request(Box::new(row));
    let mut model = busy();
    let start = clock.now();
    (0..100_000).for_each(|_| model.take(&event));
    println!("a request of 64 tokens: {:?}", (clock.now() - start) / 100_000);
    for size in [(80, 24), (120, 40)] {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let start = clock.now();
        for _ in 0..1_000 {
            terminal.draw(|frame| draw(frame, &model, &Look::default())).unwrap();
        }
        println!("a frame of {}x{}: {:?}", size.0, size.1, (clock.now() - start) / 1_000);
    }
}
