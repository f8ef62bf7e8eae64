//! Credentials and endpoint of an object store, from the variables and profiles of the AWS command line.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Configuration and credentials file settings": variables take precedence
//! over profiles, `~/.aws/credentials` over `~/.aws/config`.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
};

use rusty_s3::Credentials;

use crate::error::{Error, ErrorKind, Result};

/// The settings of the store.
#[derive(Clone)]
pub struct Settings {
    /// `https://s3.eu-west-1.amazonaws.com`
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket is in the path rather than in the host's name: so for every endpoint that was named.
    pub path_style: bool,
    /// Key, secret and session token.
    pub credentials: Credentials,
    /// Where the key was found, in words.
    pub from: String,
    /// The store's CA, if it is not one of the system's.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    /// Formats everything but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("endpoint", &self.endpoint).field("from", &self.from).finish_non_exhaustive()
    }
}

type Section = BTreeMap<String, String>;

impl Settings {
    /// Reads the settings from this process's environment and the files that it names.
    ///
    /// # Errors
    /// As for `Settings::from`.
    pub fn from_environment() -> Result<Settings> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
        let read = |name: &str, file: &str| {
            let path = variable(name).map_or_else(|| home.join(".aws").join(file), PathBuf::from);
            fs::read_to_string(path).unwrap_or_default()
        };
        let (credentials, config) =
            (read("AWS_SHARED_CREDENTIALS_FILE", "credentials"), read("AWS_CONFIG_FILE", "config"));
        Settings::from(&variable, &credentials, &config)
    }

    /// Reads the settings from variables and the texts of the two files.
    ///
    /// # Errors
    /// When there are no keys; the hint says how to get them.
    pub(super) fn from(variable: &dyn Fn(&str) -> Option<String>, credentials: &str, config: &str) -> Result<Settings> {
        let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let profile = named.clone().unwrap_or_else(|| "default".into());
        let (secrets, mut configured) = (sections(credentials), sections(config));
        let of_config = configured.remove(&format!("profile {profile}"));
        let of_config =
            of_config.or_else(|| configured.remove(&profile).filter(|_| profile == "default")).unwrap_or_default();
        let services = of_config.get("services").and_then(|name| configured.get(&format!("services {name}")));
        let of_secrets = secrets.get(&profile).cloned().unwrap_or_default();
        if named.is_some() && of_config.is_empty() && of_secrets.is_empty() {
            return Err(Error::new(ErrorKind::Usage, format!("AWS profile {profile}: not found"))
                .why("AWS_PROFILE names it, but it is neither in the credentials file nor in the config file"));
        }
        let either = |key: &str| of_secrets.get(key).or_else(|| of_config.get(key)).cloned();

        let keys = |get: &dyn Fn(&str) -> Option<String>, names: [&str; 3]| {
            let [key, secret, token] = names;
            let (key, secret) = (get(key)?, get(secret)?);
            Some(match get(token) {
                Some(token) => Credentials::new_with_token(key, secret, token),
                None => Credentials::new(key, secret),
            })
        };
        let of_variables = keys(variable, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
        let (found, from) = match of_variables {
            Some(found) => (found, "from AWS_ACCESS_KEY_ID".to_string()),
            None => {
                let found = keys(&either, ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]);
                (found.ok_or_else(|| no_keys(&profile, &either))?, format!("from the profile {profile}"))
            }
        };
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).or_else(|| either("region"));
        let region = region.unwrap_or_else(|| "us-east-1".into());
        let named = variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .or_else(|| services?.get("s3.endpoint_url").cloned())
            .or_else(|| of_config.get("s3.endpoint_url").cloned())
            .or_else(|| either("endpoint_url"));
        let style = of_config.get("s3.addressing_style").map(String::as_str);
        let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Ok(Settings {
            path_style: style == Some("path") || (named.is_some() && style != Some("virtual")),
            endpoint: named.unwrap_or_else(|| format!("https://s3.{region}.{end}")),
            region,
            credentials: found,
            from,
            ca: variable("AWS_CA_BUNDLE").or_else(|| either("ca_bundle")).map(|path| Path::new(&path).to_path_buf()),
        })
    }
}

