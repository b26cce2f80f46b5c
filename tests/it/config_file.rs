//! The configuration from its file and the environment: what counts, and what is said of everything that is wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyturner::config::{Config, Loaded, Sources};
use tempfile::TempDir;

struct Set {
    dir: TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

/// A file with this text, and these variables.
fn set(text: &str, variables: &[(&'static str, &'static str)]) -> Set {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k.toml"), text).unwrap();
    Set { dir, variables: variables.to_vec() }
}

impl Set {
    fn path(&self) -> PathBuf {
        self.dir.path().join("k.toml")
    }

    fn load(&self) -> Result<Loaded, String> {
        let variables = self.variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Sources::new(Some(&self.path()), variables).load().map_err(|error| error.to_string())
    }

    fn config(&self) -> Config {
        self.load().unwrap().config
    }

    /// What is said, with the file called `F`.
    fn said(&self) -> String {
        self.load().unwrap_err().replace(&self.path().display().to_string(), "F")
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
        command.arg("config").args(args).env("KEYTURNER_CONFIG", self.path());
        command.envs(self.variables.iter().copied()).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_mistyped_key_is_shown_with_line_and_column_and_what_was_meant() {
    assert_eq!(
        set("listen = \"127.0.0.1:80\"\n  adaptor = \"hci1\" # mine\n", &[]).said(),
        "the configuration is not right: F:2:3: there is no key `adaptor` here; did you mean `adapter`?\n  \
         |\n2 |   adaptor = \"hci1\" # mine\n  |   ^^^^^^^"
    );
    for (text, word) in [
        ("[bridge]\nalow = []", "F:2:1: there is no key `alow` here; did you mean `allow`?"),
        ("callbacks = { extendet = false }", "F:1:15: there is no key `extendet` here; did you mean `extended`?"),
        ("[bridgge]\nallow = []", "F:1:2: there is no key `bridgge` here; did you mean `bridge`?"),
        ("[tls]\nzebra = 1", "there are `listen`, `certificate`, `key`"),
        ("[bridge]\nadapter = \"hci1\"", "`adapter` belongs above the first [table]"),
        ("repeat_window = 3", "`repeat_window` belongs into [actions]"),
    ] {
        let said = set(text, &[]).said();
        assert!(said.contains(word), "{text}: {said}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let said = set(
        "listen = \"here\"\nadaptor = \"hci1\"\nplain_tokens = \"on\"\nhosts = [\"https://h/\"]\n\
         [actions]\nrepeat_window = 21\n[tls]\nlisten = \"127.0.0.1:1\"\nkey = \"k\"\n",
        &[("KEYTURNER_BRIDGE__LOCK_STATE_MAX_AGE", "old")],
    )
    .said();
    let mut rest = said.as_str();
    for word in [
        "7 things",
        "F:1:10: invalid socket address",
        "F:2:1: there is no key `adaptor`",
        "F:3:16: unknown variant `on`, expected one of `never`, `local`, `always`",
        "F:4:9: `hosts` are names such as \"door.example.org\", without scheme",
        "F:6:17: `repeat_window` is 0 to 20 seconds, not 21",
        "F:7:",
        "missing field `certificate`",
        "KEYTURNER_BRIDGE__LOCK_STATE_MAX_AGE in the environment: ",
    ] {
        let at = rest.find(word).unwrap_or_else(|| panic!("{word} is not said, or not here: {said}"));
        rest = &rest[at + word.len()..];
    }
}

#[test]
fn what_is_no_toml_is_said_with_its_place() {
    let said = set("listen = \"127.0.0.1:80\nadapter = \"hci1\"\n", &[]).said();
    assert!(said.contains("F:1:") && said.contains("1 | listen = \"127.0.0.1:80\n"), "{said}");
    let said = set("adapter = \"a\"\nadapter = \"b\"\n", &[]).said();
    assert!(said.contains("F:2:1:") && said.contains("duplicate key"), "{said}");
}

#[test]
fn a_variable_counts_more_than_the_file_and_a_value_in_a_table_has_two_underscores() {
    let text =
        "listen = \"127.0.0.1:80\"\nadapter = \"hci0\"\n[bridge]\nlock_state_max_age = 5\nallow = [\"reboot\"]\n";
    let config = set(
        text,
        &[
            ("KEYTURNER_LISTEN", "127.0.0.1:81"),
            ("KEYTURNER_ADAPTER", "hci2, hci1"),
            ("KEYTURNER_PLAIN_TOKENS", "never"),
            ("KEYTURNER_HOSTS", "[\"door.example.org\"]"),
            ("KEYTURNER_BRIDGE__LOCK_STATE_MAX_AGE", "60"),
            ("KEYTURNER_CALLBACKS__EXTENDED", "false"),
            ("KEYTURNER_RETENTION__EVENTS", "forever"),
            ("KEYTURNER_RETENTION__KINDS__DOOR", "30"),
            ("KEYTURNER_TLS__LISTEN", "127.0.0.1:82"),
            ("KEYTURNER_TLS__CERTIFICATE", "/c.pem"),
            ("KEYTURNER_TLS__KEY", "/k.pem"),
            ("KEYTURNER_ACTIONS__REPEAT_WINDOW", ""),
            ("HOME", "/root"),
        ],
    )
    .config();
    let same = "listen = \"127.0.0.1:81\"\nadapter = [\"hci2\", \"hci1\"]\nplain_tokens = \"never\"\n\
        hosts = [\"door.example.org\"]\nbridge = { lock_state_max_age = 60, allow = [\"reboot\"] }\n\
        callbacks.extended = false\nretention = { events = \"forever\", kinds = { door = 30 } }\n\
        [tls]\nlisten = \"127.0.0.1:82\"\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
    assert_eq!(config, set(same, &[]).config());
}

#[test]
fn a_wrong_variable_is_named_and_an_unknown_one_is_ignored_with_what_was_meant() {
    let said = set("", &[("KEYTURNER_LISTEN", "8080")]).said();
    assert!(said.contains("not right: KEYTURNER_LISTEN in the environment: invalid type: integer `8080`"), "{said}");
    let said = set("", &[("KEYTURNER_BRIDGE__ALLOW", "[\"format\"]")]).said();
    assert!(said.contains("KEYTURNER_BRIDGE__ALLOW in the environment: unknown variant"), "{said}");
    let loaded = set(
        "",
        &[
            ("KEYTURNER_ADAPTOR", "hci1"),
            ("KEYTURNER_BRIDGE", "x"),
            ("KEYTURNER_LOCK_STATE_MAX_AGE", "5"),
            ("KEYTURNER_LOG", "debug"),
            ("KEYTURNER_ZEBRA", "secret"),
        ],
    )
    .load()
    .unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(
        loaded.ignored,
        [
            "KEYTURNER_ADAPTOR is ignored: it means nothing here; did you mean KEYTURNER_ADAPTER?",
            "KEYTURNER_BRIDGE is ignored: it names a table; a key of it is KEYTURNER_BRIDGE__KEY",
            "KEYTURNER_LOCK_STATE_MAX_AGE is ignored: it means nothing here; did you mean KEYTURNER_BRIDGE__LOCK_STATE_MAX_AGE?",
            "KEYTURNER_ZEBRA is ignored: it means nothing here",
        ]
    );
}

#[test]
fn each_value_says_which_line_or_variable_sets_it() {
    let set = set(
        "\nadapter = \"hci1\"\n[bridge]\nallow = [ \"reboot\",\n \"unpair\" ]\n",
        &[("KEYTURNER_LISTEN", "127.0.0.1:9")],
    );
    let path = set.path().display().to_string();
    let said: Vec<String> =
        set.load().unwrap().set.iter().map(|s| format!("{} = {} # {}", s.key, s.value, s.origin)).collect();
    assert_eq!(
        said,
        [
            format!("adapter = \"hci1\" # {path}:2"),
            format!("bridge.allow = [\"reboot\", \"unpair\"] # {path}:4"),
            "listen = \"127.0.0.1:9\" # KEYTURNER_LISTEN".to_owned(),
        ]
    );
    let shown = text(&set.command(&["show"]).stdout);
    assert!(shown.starts_with(&format!("# {path}\n")), "{shown}");
    for line in [format!("# {path}:2"), "# KEYTURNER_LISTEN".to_owned(), "plain_tokens = \"local\"".to_owned()] {
        assert!(shown.contains(&line), "{line}: {shown}");
    }
    // What is shown is TOML that means the same.
    assert_eq!(self::set(&shown, &[]).config(), set.config());
}

#[test]
fn a_named_file_must_be_there_and_the_packages_own_may_be_missing() {
    let missing = Path::new("/nowhere/k.toml");
    let error = Sources::new(Some(missing), []).load().unwrap_err().to_string();
    assert!(error.contains("/nowhere/k.toml cannot be read") && error.contains("check that it exists"), "{error}");
    if !Path::new(keyturner::config::DEFAULT_FILE).exists() {
        let loaded = Sources::new(None, []).load().unwrap();
        assert_eq!((loaded.config, loaded.file), (Config::default(), None));
    }
}

#[test]
fn the_check_finds_what_a_start_would_and_says_what_may_surprise() {
    let right = set("listen = \"192.0.2.1:8080\"\n", &[("KEYTURNER_QUX", "1")]).command(&["check"]);
    let said = text(&right.stdout);
    assert!(right.status.success() && said.contains("The configuration is right"), "{said}");
    assert!(said.contains("KEYTURNER_QUX is ignored") && said.contains("hashed and encrypted"), "{said}");

    let wrong = set("adaptor = \"hci1\"\n", &[]).command(&["check"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("did you mean `adapter`?"), "{}", text(&wrong.stderr));

    let tls = "[tls]\nlisten = \"127.0.0.1:8080\"\ncertificate = \"/nowhere/c.pem\"\nkey = \"credential:tls.key\"\n";
    let wrong = set(tls, &[]).command(&["check"]);
    let said = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("a port of its own") && said.contains("LoadCredential=tls.key:PATH"), "{said}");
}

#[test]
fn the_check_finds_a_key_that_is_not_the_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec!["door.lan".to_owned()]).unwrap();
        let (certificate, key) = (dir.path().join(format!("{name}.pem")), dir.path().join(format!("{name}.key")));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (certificate, key)
    };
    let (certificate, key) = pair("a");
    let (_, other) = pair("b");
    let check = |key: &Path| {
        let text = format!("[tls]\nlisten = \"127.0.0.1:8443\"\ncertificate = {certificate:?}\nkey = {key:?}\n");
        set(&text, &[]).command(&["check"])
    };
    assert!(check(&key).status.success());
    let wrong = check(&other);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("cannot be used with its key"), "{}", text(&wrong.stderr));
}
