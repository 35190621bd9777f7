//! `/proc/PID/maps`: which part of which file lies where.

use std::ops::Range;

/// Executable memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::profile) struct Mapping {
    pub(in crate::profile) range: Range<u64>,
    /// Where the range begins in the file.
    pub(in crate::profile) offset: u64,
    /// The file, or a name in brackets of the kernel's own; empty for memory without either.
    pub(in crate::profile) path: String,
}

/// Executable mappings; lines that are odd are passed over.
pub(super) fn read(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    // `start-end rights offset device inode      path`, where the path may hold blanks.
    let (range, rest) = line.split_once(' ')?;
    let (rights, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (_device, rest) = rest.split_once(' ')?;
    let path = rest.split_once(' ').map_or("", |(_inode, path)| path.trim_start());
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let offset = number(offset)?;
    // Nothing lies beyond the end of a file of the largest size.
    offset.checked_add(range.end.checked_sub(range.start)?)?;
    rights.contains('x').then(|| Mapping { range, offset, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn executable_lines_are_read() {
        let text = "\
55d0c0a00000-55d0c0b00000 r--p 00000000 fd:01 1 /opt/my program (deleted)
55d0c0b00000-55d0c1c00000 r-xp 00100000 fd:01 1                          /opt/my program (deleted)
7ffd1000-7ffd3000 r-xp 00000000 00:00 0                          [vdso]
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 
odd
7f0000002000-7f0000001000 rwxp 00000000 00:00 0 x
";
        let mapping = |range, offset, path: &str| Mapping { range, offset, path: path.to_owned() };
        let expected = [
            mapping(0x55d0_c0b0_0000..0x55d0_c1c0_0000, 0x10_0000, "/opt/my program"),
            mapping(0x7ffd_1000..0x7ffd_3000, 0, "[vdso]"),
            mapping(0x7f00_0000_0000..0x7f00_0000_1000, 0, ""),
        ];
        assert_eq!(read(text), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([0-9a-f]{1,17}-[0-9a-f]{1,17} r-xp [0-9a-f]{1,17} 0:0 0 ?.{0,9}\n|.{0,30}\n){0,5}") {
            for mapping in read(&text) {
                prop_assert!(mapping.offset.checked_add(mapping.range.end - mapping.range.start).is_some());
            }
        }
    }
}
