use proptest::prelude::*;

use super::*;

/// A profile with two values, inlined functions, an address without a name, labels beside `thread`, and fields that are not
/// read, as the Python package protobuf 7.36 writes it from pprof's `profile.proto`.
const FOREIGN: &str = "0a04080110020a0408031004121a0a03030201120580e1eb17051a06080f184d20101a040811101212110a020401120580ade204011a04081310141a0c080110808001188080022805220e08011001188082012204080a1003221408021001188084012204081e1003220408141009220c08031001188086012202082822080804100118e78a012a0a080a10061807200828072a0a08141009180a200828072a0a081e100b180c200828072a0a0828100d180e2008280732003203637075320b6e616e6f7365636f6e6473320773616d706c65733205636f756e7432062f62696e2f7832046d61696e32065f5a6d61696e3203782e6332056f7574657232075f5a6f757465723207696e6c696e656432095f5a696e6c696e656432046c65616632065f5a6c65616632097468726561645f69643202696432067468726561643208776f726b65722d313206656e67696e65320474696e79488080a8b1e39fe7cb17508094ebdc035a04080110026080ade204";

/// What [`write`] makes of [`ours`]; the same package, with the same `profile.proto`, reads from it what `ours` holds.
const OURS: &str = "0a04080110020a040803100412100a0101120503b6c6b90e1a0408051006120f0a0012050192c2e8041a040805100712130a0201021207c80190aca7c3071a040805100822060801220208012a0608011009180922060802220208022a060802100a180a3200320773616d706c65733205636f756e743203637075320b6e616e6f7365636f6e64733206746872656164320668656c706572320469646c6532046d61696e32066d61746d756c320372756e5a04080310046092c2e804";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn ours() -> Profile {
    let mut profile = Profile::new(Some(Period::Processor(Duration::from_nanos(10_101_010))));
    profile.add(["main", "run", "matmul"], Duration::ZERO, 200);
    profile.add(["helper", "matmul"], Duration::ZERO, 3);
    profile.add(["idle"], Duration::ZERO, 1);
    profile
}

#[test]
fn a_foreign_profile_is_read() {
    let profile = read(&bytes(FOREIGN)).unwrap();
    let stacks: Vec<_> = profile.stacks().into_iter().collect();
    let expected = [(vec!["all", "main", "0x4567"], 1), (vec!["worker-1", "main", "outer", "inlined", "leaf"], 5)];
    assert_eq!(stacks, expected);
    assert_eq!(profile.period(), Some(Period::Processor(Duration::from_millis(10))));
}

#[test]
fn our_bytes_are_those_that_another_reader_understood() {
    let hex: String = write(&ours()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, OURS);
    let back = read(&bytes(OURS)).unwrap();
    assert_eq!((&back, back.period()), (&ours(), ours().period()));
}

#[test]
fn packed_profiles_are_read_and_cut_ones_refused() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes(OURS)).unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(crate::profile::read(&packed).unwrap(), ours());
    let cut = crate::profile::read(&packed[..packed.len() / 2]);
    assert!(matches!(cut, Err(FormError::Packed { .. })), "{cut:?}");
}

#[test]
fn both_forms_are_told_apart() {
    assert_eq!(crate::profile::read(&bytes(OURS)).unwrap(), ours());
    assert_eq!(crate::profile::read(b"main;run;matmul 200\nhelper;matmul 3\nidle 1\n").unwrap(), ours());
    assert_eq!(crate::profile::read(b""), Err(FormError::Empty));
    assert!(matches!(crate::profile::read(b"no profile"), Err(FormError::Line { line: 1, .. })));
    assert!(matches!(crate::profile::read(&[0xff; 40]), Err(FormError::Message { .. })));
}

#[test]
fn references_to_nothing_are_refused() {
    let check = |fields: &dyn Fn(&mut Writer), problem: &str| {
        let mut message = Writer::default();
        fields(&mut message);
        match read(&message.finish()) {
            Err(FormError::Message { problem: found }) => assert!(found.contains(problem), "{found}"),
            other => panic!("{problem}: {other:?}"),
        }
    };
    let table = |message: &mut Writer| {
        message.bytes(1, &[]);
        message.bytes(6, b"");
    };
    let sample = |message: &mut Writer, location: u64, count: u64| {
        message.message(2, |sample| {
            sample.numbers(1, [location]);
            sample.numbers(2, [count]);
        });
    };
    check(&|_| {}, "does not say what its samples count");
    check(&|message| (table(message), sample(message, 7, 1)).1, "location 7 is not described");
    check(&|message| (table(message), sample(message, 7, u64::MAX)).1, "negative count");
    check(&|message| (table(message), message.message(2, |_| {})).1, "fewer values");
    check(&|message| message.number(1, 5), "kind of another");
    check(&|message| message.message(1, |kind| kind.number(2, 9)), "text 9 is not in its table");
}

