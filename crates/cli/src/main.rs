//! The `weighbridge` command.

fn main() -> std::process::ExitCode {
    weighbridge_verbs::main()
}
