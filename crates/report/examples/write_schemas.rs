//! Writes the JSON schemas of the stored forms into the `schemas` folder of the repository.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in weighbridge_report::schema::files() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
