//! `keyturner config`: is the configuration right, and what does it come to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::DataArgs;
use crate::config::{Config, ConfigError, DEFAULT_FILE, Loaded, Setting, Sources, defaults};
use crate::http::{Certificates, PlainTokens, TlsFiles};

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct ConfigArgs {
    /// Configuration file (TOML) [default: /etc/keyturner/keyturner.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "KEYTURNER_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// File and environment.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        Sources::of_process(self.config.as_deref()).load()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong with the configuration, its certificate included; exit code 1 if anything is
    Check(CheckArgs),
    /// Print each key with the value that counts, and where it is set
    Show(ConfigArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only to find the credentials that systemd hands over.
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check(args) => check(args),
        ConfigCommand::Show(args) => show(&args.load()?),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let loaded = args.config.load()?;
    let wrong = wrong(&loaded.config, &args.data);
    for line in &wrong {
        eprintln!("keyturner: {line}");
    }
    for line in loaded.ignored.iter().chain(&notes(&loaded.config)) {
        println!("Note: {line}");
    }
    if !wrong.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let from = match &loaded.file {
        Some(path) => path.display().to_string(),
        None => format!("there is no {DEFAULT_FILE}; the defaults apply"),
    };
    println!("The configuration is right ({from}; {} set).", loaded.set.len());
    Ok(ExitCode::SUCCESS)
}

/// What `run` would stumble over, beyond what the configuration itself can say.
fn wrong(config: &Config, data: &DataArgs) -> Vec<String> {
    let Some(tls) = &config.tls else { return Vec::new() };
    let mut wrong = Vec::new();
    if tls.listen == config.listen {
        wrong.push(format!("`listen` and `tls.listen` are both {}; give TLS a port of its own", tls.listen));
    }
    let files = data
        .file(tls.certificate.clone())
        .and_then(|certificate| Ok(TlsFiles { certificate, key: data.file(tls.key.clone())? }));
    if let Err(error) = files.and_then(|files| Ok(Certificates::load(files)?)) {
        wrong.push(format!("[tls]: {error:#}"));
    }
    wrong
}

/// What is right and may still surprise.
fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let is_at_home = config.listen.ip().is_loopback();
    if !is_at_home {
        notes.push(format!(
            "listen = \"{}\": everybody in that network who knows a token can do what it allows",
            config.listen
        ));
    }
    match config.plain_tokens {
        PlainTokens::Always if !is_at_home => notes.push(
            "plain_tokens = \"always\": whoever listens in that network reads the tokens and can use them for ever"
                .to_owned(),
        ),
        PlainTokens::Local if !is_at_home => notes.push(
            "plain_tokens = \"local\": from other machines only hashed and encrypted tokens count, unless they use TLS"
                .to_owned(),
        ),
        _ => {}
    }
    notes
}

fn show(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let all = defaults()?.into_iter().chain(loaded.set.iter().cloned());
    let all: BTreeMap<String, Setting> = all.map(|setting| (setting.key.clone(), setting)).collect();
    let lines: Vec<(String, &str)> =
        all.values().map(|set| (format!("{} = {}", set.key, set.value), set.origin.as_str())).collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let path = loaded.file.as_deref().unwrap_or_else(|| Path::new(DEFAULT_FILE));
    println!("# {}{}", path.display(), if loaded.file.is_some() { "" } else { " (not there)" });
    for (line, origin) in lines {
        println!("{line:width$}  # {origin}");
    }
    Ok(ExitCode::SUCCESS)
}
