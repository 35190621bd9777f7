//! Function names of a program or library: the symbol table of a 64-bit ELF file.

/// Bytes that can be read at a place, as of a file, so that a table is read without the rest.
pub trait ReadAt {
    /// All bytes.
    fn length(&self) -> u64;

    /// `length` bytes from `at` on; `None` where there are fewer.
    fn bytes(&self, at: u64, length: usize) -> Option<Vec<u8>>;
}

impl ReadAt for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn bytes(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        self.get(usize::try_from(at).ok()?..)?.get(..length).map(<[u8]>::to_vec)
    }
}

/// The largest table that is read; a browser's has some hundred megabytes.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes of a symbol.
const SYMBOL: usize = 24;
/// Kinds of sections: all symbols, and those that others may link to.
const SYMTAB: u32 = 2;
const DYNSYM: u32 = 11;
/// A segment that is mapped.
const LOAD: u32 = 1;
/// Kinds of symbols: functions, and those that are chosen when the file is loaded.
const FUNCTIONS: [u8; 2] = [2, 10];

/// Functions of a file by address.
#[derive(Debug)]
pub struct ElfSymbols {
    segments: Vec<Segment>,
    /// In the order of their addresses.
    functions: Vec<Function>,
    names: Vec<u8>,
}

/// A part of the file, and which address it has there.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
}

#[derive(Clone, Copy, Debug)]
struct Function {
    address: u64,
    size: u64,
    /// Where the name begins.
    name: u32,
}

impl ElfSymbols {
    /// Reads the symbols of a file, or where they were stripped those that others may link to. `None` where the file is of
    /// another kind or has neither.
    #[must_use]
    pub fn read<R: ReadAt + ?Sized>(file: &R) -> Option<Self> {
        let head = file.bytes(0, 64)?;
        // 64 bits, low bytes first.
        if !head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let segments = table(file, number(&head, 32)?, half(&head, 54)?, half(&head, 56)?)?;
        let segments = segments.iter().filter_map(|entry| Segment::read(entry)).collect();
        let sections = table(file, number(&head, 40)?, half(&head, 58)?, half(&head, 60)?)?;
        let of_kind = |kind| sections.iter().find(|section| word(section, 4) == Some(kind));
        let symbols = of_kind(SYMTAB).or_else(|| of_kind(DYNSYM))?;
        let names = sections.get(usize::try_from(word(symbols, 40)?).ok()?)?;
        let symbols = content(file, symbols)?;
        let mut functions: Vec<Function> = symbols.chunks_exact(SYMBOL).filter_map(Function::read).collect();
        functions.sort_by_key(|function| (function.address, function.size, function.name));
        Some(Self { segments, functions, names: content(file, names)? })
    }

    /// The name of the function at this place of the file, readable and without its hash. `None` between functions.
    #[must_use]
    pub fn name(&self, offset: u64) -> Option<String> {
        let holds = |segment: &&Segment| offset.checked_sub(segment.offset).is_some_and(|into| into < segment.size);
        let segment = self.segments.iter().find(holds)?;
        let address = segment.address.checked_add(offset - segment.offset)?;
        let after = self.functions.partition_point(|function| function.address <= address);
        // Of several that begin together, the longest that is called anything.
        let function = self.functions.get(after.checked_sub(1)?)?;
        let is_within = function.size == 0 || address - function.address < function.size;
        let name = self.names.get(usize::try_from(function.name).ok()?..)?;
        let name = name.split(|&byte| byte == 0).next().filter(|name| is_within && !name.is_empty())?;
        Some(format!("{:#}", rustc_demangle::demangle(&String::from_utf8_lossy(name))))
    }
}

impl Segment {
    fn read(entry: &[u8]) -> Option<Self> {
        let is_mapped = word(entry, 0)? == LOAD;
        let segment = Self { offset: number(entry, 8)?, address: number(entry, 16)?, size: number(entry, 32)? };
        is_mapped.then_some(segment)
    }
}

impl Function {
    /// `None` for what is no function, and for those of other files.
    fn read(entry: &[u8]) -> Option<Self> {
        let is_function = FUNCTIONS.contains(&(entry.get(4)? & 0xf));
        let function = Self { address: number(entry, 8)?, size: number(entry, 16)?, name: word(entry, 0)? };
        (is_function && function.address != 0).then_some(function)
    }
}

