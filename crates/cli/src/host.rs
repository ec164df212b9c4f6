//! What the host has and uses, from `/proc` and `/sys`, under the names that PM2 gives to it.

use std::{collections::BTreeMap, fs, path::Path, thread, time::Duration};

use nix::sys::statvfs::statvfs;
use serde::Serialize;

/// Rates are counted over this time.
const SPAN: Duration = Duration::from_millis(250);
const MIB: f64 = 1024.0 * 1024.0;
/// The unit of sectors in `/proc/diskstats`, whatever the device's own are.
const SECTOR: u64 = 512;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Metric {
    value: f64,
    r#type: &'static str,
    unit: &'static str,
    historic: bool,
}

impl Metric {
    /// `value` with so many decimals.
    fn new(value: f64, decimals: i32, unit: &'static str) -> Self {
        let scale = 10_f64.powi(decimals);
        Self { value: (value * scale).round() / scale, r#type: "metric", unit, historic: true }
    }
}

/// Names and figures in PM2's order.
pub(crate) type Metrics = Vec<(String, Metric)>;

/// Counters that only grow.
#[derive(Debug, Default, PartialEq)]
struct Counters {
    /// Ticks of all CPUs, and those in which they had something to do.
    cpu: (u64, u64),
    interfaces: BTreeMap<String, Interface>,
    /// Bytes read and written by whole disks.
    disks: (u64, u64),
}

/// Bytes, errors and drops of one network interface: received and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Interface {
    bytes: (u64, u64),
    errors: (u64, u64),
    dropped: (u64, u64),
}

/// Measures. It takes a moment, because rates are differences.
pub(crate) fn metrics() -> Metrics {
    let before = Counters::read();
    thread::sleep(SPAN);
    let after = Counters::read();
    let mut metrics = vec![
        ("CPU Usage".to_owned(), Metric::new(cpu_usage(before.cpu, after.cpu), 1, "%")),
        ("CPU Temperature".to_owned(), Metric::new(temperature(), 1, "°C")),
    ];
    metrics.extend(memory(&read("/proc/meminfo")));
    metrics.extend(rates(&before, &after, SPAN.as_secs_f64()));
    metrics.extend(file_systems(&read("/proc/self/mounts")));
    metrics
}

fn read(path: &str) -> String {
    // What a host does not tell is not shown.
    fs::read_to_string(path).unwrap_or_default()
}

impl Counters {
    fn read() -> Self {
        Self {
            cpu: cpu_ticks(&read("/proc/stat")),
            interfaces: interfaces(&read("/proc/net/dev")),
            disks: disks(&read("/proc/diskstats"), |name| Path::new("/sys/block").join(name).exists()),
        }
    }
}

fn numbers(line: &str) -> impl Iterator<Item = u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok())
}

fn cpu_ticks(stat: &str) -> (u64, u64) {
    let fields: Vec<u64> =
        stat.lines().next().map(|line| numbers(line).take(8).collect()).unwrap_or_default();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    let total = fields.iter().sum::<u64>();
    (total, total - idle)
}

fn cpu_usage(before: (u64, u64), after: (u64, u64)) -> f64 {
    let total = after.0.saturating_sub(before.0);
    if total == 0 { 0.0 } else { after.1.saturating_sub(before.1) as f64 * 100.0 / total as f64 }
}

/// -1 where nobody knows.
fn temperature() -> f64 {
    let milli = read("/sys/class/thermal/thermal_zone0/temp").trim().parse::<f64>();
    milli.map_or(-1.0, |milli| milli / 1000.0)
}

fn memory(meminfo: &str) -> Metrics {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| numbers(line.trim_start_matches(':')).next()).map_or(0, |kib| kib * 1024)
    };
    let (total, available) = (field("MemTotal"), field("MemAvailable"));
    let active = total.saturating_sub(available);
    let usage = if total == 0 { 0.0 } else { active as f64 * 100.0 / total as f64 };
    vec![
        ("RAM Usage".to_owned(), Metric::new(usage, 1, "%")),
        ("RAM Total".to_owned(), Metric::new(total as f64, 0, "b")),
        ("RAM Available".to_owned(), Metric::new(available as f64, 0, "b")),
        ("RAM Active".to_owned(), Metric::new(active as f64, 0, "b")),
    ]
}

fn interfaces(dev: &str) -> BTreeMap<String, Interface> {
    let interface = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let at: Vec<u64> = numbers(counters).collect();
        let pair = |received: usize| Some((*at.get(received)?, *at.get(received + 8)?));
        Some((name.trim().to_owned(), Interface { bytes: pair(0)?, errors: pair(2)?, dropped: pair(3)? }))
    };
    dev.lines().filter_map(interface).collect()
}

/// Partitions are parts of disks, and are not counted twice.
fn disks(diskstats: &str, is_disk: impl Fn(&str) -> bool) -> (u64, u64) {
    let mut bytes = (0, 0);
    for line in diskstats.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(read), Some(written)) = (fields.get(2), fields.get(5), fields.get(9)) else {
            continue;
        };
        if is_disk(name) && !name.starts_with("loop") && !name.starts_with("ram") {
            bytes.0 += read.parse::<u64>().unwrap_or(0) * SECTOR;
            bytes.1 += written.parse::<u64>().unwrap_or(0) * SECTOR;
        }
    }
    bytes
}

