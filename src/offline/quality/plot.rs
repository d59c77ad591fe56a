//! A report as pictures (SVG).

use crate::offline::quality::judge::{OfKind, Report, share};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (760, 420);

/// Writes `found.svg` (which share of each kind is found, and acted on) and `delay.svg` (how fast) into a folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write(report: &Report, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    found(report, &dir.join("found.svg")).map_err(|error| anyhow!("found.svg: {error}"))?;
    delay(report, &dir.join("delay.svg")).map_err(|error| anyhow!("delay.svg: {error}"))
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn found(report: &Report, path: &Path) -> Drawn {
    let kinds: Vec<(&String, &OfKind)> = report.frauds.iter().collect();
    let count = i32::try_from(kinds.len())?;
    let height = 80 + 26 * u32::try_from(kinds.len())?;
    let root = SVGBackend::new(path, (SIZE.0, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Share found (light) and found by a rule that acts (dark), in %", ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(26)
        .y_label_area_size(200)
        .build_cartesian_2d(0.0..100.0, (0..count.max(1)).into_segmented())?;
    let name = |at: &SegmentValue<i32>| match at {
        SegmentValue::CenterOf(at) => usize::try_from(*at)
            .ok()
            .and_then(|at| kinds.get(at))
            .map_or(String::new(), |(name, kind)| format!("{name} ({})", kind.cases)),
        _ => String::new(),
    };
    chart.configure_mesh().disable_y_mesh().y_labels(kinds.len().max(1)).y_label_formatter(&name).draw()?;
    for (part, colour) in [(0, RGBColor(160, 196, 232)), (1, RGBColor(31, 78, 140))] {
        let bars = (0..count).zip(&kinds).map(|(at, (_, kind))| {
            let hits = if part == 0 { kind.found } else { kind.acted };
            let end = share(hits, kind.cases).unwrap_or(0.0);
            let mut bar =
                Rectangle::new([(0.0, SegmentValue::Exact(at)), (end, SegmentValue::Exact(at + 1))], colour.filled());
            bar.set_margin(4, 4, 0, 0);
            bar
        });
        chart.draw_series(bars)?;
    }
    root.present()?;
    Ok(())
}

/// Of all frauds: the share found until then. Time is logarithmic, from a second to thirty days.
fn delay(report: &Report, path: &Path) -> Drawn {
    let all: usize = report.frauds.values().map(|kind| kind.cases).sum();
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Frauds found (light), and by a rule that acts (dark), in % over the time since they began",
            ("sans-serif", 15),
        )
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(44)
        .build_cartesian_2d((1.0..2_592_000.0_f64).log_scale(), 0.0..100.0)?;
    let label = |seconds: &f64| match seconds {
        s if *s < 60.0 => format!("{s:.0} s"),
        s if *s < 3_600.0 => format!("{:.0} min", s / 60.0),
        s if *s < 86_400.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} d", s / 86_400.0),
    };
    chart.configure_mesh().x_label_formatter(&label).draw()?;
    let delays = |pick: fn(&OfKind) -> &Vec<i64>| {
        let mut all: Vec<i64> = report.frauds.values().flat_map(|kind| pick(kind).iter().copied()).collect();
        all.sort_unstable();
        all
    };
    for (delays, colour) in
        [(delays(|k| &k.delays_s), RGBColor(120, 168, 216)), (delays(|k| &k.acting_delays_s), RGBColor(31, 78, 140))]
    {
        chart.draw_series(LineSeries::new(steps(&delays, all), colour.stroke_width(2)))?;
    }
    root.present()?;
    Ok(())
}

/// A corner before and after each step.
#[allow(clippy::cast_precision_loss)] // a picture
fn steps(delays_s: &[i64], all: usize) -> Vec<(f64, f64)> {
    let mut points = vec![(1.0, 0.0)];
    for (at, seconds) in delays_s.iter().enumerate() {
        let x = (*seconds).clamp(1, 2_592_000) as f64;
        points.push((x, share(at, all).unwrap_or(0.0)));
        points.push((x, share(at + 1, all).unwrap_or(0.0)));
    }
    points.push((2_592_000.0, share(delays_s.len(), all).unwrap_or(0.0)));
    points
}