/// Entries of a table of headers; their sizes are not below what is read of them.
fn table<R: ReadAt + ?Sized>(file: &R, at: u64, size: u16, count: u16) -> Option<Vec<Vec<u8>>> {
    let size = usize::from(size);
    let bytes = file.bytes(at, size * usize::from(count))?;
    Some(if size == 0 { Vec::new() } else { bytes.chunks_exact(size).map(<[u8]>::to_vec).collect() })
}

/// Bytes of a section.
fn content<R: ReadAt + ?Sized>(file: &R, section: &[u8]) -> Option<Vec<u8>> {
    let (at, size) = (number(section, 24)?, number(section, 32)?);
    let is_there = at.checked_add(size)? <= file.length() && size <= MOST_BYTES;
    file.bytes(at, usize::try_from(size).ok().filter(|_| is_there)?)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file with a segment at 0x1000 of the file and 0x40_1000 of memory, and symbols with a start, a size and a name.
    fn file(symbols: &[(u64, u64, &str)]) -> Vec<u8> {
        let (mut table, mut names) = (vec![0_u8; SYMBOL], vec![0_u8]);
        for (address, size, name) in symbols {
            table.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
            table.extend([2, 0, 1, 0]);
            table.extend(address.to_le_bytes());
            table.extend(size.to_le_bytes());
            names.extend(name.bytes().chain([0]));
        }
        let (segment_at, sections_at) = (64, 64 + 56);
        let (table_at, names_at) = (sections_at + 3 * 64, sections_at + 3 * 64 + table.len());
        let mut file = vec![0_u8; sections_at];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01");
        put(32, &(segment_at as u64).to_le_bytes());
        put(40, &(sections_at as u64).to_le_bytes());
        put(54, &[56, 0, 1, 0, 64, 0, 3, 0]);
        put(segment_at, &LOAD.to_le_bytes());
        put(segment_at + 8, &0x1000_u64.to_le_bytes());
        put(segment_at + 16, &0x40_1000_u64.to_le_bytes());
        put(segment_at + 32, &0x1000_u64.to_le_bytes());
        let section = |kind: u32, link: u32, at: usize, size: usize| {
            let mut section = [0_u8; 64];
            section[4..8].copy_from_slice(&kind.to_le_bytes());
            section[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            section[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            section[40..44].copy_from_slice(&link.to_le_bytes());
            section
        };
        file.extend(section(0, 0, 0, 0));
        file.extend(section(SYMTAB, 2, table_at, table.len()));
        file.extend(section(3, 0, names_at, names.len()));
        file.extend(table);
        file.extend(names);
        file
    }

    fn symbols() -> Vec<u8> {
        file(&[
            (0x40_1100, 16, "work"),
            (0x40_1000, 0x80, "_ZN4core3ptr4read17h0123456789abcdefE"),
            (0x40_1200, 0, "asm_loop"),
        ])
    }

    #[test]
    fn an_address_has_the_name_of_the_function_around_it() {
        let symbols = ElfSymbols::read(&symbols()[..]).unwrap();
        let check = |offset, name: Option<&str>| assert_eq!(symbols.name(offset).as_deref(), name, "{offset:#x}");
        check(0x1000, Some("core::ptr::read"));
        check(0x107f, Some("core::ptr::read"));
        check(0x1080, None);
        check(0x110f, Some("work"));
        check(0x1110, None);
        check(0x1fff, Some("asm_loop"));
        check(0x2000, None);
        check(0xfff, None);
        check(u64::MAX, None);
    }

    #[test]
    fn other_files_have_no_symbols() {
        for bytes in [&b""[..], &b"\x7fELF\x01\x01"[..], &[0; 200][..], &symbols()[..130]] {
            assert!(ElfSymbols::read(bytes).is_none());
        }
    }

    proptest! {
        #[test]
        fn changed_files_are_read_or_refused(at in 0..symbols().len(), value in any::<u8>(), offset in any::<u64>()) {
            let mut changed = symbols();
            changed[at] = value;
            for bytes in [&changed[..], &changed[..at]] {
                if let Some(symbols) = ElfSymbols::read(bytes) {
                    let _ = (symbols.name(offset), symbols.name(0x1000 + offset % 0x1000));
                }
            }
        }
    }
}
