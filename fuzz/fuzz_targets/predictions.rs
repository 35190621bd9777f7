//! Any bytes as a file of predictions, in each form: an error or rows, never a panic, and lines that only grow.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::predictions::{Field, Form, Mapping, read_from};

fuzz_target!(|data: &[u8]| {
    for form in Form::ALL {
        let mut last = 0;
        let _ = read_from(data, form, &Mapping::default(), |row| {
            assert!(row.line > last, "line {} after {last}", row.line);
            last = row.line;
            for field in Field::ALL {
                let _ = (row.text(*field), row.number(*field), row.get(*field).shown());
            }
            Ok(())
        });
    }
});