/// Returns the error for a profile whose keys come from another program, or that has none at all.
fn no_keys(profile: &str, either: &dyn Fn(&str) -> Option<String>) -> Error {
    let other = ["sso_session", "sso_start_url", "role_arn", "credential_process", "web_identity_token_file"];
    let export = format!("eval \"$(aws configure export-credentials --profile {profile} --format env)\"");
    match other.into_iter().find(|key| either(key).is_some()) {
        Some(key) => Error::new(ErrorKind::Usage, format!("AWS profile {profile}: no access key of its own"))
            .why(format!("its key comes from {key}, which requorum does not support"))
            .hint(format!("Export it with the AWS command line: {export}")),
        None => Error::new(ErrorKind::Usage, "AWS credentials: not found")
            .why(format!(
                "they are neither in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor in the profile {profile}"
            ))
            .hint(format!("Set the variables, or AWS_PROFILE; for the credentials of a machine's role: {export}")),
    }
}

/// Parses the sections of such a file. A line indented below a key belongs to it: `s3.endpoint_url`.
fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut out: BTreeMap<String, Section> = BTreeMap::new();
    let (mut section, mut above) = (None::<String>, String::new());
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name: Vec<&str> = name.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
            section = Some(name.join(" "));
            out.entry(name.join(" ")).or_default();
            continue;
        }
        let (Some(section), Some((key, value))) = (&section, bare.split_once('=')) else { continue };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.split(" #").next().unwrap_or_default().trim());
        let nested = line.starts_with([' ', '\t']) && !above.is_empty();
        let key = if nested { format!("{above}.{key}") } else { key };
        if !nested {
            above = if value.is_empty() { key.clone() } else { String::new() };
        }
        if !value.is_empty() {
            out.entry(section.clone()).or_default().insert(key, value.to_string());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKD\naws_secret_access_key=SD\n\n# mine\n[work]\n\
        aws_access_key_id=AKW\naws_secret_access_key=S/W+=\naws_session_token = TW\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile work]\nregion=eu-central-1 # Frankfurt\nservices = mine\n\
        [services mine]\ns3 =\n  endpoint_url = https://store.example:9000\ndynamodb =\n  endpoint_url = http://no.example\n\
        [profile sso]\nsso_session = corp\n[profile old]\ns3 =\n  addressing_style = path\naws_access_key_id=AKO\naws_secret_access_key=SO\n\
        [profile cn]\nregion=cn-north-1\naws_access_key_id=A\naws_secret_access_key=B\n";

    fn settings(variables: &[(&str, &str)]) -> Result<Settings> {
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        Settings::from(&get, CREDENTIALS, CONFIG)
    }

    #[test]
    fn variables_go_before_profiles() {
        let own = [("AWS_ACCESS_KEY_ID", "AKV"), ("AWS_SECRET_ACCESS_KEY", "SV")];
        let aws = |region: &str| format!("https://s3.{region}.amazonaws.com");
        for (variables, key, token, endpoint, path_style) in [
            (vec![], "AKD", None, aws("eu-west-1"), false),
            (vec![("AWS_PROFILE", "work")], "AKW", Some("TW"), "https://store.example:9000".into(), true),
            (vec![("AWS_PROFILE", "old")], "AKO", None, aws("us-east-1"), true),
            (vec![("AWS_PROFILE", "cn")], "A", None, "https://s3.cn-north-1.amazonaws.com.cn".into(), false),
            (own.to_vec(), "AKV", None, aws("eu-west-1"), false),
            (
                vec![own[0], own[1], ("AWS_SESSION_TOKEN", "TV"), ("AWS_REGION", "x")],
                "AKV",
                Some("TV"),
                aws("x"),
                false,
            ),
            (
                vec![("AWS_ENDPOINT_URL", "http://a"), ("AWS_ENDPOINT_URL_S3", "http://b")],
                "AKD",
                None,
                "http://b".into(),
                true,
            ),
            // half a pair of keys is none
            (vec![own[0]], "AKD", None, aws("eu-west-1"), false),
        ] {
            let got = settings(&variables).unwrap();
            assert_eq!(
                (got.credentials.key(), got.credentials.token(), got.endpoint.as_str(), got.path_style),
                (key, token, endpoint.as_str(), path_style),
                "{variables:?}"
            );
            assert!(!format!("{got:?}").contains(got.credentials.secret()));
        }
        assert_eq!(settings(&[("AWS_PROFILE", "work")]).unwrap().credentials.secret(), "S/W+=");
    }

    #[test]
    fn what_cannot_be_had_says_the_way() {
        let mut messages = Vec::new();
        for variables in [&[("AWS_PROFILE", "sso")][..], &[("AWS_PROFILE", "none")]] {
            messages.push((format!("{variables:?}"), settings(variables).unwrap_err().to_string()));
        }
        crate::text::messages::hold("object-store-settings", &messages);
        let none = Settings::from(&|_| None, "", "").unwrap_err();
        assert!(none.hint.contains("export-credentials"), "{none}");
    }
}
