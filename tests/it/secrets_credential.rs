//! Secrets that systemd hands over: used as they are, never written, and nothing takes their place unnoticed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyturner::secrets::{CREDENTIAL_NAME, FILE_NAME, Place, Secrets, SecretsError};
use tempfile::TempDir;

/// A gateway whose secrets were moved into a credential.
struct House {
    data: TempDir,
    credentials: TempDir,
    token: String,
}

impl House {
    fn new() -> Self {
        let (data, credentials) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let secrets = Secrets::load_or_create(data.path()).unwrap();
        let token = secrets.bridge.token.expose().to_owned();
        let house = Self { data, credentials, token };
        fs::rename(house.file(), house.credential()).unwrap();
        house.chmod(0o400);
        house
    }

    fn file(&self) -> PathBuf {
        self.data.path().join(FILE_NAME)
    }

    fn credential(&self) -> PathBuf {
        self.credentials.path().join(CREDENTIAL_NAME)
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(self.credential(), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn place(&self) -> Place {
        Place::new(self.data.path(), Some(self.credentials.path().to_owned()))
    }

    fn keyturner(&self, args: &[&str], credentials: Option<&Path>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
        command.args(args).env("STATE_DIRECTORY", self.data.path()).env_remove("CREDENTIALS_DIRECTORY");
        command.envs(credentials.map(|dir| ("CREDENTIALS_DIRECTORY", dir))).output().unwrap()
    }

    /// Why a command fails; never with the token in it.
    fn failure(&self, args: &[&str], credentials: Option<&Path>) -> String {
        let output = self.keyturner(args, credentials);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(!text.contains(&self.token), "{text}");
        assert!(output.stdout.is_empty(), "{args:?} did something first");
        text
    }
}

#[test]
fn a_credential_takes_the_files_place_and_is_never_written() {
    let house = House::new();
    let before = fs::read(house.credential()).unwrap();
    let mut secrets = Secrets::load_or_create(house.place()).unwrap();
    assert_eq!((secrets.bridge.token.expose(), secrets.path()), (house.token.as_str(), house.credential()));
    let version = Secrets::version(house.place()).unwrap();
    secrets.renew_first_token().unwrap();
    let error = secrets.save().unwrap_err();
    assert!(matches!(&error, SecretsError::ReadOnly { path } if *path == house.credential()), "{error}");
    assert!(secrets.check_writable().is_err());
    assert_eq!(fs::read(house.credential()).unwrap(), before);
    assert_eq!(Secrets::version(house.place()).unwrap(), version);
    assert!(!house.file().exists(), "nothing in clear beside it");
}

#[test]
fn a_credential_may_be_roots_with_a_list_for_the_service_and_nobody_elses() {
    let house = House::new();
    // What systemd's access list looks like to whoever asks for the mode alone.
    house.chmod(0o440);
    Secrets::load(house.place()).unwrap().unwrap();
    for mode in [0o444, 0o404, 0o460, 0o402] {
        house.chmod(mode);
        let error = Secrets::load(house.place()).unwrap_err();
        assert!(matches!(error, SecretsError::Readable { .. }), "{mode:o}: {error}");
    }
}

#[test]
fn a_file_beside_the_credential_is_refused_whichever_was_meant() {
    let house = House::new();
    Secrets::load_or_create(house.data.path()).unwrap();
    let error = Secrets::load_or_create(house.place()).unwrap_err();
    assert!(matches!(error, SecretsError::Twice { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(house.file().to_str().unwrap()) && text.contains(house.credential().to_str().unwrap()));
}

#[test]
fn without_a_credential_of_that_name_the_file_counts() {
    let house = House::new();
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("tls.key"), "x").unwrap();
    let place = Place::new(house.data.path(), Some(other.path().to_owned()));
    let mut secrets = Secrets::load_or_create(place).unwrap();
    secrets.save().unwrap();
    assert!(house.file().exists());
}

#[test]
fn a_command_without_the_credential_makes_no_new_secrets_once_a_gateway_ran_with_it() {
    let house = House::new();
    house.place().note().unwrap();
    for args in [&["token"][..], &["token", "list"], &["health"]] {
        let text = house.failure(args, None);
        assert!(text.contains(CREDENTIAL_NAME) && text.contains("systemd-run"), "{args:?}: {text}");
        assert!(!house.file().exists(), "{args:?} made secrets of its own");
    }
    let output = house.keyturner(&["token"], Some(house.credentials.path()));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), house.token);

    // Back to the file: the next start takes the note away, and a command may make what is missing.
    fs::copy(house.credential(), house.file()).unwrap();
    fs::set_permissions(house.file(), fs::Permissions::from_mode(0o600)).unwrap();
    let place = Place::from(house.data.path());
    place.note().unwrap();
    place.note().unwrap();
    fs::remove_file(house.file()).unwrap();
    assert_ne!(Secrets::load_or_create(place).unwrap().bridge.token.expose(), house.token);
}

#[test]
fn what_has_to_be_kept_is_refused_before_it_is_done() {
    let house = House::new();
    for args in [&["pair"][..], &["token", "add", "--name", "x", "--scope", "read"]] {
        let text = house.failure(args, Some(house.credentials.path()));
        assert!(text.contains("nobody can write it") && text.contains("docs/secrets.md"), "{args:?}: {text}");
    }
}
