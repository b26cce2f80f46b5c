//! `keyturner webhook add`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::super::{DataArgs, parse_name, write_secret};
use super::filter::{FilterArgs, words};
use super::{forget_removed, now, open};
use crate::secrets::{Secrets, WebhookSecret, WebhookUrl};
use crate::store::{AddWebhook, MAX_WEBHOOKS, NewWebhook, WebhookFilter};

/// More than any URL or bundle of certificates of a house.
const MAX_FILE: u64 = 256 * 1024;
const HOUR: u64 = 60 * 60;

#[derive(Debug, Args)]
pub(in super::super) struct AddArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the receiver: letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: String,
    /// File with the receiver's URL, `-` for standard input; never an argument, because URLs hold tokens
    #[arg(long, value_name = "FILE")]
    url_file: PathBuf,
    /// Write the signing secret into this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with the certificates (PEM) that alone may vouch for the receiver; without it the system's do
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// An event that is not taken for so many hours becomes a dead letter
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=720))]
    give_up_after: u64,
    /// If more events wait, the oldest become dead letters
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queue: u32,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(super) async fn run(args: AddArgs) -> anyhow::Result<()> {
    let url = read_url(&args.url_file)?;
    let ca_pem = args.ca_file.as_deref().map(read_authorities).transpose()?;
    if ca_pem.is_some() && url.is_plain() {
        bail!("--ca-file has no use: the URL begins with http://, so there is no certificate to check");
    }
    let filter = WebhookFilter::from(args.filter);
    let what = words(&filter);
    let store = open(&args.data).await?;
    let mut secrets = Secrets::load_or_create(args.data.place())?;
    secrets.check_writable()?;
    let webhook = NewWebhook {
        name: args.name.clone(),
        filter,
        ca_pem,
        queue_limit: args.queue,
        give_up_after: Duration::from_secs(args.give_up_after * HOUR),
    };
    let id = match store.add_webhook(&webhook, now()).await? {
        AddWebhook::Added(id) => id,
        AddWebhook::NameTaken => bail!("there is a webhook {:?} already; choose another name or remove it", args.name),
        AddWebhook::Full => bail!("there are {MAX_WEBHOOKS} webhooks already; remove one"),
    };
    forget_removed(&store, &mut secrets).await?;
    let kept = keep(&mut secrets, id, url.clone(), args.secret_file.as_deref());
    let secret = match kept {
        Ok(secret) => secret,
        Err(error) => {
            // A receiver without a URL would only gather events.
            store.remove_webhook(&args.name).await?;
            return Err(error);
        }
    };
    println!("Added {}: it gets {what}. A running gateway begins within seconds.", args.name);
    match args.secret_file {
        Some(path) => println!("The secret of its signatures is in {}.", path.display()),
        None => println!("The secret of its signatures, shown this once: {}", secret.secret.as_str()),
    }
    if url.is_plain() {
        println!("Its URL begins with http://: everybody on the way can read who comes and goes. Prefer https://.");
    }
    Ok(())
}

/// The secrets, once they are on disk.
fn keep(
    secrets: &mut Secrets,
    number: i64,
    url: WebhookUrl,
    secret_file: Option<&Path>,
) -> anyhow::Result<WebhookSecret> {
    let secret = WebhookSecret::new(number, url)?;
    secrets.put_webhook(secret.clone());
    if let Some(path) = secret_file {
        write_secret(path, &secret.secret).with_context(|| format!("cannot write {}", path.display()))?;
    }
    secrets.save().context("nothing was added")?;
    Ok(secret)
}

fn read_url(path: &Path) -> anyhow::Result<WebhookUrl> {
    let from_input = path.as_os_str() == "-";
    let name = if from_input { "standard input".to_owned() } else { path.display().to_string() };
    let mut text = Zeroizing::new(String::new());
    let read = if from_input {
        std::io::stdin().lock().take(MAX_FILE).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read the URL from {name}"))?;
    // The content is not shown: it may be a token with a typo before it.
    WebhookUrl::parse(text.trim()).with_context(|| format!("{name} must hold nothing but the receiver's URL"))
}

/// The certificates of a file in PEM, and nothing else of it: a private key beside them must not get into the database.
fn read_authorities(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut roots = RootCertStore::empty();
    let mut pem = String::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.with_context(|| format!("{} is no PEM", path.display()))?;
        roots
            .add(certificate.clone())
            .with_context(|| format!("{}: certificate {} cannot be used", path.display(), roots.len() + 1))?;
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = STANDARD.encode(&certificate);
        for (count, character) in text.chars().enumerate() {
            if count > 0 && count % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    if roots.is_empty() {
        bail!("{} has no certificate; it takes one or more in PEM", path.display());
    }
    Ok(pem)
}
