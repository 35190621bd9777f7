//! Whatever an archive holds, it is walked and its files are converted, or they are refused; the counts add up.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{ArchiveLimits, Limits, convert, walk};

fuzz_target!(|data: &[u8]| {
    let limits = ArchiveLimits { entry_bytes: 1 << 20, total_bytes: 4 << 20, ..ArchiveLimits::default() };
    let walked = walk(&mut Cursor::new(data), &limits, &mut |path, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        drop(convert(&bytes, path, &Limits::default()));
        Ok(())
    });
    if let Ok(walked) = walked {
        assert_eq!(walked.files + walked.folders + walked.archives + walked.refused.len() as u64, walked.entries);
    }
});
