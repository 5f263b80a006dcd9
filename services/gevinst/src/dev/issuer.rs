//! The development issuer: one Ed25519 key in the data directory, tokens for anyone who can read it.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    auth::{
        Role,
        issuers::{self, KeySource},
    },
    ctx::{Clock, Ids},
};

/// `iss` of development tokens.
pub const ISSUER: &str = "https://issuer.gevinst.invalid";

/// `aud` of development tokens.
pub const AUDIENCE: &str = "gevinst";

/// `client_id` of development tokens: what fetched them, on a person's behalf.
const CLIENT: &str = "gevinst-token";

const KEY_ID: &str = "development";

/// Signs development tokens.
pub struct Issuer {
    key: EncodingKey,
    folder: PathBuf,
}

impl Issuer {
    /// Opens the key in the data directory, or makes it there, for its owner's eyes only.
    pub fn open(data: &Path) -> Result<Self, String> {
        let folder = data.join("issuer");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = folder.join("key.der");
        if !path.exists() {
            // Version 1 of PKCS#8: the only one whose public half jsonwebtoken finds again.
            let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
            write(&path, pair.map_err(|error| error.to_string())?.as_ref())?;
        }
        let der = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let issuer = Self { key: EncodingKey::from_ed_der(&der), folder };
        let mut jwk = Jwk::from_encoding_key(&issuer.key, Algorithm::EdDSA).map_err(|error| error.to_string())?;
        jwk.common.key_id = Some(KEY_ID.to_owned());
        let set = serde_json::to_vec(&JwkSet { keys: vec![jwk] }).map_err(|error| error.to_string())?;
        // A server may be reading it: it is written once.
        if fs::read(issuer.jwks_path()).is_ok_and(|there| there == set) {
            return Ok(issuer);
        }
        write(&issuer.jwks_path(), &set)?;
        Ok(issuer)
    }

    /// Where the public key is.
    pub fn jwks_path(&self) -> PathBuf {
        self.folder.join("jwks.json")
    }

    /// What a service needs to know to trust its tokens.
    pub fn trusted(&self) -> issuers::Issuer {
        let keys = KeySource::File(self.jwks_path());
        issuers::Issuer::native(ISSUER.to_owned(), AUDIENCE.to_owned(), keys)
    }

    /// An access token (RFC 9068) for a person with roles in an organisation, good for twelve hours.
    pub fn token(&self, person: &str, organisation: Uuid, roles: &[Role]) -> Result<String, String> {
        self.signed(person, CLIENT, organisation, roles)
    }

    /// The same for a program that acts for itself: its subject is its client id (RFC 9068, 2.2).
    pub fn service_token(&self, service: &str, organisation: Uuid, roles: &[Role]) -> Result<String, String> {
        self.signed(service, service, organisation, roles)
    }

    fn signed(&self, subject: &str, client: &str, organisation: Uuid, roles: &[Role]) -> Result<String, String> {
        let now = Clock::default().now();
        let id = Ids::default().next(now);
        let now = now.unix_timestamp();
        let roles: Vec<&str> = roles.iter().map(|role| role.name()).collect();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "client_id": client,
            "jti": id,
            "iat": now,
            "nbf": now - 5,
            "exp": now + 12 * 3600,
            "organisations": {organisation.to_string(): roles},
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(KEY_ID.to_owned());
        encode(&header, &claims, &self.key).map_err(|error| error.to_string())
    }
}

/// Writes a file whole or not at all, readable by its owner only.
fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let draft = path.with_extension("new");
    let say = |error: std::io::Error| format!("{}: {error}", draft.display());
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft).map_err(say)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(say)?;
    fs::rename(&draft, path).map_err(say)
}
