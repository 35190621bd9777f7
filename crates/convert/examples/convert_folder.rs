//! Converts each file of a folder into a Markdown file of another: `convert_folder IN OUT`, for scoring against references.

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use weighbridge_convert::{Limits, convert};

#[expect(clippy::print_stdout, reason = "a program")]
fn main() -> std::io::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        println!("convert_folder IN OUT");
        return Ok(());
    };
    fs::create_dir_all(&to)?;
    let mut paths: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(path)?;
        let start = Instant::now();
        match convert(&bytes, &name, &Limits::default()) {
            Ok(converted) => {
                let pages = converted.pages.len();
                let took = start.elapsed();
                println!("{name}: {pages} pages in {took:.1?}, {:?} {:?}", converted.grade, converted.signals);
                fs::write(to.join(format!("{name}.md")), converted.markdown)?;
            }
            Err(refusal) => println!("{name}: {refusal}"),
        }
    }
    Ok(())
}
