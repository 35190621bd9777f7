//! Console, Markdown and HTML reports, and the record validator.
