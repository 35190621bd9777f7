//! An office file around parts, so that the fuzzer need not learn checksums.

pub const RELATIONS: &[u8] = b"<Relationships><Relationship Id='s' Type='x/styles' Target='styles.xml'/>\
    <Relationship Id='n' Type='x/numbering' Target='numbering.xml'/>\
    <Relationship Id='f' Type='x/footnotes' Target='footnotes.xml'/>\
    <Relationship Id='t' Type='x/sharedStrings' Target='sharedStrings.xml'/>\
    <Relationship Id='w' Type='x/worksheet' Target='sheet.xml'/></Relationships>";

/// A ZIP archive of files that are stored as they are.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = bytes.len() as u32;
        let mut common = vec![0; 8];
        common.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
        for length in [content.len() as u32, content.len() as u32, name.len() as u32] {
            common.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(b"PK\x03\x04\x14\0");
        bytes.extend_from_slice(&common);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\0\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (offset, size, count) = (bytes.len() as u32, directory.len() as u32, files.len() as u16);
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}
