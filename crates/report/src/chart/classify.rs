//! How a score ranks, and whether it means what it says: ROC, precision-recall and reliability curves of an evaluation.

use maud::html;
use weighbridge_types::exhibit::{Curves, Exhibit};

use super::{Axis, Chart, Key, Plot, legend, px, span};
use crate::number;

/// The curves of a score; none where the evaluation has no score.
pub(crate) fn curve_charts(exhibit: &Exhibit, index: usize) -> Vec<Chart> {
    let Some(curves) = exhibit.curves.as_ref().filter(|curves| curves.points.len() > 1) else { return Vec::new() };
    let mut charts = vec![roc(curves, index), precision_recall(curves, index)];
    charts.extend(reliability(curves, index));
    charts
}

fn share_axes(x: &str, y: &str, top: f64) -> Plot {
    let (across, up) = span(top);
    Plot { x: Axis::linear(0.0, 1.0, across, x), y: Axis::linear(0.0, 1.0, up, y) }
}

fn roc(curves: &Curves, index: usize) -> Chart {
    let (keys, top) = legend(&[Key::line("the score", "c0"), Key::line("guessing", "chance")]);
    let plot = share_axes("false-positive rate", "true-positive rate", top);
    let points = curves.points.iter().map(|&(_, tpr, fpr, _)| (fpr, tpr));
    // The area under the line that is drawn, by the trapezoid rule.
    let area: f64 = curves.points.windows(2).map(|pair| (pair[1].2 - pair[0].2) * (pair[1].1 + pair[0].1) / 2.0).sum();
    Chart {
        id: format!("roc-{index}"),
        title: format!("ROC curve of `{}`", curves.positive),
        description: format!("Area under the drawn curve {}; guessing has 0.5", number::significant(area, 3)),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line([(0.0, 0.0), (1.0, 1.0)], "chance"))
            (plot.line(points, "c0"))
            (keys)
        },
    }
}

fn precision_recall(curves: &Curves, index: usize) -> Chart {
    let (keys, top) = legend(&[Key::line("the score", "c0"), Key::line("share of positives", "chance")]);
    let plot = share_axes("recall", "precision", top);
    // The first point is the threshold that nothing reaches; its precision is 1 by convention and not drawn.
    let points: Vec<(f64, f64)> =
        curves.points.iter().skip(1).map(|&(_, tpr, _, precision)| (tpr, precision)).collect();
    let base = points.last().map_or(0.0, |point| point.1);
    // Precision between two thresholds is not on the straight line: the curve is drawn in steps.
    let mut steps: Vec<(f64, f64)> = Vec::with_capacity(2 * points.len());
    for point in &points {
        if let Some(&(recall, _)) = steps.last() {
            steps.push((recall, point.1));
        }
        steps.push(*point);
    }
    Chart {
        id: format!("pr-{index}"),
        title: format!("Precision and recall of `{}`", curves.positive),
        description: format!("Everything called positive has the precision {}", number::significant(base, 3)),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line([(0.0, base), (1.0, base)], "chance"))
            (plot.line(steps, "c0"))
            (keys)
        },
    }
}

/// Stated against true shares, a dot for each bin whose area grows with its samples.
fn reliability(curves: &Curves, index: usize) -> Option<Chart> {
    let bins: Vec<(f64, f64, f64)> =
        curves.reliability.iter().filter_map(|&(samples, stated, came)| Some((samples, stated?, came?))).collect();
    let most = bins.iter().map(|bin| bin.0).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let (keys, top) =
        legend(&[Key::line("bins, larger with more samples", "c0"), Key::line("well calibrated", "chance")]);
    let plot = share_axes("stated probability", "share that came true", top);
    let said = |&(samples, stated, came): &(f64, f64, f64)| {
        let short = |value| number::significant(value, 3);
        format!("stated {}, came true {}, {} samples", short(stated), short(came), short(samples))
    };
    Some(Chart {
        id: format!("reliability-{index}"),
        title: format!("Reliability of `{}`", curves.positive),
        description: bins.iter().map(said).collect::<Vec<_>>().join("; "),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line([(0.0, 0.0), (1.0, 1.0)], "chance"))
            (plot.line(bins.iter().map(|bin| (bin.1, bin.2)), "c0"))
            @for bin in &bins {
                circle.dot.c0 cx=(px(plot.x.at(bin.1))) cy=(px(plot.y.at(bin.2)))
                    r=(px(2.5 + 5.5 * (bin.0 / most).sqrt())) { title { (said(bin)) } }
            }
            (keys)
        },
    })
}
