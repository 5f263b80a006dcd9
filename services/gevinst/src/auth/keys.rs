//! An issuer's public keys, each with the one algorithm that it may be used with.
//!
//! Keys in a file are read once. Served keys are looked after by one task for each issuer: it fetches them every five
//! minutes, and at once when a token names a key that nobody here knows, at most every two seconds however many ask.
//! Who brings such a token waits for a fetch that began after it came: then a key that is still unknown is none. So a
//! rotation refuses no valid token, and inventing key ids buys nothing but waiting. While the issuer is down, the last
//! keys go on verifying, for a day at the most, and a token under an unknown key is told to come again.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    auth::{
        issuers::{Issuer, KeySource, is_safe},
        token::refused,
    },
    error::{Error, Result},
};

const REFRESH: Duration = Duration::from_secs(300);
const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(2);
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// For a whole look: the discovery document and the keys.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 50;
const MIN_RSA_BITS: usize = 2048;
/// How many calls may wait for an issuer's keys: a part of all that may be under way, so that invented key ids cannot
/// fill the service with waiting.
const MAX_WAITING: usize = 128;

/// A key, ready to verify with.
#[derive(Clone)]
pub struct VerifyingKey {
    /// The only algorithm it verifies.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

/// By key id; a key without one is found by the empty id.
type KeySet = BTreeMap<String, VerifyingKey>;

/// What is known of an issuer's keys, and how the last look at them went.
#[derive(Clone)]
struct Seen {
    keys: Arc<KeySet>,
    /// When they were fetched; `None` before they have been.
    fetched: Option<Instant>,
    /// When the last look began, and whether it found a document. `None` before the first is over.
    look: Option<(Instant, bool)>,
}

/// The keys, and how to get newer ones.
pub struct Keys(Source);

enum Source {
    File(KeySet),
    Served { seen: watch::Receiver<Seen>, wanted: Arc<Notify>, places: Semaphore },
}

impl Keys {
    /// Reads a file, or begins to fetch from an address. A file that cannot be used is a problem now; an address may
    /// heal.
    pub fn of(issuer: &Issuer) -> Result<Self, String> {
        let remote = match Place::of(issuer)? {
            Place::File(keys) => return Ok(Self(Source::File(keys))),
            Place::Served(remote) => remote,
        };
        let (tell, seen) = watch::channel(Seen { keys: Arc::default(), fetched: None, look: None });
        let wanted = Arc::new(Notify::new());
        tokio::spawn(look_after(remote, tell, wanted.clone()));
        Ok(Self(Source::Served { seen, wanted, places: Semaphore::new(MAX_WAITING) }))
    }

    /// Looks at an issuer's keys once, for who asks whether that works: how many can be used.
    pub async fn look_once(issuer: &Issuer) -> Result<usize, String> {
        match Place::of(issuer)? {
            Place::File(keys) => Ok(keys.len()),
            Place::Served(remote) => remote.look().await.map(|keys| keys.len()),
        }
    }

    /// Waits until the keys have been looked for once, with or without success.
    pub async fn first_look(&self) {
        if let Source::Served { seen, .. } = &self.0 {
            // It fails only when the task has ended, and `find` says so to those whom it concerns.
            let _ = seen.clone().wait_for(|seen| seen.look.is_some()).await;
        }
    }

