//! Whatever the parts of a workbook hold, it is converted or refused.
#![no_main]

#[path = "../parts.rs"]
mod parts;

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{Limits, convert};

fuzz_target!(|data: &[u8]| {
    // The sheet, the strings and the styles, apart at NUL bytes.
    let mut parts = data.split(|byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let file = parts::archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook><sheets><sheet name='a' r:id='w'/></sheets></workbook>"),
        ("xl/_rels/workbook.xml.rels", parts::RELATIONS),
        ("xl/sheet.xml", next()),
        ("xl/sharedStrings.xml", next()),
        ("xl/styles.xml", next()),
    ]);
    drop(convert(&file, "a.xlsx", &Limits::default()));
});