/// Two samples of a stack and one of another, during a run.
fn timed() -> Profile {
    let mut profile = ours();
    profile.add(["main", "run", "matmul"], Duration::from_micros(1_500), 1);
    profile.add(["main", "run", "matmul"], Duration::from_micros(1_200), 2);
    profile.add_run(ProfiledRun { run_id: "20260301T123000Z-load-a b".to_owned(), origin: Duration::from_nanos(7) });
    profile
}

/// [`timed`] as version 1 of the times wrote it. It is never written again: whatever changes, this must stay readable.
const TIMED: &str = "0a04080110020a040803100412150a0101120503b6c6b90e1a0408051006a20602000312140a0012050192c2e8041a0408051007a206020001121f0a0201021207cb01c6f2e0d1071a0408051008a2060900c801b00902ac020122060801220208012a0608011009180922060802220208022a060802100a180a3200320773616d706c65733205636f756e743203637075320b6e616e6f7365636f6e64733206746872656164320668656c706572320469646c6532046d61696e32066d61746d756c320372756e321377656967686272696467652d74696d65732031322b77656967686272696467652d72756e2037203230323630333031543132333030305a2d6c6f61642d6120625a04080310046092c2e8046a020b0c";

#[test]
fn times_are_kept_beside_what_other_tools_read() {
    let back = read(&write(&timed())).unwrap();
    let times = |profile: &Profile| {
        let times = profile.times().into_iter();
        times.map(|(frames, times)| (frames.join(";"), times)).collect::<Vec<_>>()
    };
    assert_eq!(times(&back), times(&timed()));
    assert_eq!(back.runs(), timed().runs());
    let golden = read(&bytes(TIMED)).unwrap();
    assert_eq!((times(&golden), golden.runs()), (times(&timed()), timed().runs()));
    // A profile without times has none, and neither does one of an earlier version.
    assert!(!read(&bytes(OURS)).unwrap().has_times() && back.has_times());
}

#[test]
fn times_that_cannot_be_meant_are_refused() {
    let check = |comment: &str, times: &[u64], problem: &str| {
        let mut message = Writer::default();
        message.bytes(1, &[]);
        message.message(2, |sample| {
            sample.numbers(2, [3]);
            sample.numbers(TIMES, times.iter().copied());
        });
        message.bytes(6, b"");
        message.bytes(6, comment.as_bytes());
        message.numbers(13, [1]);
        match (read(&message.finish()), problem) {
            (Ok(profile), "") => assert_eq!(profile.total(), 3),
            (Err(FormError::Message { problem: found }), _) => assert!(found.contains(problem), "{found}"),
            (other, _) => panic!("{problem}: {other:?}"),
        }
    };
    check("weighbridge-times 1", &[5, 1, 5, 2], "");
    check("weighbridge-times 1", &[], "");
    check("of another tool", &[5, 9], "");
    check("weighbridge-times 1", &[5, 1], "do not add up");
    check("weighbridge-times 1", &[5, 3, 5], "");
    check("weighbridge-times 1", &[u64::MAX, 1, 1, 2], "do not add up");
    check("weighbridge-times 1", &[1, u64::MAX, 1, 4], "do not add up");
    check("weighbridge-times 2", &[5, 3], "version 2");
    check("weighbridge-run soon", &[], "no time");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        stacks in prop::collection::vec(
            (prop::collection::vec("[a-z;<>: ]{0,6}", 1..6), 1_u64..9, prop::option::of(0_u64..99)),
            0..9,
        ),
        period in prop::option::of((any::<bool>(), 1_u64..1_000_000_000)),
    ) {
        let mut profile = Profile::new(period.map(|(is_time, number)| match is_time {
            true => Period::Processor(Duration::from_nanos(number)),
            false => Period::Allocated(number),
        }));
        for (frames, count, at) in &stacks {
            profile.add(frames.iter().map(String::as_str), Duration::from_micros(at.unwrap_or(0)), *count);
        }
        let back = read(&write(&profile)).unwrap();
        prop_assert_eq!(back.period(), profile.period());
        prop_assert_eq!(back.times(), profile.times());
        prop_assert_eq!(back, profile);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = crate::profile::read(&bytes);
    }

    #[test]
    fn changed_bytes_are_read_or_refused(at in 0..OURS.len() / 2, byte in any::<u8>(), cut in 0..OURS.len() / 2) {
        for golden in [OURS, TIMED] {
            let mut changed = bytes(golden);
            changed[at] = byte;
            let _ = read(&changed);
            let _ = read(&changed[..cut]);
        }
    }
}
