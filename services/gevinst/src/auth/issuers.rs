//! The trusted issuers, as configuration: who may sign tokens, with which keys, and for whom. What their claims mean
//! is `claims.rs`.
//!
//! `GEVINST_ISSUERS_FILE` names a JSON document, `{"issuers": [...]}`; deploy/examples/issuers has one for each common
//! provider. What is unknown, missing or contradictory stops the start: a trust that is misread is a door left open.

use std::{collections::BTreeSet, fmt, net::IpAddr, path::PathBuf, str::FromStr};

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, de::Error as _};
use uuid::Uuid;

use crate::auth::claims::Mapping;

/// The algorithms that there are keys for. No HMAC: its key would have to be secret, and ours are public.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The longest that a token may live when its issuer's configuration does not say: a day.
const LIFETIME_SECONDS: u64 = 24 * 3600;

/// The longest that can be configured: a week. A token cannot be called back.
const MAX_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;

/// Where the keys that verify tokens come from.
#[derive(Clone, Debug, Deserialize)]
pub enum KeySource {
    /// A JWKS document on disk, read at start.
    #[serde(rename = "jwks_file")]
    File(PathBuf),
    /// A JWKS document served by the issuer, fetched and refreshed.
    #[serde(rename = "jwks_url", deserialize_with = "from_text")]
    Url(reqwest::Url),
    /// The issuer's OpenID Provider configuration, which says where its JWKS document is.
    #[serde(rename = "discovery", deserialize_with = "from_text")]
    Discovery(reqwest::Url),
}

/// How much a token must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// RFC 9068: `typ` is `at+jwt`, and iss, exp, aud, sub, client_id, iat and jti are all there.
    #[default]
    Rfc9068,
    /// What most providers write: `typ` is `at+jwt`, `JWT` or absent, and iss, exp, aud and the subject are there.
    Jwt,
}

/// One issuer, and what it is trusted with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The exact `iss`.
    pub issuer: String,
    /// The exact `aud`, or one of several.
    pub audience: String,
    /// How much a token must say.
    #[serde(default)]
    pub profile: Profile,
    /// The keys; those that the issuer's own discovery document leads to, when absent.
    #[serde(default)]
    pub keys: Option<KeySource>,
    /// The algorithms that its keys may be used with.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// The only certificate authorities (PEM) to trust when its keys are fetched; the system's, when absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The longest that a token may live, from `iat` to `exp`.
    #[serde(default = "lifetime")]
    pub max_lifetime_seconds: u64,
    /// Whether every token must be bound to the caller's certificate (RFC 8705).
    #[serde(default)]
    pub require_certificate: bool,
    /// The organisations that it may speak for: its tokens open no other. `None`, which no file can say, is all of
    /// them.
    #[serde(deserialize_with = "listed")]
    pub organisations: Option<BTreeSet<Uuid>>,
    /// What its claims mean.
    #[serde(default)]
    pub claims: Mapping,
}

impl Issuer {
    /// The short form: the one issuer of an installation, whose tokens say `organisations: {id: [roles]}`.
    pub fn native(issuer: String, audience: String, keys: KeySource) -> Self {
        Self {
            issuer,
            audience,
            profile: Profile::Jwt,
            keys: Some(keys),
            algorithms: algorithms(),
            ca_file: None,
            max_lifetime_seconds: LIFETIME_SECONDS,
            require_certificate: false,
            organisations: None,
            claims: Mapping::default(),
        }
    }

    /// Where the keys come from, said or not.
    pub fn key_source(&self) -> Result<KeySource, String> {
        if let Some(keys) = &self.keys {
            return Ok(keys.clone());
        }
        // OpenID Connect Discovery 1.0, section 4.
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        address.parse().map(KeySource::Discovery).map_err(|error| format!("{address} is no address: {error}"))
    }

