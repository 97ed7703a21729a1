//! Arguments, runtime, exit code; nothing else.

fn main() -> std::process::ExitCode {
    smppgate::cli::run()
}
