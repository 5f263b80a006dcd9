//! The issuer's public keys, each with the one algorithm that it may be used with.
//!
//! Served keys are fetched in the background every five minutes; an unknown key id fetches at once, at most every thirty
//! seconds and by one caller at a time. While the issuer is down the last keys stay, for a day at the most.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet, PublicKeyUse},
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    config::KeySource,
    error::{Error, Result},
};

const REFRESH: Duration = Duration::from_secs(300);
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 64 * 1024;

/// A key, ready to verify with.
#[derive(Clone)]
pub struct VerifyingKey {
    /// The only algorithm it verifies.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

struct KeySet {
    /// By key id; a key without one is found by the empty id.
    keys: BTreeMap<String, VerifyingKey>,
    fetched: Instant,
}

/// The keys, and how to get newer ones.
pub struct Keys {
    current: Arc<ArcSwap<KeySet>>,
    remote: Option<Arc<Remote>>,
}

struct Remote {
    client: reqwest::Client,
    url: reqwest::Url,
    last_look: Mutex<Option<Instant>>,
}

impl Keys {
    /// Reads a file, or begins to fetch an address. A file that cannot be used is a problem now; an address may heal.
    pub async fn new(source: &KeySource) -> Result<Self, String> {
        match source {
            KeySource::File(path) => {
                let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
                let keys = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Self::with(keys, None))
            }
            KeySource::Url(url) => {
                let client = reqwest::Client::builder()
                    .timeout(FETCH_TIMEOUT)
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|error| error.to_string())?;
                let remote = Arc::new(Remote { client, url: url.clone(), last_look: Mutex::new(None) });
                let keys = Self::with(BTreeMap::new(), Some(remote.clone()));
                remote.refresh(&keys.current).await;
                tokio::spawn(refresh_regularly(remote, keys.current.clone()));
                Ok(keys)
            }
        }
    }

    fn with(keys: BTreeMap<String, VerifyingKey>, remote: Option<Arc<Remote>>) -> Self {
        let fetched = Instant::now();
        Self { current: Arc::new(ArcSwap::from_pointee(KeySet { keys, fetched })), remote }
    }

    /// The key of that id. Never any other: there is no falling back to the only key there is.
    pub async fn find(&self, id: Option<&str>) -> Result<VerifyingKey> {
        let id = id.unwrap_or_default();
        if let Some(key) = self.current.load().keys.get(id) {
            return self.fresh(key.clone());
        }
        let Some(remote) = &self.remote else {
            return Err(Error::TokenInvalid);
        };
        remote.look_for_unknown(&self.current).await;
        let current = self.current.load();
        match current.keys.get(id) {
            Some(key) => self.fresh(key.clone()),
            None if current.keys.is_empty() => Err(Error::KeysUnavailable),
            None => Err(Error::TokenInvalid),
        }
    }

    fn fresh(&self, key: VerifyingKey) -> Result<VerifyingKey> {
        if self.remote.is_some() && self.current.load().fetched.elapsed() > STALE_AFTER {
            return Err(Error::KeysUnavailable);
        }
        Ok(key)
    }
}

#[expect(clippy::disallowed_methods, reason = "spreads replicas in time; no call depends on it")]
async fn refresh_regularly(remote: Arc<Remote>, current: Arc<ArcSwap<KeySet>>) {
    loop {
        // Spread, so that replicas started together do not ask together.
        let jitter = Duration::from_millis(rand::random_range(0..30_000));
        tokio::time::sleep(REFRESH + jitter).await;
        remote.refresh(&current).await;
    }
}

impl Remote {
    /// Fetches for a key id that nobody here knows, unless that was tried a moment ago. One caller at a time; the others
    /// wait for its result.
    async fn look_for_unknown(&self, current: &ArcSwap<KeySet>) {
        let mut last_look = self.last_look.lock().await;
        if last_look.is_none_or(|last| last.elapsed() >= AT_MOST_EVERY) {
            *last_look = Some(Instant::now());
            self.refresh(current).await;
        }
    }

    async fn refresh(&self, current: &ArcSwap<KeySet>) {
        match self.fetch().await {
            Ok(keys) => current.store(Arc::new(KeySet { keys, fetched: Instant::now() })),
            Err(error) => tracing::warn!(host = self.url.host_str(), error, "the token keys could not be fetched"),
        }
    }

    async fn fetch(&self) -> Result<BTreeMap<String, VerifyingKey>, String> {
        let response = self.client.get(self.url.clone()).send().await;
        let mut response =
            response.and_then(reqwest::Response::error_for_status).map_err(|error| error.without_url().to_string())?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        parse(&body)
    }
}

/// Reads a JWKS document. Keys for other uses or algorithms than ours are passed over; none left is a problem.
fn parse(document: &[u8]) -> Result<BTreeMap<String, VerifyingKey>, String> {
    let set: JwkSet = serde_json::from_slice(document).map_err(|error| format!("no JWKS document: {error}"))?;
    let mut keys = BTreeMap::new();
    for jwk in &set.keys {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => continue,
        };
        let declared = jwk.common.key_algorithm.map(|declared| declared.to_string());
        let for_us = declared.is_none_or(|declared| declared == format!("{algorithm:?}"))
            && jwk.common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature);
        if for_us && let Ok(key) = DecodingKey::from_jwk(jwk) {
            let id = jwk.common.key_id.clone().unwrap_or_default();
            keys.insert(id, VerifyingKey { algorithm, key });
        }
    }
    if keys.is_empty() {
        return Err("no RS256, ES256 or EdDSA key in the JWKS document".to_owned());
    }
    Ok(keys)
}
