use super::*;
use crate::zip::build::Zip;

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, name: &str, expected: Format) {
    assert_eq!(
        Format::sniff(bytes.as_ref(), name),
        Ok(expected),
        "{name}: {:?}",
        String::from_utf8_lossy(bytes.as_ref())
    );
}

#[track_caller]
fn check_refused(bytes: impl AsRef<[u8]>, kind: RefusalKind, detail: &str) {
    let refusal = Format::sniff(bytes.as_ref(), "x.txt").unwrap_err();
    assert_eq!((refusal.kind, &*refusal.detail), (kind, detail));
}

fn office(parts: &[&str]) -> Vec<u8> {
    parts.iter().fold(Zip::new(), |zip, part| zip.file(part, "")).finish()
}

#[test]
fn the_name_of_a_document_is_not_believed() {
    check(b"%PDF-1.7\n", "a.docx", Format::Pdf);
    check(b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.4\n", "a.txt", Format::Pdf);
    check(office(&["[Content_Types].xml", "word/document.xml"]), "a.xlsx", Format::Docx);
    check(office(&["[Content_Types].xml", "xl/workbook.xml"]), "a.zip", Format::Xlsx);
    check(office(&["[Content_Types].xml", "word/document2.xml"]), "a", Format::Docx);
    check(office(&["a.txt"]), "a.docx", Format::Zip);
    check(b"<!DOCTYPE html><p>x", "a.pdf", Format::Html);
    check("\u{FEFF}\n<!-- c --><?xml version='1.0'?>\n<HTML>".as_bytes(), "a.md", Format::Html);
    check(b"A header begins with %PDF-1.7 and so on.", "a.txt", Format::Text);
}

#[test]
fn pages_without_a_frame_are_told_by_their_elements() {
    check("<div><p>a</p><p>b</p></div>", "a", Format::Html);
    check("<p>a", "a.html", Format::Html);
    check("<p align=center>x</p>\n\n# Title\n\n- a [b](c)\n", "README.md", Format::Markdown);
    check("<p align=center>x</p>\n\n# Title\n\n- a [b](c)\n", "readme", Format::Markdown);
    check("1 < 2 and 3 > 2\n", "a.txt", Format::Text);
    let utf16: Vec<u8> = "\u{FEFF}<html><p>x".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(utf16, "a", Format::Html);
}

#[test]
fn kinds_of_text_are_told_by_content_before_name() {
    check("a,b,c\n1,2,3\n4,5,6\n", "a.txt", Format::Csv);
    check("a\tb\n1\t2\n3\t4\n", "a", Format::Csv);
    check("one\ntwo\nthree\n", "a.csv", Format::Csv);
    check("Dear Ann, I am here.\nThe cat, the dog.\nAll, as ever.\n", "a.txt", Format::Text);
    check("# A\n\n- b\n- c\n", "a.txt", Format::Markdown);
    check("# A\n\n- b\n- c\n", "a.csv", Format::Markdown);
    check("---\ntitle: A\n---\nText.\n", "a", Format::Markdown);
    check("Just words.\n", "a.md", Format::Markdown);
    check("Just words.\n", "a.html", Format::Text);
    check("#!/bin/sh\n# a comment\necho x\n", "a.sh", Format::Text);
    check("| a | b |\n| --- | --- |\n| 1 | 2 |\n", "a.md", Format::Markdown);
    let utf16: Vec<u8> = "Some words.".encode_utf16().flat_map(u16::to_be_bytes).collect();
    check(utf16, "a", Format::Text);
    check("nul \0 in a long enough text, which happens", "a.txt", Format::Text);
}

#[test]
fn what_is_not_read_is_named() {
    let unsupported = [
        (&b"\x1F\x8B\x08"[..], "a gzip file"),
        (b"\x89PNG\r\n\x1A\n", "a PNG picture"),
        (b"\xFF\xD8\xFF\xE0", "a JPEG picture"),
        (b"\x7FELF\x02", "an executable"),
        (b"MZ\x90\0\x03", "an executable"),
        (b"{\\rtf1 x}", "an RTF document"),
        (b"<svg xmlns='x'/>", "an SVG picture"),
        (b"\x01\x02\x03\x04\x05\x06", "binary data of no known kind"),
    ];
    for (bytes, detail) in unsupported {
        check_refused(bytes, RefusalKind::Unsupported, detail);
    }
    let unread = [
        (&["[Content_Types].xml", "ppt/presentation.xml"][..], "a presentation of PowerPoint"),
        (&["[Content_Types].xml", "xl/workbook.bin"], "a binary workbook of Excel"),
        (&["mimetype", "content.xml"], "an OpenDocument file"),
        (&["mimetype", "META-INF/container.xml"], "an EPUB book"),
    ];
    for (parts, detail) in unread {
        check_refused(office(parts), RefusalKind::Unsupported, detail);
    }
    let compound = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &[0; 64], &name].concat()
    };
    check_refused(compound("EncryptedPackage"), RefusalKind::Encrypted, "an office file behind a password");
    check_refused(compound("WordDocument"), RefusalKind::Unsupported, "a document of Word before 2007");
    check_refused(compound("Workbook"), RefusalKind::Unsupported, "a workbook of Excel before 2007");
    check_refused(b"", RefusalKind::Empty, "0 bytes");
    check_refused(b"PK\x03\x04 and then nothing", RefusalKind::Damaged, "the archive ends before its directory");
}

proptest::proptest! {
    #[test]
    fn every_file_is_something_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Format::sniff(&bytes, "a.csv");
        let _ = crate::convert(&bytes, "a.md", &crate::Limits::default());
    }
}