    /// What is wrong with it, by itself.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.claims.problems(self.organisations.as_ref());
        let mut check = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        check(!self.issuer.is_empty(), "issuer must not be empty");
        check(!self.audience.is_empty(), "audience must not be empty");
        let known = !self.algorithms.is_empty() && self.algorithms.iter().all(|known| ALGORITHMS.contains(known));
        check(known, "algorithms must be some of RS256, ES256, EdDSA");
        check(
            (1..=MAX_LIFETIME_SECONDS).contains(&self.max_lifetime_seconds),
            "max_lifetime_seconds must be 1 to 604800 (a week)",
        );
        check(self.organisations.as_ref().is_none_or(|listed| !listed.is_empty()), "organisations must not be empty");
        match self.key_source() {
            Ok(KeySource::Url(url) | KeySource::Discovery(url)) => {
                check(is_safe(&url), "keys must come over https (http on the loopback address only)");
            }
            Ok(KeySource::File(_)) => check(self.ca_file.is_none(), "ca_file is of no use to a jwks_file"),
            Err(problem) => check(false, &problem),
        }
        problems.into_iter().map(|problem| format!("issuer \"{}\": {problem}", self.issuer)).collect()
    }
}

/// Whether what comes from there is what its owner sent. On the loopback address nobody is in between.
pub fn is_safe(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    url.scheme() == "https" || (url.scheme() == "http" && address.is_ok_and(|address| address.is_loopback()))
}

/// Reads the document; all that is wrong with it is named.
pub fn read(document: &str) -> Result<Vec<Issuer>, Vec<String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        issuers: Vec<Issuer>,
    }
    let Document { issuers } = serde_json::from_str(document).map_err(|error| vec![error.to_string()])?;
    let mut problems: Vec<String> = issuers.iter().flat_map(Issuer::problems).collect();
    if issuers.is_empty() {
        problems.push("issuers must not be empty".to_owned());
    }
    for (index, one) in issuers.iter().enumerate() {
        problems.extend(issuers.iter().skip(index + 1).filter_map(|other| quarrel(one, other)));
    }
    if problems.is_empty() { Ok(issuers) } else { Err(problems) }
}

/// Why two issuers cannot both be trusted.
fn quarrel(one: &Issuer, other: &Issuer) -> Option<String> {
    if one.issuer == other.issuer {
        return Some(format!("issuer \"{}\" is listed twice", one.issuer));
    }
    let (Some(of_one), Some(of_other)) = (&one.organisations, &other.organisations) else { return None };
    let shared = of_one.intersection(of_other).next()?;
    let (a, b) = (&one.claims.subject_prefix, &other.claims.subject_prefix);
    // A subject is a name in its organisation. Where two issuers give names, neither may be able to give the other's.
    (a.starts_with(b.as_str()) || b.starts_with(a.as_str())).then(|| {
        format!(
            "issuers \"{}\" and \"{}\" share organisation {shared}: each needs a claims.subject_prefix, and neither \
             prefix may begin with the other, or one could name the other's people",
            one.issuer, other.issuer
        )
    })
}

fn algorithms() -> Vec<Algorithm> {
    ALGORITHMS.to_vec()
}

fn lifetime() -> u64 {
    LIFETIME_SECONDS
}

fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeSet<Uuid>>, D::Error> {
    BTreeSet::deserialize(deserializer).map(Some)
}

