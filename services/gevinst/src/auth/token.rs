//! From a bearer token to a [`Caller`]: signature, algorithm, issuer, audience and times, all of them, or nothing.

use std::collections::BTreeMap;

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    auth::{Caller, CallerKind, Role, TokenRole, keys::Keys},
    config::TokenConfig,
    error::{Error, Result},
    ids::OrganisationId,
};

/// A larger token is not read.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token may say it is, if it says: an access token (RFC 9068), or, as many issuers write, a JWT.
const KINDS: [&str; 2] = ["at+jwt", "JWT"];

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// The claims that are read.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// For each organisation's id, the roles held there. Roles unknown here grant nothing.
    #[serde(default)]
    organisations: BTreeMap<Uuid, Vec<String>>,
}

/// Verifies tokens of one issuer.
pub struct Verifier {
    keys: Keys,
    issuer: String,
    audience: String,
}

impl Verifier {
    /// Reads the keys, where they are a file; begins to fetch them, where they are served.
    pub async fn new(config: &TokenConfig) -> Result<Self, String> {
        Ok(Self {
            keys: Keys::new(&config.keys).await?,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// The caller that an `authorization` header names.
    pub async fn verify(&self, header: &[u8]) -> Result<Caller> {
        let token = match header.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => return Err(Error::TokenInvalid),
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::TokenInvalid);
        }
        let unverified = decode_header(token).map_err(|_| Error::TokenInvalid)?;
        // An extension that must be understood (RFC 7515, 4.1.11) is not, and a token made for something else (a
        // logout, a proof of possession; RFC 8725, 3.11) is none for us, whoever signed it.
        let kind = unverified.typ.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        if unverified.crit.is_some()
            || kind.is_some_and(|kind| !KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)))
        {
            return Err(Error::TokenInvalid);
        }
        let key = self.keys.find(unverified.kid.as_deref()).await?;
        // The algorithm is the key's, never the header's (RFC 8725, 3.1): one that does not match is refused.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Error::TokenExpired,
            _ => Error::TokenInvalid,
        })?;
        let claims = claims.claims;
        if claims.sub.is_empty() || claims.sub.len() > 128 || !claims.sub.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::TokenInvalid);
        }
        let roles = claims.organisations.into_iter().map(|(organisation, names)| {
            let roles = names.iter().filter_map(|name| name.parse::<Role>().ok());
            let roles = roles.map(|role| TokenRole { role, unit: None, grantable: true });
            (OrganisationId::new(organisation), roles.collect())
        });
        Ok(Caller { subject: claims.sub, kind: CallerKind::Person, token_id: None, roles: roles.collect() })
    }
}