    /// The key of that id. Never any other: there is no falling back to the only key there is.
    pub async fn find(&self, id: Option<&str>) -> Result<VerifyingKey> {
        let id = id.unwrap_or_default();
        let (seen, wanted, places) = match &self.0 {
            Source::File(keys) => return keys.get(id).cloned().ok_or_else(unknown),
            Source::Served { seen, wanted, places } => (seen, wanted, places),
        };
        let come = Instant::now();
        let known = seen.borrow().clone();
        if let Some(key) = known.keys.get(id) {
            let fresh = known.fetched.is_some_and(|fetched| fetched.elapsed() <= STALE_AFTER);
            return if fresh { Ok(key.clone()) } else { Err(Error::KeysUnavailable) };
        }
        let _place = places.try_acquire().map_err(|_| Error::KeysUnavailable)?;
        wanted.notify_one();
        let mut seen = seen.clone();
        let newer = seen.wait_for(|seen| seen.look.is_some_and(|(began, _)| began >= come)).await;
        let newer = newer.map_err(|_| Error::KeysUnavailable)?.clone();
        match newer.look {
            Some((_, true)) => newer.keys.get(id).cloned().ok_or_else(unknown),
            // The key may be new and its token good: that cannot be known now.
            _ => Err(Error::KeysUnavailable),
        }
    }
}

fn unknown() -> Error {
    refused("a key that its issuer does not have")
}

/// Looks at the keys, regularly and when wanted, until nobody asks any more. The only one who does: looks never run side
/// by side, and a caller who leaves interrupts none.
#[expect(clippy::disallowed_methods, reason = "spreads replicas in time; no call depends on it")]
async fn look_after(remote: Remote, tell: watch::Sender<Seen>, wanted: Arc<Notify>) {
    loop {
        let began = Instant::now();
        let found = remote.look().await;
        if let Err(error) = &found {
            tracing::warn!(host = remote.url.host_str(), error, "the token keys could not be fetched");
        }
        tell.send_modify(|seen| {
            seen.look = Some((began, found.is_ok()));
            if let Ok(keys) = found {
                seen.keys = Arc::new(keys);
                seen.fetched = Some(began);
            }
        });
        // Spread, so that replicas started together do not ask together.
        let jitter = Duration::from_millis(rand::random_range(0..30_000));
        tokio::select! {
            () = sleep_until(began + REFRESH + jitter) => {}
            () = async {
                wanted.notified().await;
                sleep_until(began + LOOK_AT_MOST_EVERY).await;
            } => {}
            () = tell.closed() => return,
        }
    }
}

/// Where an issuer's keys are.
enum Place {
    File(KeySet),
    Served(Remote),
}

impl Place {
    /// Reads a file, or makes ready to ask an address.
    fn of(issuer: &Issuer) -> Result<Self, String> {
        let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let (url, discover) = match issuer.key_source()? {
            KeySource::File(path) => {
                let keys = parse(&read(&path)?, &issuer.algorithms);
                let keys = keys.map_err(|error| format!("{}: {error}", path.display()))?;
                return Ok(Self::File(keys));
            }
            KeySource::Url(url) => (url, None),
            KeySource::Discovery(url) => (url, Some(issuer.issuer.clone())),
        };
        // Asked seldom: a connection kept from the last time would be a broken one.
        let mut client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
        if let Some(path) = &issuer.ca_file {
            let authorities = reqwest::Certificate::from_pem_bundle(&read(path)?)
                .ok()
                .filter(|authorities| !authorities.is_empty())
                .ok_or_else(|| format!("{}: no certificate in PEM", path.display()))?;
            client = client.tls_certs_only(authorities);
        }
        let client = client.build().map_err(|error| error.to_string())?;
        let remote = Remote { client, url, discover, algorithms: issuer.algorithms.clone() };
        Ok(Self::Served(remote))
    }
}

/// Where keys are served.
struct Remote {
    client: reqwest::Client,
    url: Url,
    /// The issuer whose discovery document is at the address; `None` where the keys themselves are.
    discover: Option<String>,
    algorithms: Vec<Algorithm>,
}

impl Remote {
    async fn look(&self) -> Result<KeySet, String> {
        timeout(LOOK_TIMEOUT, self.fetch()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let document = match &self.discover {
            None => self.get(&self.url).await?,
            Some(issuer) => {
                let configuration = self.get(&self.url).await?;
                self.get(&jwks_uri(&configuration, issuer)?).await?
            }
        };
        parse(&document, &self.algorithms)
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        let say = |error: reqwest::Error| error.without_url().to_string();
        let response = self.client.get(url.clone()).send().await;
        let mut response = response.and_then(reqwest::Response::error_for_status).map_err(say)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(say)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Where the discovery document says that the keys are. It must be this issuer's (OpenID Connect Discovery 1.0, 4.3).
fn jwks_uri(document: &[u8], issuer: &str) -> Result<Url, String> {
    #[derive(Deserialize)]
    struct Configuration {
        issuer: String,
        jwks_uri: String,
    }
    let configuration: Configuration =
        serde_json::from_slice(document).map_err(|error| format!("no discovery document: {error}"))?;
    if configuration.issuer != issuer {
        return Err(format!("the discovery document is of another issuer, \"{}\"", configuration.issuer));
    }
    let url: Url = configuration.jwks_uri.parse().map_err(|error| format!("jwks_uri: {error}"))?;
    if is_safe(&url) { Ok(url) } else { Err("jwks_uri is not an https address".to_owned()) }
}

/// Reads a JWKS document. Keys that cannot be used are passed over (RFC 7517, section 5); none left is a problem.
fn parse(document: &[u8], allowed: &[Algorithm]) -> Result<KeySet, String> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<Map<String, Value>>,
    }
    let document: Document = serde_json::from_slice(document).map_err(|error| format!("no JWKS document: {error}"))?;
    if document.keys.len() > MAX_KEYS {
        return Err(format!("more than {MAX_KEYS} keys in the JWKS document"));
    }
    let keys: KeySet = document.keys.into_iter().filter_map(|key| usable(key, allowed)).collect();
    if keys.is_empty() {
        let allowed: Vec<String> = allowed.iter().map(|algorithm| format!("{algorithm:?}")).collect();
        return Err(format!("no key for {} in the JWKS document", allowed.join(" or ")));
    }
    Ok(keys)
}

/// A key's id and itself, if it is for verifying with an allowed algorithm, strong enough and its issuer's alone.
fn usable(jwk: Map<String, Value>, allowed: &[Algorithm]) -> Option<(String, VerifyingKey)> {
    // Whoever publishes the private half of a key has told everyone how to sign with it.
    if jwk.contains_key("d") {
        tracing::warn!("a token key is published with its private half, and is not used");
        return None;
    }
    let jwk: Jwk = serde_json::from_value(Value::Object(jwk)).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if rsa_bits(&key.n)? >= MIN_RSA_BITS => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let declared = jwk.common.key_algorithm.map(|declared| declared.to_string());
    let for_us = allowed.contains(&algorithm)
        && declared.is_none_or(|declared| declared == format!("{algorithm:?}"))
        && jwk.common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature)
        && jwk.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| for_us)?;
    Some((jwk.common.key_id.unwrap_or_default(), VerifyingKey { algorithm, key }))
}

