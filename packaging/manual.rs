//! Writes the manual pages and the completions of shells, from the command line itself, for the package:
//! `cargo run --example manual -- DIR` fills DIR/man, DIR/bash, DIR/zsh and DIR/fish.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

fn main() -> std::io::Result<()> {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("say where to: cargo run --example manual -- DIR"));
    };
    let command = keyturner::cli::command();
    pages(&command, &dir.join("man"))?;
    completions(command, &dir)
}

/// A page for the whole, and one for each command.
fn pages(command: &Command, dir: &Path) -> std::io::Result<()> {
    fresh(dir)?;
    clap_mangen::generate_to(command.clone(), dir)
}

fn completions(mut command: Command, dir: &Path) -> std::io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let dir = dir.join(shell.to_string());
        fresh(&dir)?;
        let file = clap_complete::generate_to(shell, &mut command, "keyturner", &dir)?;
        // What bash looks for has the name of the command alone.
        if shell == Shell::Bash {
            std::fs::rename(file, dir.join("keyturner"))?;
        }
    }
    Ok(())
}

/// An empty directory: a command that is gone leaves no page behind.
fn fresh(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)
}
