//! Writes training documents or held-out items as JSON lines.
//!
//! ```text
//! cargo run --example training_text -- train 7 200000 > train.jsonl
//! cargo run --example training_text -- held_out 8 2000 > held_out.jsonl
//! ```

use std::error::Error;
use std::io::{BufWriter, Write};

use weighbridge_workload::{TaskSettings, training_texts};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [split, seed, count] = arguments.as_slice() else {
        return Err("usage: training_text train|held_out SEED COUNT".into());
    };
    let settings = match split.as_str() {
        "train" => TaskSettings::train(seed.parse()?),
        "held_out" => TaskSettings::held_out(seed.parse()?),
        other => return Err(format!("unknown split `{other}`: `train` or `held_out`").into()),
    };
    let mut output = BufWriter::new(std::io::stdout().lock());
    for text in training_texts(settings).take(count.parse()?) {
        serde_json::to_writer(&mut output, &text)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(())
}