/// How long an RSA key is.
fn rsa_bits(modulus: &str) -> Option<usize> {
    let modulus = URL_SAFE_NO_PAD.decode(modulus).ok()?;
    let begins = modulus.iter().position(|byte| *byte != 0)?;
    Some((modulus.len() - begins) * 8 - modulus[begins].leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Keys fetched so long ago, looked for once since then with this success.
    fn fetched(ago: Duration, found: bool) -> (Keys, watch::Sender<Seen>) {
        let key = VerifyingKey { algorithm: Algorithm::EdDSA, key: DecodingKey::from_ed_der(&[0; 32]) };
        let (tell, seen) = watch::channel(Seen {
            keys: Arc::new([("known".to_owned(), key)].into()),
            fetched: Instant::now().checked_sub(ago),
            look: Some((Instant::now() + Duration::from_secs(60), found)),
        });
        (Keys(Source::Served { seen, wanted: Arc::default(), places: Semaphore::new(1) }), tell)
    }

    #[tokio::test]
    async fn find_keys_fetched_long_ago_verify_for_a_day_and_no_longer() {
        let (keys, _tell) = fetched(STALE_AFTER - Duration::from_secs(60), false);
        assert!(keys.find(Some("known")).await.is_ok());
        let (keys, _tell) = fetched(STALE_AFTER + Duration::from_secs(60), false);
        assert!(matches!(keys.find(Some("known")).await, Err(Error::KeysUnavailable)));
    }

    #[tokio::test]
    async fn find_unknown_key_bad_only_when_the_issuer_was_asked() {
        for (found, bad) in [(true, true), (false, false)] {
            let (keys, _tell) = fetched(Duration::ZERO, found);
            let refused = keys.find(Some("unknown")).await.map(|_| ()).unwrap_err();
            assert_eq!(matches!(refused, Error::TokenInvalid), bad, "{refused:?}");
            assert_eq!(matches!(refused, Error::KeysUnavailable), !bad, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn find_more_waiting_than_there_are_places_told_to_come_again() {
        let (keys, tell) = fetched(Duration::ZERO, true);
        tell.send_modify(|seen| seen.look = None);
        let mut waiting = Box::pin(keys.find(Some("unknown")));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err(), "it waits");
        assert!(matches!(keys.find(Some("other")).await, Err(Error::KeysUnavailable)));
        // Known keys need no place; and a place that is left is free again.
        assert!(keys.find(Some("known")).await.is_ok());
        drop(waiting);
        tell.send_modify(|seen| seen.look = Some((Instant::now() + Duration::from_secs(60), true)));
        assert!(matches!(keys.find(Some("other")).await, Err(Error::TokenInvalid)));
    }

    #[test]
    fn jwks_uri_of_this_issuer_and_over_https_only() {
        let document = |issuer: &str, uri: &str| json!({"issuer": issuer, "jwks_uri": uri}).to_string();
        let read = |document: String| jwks_uri(document.as_bytes(), "https://a.invalid");
        assert_eq!(read(document("https://a.invalid", "https://b.invalid/k")).unwrap().as_str(), "https://b.invalid/k");
        for (issuer, uri) in [
            ("https://a.invalid/", "https://a.invalid/k"),
            ("https://b.invalid", "https://a.invalid/k"),
            ("https://a.invalid", "http://a.invalid/k"),
            ("https://a.invalid", "file:///etc/passwd"),
            ("https://a.invalid", "/k"),
        ] {
            assert!(read(document(issuer, uri)).is_err(), "{issuer} {uri}");
        }
        assert!(read("{}".to_owned()).is_err());
    }

    #[test]
    fn rsa_bits_counted_without_leading_zeros() {
        let bits = |modulus: &[u8]| rsa_bits(&URL_SAFE_NO_PAD.encode(modulus));
        assert_eq!(bits(&[0xff; 256]), Some(2048));
        assert_eq!(bits(&[&[0], &[0x80; 256][..]].concat()), Some(2048));
        assert_eq!(bits(&[0x7f; 256]), Some(2047));
        assert_eq!((bits(&[0; 4]), bits(&[])), (None, None));
    }
}
