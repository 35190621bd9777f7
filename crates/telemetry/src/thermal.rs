//! How hot the host is.

use crate::root::SystemRoot;

/// The folder of thermal zones.
const ZONES: &str = "/sys/class/thermal";

/// Temperature of the hottest thermal zone, °C; `None` where the host has no sensor, as most virtual machines.
#[must_use]
pub fn host_temperature(root: &SystemRoot) -> Option<f64> {
    let zones = root.names(ZONES).into_iter().filter(|name| name.starts_with("thermal_zone"));
    let read = |zone: String| root.read_line(&format!("{ZONES}/{zone}/temp"))?.parse::<f64>().ok();
    zones.filter_map(read).map(|millidegrees| millidegrees / 1e3).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn the_hottest_zone_counts() {
        let (_folder, root) = fake::root(&[
            ("/sys/class/thermal/thermal_zone0/temp", "41000\n"),
            ("/sys/class/thermal/thermal_zone1/temp", "63500\n"),
            ("/sys/class/thermal/cooling_device0/temp", "99000\n"),
        ]);
        assert_eq!(host_temperature(&root), Some(63.5));
        let (_folder, root) = fake::root(&[]);
        assert_eq!(host_temperature(&root), None);
    }
}