/// Reads a text that is something more.
pub fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| D::Error::custom(format!("\"{text}\": {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0199aaaa-0000-7000-8000-000000000001";
    const TWO: &str = "0199aaaa-0000-7000-8000-000000000002";

    fn document(issuers: &[serde_json::Value]) -> String {
        serde_json::json!({ "issuers": issuers }).to_string()
    }

    fn issuer(name: &str, organisation: &str, changes: serde_json::Value) -> serde_json::Value {
        let mut issuer = serde_json::json!({
            "issuer": format!("https://{name}.invalid"), "audience": "gevinst", "organisations": [organisation],
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            issuer[key] = value.clone();
        }
        issuer
    }

    fn said(result: Result<Vec<Issuer>, Vec<String>>) -> String {
        result.err().map(|problems| problems.join("\n")).unwrap_or_default()
    }

    #[test]
    fn read_least_that_is_needed_strict_by_default() {
        let issuers = read(&document(&[issuer("a", ONE, serde_json::json!({}))])).unwrap();
        let issuer = &issuers[0];
        assert_eq!((issuer.profile, &issuer.algorithms[..]), (Profile::Rfc9068, &ALGORITHMS[..]));
        assert!(matches!(issuer.key_source().unwrap(), KeySource::Discovery(url)
            if url.as_str() == "https://a.invalid/.well-known/openid-configuration"));
    }

    #[test]
    fn read_what_would_be_a_hole_refused_by_name() {
        let map = serde_json::json!({"roles": {"claim": "/roles", "values": {"x": {"role": "reader"}}}});
        let cases = [
            (serde_json::json!({"keys": {"jwks_url": "http://a.invalid/keys"}}), "https"),
            (serde_json::json!({"keys": {"discovery": "http://a.invalid/"}}), "https"),
            (serde_json::json!({"keys": {"jwks_url": "keys"}}), "keys"),
            (serde_json::json!({"issuer": "http://a.invalid"}), "https"),
            (serde_json::json!({"issuer": "an-issuer"}), "an-issuer"),
            (serde_json::json!({"algorithms": ["RS256", "HS256"]}), "RS256, ES256, EdDSA"),
            (serde_json::json!({"algorithms": ["none"]}), "none"),
            (serde_json::json!({"algorithms": []}), "RS256, ES256, EdDSA"),
            (serde_json::json!({"audience": ""}), "audience"),
            (serde_json::json!({"organisations": []}), "organisations"),
            (serde_json::json!({"organisations": null}), "null"),
            (serde_json::json!({"organisations": ["hedeby"]}), "UUID"),
            (serde_json::json!({"max_lifetime_seconds": 0}), "max_lifetime_seconds"),
            (serde_json::json!({"max_lifetime_seconds": 604_801}), "max_lifetime_seconds"),
            (serde_json::json!({"keys": {"jwks_file": "k"}, "ca_file": "c"}), "ca_file"),
            (serde_json::json!({"requier_certificate": true}), "requier_certificate"),
            (serde_json::json!({"organisations": [ONE, TWO], "claims": map}), "organisation"),
            (serde_json::json!({"claims": {"subject": "sub"}}), "begins with"),
            (serde_json::json!({"claims": {"subject_prefix": "med mellemrum"}}), "subject_prefix"),
            (serde_json::json!({"claims": {"roles": {"claim": "/r", "values": {"x": {"role": "king"}}}}}), "king"),
            (serde_json::json!({"claims": {"organisation_values": {"x": ONE}}}), "organisation_values"),
            (serde_json::json!({"claims": {"service": {"claim": "/idtyp"}}}), "service"),
            (serde_json::json!({"claims": {"service": {"claim": "/a", "equals": "b", "prefix": "c"}}}), "service"),
        ];
        for (changes, named) in cases {
            let problems = said(read(&document(&[issuer("a", ONE, changes.clone())])));
            assert!(problems.contains(named), "{changes}: {problems}");
        }
        assert!(said(read(&document(&[]))).contains("empty"));
        assert!(said(read("[")).contains("line 1"));
    }

    #[test]
    fn read_organisation_shared_needs_prefixes_that_cannot_meet() {
        let prefixed =
            |name: &str, prefix: &str| issuer(name, ONE, serde_json::json!({"claims": {"subject_prefix": prefix}}));
        for (a, b, fine) in
            [("", "", false), ("", "b:", false), ("a", "a:", false), ("a:", "a:", false), ("a:", "b:", true)]
        {
            let problems = said(read(&document(&[prefixed("a", a), prefixed("b", b)])));
            assert_eq!(problems.is_empty(), fine, "{a} {b}: {problems}");
        }
        // Apart, they need none.
        let apart = [issuer("a", ONE, serde_json::json!({})), issuer("b", TWO, serde_json::json!({}))];
        assert_eq!(said(read(&document(&apart))), "");
        let twice = [issuer("a", ONE, serde_json::json!({})), issuer("a", TWO, serde_json::json!({}))];
        assert!(said(read(&document(&twice))).contains("twice"));
    }
}
