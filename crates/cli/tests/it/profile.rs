//! Profiles of runs, of other processes, and of files.

use std::path::Path;

use weighbridge_telemetry::profile::{Period, Profile, read};

use crate::support::{passes, run};

fn profile(path: &Path) -> Profile {
    read(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_with_the_flag_leaves_a_profile_with_the_matrix_product() {
    let folder = tempfile::tempdir().unwrap();
    let bench = ["bench", "--quick", "--phases", "latency", "--profile"];
    let ran = passes(folder.path(), &bench);
    assert!(ran.stderr.contains("profile flamegraphs/bench_profile.svg: "), "{}", ran.stderr);
    let file = |name: &str| folder.path().join("flamegraphs").join(name);
    let text = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let (message, lines) = (profile(&file("bench_profile.pb")), profile(&file("bench_profile.collapsed.txt")));
    assert_eq!(message, lines);
    assert!(message.total() > 20, "{} samples", message.total());
    let stacks = message.stacks();
    let is_product = |frames: &[&str]| frames.iter().any(|name| name.contains("kernels::matmul"));
    let product: u64 = stacks.iter().filter(|(frames, _)| is_product(frames)).map(|(_, count)| count).sum();
    assert!(product * 5 > message.total(), "{product} of {}", text("bench_hotspots.txt"));
    assert!(text("bench_profile.svg").contains("kernels::matmul"));
    let table = text("bench_hotspots.txt");
    assert!(table.contains("[prefill]") && table.contains("[decode]"), "{table}");
    let shown = passes(folder.path(), &["profile", "show", "flamegraphs/bench_profile.pb", "--top", "3"]);
    assert!(shown.stdout.starts_with(&format!("{} samples, ", message.total())), "{}", shown.stdout);

    let load = [
        "load",
        "tiny",
        "-n",
        "8",
        "-c",
        "2",
        "--isl",
        "16",
        "--osl",
        "16",
        "--profile=other",
        "--profile-allocations",
        "--disturbed-limit",
        "1",
    ];
    let loaded = passes(folder.path(), &load);
    assert!(profile(&folder.path().join("other/load_profile.pb")).total() > 0, "{}", loaded.stderr);
    let allocated = profile(&folder.path().join("other/load_allocations_profile.pb"));
    assert!(matches!(allocated.period(), Some(Period::Allocated(_))), "{:?}", allocated.period());
    let table = std::fs::read_to_string(folder.path().join("other/load_allocations_hotspots.txt")).unwrap();
    assert!(table.contains(" MiB allocated, a sample for each 512 KiB"), "{table}");
    let ran = run(folder.path(), &["bench", "--dry-run", "--profile-allocations"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--profile"), "{}", ran.stderr);
}

#[test]
fn nothing_is_sampled_without_the_flag_and_little_is_said_without_work() {
    let folder = tempfile::tempdir().unwrap();
    passes(folder.path(), &["bench", "--dry-run"]);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    let ran = passes(folder.path(), &["bench", "--dry-run", "--profile"]);
    let is_said = ran.stderr.contains("no profile was written") || ran.stderr.contains("profile flamegraphs");
    assert!(is_said, "{}", ran.stderr);
    std::fs::write(folder.path().join("file"), "").unwrap();
    let ran = run(folder.path(), &["bench", "--dry-run", "--profile=file/inside"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("failed to write `file/inside`"), "{}", ran.stderr);
}

#[test]
fn two_profiles_are_drawn_as_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "main;run;old 4\nmain;run;same 6\n").unwrap();
    std::fs::write(folder.path().join("b.txt"), "main;run;new 40\nmain;run;same 60\n").unwrap();
    let ran = passes(folder.path(), &["profile", "diff", "a.txt", "b.txt", "--output", "change.svg"]);
    assert!(ran.stdout.contains("   40.0%      0.0%     -40.0  old\n"), "{}", ran.stdout);
    let picture = std::fs::read_to_string(folder.path().join("change.svg")).unwrap();
    for title in
        ["new\n0.00 % before, 40.00 % after: +40.00 points", "old\n40.00 % before, 0.00 % after: -40.00 points"]
    {
        assert!(picture.contains(title), "{picture}");
    }
    let shown = passes(folder.path(), &["profile", "show", "b.txt", "--svg", "b.svg"]);
    assert!(shown.stdout.contains("  60.0%    60.0%         60  same"), "{}", shown.stdout);
    assert!(folder.path().join("b.svg").is_file());
}

/// Half of the requests have prompts that are 32 times as long: they are the slow ones, and most of their time is prefill.
#[test]
fn slow_requests_of_a_run_are_set_against_its_fast_ones() {
    let folder = tempfile::tempdir().unwrap();
    let load = ["load", "tiny", "-c", "1", "-n", "40", "--isl", "16|512", "--osl", "16", "--disturbed-limit", "1"];
    passes(folder.path(), &[&load[..], &["--profile"]].concat());
    let parted = ["profile", "diff", "--slow-against-fast", "latest", "--output", "slow.svg"];
    let ran = passes(folder.path(), &parted);
    assert!(ran.stdout.starts_with("fast: ") && ran.stdout.contains("\nslow: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("function, by its own share"), "{}", ran.stdout);
    // Every sample is in one of the four counts.
    let counts = ran.stderr.lines().find_map(|line| line.strip_prefix("samples: ")).unwrap();
    let counts: Vec<u64> = counts.split(", ").map(|part| part.split(' ').next().unwrap().parse().unwrap()).collect();
    let sampled = profile(&folder.path().join("flamegraphs/load_profile.pb"));
    assert_eq!((counts.len(), counts.iter().sum::<u64>(), counts[2]), (4, sampled.total(), 0), "{}", ran.stderr);
    assert!(counts[0] > counts[1], "{}", ran.stderr);
    let picture = std::fs::read_to_string(folder.path().join("slow.svg")).unwrap();
    let shares = picture.split("[prefill]\n").nth(1).unwrap().split(" % ").collect::<Vec<_>>();
    let share = |text: &str| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let (fast, slow) = (share(shares[0]), share(shares[1]));
    assert!(slow > 1.2 * fast, "{fast} % of fast ones, {slow} % of slow ones");
    let refused = |arguments: &[&str], problem: &str| {
        let ran = run(folder.path(), &[&["profile", "diff", "--output", "x.svg"], arguments].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(problem), "{arguments:?} {:?} {}", ran.code, ran.stderr);
    };
    let collapsed = "flamegraphs/load_profile.collapsed.txt";
    refused(&["--slow-against-fast", "latest", collapsed], "do not say when");
    refused(&["--slow-against-fast", "nothing"], "nothing");
    refused(&["a.pb"], "AFTER");
    refused(&["--slow-against-fast", "latest", "a.pb", "b.pb"], "--slow-against-fast");
    // A later run without the flag has no profile: the file in the folder is of the earlier one.
    passes(
        folder.path(),
        &["load", "tiny", "-c", "1", "-n", "2", "--isl", "8", "--osl", "2", "--disturbed-limit", "1"],
    );
    refused(&["--slow-against-fast", "latest"], "not taken during that run");
}

#[test]
fn what_is_no_profile_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("odd.txt", b"main;run 4\nmain;run\n", "read line 2 of collapsed stacks, `main;run`"),
        ("empty.pb", b"", "find a sample in the profile"),
        ("odd.pb", &[0x0a, 0xff, 0xff], "read a pprof message"),
        ("cut.pb.gz", &[0x1f, 0x8b, 8, 0], "unpack a compressed profile"),
    ];
    for (name, bytes, problem) in cases {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let ran = run(folder.path(), &["profile", "show", name]);
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(name) && ran.stderr.contains(problem) && ran.stderr.contains("hint: "),
            "{}",
            ran.stderr
        );
    }
    let ran = run(folder.path(), &["profile", "diff", "odd.txt", "none.txt", "--output", "x.svg"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(!folder.path().join("x.svg").exists());
    let ran = run(folder.path(), &["profile", "show", "none.txt"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("`none.txt`"), "{}", ran.stderr);
}

#[test]
fn processes_that_cannot_be_sampled_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, problem: &str| {
        let ran = run(folder.path(), &[&["profile"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(problem), "{}", ran.stderr);
    };
    check(&[], 2, "--pid");
    check(&["--pid", "4294967295"], 2, "there is no such process");
    check(&["--pid", "4294967295", "--duration", "soon"], 2, "accept `soon` as --duration");
    check(&["--pid", "many"], 2, "many");
    check(&["--pid", "1", "--hertz", "0"], 2, "0");
}

#[cfg(target_os = "linux")]
#[test]
fn another_process_is_sampled_or_the_kernel_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let sample =
        |pid: u32| run(folder.path(), &["profile", "--pid", &pid.to_string(), "--duration", "500ms", "--hertz", "199"]);
    let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let ran = sample(busy.id());
    busy.kill().unwrap();
    busy.wait().unwrap();
    if ran.code == Some(4) && ran.stderr.contains("perf_event_open") {
        assert!(ran.stderr.contains("kernel.perf_event_paranoid"), "{}", ran.stderr);
        println!("skipped: {}", ran.stderr);
        return;
    }
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let sampled = profile(&folder.path().join("flamegraphs").join(format!("pid{}_profile.pb", busy.id())));
    assert!(sampled.total() > 5 && sampled.stacks().keys().all(|frames| frames[0] == "sh"), "{:?}", sampled.stacks());

    let mut idle = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let ran = sample(idle.id());
    idle.kill().unwrap();
    idle.wait().unwrap();
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("it was on no processor"), "{}", ran.stderr);
}
