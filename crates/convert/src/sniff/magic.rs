//! Kinds of files that say what they are in their first bytes.

use memchr::memmem;

use super::Format;
use crate::error::{Refusal, RefusalKind};
use crate::zip::Directory;

/// How far into a file the header of a PDF is looked for, as its readers do: mail and servers put lines before it.
const PDF_HEADER_BYTES: usize = 1024;

/// The first bytes of kinds that are not read, and their names.
const NOT_READ: &[(&[u8], &str)] = &[
    (b"\x1F\x8B", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xFD7zXZ\0", "an xz file"),
    (b"\x28\xB5\x2F\xFD", "a zstd file"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A\x07", "a RAR archive"),
    (b"\x89PNG\r\n\x1A\n", "a PNG picture"),
    (b"\xFF\xD8\xFF", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\0\0\x01\0", "an icon"),
    (b"8BPS", "a Photoshop picture"),
    (b"AT&TFORM", "a DjVu document"),
    (b"%!PS", "a PostScript document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7FELF", "an executable"),
    (b"\xCA\xFE\xBA\xBE", "an executable"),
    (b"\xCF\xFA\xED\xFE", "an executable"),
    (b"\xCE\xFA\xED\xFE", "an executable"),
    (b"\0asm", "a WebAssembly module"),
    (b"!<arch>\n", "a library of object files"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF\r\n\x1A\n", "an HDF5 file"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"fLaC", "a sound"),
    (b"RIFF", "a sound, picture or film"),
    (b"\x1A\x45\xDF\xA3", "a film"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"OTTO\0", "a font"),
    (b"\0\x01\0\0\0", "a font"),
];

/// What the first bytes say; nothing where the file is a kind of text, or none that is known.
pub(super) fn find(bytes: &[u8]) -> Option<Result<Format, Refusal>> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") || bytes.starts_with(b"PK\x07\x08") {
        return Some(zip_kind(bytes));
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some(Err(compound_kind(bytes)));
    }
    if is_pdf(bytes) {
        return Some(Ok(Format::Pdf));
    }
    let not_read = |name: &str| Some(Err(Refusal::new(RefusalKind::Unsupported, name)));
    if let Some((_, name)) = NOT_READ.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return not_read(name);
    }
    // These first bytes are words as well, so that another place must agree.
    let is_program = bytes.starts_with(b"MZ") && bytes[..bytes.len().min(256)].contains(&0);
    let is_bitmap = bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]);
    let is_film = bytes.get(4..8) == Some(b"ftyp");
    let is_tar = bytes.get(257..262) == Some(b"ustar");
    let found =
        [(is_program, "an executable"), (is_bitmap, "a BMP picture"), (is_film, "a film"), (is_tar, "a tar archive")];
    found.iter().find(|(is_it, _)| *is_it).and_then(|(_, name)| not_read(name))
}

/// Whether the header of a PDF begins a line among the first bytes. Text that speaks of it in a sentence is none.
fn is_pdf(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(PDF_HEADER_BYTES + 8)];
    memmem::find_iter(head, b"%PDF-").any(|at| {
        let begins_line = at == 0 || !matches!(head[at - 1], b' '..=b'~');
        let has_version = head.get(at + 5).is_some_and(u8::is_ascii_digit);
        at <= PDF_HEADER_BYTES && (at == 0 || (begins_line && has_version))
    })
}

/// Which document a ZIP archive is, by its parts.
pub(crate) fn zip_kind(bytes: &[u8]) -> Result<Format, Refusal> {
    let mut source = std::io::Cursor::new(bytes);
    let directory = Directory::read(&mut source).map_err(|error| error.refusal())?;
    let has = |name: &str| directory.entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name));
    let not_read = |name: &str| Err(Refusal::new(RefusalKind::Unsupported, name));
    if has("[Content_Types].xml") {
        for (part, format) in [("word/document.xml", Format::Docx), ("xl/workbook.xml", Format::Xlsx)] {
            if has(part) {
                return Ok(format);
            }
        }
        let starts = |prefix: &str| directory.entries.iter().any(|entry| entry.name.starts_with(prefix));
        // The main part may have another name, which the relations tell.
        for (prefix, format) in [("word/document", Format::Docx), ("xl/worksheets/", Format::Xlsx)] {
            if starts(prefix) && !has("xl/workbook.bin") {
                return Ok(format);
            }
        }
        for (prefix, name) in [
            ("ppt/", "a presentation of PowerPoint"),
            ("xl/", "a binary workbook of Excel"),
            ("visio/", "a drawing of Visio"),
        ] {
            if starts(prefix) {
                return not_read(name);
            }
        }
    }
    if directory.entries.first().is_some_and(|entry| entry.name == "mimetype") && !has("[Content_Types].xml") {
        if has("META-INF/container.xml") {
            return not_read("an EPUB book");
        }
        if has("content.xml") {
            return not_read("an OpenDocument file");
        }
    }
    Ok(Format::Zip)
}

/// What lies in a compound file, the container of Office before 2007 and of its encrypted files since.
fn compound_kind(bytes: &[u8]) -> Refusal {
    let holds = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memmem::find(bytes, &name).is_some()
    };
    if holds("EncryptedPackage") {
        return Refusal::new(RefusalKind::Encrypted, "an office file behind a password");
    }
    let kinds = [
        ("WordDocument", "a document of Word before 2007"),
        ("PowerPoint Document", "a presentation of PowerPoint before 2007"),
        ("__properties_version1.0", "a message of Outlook"),
        ("Workbook", "a workbook of Excel before 2007"),
        ("Book", "a workbook of Excel before 2007"),
    ];
    let kind = kinds.iter().find(|(name, _)| holds(name)).map_or("a compound file", |(_, kind)| *kind);
    Refusal::new(RefusalKind::Unsupported, kind)
}
