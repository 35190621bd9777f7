//! The mount table of the process.

use std::path::Path;

use crate::root::SystemRoot;

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The folder within the file system that is mounted.
    pub(crate) root: String,
    /// Where it is mounted.
    pub(crate) point: String,
    /// `ext4`, `cgroup2`, …
    pub(crate) file_system: String,
    /// The device, or what stands for one.
    pub(crate) source: String,
    /// Options of the file system; control groups list their controllers here.
    pub(crate) options: String,
}

/// Every mount, in order; a later one covers an earlier one at the same point.
pub(crate) fn mounts(root: &SystemRoot) -> Vec<Mount> {
    root.read("/proc/self/mountinfo").unwrap_or_default().lines().filter_map(parse_mount).collect()
}

/// The storage that holds a path: `ext4 on /dev/vda`. The path need not exist yet.
pub(crate) fn storage(root: &SystemRoot, path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let covers = |mount: &Mount| existing.starts_with(&mount.point);
    let mount = mounts(root).into_iter().filter(covers).max_by_key(|mount| mount.point.len())?;
    Some(format!("{} on {}", mount.file_system, mount.source))
}

/// Fields before ` - `: id, parent, device, root, point, options, optional tags; after it: type, source, options.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let mut right = right.split(' ');
    Some(Mount {
        root: unescape(left.next()?),
        point: unescape(left.next()?),
        file_system: right.next()?.to_owned(),
        source: unescape(right.next()?),
        options: right.next().unwrap_or_default().to_owned(),
    })
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(field: &str) -> String {
    let mut text = field.to_owned();
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escape, character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn lines_parse_with_and_without_tags() {
        let check = |line: &str, expected: Option<(&str, &str, &str)>| {
            let mount = parse_mount(line);
            let found = mount.as_ref().map(|m| (m.point.as_str(), m.file_system.as_str(), m.source.as_str()));
            assert_eq!(found, expected, "{line}");
        };
        check("36 35 98:0 /a /b rw shared:1 master:2 - ext4 /dev/vda rw", Some(("/b", "ext4", "/dev/vda")));
        check("36 35 98:0 / /my\\040disk rw - xfs /dev/sdb1 rw", Some(("/my disk", "xfs", "/dev/sdb1")));
        check("36 35 98:0 / / rw - tmpfs", None);
        check("nonsense", None);
    }

    #[test]
    fn the_innermost_mount_names_the_storage() {
        let results = tempfile::tempdir().unwrap();
        let point = results.path().canonicalize().unwrap();
        let table = format!("1 0 8:1 / / rw - ext4 /dev/vda rw\n2 1 8:2 / {} rw - xfs /dev/vdb rw\n", point.display());
        let (_folder, root) = fake::root(&[("/proc/self/mountinfo", &table)]);
        assert_eq!(storage(&root, &point.join("not/yet")).as_deref(), Some("xfs on /dev/vdb"));
        assert_eq!(storage(&root, Path::new("/nowhere")).as_deref(), Some("ext4 on /dev/vda"));
    }

    #[test]
    fn without_a_mount_table_the_storage_is_unknown() {
        let (_folder, root) = fake::root(&[]);
        assert_eq!(storage(&root, Path::new("/")), None);
    }
}
