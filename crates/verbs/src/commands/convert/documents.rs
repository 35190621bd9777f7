//! The documents among files and folders that a user names, each with a name that says where it lies.

use std::fs;
use std::path::{Path, PathBuf};

use weighbridge_convert::{Refusal, RefusalKind};

use crate::failure::Failure;

/// Folders within folders; deeper ones are a loop or a mistake.
const DEPTH: usize = 64;

/// A document that was found, or why it is none.
#[derive(Debug)]
pub(crate) struct Document {
    /// The path below what the user named, or the file's name.
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// Where a document's bytes are.
#[derive(Debug)]
pub(crate) enum Content {
    File(PathBuf),
    /// Nowhere, and why.
    None(Refusal),
}

/// Every file of what is named, in the order of names. Hidden files are left out; links are not followed.
pub(crate) fn documents(named: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in named {
        let kind = fs::metadata(path).map_err(|error| {
            Failure::usage(format!("read `{}`: {error}", path.display()), "name a file or a folder that is there")
        })?;
        if kind.is_dir() {
            walk(path, path, 0, &mut documents)?;
        } else {
            let name =
                path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
            documents.push(Document { name, content: Content::File(path.clone()) });
        }
    }
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = documents.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let what = format!("tell two documents apart that are both called `{}`", pair[0].name);
        return Err(Failure::usage(what, "name the folder above both"));
    }
    Ok(documents)
}

fn walk(root: &Path, folder: &Path, depth: usize, documents: &mut Vec<Document>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("read the folder `{}`: {error}", folder.display()), "name a folder that can be read")
    };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && depth < DEPTH {
            walk(root, &path, depth + 1, documents)?;
        } else {
            let content = if kind.is_file() {
                Content::File(path)
            } else {
                Content::None(Refusal::new(
                    RefusalKind::Unsupported,
                    "neither a file nor a folder: links are not followed",
                ))
            };
            documents.push(Document { name, content });
        }
    }
    Ok(())
}
