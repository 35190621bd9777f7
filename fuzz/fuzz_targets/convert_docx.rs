//! Whatever the parts of a document of Word hold, it is converted or refused.
#![no_main]

#[path = "../parts.rs"]
mod parts;

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{Limits, convert};

fuzz_target!(|data: &[u8]| {
    // The text, its styles and its lists, apart at NUL bytes.
    let mut parts = data.split(|byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let file = parts::archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/_rels/document.xml.rels", parts::RELATIONS),
        ("word/document.xml", next()),
        ("word/styles.xml", next()),
        ("word/numbering.xml", next()),
        ("word/footnotes.xml", next()),
    ]);
    drop(convert(&file, "a.docx", &Limits::default()));
});
