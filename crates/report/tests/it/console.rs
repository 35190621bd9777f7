//! The console report at two widths.

use weighbridge_report::console::{Color, Width, render};

use crate::sample;

#[test]
fn console_80() {
    insta::assert_snapshot!(render(&sample::record(), Width::new(80), Color::Never));
}

#[test]
fn console_120() {
    insta::assert_snapshot!(render(&sample::record(), Width::new(120), Color::Never));
}

#[test]
fn console_of_a_killed_run() {
    insta::assert_snapshot!(render(&sample::partial(), Width::new(80), Color::Never));
}