fn rates(before: &Counters, after: &Counters, seconds: f64) -> Metrics {
    let per_second = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
    let traffic = |before, after| Metric::new(per_second(before, after) / MIB, 3, "mb/s");
    let faults = |before, after| Metric::new(per_second(before, after) * 60.0, 0, "/min");
    let mut metrics = Metrics::new();
    for (name, new) in &after.interfaces {
        let old = before.interfaces.get(name).copied().unwrap_or(*new);
        metrics.extend([
            (format!("net:rx_5:{name}"), traffic(old.bytes.0, new.bytes.0)),
            (format!("net:tx_5:{name}"), traffic(old.bytes.1, new.bytes.1)),
            (format!("net:rx_errors_60:{name}"), faults(old.errors.0, new.errors.0)),
            (format!("net:tx_errors_60:{name}"), faults(old.errors.1, new.errors.1)),
            (format!("net:rx_dropped_60:{name}"), faults(old.dropped.0, new.dropped.0)),
            (format!("net:tx_dropped_60:{name}"), faults(old.dropped.1, new.dropped.1)),
        ]);
    }
    metrics.extend([
        ("Disk Reads".to_owned(), traffic(before.disks.0, after.disks.0)),
        ("Disk Writes".to_owned(), traffic(before.disks.1, after.disks.1)),
    ]);
    metrics
}

/// The root and what lies on devices, each device once.
fn file_systems(mounts: &str) -> Metrics {
    let mut seen = Vec::new();
    let mut metrics = Metrics::new();
    for line in mounts.lines() {
        let mut words = line.split_whitespace();
        let (Some(device), Some(mount)) = (words.next(), words.next()) else { continue };
        // A blank in a path is written `\040`.
        let mount = mount.replace("\\040", " ");
        let is_meant = mount == "/" || (device.starts_with("/dev/") && Path::new(&mount).is_dir());
        if !is_meant || seen.contains(&device) {
            continue;
        }
        let Ok(stat) = statvfs(mount.as_str()) else { continue };
        let size = stat.blocks() as f64 * stat.fragment_size() as f64;
        let used = (stat.blocks() - stat.blocks_free()) as f64;
        let usable = used + stat.blocks_available() as f64;
        if usable > 0.0 {
            seen.push(device);
            metrics.push((format!("fs:use:{mount}"), Metric::new(used * 100.0 / usable, 2, "%")));
            metrics.push((format!("fs:size:{mount}"), Metric::new(size / MIB / 1024.0, 2, "gb")));
        }
    }
    metrics
}

/// What the API of `web` tells of the host.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) hostname: String,
    /// Seconds since it was booted.
    pub(crate) uptime: f64,
    pub(crate) load: Vec<f64>,
    /// Bytes.
    pub(crate) total: f64,
    /// Bytes.
    pub(crate) free: f64,
    /// The model of each CPU.
    pub(crate) cpus: Vec<String>,
}

/// What there is, without measuring.
pub(crate) fn summary() -> Summary {
    let first = |text: &str, count: usize| -> Vec<f64> {
        text.split_whitespace().take(count).filter_map(|word| word.parse().ok()).collect()
    };
    let ram = memory(&read("/proc/meminfo"));
    let amount =
        |name: &str| ram.iter().find(|(known, _)| known == name).map_or(0.0, |(_, metric)| metric.value);
    let models = read("/proc/cpuinfo");
    let models = models.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Summary {
        hostname: read("/proc/sys/kernel/hostname").trim().to_owned(),
        uptime: first(&read("/proc/uptime"), 1).first().copied().unwrap_or_default(),
        load: first(&read("/proc/loadavg"), 3),
        total: amount("RAM Total"),
        free: amount("RAM Available"),
        cpus: models.map(|(_, model)| model.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(metrics: &Metrics, name: &str) -> f64 {
        metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1.value
    }

    #[test]
    fn figures_are_read_as_the_kernel_writes_them() {
        assert_eq!(cpu_ticks("cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 1 2\n"), (100, 20));
        assert!((cpu_usage((100, 20), (200, 70)) - 50.0).abs() < 1e-9);
        assert!(cpu_usage((100, 20), (100, 20)).abs() < 1e-9);
        let ram = memory("MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n");
        assert!((value(&ram, "RAM Usage") - 75.0).abs() < 1e-9);
        assert!((value(&ram, "RAM Active") - 768_000.0).abs() < 1e-9);
        let dev = "Inter-| x\n face |bytes\n  eth0: 1048576 2 3 4 0 0 0 0 2097152 6 7 8 0 0 0 0\n";
        let now = Counters { interfaces: interfaces(dev), disks: (0, 0), cpu: (0, 0) };
        let mut before = Counters::default();
        before.interfaces.insert("eth0".to_owned(), Interface::default());
        let rates = rates(&before, &now, 0.5);
        assert!((value(&rates, "net:rx_5:eth0") - 2.0).abs() < 1e-9);
        assert!((value(&rates, "net:tx_5:eth0") - 4.0).abs() < 1e-9);
        assert!((value(&rates, "net:rx_errors_60:eth0") - 360.0).abs() < 1e-9);
        let stats =
            "8 0 sda 1 0 10 0 1 0 20 0 0\n8 1 sda1 1 0 10 0 1 0 20 0 0\n7 0 loop0 1 0 9 0 1 0 9 0\nbad";
        assert_eq!(disks(stats, |name| name != "sda1"), (5120, 10240));
    }

    #[test]
    fn a_host_has_memory_and_a_root() {
        let metrics = metrics();
        assert!(value(&metrics, "RAM Total") > 0.0 && value(&metrics, "fs:size:/") > 0.0);
        assert!((0.0..=100.0).contains(&value(&metrics, "CPU Usage")));
    }
}
